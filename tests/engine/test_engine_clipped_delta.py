"""The clipped delta against PyTorch's clamp, and beside Huber, which it is often meant to be."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.regression_losses import Huber


@pytest.mark.parametrize("delta", [1.0, 0.25, 40.0], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_clipped_delta_equals_the_square_of_a_clamp_in_autograd(reduction: Any, delta: float) -> None:
    torch: Any = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(7, 3)), generator.normal(size=(7, 3)) * 3.0
    outputs[0], targets[0] = 0.0, [delta, -delta, 0.0]  # exactly at the corners
    gradients = np.full((7, 3), np.nan), np.full((7, 3), np.nan)
    gate = ClippedDelta(delta=delta, reduction=reduction).connect(
        (outputs, targets), np.empty(()), np.ones(()), gradients
    )
    gate.forward()
    gate.backward()
    q, t = torch.tensor(outputs, requires_grad=True), torch.tensor(targets, requires_grad=True)
    terms = torch.clamp(t - q, -delta, delta).square()
    expected = terms.mean() if reduction == "mean" else terms.sum()
    expected.backward()
    assert float(gate.output) == pytest.approx(float(expected.detach()), rel=1e-12)
    np.testing.assert_allclose(gradients[0], q.grad.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradients[1], t.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("residual", [1.5, -3.0, 1e30, np.inf], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_beyond_delta_clipped_delta_has_no_gradient_and_huber_has_one(residual: float, dtype: DTypeLike) -> None:
    slopes = []
    for loss in (ClippedDelta(), Huber()):
        gradient = np.full((1, 1), np.nan, dtype)
        outputs, targets = np.array([[residual]], dtype), np.zeros((1, 1), dtype)
        gate = loss.connect((outputs, targets), np.empty((), dtype), np.ones((), dtype), (gradient, None))
        gate.forward()
        gate.backward()
        slopes.append(float(gradient[0, 0]))
    assert slopes == [0.0, np.sign(residual)]


@pytest.mark.parametrize("delta", [0.0, -1.0, np.inf, np.nan], ids=str)
def test_a_delta_that_is_none_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="delta of clipped_delta must be positive and finite"):
        ClippedDelta(delta=delta)


def test_with_a_run_axis_it_is_bit_identical_to_each_run_alone() -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(3, 6, 2)), generator.normal(size=(3, 6, 2))

    def run(index: Any) -> tuple[Any, Any]:
        inputs = outputs[index].copy(), targets[index].copy()
        runs = inputs[0].shape[:-2]
        gradient = np.empty_like(inputs[0])
        gate = ClippedDelta(delta=0.7).connect(inputs, np.empty(runs), np.ones(runs), (gradient, None))
        gate.forward()
        gate.backward()
        return gate.output, gradient

    losses, gradients = run(slice(None))
    for index in range(3):
        loss, gradient = run(index)
        assert losses[index] == loss
        np.testing.assert_array_equal(gradients[index], gradient)
