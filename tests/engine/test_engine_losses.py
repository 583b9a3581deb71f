"""Losses, each by itself: closed forms, exactness for enormous logits, brute-force gradients, counts."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.typing import ArrayLike, DTypeLike

from gradvitals.engine.events import Array
from gradvitals.engine.losses import LOSSES, BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy

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


def test_mse_averages_over_outputs_and_batch_without_a_half() -> None:
    loss = connect(MeanSquaredError(), [[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.0], [3.0, 1.0]])
    losses, gradient = run(loss)
    assert losses.tolist() == [2.5, 8.0]
    assert float(loss.output) == 5.25
    assert gradient.tolist() == [[0.5, 1.0], [0.0, 2.0]]


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1), (5, 3), (2, 4, 3)], ids=str)
def test_loss_gradient_matches_brute_force_differences(name: str, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    targets = generator.dirichlet(np.ones(shape[-1]), shape[:-1])
    loss = connect(LOSSES[name](), generator.normal(size=shape), targets)
    outputs, epsilon = loss.inputs[0], 1e-5
    numeric = np.empty(shape)
    for index in np.ndindex(shape):
        original, sums = outputs[index], []
        for offset in (-epsilon, epsilon):
            outputs[index] = original + offset
            loss.forward()
            sums.append(float(loss.output.sum()))
        outputs[index] = original
        numeric[index] = (sums[1] - sums[0]) / (2 * epsilon)
    _, gradient = run(loss)
    assert float(np.abs(gradient - numeric).max()) < 1e-6 * max(float(np.abs(numeric).max()), 1e-3)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_output_is_the_mean_of_the_sample_losses(name: str) -> None:
    generator = np.random.default_rng(0)
    loss = connect(LOSSES[name](), generator.normal(size=(7, 3)), generator.dirichlet(np.ones(3), 7))
    losses, _ = run(loss)
    assert losses.shape == (7,)
    assert float(loss.output) == pytest.approx(math.fsum(losses) / 7, rel=1e-15)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_inputs_are_left_as_they_were(name: str) -> None:
    generator = np.random.default_rng(0)
    loss = connect(LOSSES[name](), generator.normal(size=(7, 3)), generator.dirichlet(np.ones(3), 7))
    before = [array.copy() for array in loss.inputs]
    run(loss)
    for array, copy in zip(loss.inputs, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_cross_entropy_counts_samples_whose_likeliest_class_is_right() -> None:
    loss = connect(SoftmaxCrossEntropy(), [[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [[1.0, 0.0], [0.1, 0.9], [0.0, 1.0]])
    assert loss.count_correct() == 2


def test_binary_cross_entropy_counts_labels() -> None:
    loss = connect(BinaryCrossEntropy(), [[2.0, -1.0], [0.5, 3.0]], [[1.0, 1.0], [0.0, 1.0]])
    assert loss.count_correct() == 2


def test_a_regression_counts_nothing() -> None:
    assert connect(MeanSquaredError(), [[2.0]], [[2.0]]).count_correct() is None


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_outputs_and_targets_of_different_widths_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: outputs \(3,\) and targets \(2,\) per sample"):
        LOSSES[name]().output_shape((None, 3), (None, 2))
