"""The losses on logits: exact however large the logits, closed forms, what class weights and odd targets do."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, DTypeLike

from gradvitals.engine.events import Array
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def connect(loss: Loss, outputs: ArrayLike, targets: ArrayLike, dtype: DTypeLike = np.float64) -> Loss:
    arrays = (np.array(outputs, dtype), np.array(targets, dtype))
    runs = arrays[0].shape[:-2]
    gradients = (np.full_like(arrays[0], np.nan), None)
    return loss.connect(arrays, np.empty(runs, dtype), np.ones(runs, dtype), gradients)


def run(loss: Loss) -> tuple[Array, Array]:
    """Compute with every floating-point fault but underflow an error; give sample losses and gradient."""
    with np.errstate(all="raise", under="ignore"):
        loss.forward()
        loss.backward()
    gradient = loss.grad_inputs[0]
    assert gradient is not None
    return loss.sample_losses, gradient


def exact_cross_entropy(logits: list[float], target: int) -> float:
    """Compute −log softmax with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        total = sum((Decimal(logit).exp() for logit in logits), Decimal(0))
        return float(total.ln() - Decimal(logits[target]))


def exact_softmax(logits: list[float]) -> list[float]:
    with localcontext() as context:
        context.prec = 60
        terms = [Decimal(logit).exp() for logit in logits]
        return [float(term / sum(terms)) for term in terms]


def exact_binary_cross_entropy(logit: float, target: float) -> float:
    """Compute log(1 + eˣ) − t·x with 1,000 digits: as many as 1 + e¹⁰⁰⁰ needs."""
    with localcontext() as context:
        context.prec = 1000
        return float((1 + Decimal(logit).exp()).ln() - Decimal(target) * Decimal(logit))


ENORMOUS = [[1000.0, -1000.0], [-1000.0, 1000.0], [1000.0, 1000.0], [-1000.0, -1000.0], [0.0, 0.0], [1000.0, 999.0]]


@DTYPES
@pytest.mark.parametrize("target", [0, 1], ids=["first class", "second class"])
@pytest.mark.parametrize("logits", ENORMOUS, ids=str)
def test_cross_entropy_is_exact_for_enormous_logits(logits: list[float], target: int, dtype: DTypeLike) -> None:
    loss = connect(SoftmaxCrossEntropy(), [logits], np.eye(2)[[target]], dtype)
    losses, gradient = run(loss)
    tolerance = 2 * float(np.finfo(losses.dtype).eps)
    assert float(losses[0]) == pytest.approx(exact_cross_entropy(logits, target), rel=tolerance, abs=tolerance)
    expected = np.array(exact_softmax(logits)) - np.eye(2)[target]
    np.testing.assert_allclose(gradient[0], expected, rtol=0, atol=tolerance)


def test_cross_entropy_of_two_equal_enormous_logits_is_log_two_to_the_bit() -> None:
    losses, gradient = run(connect(SoftmaxCrossEntropy(), [[1000.0, 1000.0]], [[1.0, 0.0]]))
    assert losses.tolist() == [math.log(2.0)]
    assert gradient.tolist() == [[-0.5, 0.5]]


def test_cross_entropy_of_a_confident_wrong_answer_is_the_gap_to_the_bit() -> None:
    losses, gradient = run(connect(SoftmaxCrossEntropy(), [[1000.0, -1000.0]], [[0.0, 1.0]]))
    assert losses.tolist() == [2000.0]
    assert gradient.tolist() == [[1.0, -1.0]]


def test_cross_entropy_takes_distributions_as_targets() -> None:
    logits, targets = [0.3, -1.2, 2.0], [0.2, 0.5, 0.3]
    losses, gradient = run(connect(SoftmaxCrossEntropy(), [logits], [targets]))
    expected = sum(t * exact_cross_entropy(logits, k) for k, t in enumerate(targets))
    assert float(losses[0]) == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(gradient[0], np.array(exact_softmax(logits)) - targets, atol=1e-15)


