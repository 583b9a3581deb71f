"""What all losses have in common: gradients on outputs and labels, reductions, counts, extremes, the run axis."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.catalogue import LOSSES, LOSSES_ON_PROBS
from gradvitals.engine.classification_losses import BinaryLoss, CategoricalLoss
from gradvitals.engine.events import Array
from gradvitals.engine.hinge_losses import BinaryHinge, Hinge
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs, NegativeLogLikelihood
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError, RegressionLoss

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
WEIGHTS, WEIGHTS_OF_BOTH = [0.5, 2.0, 1.5], [0.5, 3.0]
VARIANTS: dict[str, Callable[..., Loss]] = {
    **LOSSES,
    **{f"{name} on probs": loss for name, loss in LOSSES_ON_PROBS.items()},
    "cross_entropy, weights": lambda **k: SoftmaxCrossEntropy(class_weight=WEIGHTS, **k),
    "cross_entropy, any targets": lambda **k: SoftmaxCrossEntropy(sums_to_one=False, **k),
    "cross_entropy on probs, weights": lambda **k: CrossEntropyOnProbs(class_weight=WEIGHTS, **k),
    "cross_entropy on probs, unclipped": lambda **k: CrossEntropyOnProbs(clip=None, **k),
    "cross_entropy on probs, clipped, not normalized": lambda **k: CrossEntropyOnProbs(normalize=False, **k),
    "nll, weights": lambda **k: NegativeLogLikelihood(class_weight=WEIGHTS, **k),
    "binary_cross_entropy, weights": lambda **k: BinaryCrossEntropy(class_weight=WEIGHTS_OF_BOTH, **k),
    "binary_cross_entropy on probs, weights": lambda **k: BinaryCrossEntropyOnProbs(class_weight=WEIGHTS_OF_BOTH, **k),
    "binary_cross_entropy on probs, unclipped": lambda **k: BinaryCrossEntropyOnProbs(clip=None, **k),
    "hinge, weights": lambda **k: Hinge(class_weight=WEIGHTS, **k),
    "binary_hinge, weights": lambda **k: BinaryHinge(class_weight=WEIGHTS_OF_BOTH, **k),
    "huber, delta .3": lambda **k: Huber(delta=0.3, **k),
}
EVERY_VARIANT = pytest.mark.parametrize("variant", VARIANTS)
ON_PROBS = {variant for variant in VARIANTS if " on probs" in variant}


def draw(variant: str, shape: tuple[int, ...], seed: int = 0) -> tuple[Array, Array]:
    """Draw outputs, probabilities where they need to be, and targets that are one class, with none on a kink."""
    generator = np.random.default_rng(seed)
    outputs = generator.uniform(0.05, 0.95, shape) if variant in ON_PROBS else generator.normal(size=shape)
    loss = VARIANTS[variant]()
    targets: Array
    if isinstance(loss, RegressionLoss):
        targets = outputs + generator.uniform(0.05, 0.25, shape) * generator.choice([-6.0, -1.0, 1.0, 6.0], shape)
    elif isinstance(loss, BinaryLoss):
        targets = generator.integers(0, 2, shape).astype(np.float64)
    else:
        targets = np.eye(shape[-1])[generator.integers(0, shape[-1], shape[:-1])]
    return outputs, targets


def connect(loss: Loss, outputs: Array, targets: Array, dtype: DTypeLike = np.float64) -> Loss:
    """Connect with a gradient on the outputs only."""
    arrays = (np.array(outputs, dtype), np.array(targets, dtype))
    runs = arrays[0].shape[:-2]
    gradients = (np.full_like(arrays[0], np.nan), None)
    return loss.connect(arrays, np.full(runs, np.nan, dtype), np.ones(runs, dtype), gradients)


def run(loss: Loss) -> tuple[Array, Array]:
    """Compute with every floating-point fault but underflow an error; give sample losses and gradient."""
    with np.errstate(all="raise", under="ignore"):
        loss.forward()
        loss.backward()
    gradient = loss.grad_inputs[0]
    assert gradient is not None
    return loss.sample_losses, gradient


@EVERY_VARIANT
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(1, 3), (5, 3), (2, 4, 3)], ids=str)
def test_gradients_on_outputs_and_labels_match_brute_force_differences(
    variant: str, reduction: str, shape: tuple[int, ...], assert_gradients_match: Callable[[Any], None]
) -> None:
    loss = VARIANTS[variant](reduction=reduction)
    arrays = draw(variant, shape)
    gradients = tuple(np.full(shape, np.nan) for _ in arrays)
    wanted = (gradients[0], None) if isinstance(loss, Hinge) else gradients
    assert_gradients_match(loss.connect(arrays, np.empty(shape[:-2]), np.ones(shape[:-2]), wanted))


@pytest.mark.parametrize(
    "variant", [variant for variant, make in VARIANTS.items() if isinstance(make(), CategoricalLoss | BinaryLoss)]
)
def test_gradients_match_for_soft_labels_too(variant: str, assert_gradients_match: Callable[[Any], None]) -> None:
    outputs, _ = draw(variant, (5, 3))
    targets = np.random.default_rng(1).dirichlet(np.ones(3), 5)
    gradients = (np.full((5, 3), np.nan), np.full((5, 3), np.nan))
    assert_gradients_match(VARIANTS[variant]().connect((outputs, targets), np.empty(()), np.ones(()), gradients))


@pytest.mark.parametrize("variant", [variant for variant, make in VARIANTS.items() if not isinstance(make(), Hinge)])
def test_gradient_on_the_labels_may_be_wanted_alone(variant: str, connect_gate: Callable[..., Any]) -> None:
    loss, arrays = VARIANTS[variant](), draw(variant, (5, 3))
    both = connect_gate(loss, *arrays)
    run(both)
    gradient = np.full((5, 3), np.nan)
    alone = loss.connect(both.inputs, np.empty(()), np.ones(()), (None, gradient))
    alone.forward()
    alone.backward()
    np.testing.assert_array_equal(gradient, both.grad_inputs[1])
    assert np.isfinite(gradient).all()


@EVERY_VARIANT
def test_going_backward_or_through_all_again_gives_the_same_bits(variant: str) -> None:
    loss = connect(VARIANTS[variant](), *draw(variant, (5, 3)))
    losses, gradient = (array.copy() for array in run(loss))
    loss.backward()
    np.testing.assert_array_equal(loss.grad_inputs[0], gradient)
    again, gradient_again = run(loss)
    np.testing.assert_array_equal(again, losses)
    np.testing.assert_array_equal(gradient_again, gradient)


@EVERY_VARIANT
def test_output_is_the_mean_of_the_sample_losses(variant: str) -> None:
    loss = connect(VARIANTS[variant](), *draw(variant, (7, 3)))
    losses, _ = run(loss)
    assert losses.shape == (7,)
    assert float(loss.output) == pytest.approx(math.fsum(losses) / 7, rel=1e-14)


@EVERY_VARIANT
def test_sum_is_the_mean_times_all_it_was_averaged_over(variant: str) -> None:
    arrays = draw(variant, (7, 3))
    mean, total = (connect(VARIANTS[variant](reduction=reduction), *arrays) for reduction in ("mean", "sum"))
    (losses, gradient), (losses_of_sum, gradient_of_sum) = run(mean), run(total)
    count = 7 if isinstance(mean, CategoricalLoss | Hinge) else 21
    np.testing.assert_array_equal(losses_of_sum, losses)
    assert float(total.output) == pytest.approx(count * float(mean.output), rel=1e-14)
    np.testing.assert_allclose(gradient_of_sum, count * gradient, rtol=1e-14)


@EVERY_VARIANT
def test_inputs_are_left_as_they_were(variant: str) -> None:
    loss = connect(VARIANTS[variant](), *draw(variant, (7, 3)))
    before = [array.copy() for array in loss.inputs]
    run(loss)
    for array, copy in zip(loss.inputs, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@DTYPES
@EVERY_VARIANT
@pytest.mark.parametrize("shape", [(1, 3), (2, 3), (9, 3), (33, 3), (127, 3)], ids=str)
def test_stacked_runs_are_bit_identical_to_each_run_alone(
    variant: str, shape: tuple[int, int], dtype: DTypeLike
) -> None:
    runs = [draw(variant, shape, seed) for seed in range(5)]
    outputs, targets = (np.stack(arrays) for arrays in zip(*runs, strict=True))
    stacked = connect(VARIANTS[variant](), outputs, targets, dtype)
    losses, gradients = run(stacked)
    counts = stacked.count_correct()
    for number, arrays in enumerate(runs):
        alone = connect(VARIANTS[variant](), *arrays, dtype)
        expected_losses, expected_gradient = run(alone)
        assert losses[number].tobytes() == expected_losses.tobytes()
        assert stacked.output[number].tobytes() == alone.output.tobytes()
        assert gradients[number].tobytes() == expected_gradient.tobytes()
        assert (counts is None) == (alone.count_correct() is None)
        assert counts is None or counts[number] == alone.count_correct()  # type: ignore[index]
    assert repr(stacked.count_correct(targets.argmax(-1))) == repr(counts)


@DTYPES
@pytest.mark.parametrize("width", [1, 2, 8, 10, 33, 129])
@pytest.mark.parametrize("variant", [*LOSSES, *(f"{name} on probs" for name in LOSSES_ON_PROBS)])
def test_stacked_runs_are_bit_identical_for_every_width(variant: str, width: int, dtype: DTypeLike) -> None:
    for batch in (1, 17):
        runs = [draw(variant, (batch, width), seed) for seed in range(3)]
        outputs, targets = (np.stack(arrays) for arrays in zip(*runs, strict=True))
        losses, gradients = run(connect(VARIANTS[variant](), outputs, targets, dtype))
        for number, arrays in enumerate(runs):
            expected_losses, expected_gradient = run(connect(VARIANTS[variant](), *arrays, dtype))
            assert losses[number].tobytes() == expected_losses.tobytes()
            assert gradients[number].tobytes() == expected_gradient.tobytes()


@EVERY_VARIANT
def test_arrays_with_gaps_between_their_rows_give_the_same_bits(variant: str) -> None:
    arrays = draw(variant, (5, 3))
    losses, gradient = run(connect(VARIANTS[variant](), *arrays))
    views = tuple(np.concatenate([array, np.full((5, 1), 7.0)], axis=1)[:, :-1] for array in arrays)
    grad_view = np.full((5, 4), 7.0)[:, :-1]
    gapped = VARIANTS[variant]().connect(views, np.empty(()), np.ones(()), (grad_view, None))
    run(gapped)
    np.testing.assert_array_equal(gapped.sample_losses, losses)
    np.testing.assert_array_equal(grad_view, gradient)


@DTYPES
@pytest.mark.parametrize("size", [1e3, 1e15], ids=["thousand", "enormous"])
@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant not in ON_PROBS])
def test_enormous_outputs_of_both_signs_give_finite_numbers_without_a_warning(
    variant: str, size: float, dtype: DTypeLike
) -> None:
    outputs, targets = draw(variant, (6, 3))
    loss = connect(VARIANTS[variant](), np.sign(outputs) * size, targets, dtype)
    losses, gradient = run(loss)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()


@EVERY_VARIANT
def test_nan_of_one_sample_harms_the_mean_and_no_other_sample(variant: str) -> None:
    outputs, targets = draw(variant, (3, 3))
    expected, _ = run(connect(VARIANTS[variant](), outputs, targets))
    outputs[1] = np.nan
    loss = connect(VARIANTS[variant](), outputs, targets)
    losses, gradient = run(loss)
    assert np.isnan(losses[1])
    assert np.isnan(loss.output)
    assert losses[[0, 2]].tolist() == expected[[0, 2]].tolist()
    assert np.isfinite(gradient[[0, 2]]).all()


@EVERY_VARIANT
def test_infinite_outputs_raise_nothing_where_the_training_loop_ignores_faults(variant: str) -> None:
    outputs, targets = draw(variant, (3, 3))
    outputs[0], outputs[1] = np.inf, -np.inf
    loss = connect(VARIANTS[variant](), outputs, targets)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        loss.forward()
        loss.backward()
    assert math.isfinite(float(loss.sample_losses[2]))


@EVERY_VARIANT
def test_mean_over_a_batch_of_nothing_is_nan_as_in_numpy(variant: str) -> None:
    loss = connect(VARIANTS[variant](), *draw(variant, (0, 3)))
    losses, gradient = run(loss)
    assert losses.shape == (0,)
    assert gradient.shape == (0, 3)
    assert np.isnan(loss.output)
    assert loss.count_correct() in {None, 0}


@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), NegativeLogLikelihood(), CrossEntropyOnProbs(), Hinge()], ids=lambda loss: loss.name
)
def test_samples_are_counted_whose_likeliest_class_is_right(loss: Loss) -> None:
    gate = connect(loss, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([[1.0, 0.0], [0.1, 0.9], [0.0, 1.0]]))
    assert (gate.count_correct(), loss.scores_labels) == (2, False)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), BinaryHinge()], ids=lambda loss: loss.name)
def test_labels_are_counted_on_the_right_side_of_zero(loss: Loss) -> None:
    gate = connect(loss, np.array([[2.0, -1.0], [0.4, 3.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    assert (gate.count_correct(), loss.scores_labels) == (2, True)


def test_labels_on_probs_are_counted_on_the_right_side_of_a_half() -> None:
    loss = BinaryCrossEntropyOnProbs()
    gate = connect(loss, np.array([[0.8, 0.1], [0.4, 0.9]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    assert (gate.count_correct(), loss.scores_labels) == (3, True)


@EVERY_VARIANT
@pytest.mark.parametrize("shape", [(7, 3), (2, 7, 3)], ids=str)
def test_scores_of_the_samples_add_up_to_the_count(variant: str, shape: tuple[int, ...]) -> None:
    loss = connect(VARIANTS[variant](), *draw(variant, shape))
    scores = loss.score_samples()
    if isinstance(loss, RegressionLoss):
        assert scores is None
    else:
        count = loss.count_correct()
        assert scores is not None
        assert count is not None
        np.testing.assert_allclose(scores.sum(-1) * (3 if loss.scores_labels else 1), count, rtol=1e-14)


@pytest.mark.parametrize("loss", [MeanSquaredError(), MeanAbsoluteError(), Huber()], ids=lambda loss: loss.name)
def test_a_regression_counts_nothing(loss: Loss) -> None:
    assert connect(loss, np.array([[2.0]]), np.array([[2.0]])).count_correct() is None


@EVERY_VARIANT
@pytest.mark.parametrize("targets", [(None, 2), (None, 4), (None, 1), (None,)], ids=str)
def test_targets_of_another_shape_are_refused(variant: str, targets: tuple[int | None, ...]) -> None:
    loss = VARIANTS[variant]()
    with pytest.raises(
        ValueError, match=rf"{loss.name}: outputs \(3,\) and targets \(.*\) per sample must have the same"
    ):
        loss.output_shape((None, 3), targets)


@pytest.mark.parametrize("loss", [*LOSSES.values(), *LOSSES_ON_PROBS.values()], ids=lambda loss: loss.__name__)
def test_outputs_without_an_axis_of_their_own_are_refused(loss: Callable[..., Loss]) -> None:
    with pytest.raises(ValueError, match=r"outputs must be \(batch, outputs\), got \(batch\)"):
        loss().output_shape((None,), (None,))


@EVERY_VARIANT
def test_an_unknown_reduction_is_refused(variant: str) -> None:
    with pytest.raises(ValueError, match="the reduction must be 'mean' or 'sum', got 'none'"):
        VARIANTS[variant](reduction="none")


WEIGHABLE = [loss for loss in (*LOSSES.values(), *LOSSES_ON_PROBS.values()) if not issubclass(loss, RegressionLoss)]


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0, math.nan], [1.0, math.inf]], ids=str)
@pytest.mark.parametrize("loss", WEIGHABLE, ids=lambda loss: loss.__name__)
def test_class_weights_that_are_no_weights_are_refused(loss: Callable[..., Loss], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="class_weight must be finite and not negative"):
        loss(class_weight=weights)


@pytest.mark.parametrize("loss", WEIGHABLE, ids=lambda loss: loss.__name__)
def test_class_weights_of_another_number_are_refused(loss: Callable[..., Loss]) -> None:
    with pytest.raises(ValueError, match="class_weight needs a number"):
        loss(class_weight=[1.0, 2.0, 3.0, 4.0]).output_shape((None, 3), (None, 3))


@pytest.mark.parametrize("loss", [MeanSquaredError, MeanAbsoluteError, Huber], ids=lambda loss: loss.name)
@pytest.mark.parametrize(
    ("outputs", "targets", "right"),
    [
        ([[0.1, 0.3, 0.2], [0.9, 0.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1.0, 0.0]),
        ([[1.4], [2.6], [0.4]], [[1.0], [2.0], [0.0]], [1.0, 0.0, 1.0]),
        ([[0.1, 0.3, 0.2], [0.9, 0.0, 0.0]], [[1.0], [2.0]], [1.0, 0.0]),
        ([[1.4], [2.6]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1.0, 0.0]),
    ],
    ids=["one-hot", "numbers", "many outputs and a number", "one output and one-hot"],
)
def test_a_squared_error_of_classes_can_be_right(loss: Any, outputs: Any, targets: Any, right: list[float]) -> None:
    for of_classes in (True, False):
        arrays = (np.array(outputs), np.array(targets))
        gate = loss(of_classes=of_classes).connect(arrays, np.zeros(()), np.ones(()), (None, None))
        gate.forward()
        assert gate.count_correct() == (sum(right) if of_classes else None)
        scores = gate.score_samples()
        assert (scores.tolist() if of_classes else scores) == (right if of_classes else None)
