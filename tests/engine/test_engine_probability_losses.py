"""The losses on probabilities: what clipping and normalising do, and what happens to what is no probability."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.compound_activations import Softmax
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs, NegativeLogLikelihood


def compute(loss: Any, outputs: Any, targets: Any, dtype: Any = np.float64) -> tuple[Any, Any]:
    """Give sample losses and gradient; faults are ignored, as the training loop does."""
    arrays = (np.array(outputs, dtype), np.array(targets, dtype))
    gate = loss.connect(arrays, np.empty((), dtype), np.ones((), dtype), (np.full_like(arrays[0], np.nan), None))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        gate.forward()
        gate.backward()
    return gate.sample_losses, gate.grad_inputs[0]


def test_cross_entropy_is_minus_the_log_of_the_targets_probability() -> None:
    for clip in (1e-7, None):
        losses, gradient = compute(
            CrossEntropyOnProbs(clip=clip, normalize=False), [[0.2, 0.3, 0.5]], [[0.0, 1.0, 0.0]]
        )
        assert losses.tolist() == pytest.approx([-math.log(0.3)], rel=1e-15)
        np.testing.assert_allclose(gradient, [[0.0, -1.0 / 0.3, 0.0]], rtol=1e-15)


@pytest.mark.parametrize("epsilon", [1e-7, 1e-4], ids=["Keras's", "the notes'"])
def test_clipping_bounds_the_loss_and_stops_the_gradient(epsilon: float) -> None:
    loss = CrossEntropyOnProbs(clip=epsilon)
    losses, gradient = compute(loss, [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert losses.tolist() == pytest.approx([-math.log(epsilon), -math.log(1.0 - epsilon)], rel=1e-12)
    assert (gradient == 0.0).all()


def test_without_clipping_a_probability_of_zero_costs_infinity_if_it_is_the_targets() -> None:
    losses, gradient = compute(CrossEntropyOnProbs(clip=None), [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert losses.tolist() == [math.inf, 0.0]
    np.testing.assert_array_equal(gradient, [[0.0, -math.inf], [-0.5, math.nan]])


def test_normalising_makes_probabilities_of_what_a_relu_puts_out() -> None:
    losses, gradient = compute(CrossEntropyOnProbs(), [[3.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]])
    assert losses.tolist() == pytest.approx([math.log(4.0)], rel=1e-15)
    np.testing.assert_allclose(gradient, [[0.25, 0.25 - 1.0, 0.25]], rtol=1e-14)


def test_normalising_nothing_but_zeros_is_nan_as_in_keras() -> None:
    losses, gradient = compute(CrossEntropyOnProbs(), [[0.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]])
    assert np.isnan(losses).tolist() == [True, False]
    assert np.isnan(gradient).tolist() == [[True, True], [False, False]]


def test_softmax_and_log_apart_are_the_fused_loss_until_probabilities_vanish(connect_gate: Callable[..., Any]) -> None:
    targets = np.eye(3)[[0, 1]]
    for scale, agrees in ((3.0, True), (400.0, False)):
        logits = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 0.3]]) * scale
        fused, fused_gradient = compute(SoftmaxCrossEntropy(), logits, targets)
        softmax = connect_gate(Softmax(), logits)
        softmax.forward()
        losses, gradient = compute(CrossEntropyOnProbs(clip=None), softmax.output, targets)
        softmax.grad_output[...] = gradient
        with np.errstate(invalid="ignore"):
            softmax.backward()
        if agrees:
            np.testing.assert_allclose(losses, fused, rtol=1e-13)
            np.testing.assert_allclose(softmax.grad_inputs[0], fused_gradient, rtol=1e-12)
        else:
            assert np.isfinite(fused).all()
            assert np.isfinite(losses).tolist() == [True, True]  # e^−400 is still a number …
            assert np.isnan(softmax.grad_inputs[0]).any()  # … but e^−1200 was not


def test_double_softmax_never_falls_below_its_floor() -> None:
    probs = np.eye(10)[[0]]  # the best a softmax can do
    losses, _ = compute(SoftmaxCrossEntropy(), probs, probs)
    assert losses.tolist() == pytest.approx([math.log(math.e + 9.0) - 1.0], rel=1e-15)
    assert float(losses[0]) == pytest.approx(1.461, abs=5e-4)


def test_nll_of_probabilities_instead_of_their_logarithms_is_between_minus_one_and_zero() -> None:
    losses, gradient = compute(NegativeLogLikelihood(), [[0.2, 0.8], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert losses.tolist() == [-0.8, -1.0]
    assert gradient.tolist() == [[0.0, -0.5], [-0.5, 0.0]]


def test_nll_of_an_infinite_log_probability_counts_only_for_the_target() -> None:
    losses, _ = compute(NegativeLogLikelihood(), [[0.0, -math.inf], [0.0, -math.inf]], [[1.0, 0.0], [0.0, 1.0]])
    assert losses.tolist() == [0.0, math.inf]


def test_binary_cross_entropy_at_certain_answers_is_clipped_as_in_keras() -> None:
    losses, gradient = compute(BinaryCrossEntropyOnProbs(), [[0.0], [0.0], [1.0]], [[1.0], [0.0], [0.0]])
    assert losses.tolist() == pytest.approx([-math.log(1e-7), -math.log(1.0 - 1e-7), -math.log(1e-7)], rel=1e-8)
    assert gradient.tolist() == [[0.0], [0.0], [0.0]]


def test_binary_cross_entropy_at_certain_answers_is_bounded_at_a_hundred_as_in_pytorch() -> None:
    losses, gradient = compute(BinaryCrossEntropyOnProbs(clip=None), [[0.0], [0.0], [1.0]], [[1.0], [0.0], [0.0]])
    assert losses.tolist() == [100.0, 0.0, 100.0]
    np.testing.assert_allclose(gradient, [[-1e12 / 3], [0.0], [1e12 / 3]], rtol=1e-15)


def test_what_is_no_probability_is_clipped_or_nan() -> None:
    clipped, gradient = compute(BinaryCrossEntropyOnProbs(), [[-3.0], [5.0]], [[1.0], [1.0]])
    assert clipped.tolist() == pytest.approx([-math.log(1e-7), -math.log(1.0 - 1e-7)], rel=1e-8)
    assert gradient.tolist() == [[0.0], [0.0]]
    unclipped, _ = compute(BinaryCrossEntropyOnProbs(clip=None), [[-3.0], [5.0]], [[1.0], [0.0]])
    assert np.isnan(unclipped).all()


def test_binary_cross_entropy_on_a_sigmoid_is_the_fused_loss() -> None:
    logits, targets = np.array([[-2.0, 0.5], [3.0, -0.1]]), [[0.0, 1.0], [0.3, 1.0]]
    probs = 1.0 / (1.0 + np.exp(-logits))
    fused, fused_gradient = compute(BinaryCrossEntropy(class_weight=[0.5, 3.0]), logits, targets)
    for clip in (1e-7, None):
        losses, gradient = compute(BinaryCrossEntropyOnProbs(clip=clip, class_weight=[0.5, 3.0]), probs, targets)
        np.testing.assert_allclose(losses, fused, rtol=1e-13)
        np.testing.assert_allclose(gradient * probs * (1.0 - probs), fused_gradient, rtol=1e-13)


def test_float32_keeps_one_minus_epsilon_below_one() -> None:
    losses, _ = compute(CrossEntropyOnProbs(), [[1.0, 0.0]], [[1.0, 0.0]], np.float32)
    assert 0.0 < float(losses[0]) < 1.3e-7


@pytest.mark.parametrize("clip", [0.0, 0.5, -1e-7, math.nan], ids=str)
@pytest.mark.parametrize("loss", [CrossEntropyOnProbs, BinaryCrossEntropyOnProbs], ids=["categorical", "binary"])
def test_a_clip_out_of_range_is_refused(loss: Any, clip: float) -> None:
    with pytest.raises(ValueError, match=r"clip must be above 0 and below \.5"):
        loss(clip=clip)