@DTYPES
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0], ids=str)
@pytest.mark.parametrize("logit", [-1000.0, -30.0, -1.5, 0.0, 0.5, 30.0, 1000.0], ids=str)
def test_binary_cross_entropy_is_exact_for_any_logit(logit: float, target: float, dtype: DTypeLike) -> None:
    loss = connect(BinaryCrossEntropy(), [[logit]], [[target]], dtype)
    losses, gradient = run(loss)
    tolerance = 4 * float(np.finfo(losses.dtype).eps)
    exact = exact_binary_cross_entropy(logit, target)
    # With a soft target the terms cancel: the error is that of the largest of them.
    assert float(losses[0]) == pytest.approx(exact, rel=tolerance, abs=tolerance * target * abs(logit))
    sigmoid = 1.0 / (1.0 + math.exp(-logit)) if logit > -700 else 0.0
    assert float(gradient[0, 0]) == pytest.approx(sigmoid - target, abs=tolerance)


def test_backpropagating_into_the_labels_gives_minus_log_p(connect_gate: Callable[..., Any]) -> None:
    logits = [[1.0, 2.0, 3.0], [-1000.0, -10.0, -8.0]]
    loss = connect_gate(SoftmaxCrossEntropy(), logits, [[0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    loss.forward()
    loss.backward()
    costs = [[exact_cross_entropy(row, target) for target in range(3)] for row in logits]
    np.testing.assert_allclose(loss.grad_inputs[1], np.array(costs) / 2, rtol=1e-14)


def test_class_weights_scale_each_samples_loss_and_are_not_averaged_away() -> None:
    logits, targets = [[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]], np.eye(3)[[1, 0]]
    plain, _ = run(connect(SoftmaxCrossEntropy(), logits, targets))
    loss = connect(SoftmaxCrossEntropy(class_weight=[10.0, 0.5, 1.0]), logits, targets)
    weighted, _ = run(loss)
    np.testing.assert_allclose(weighted, plain * [0.5, 10.0], rtol=1e-15)
    assert float(loss.output) == pytest.approx(float(weighted.sum()) / 2, rel=1e-15)


def test_weights_of_both_labels_scale_the_loss_of_each_label() -> None:
    logits, targets = [[2.0, -1.0], [0.5, 3.0]], [[1.0, 0.0], [0.0, 1.0]]
    one_by_one = np.array(
        [
            [exact_binary_cross_entropy(x, t) for x, t in zip(*row, strict=True)]
            for row in zip(logits, targets, strict=True)
        ]
    )
    weighted, _ = run(connect(BinaryCrossEntropy(class_weight=[0.5, 3.0]), logits, targets))
    np.testing.assert_allclose(weighted, (one_by_one * [[3.0, 0.5], [0.5, 3.0]]).mean(1), rtol=1e-14)
    per_output, _ = run(connect(BinaryCrossEntropy(class_weight=[[0.5, 1.0], [3.0, 7.0]]), logits, targets))
    np.testing.assert_allclose(per_output, (one_by_one * [[3.0, 1.0], [0.5, 7.0]]).mean(1), rtol=1e-14)


def test_several_labels_under_one_softmax_need_to_be_announced(
    connect_gate: Callable[..., Any], assert_gradients_match: Callable[[Any], None]
) -> None:
    logits, labels = [[0.3, -0.2, 1.0]], [[1.0, 0.0, 1.0]]
    assert_gradients_match(connect_gate(SoftmaxCrossEntropy(sums_to_one=False), logits, labels))
    with pytest.raises(AssertionError):
        assert_gradients_match(connect_gate(SoftmaxCrossEntropy(), logits, labels))


def test_labels_that_are_no_labels_still_have_a_binary_cross_entropy() -> None:
    losses, gradient = run(connect(BinaryCrossEntropy(), [[2.0]], [[7.0]]))  # class 7 of ten, at one output
    assert float(losses[0]) == pytest.approx(math.log1p(math.exp(2.0)) - 14.0, rel=1e-15)
    assert float(gradient[0, 0]) == pytest.approx(1.0 / (1.0 + math.exp(-2.0)) - 7.0, rel=1e-15)


# Three classes in the data, the last of them beyond a network of two outputs:
OUTPUTS = ((0.5, -0.5), (1.0, 2.0), (0.0, 3.0))
TARGETS = np.eye(3)[[0, 2, 1]]


def test_labels_beyond_the_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cross_entropy: outputs \(2,\) and targets \(3,\) per sample"):
        SoftmaxCrossEntropy().output_shape((None, 2), (None, 3))


def test_labels_beyond_the_outputs_make_the_loss_nan_as_on_a_gpu() -> None:
    loss = connect(SoftmaxCrossEntropy(labels_beyond="nan"), OUTPUTS, TARGETS)
    losses, gradient = run(loss)
    assert np.isnan(losses).tolist() == [False, True, False]
    assert np.isnan(gradient).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert np.isnan(loss.output)
    assert loss.count_correct() == 2


def test_labels_beyond_the_outputs_are_ignored_as_a_one_hot_encoding_ignores_them() -> None:
    loss = connect(SoftmaxCrossEntropy(labels_beyond="ignore"), OUTPUTS, TARGETS)
    losses, gradient = run(loss)
    without, expected = run(connect(SoftmaxCrossEntropy(), OUTPUTS, TARGETS[:, :2]))
    assert losses.tolist() == [without[0], 0.0, without[2]]
    assert gradient[1].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(gradient[[0, 2]], expected[[0, 2]], rtol=1e-15)
    assert loss.count_correct() == 2


@pytest.mark.parametrize("beyond", ["nan", "ignore"])
def test_labels_beyond_the_outputs_get_no_gradient_of_their_own(beyond: Any) -> None:
    loss = SoftmaxCrossEntropy(labels_beyond=beyond)
    arrays = (np.array(OUTPUTS), TARGETS)
    gate = loss.connect(arrays, np.empty(()), np.ones(()), (None, np.full((3, 3), np.nan)))
    gate.forward()
    gate.backward()
    assert gate.grad_inputs[1] is not None
    assert gate.grad_inputs[1][:, 2].tolist() == [0.0, 0.0, 0.0]
    assert (gate.grad_inputs[1][:, :2] > 0.0).all()


def test_wider_targets_without_a_label_beyond_are_as_good_as_fitting_ones() -> None:
    targets = np.eye(3)[[0, 1, 1]]
    for beyond in ("nan", "ignore"):
        wide = run(connect(SoftmaxCrossEntropy(labels_beyond=beyond), OUTPUTS, targets))
        fitting = run(connect(SoftmaxCrossEntropy(), OUTPUTS, targets[:, :2]))
        for array, expected in zip(wide, fitting, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("changed", "labels", "expected"),
    [
        pytest.param({}, [[1, 0, 1], [0, 0, 1]], [3, 2], id="plain"),
        pytest.param({}, [[1, 0, 2], [2, 1, 0]], [2, 1], id="labels beyond"),
        pytest.param({(0, 1): 3.0, (1, 1): 4.0}, [[1, 1, 1], [0, 0, 1]], [2, 2], id="ties count for the first"),
        pytest.param({(0, 1): np.nan}, [[1, 0, 1], [0, 0, 1]], [3, 2], id="not a number"),
        pytest.param({(0, 1): np.nan, (1, 1): 4.0}, [[1, 0, 1], [0, 1, 1]], [3, 1], id="not a number, and a tie"),
    ],
)
def test_right_answers_of_a_stack_are_those_of_its_runs_where_the_labels_are_known(
    changed: dict[tuple[int, int], float], labels: list[list[int]], expected: list[int]
) -> None:
    outputs = np.array([[[1.0, 2.0], [4.0, 3.0], [0.0, 1.0]], [[2.0, 1.0], [5.0, 4.0], [1.0, 0.0]]])
    for place, value in changed.items():
        outputs[place] = value
    targets = np.eye(max(2, 1 + np.max(labels)))[labels]
    loss = SoftmaxCrossEntropy(labels_beyond="ignore").connect(
        (outputs, targets), np.empty(2), np.ones(2), (np.empty_like(outputs), None)
    )
    loss.forward()
    for counts in (loss.count_correct(), loss.count_correct(targets.argmax(-1))):
        assert np.asarray(counts).tolist() == expected


def test_narrower_targets_stay_refused() -> None:
    with pytest.raises(ValueError, match="must have the same shape"):
        SoftmaxCrossEntropy(labels_beyond="nan").output_shape((None, 3), (None, 2))
