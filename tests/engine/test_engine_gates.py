"""Gates, each by itself: values at known points, gradients against brute-force differences, shapes refused."""

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.events import Array
from gradvitals.engine.gates import Affine, Gate


def connect(
    gate: Gate, inputs: tuple[Array, ...], output_shape: tuple[int, ...], dtype: DTypeLike = np.float64
) -> Gate:
    output, grad_output = np.empty(output_shape, dtype), np.empty(output_shape, dtype)
    return gate.connect(inputs, output, grad_output, tuple(np.full_like(array, np.nan) for array in inputs))


def brute_force(gate: Gate, epsilon: float = 1e-5) -> list[Array]:
    """Differentiate Σ grad_output · output by every entry of every input, two points each."""
    gradients = []
    for array in gate.inputs:
        gradient = np.empty_like(array)
        for index in np.ndindex(array.shape):
            original = array[index]
            sums = []
            for offset in (-epsilon, epsilon):
                array[index] = original + offset
                gate.forward()
                sums.append(float((gate.output * gate.grad_output).sum()))
            array[index] = original
            gradient[index] = (sums[1] - sums[0]) / (2 * epsilon)
        gradients.append(gradient)
    gate.forward()
    return gradients


def away_from_zero(shape: tuple[int, ...]) -> Array:
    """Draw entries of both signs, none so near to 0 that a difference would cross a kink."""
    generator = np.random.default_rng(3)
    entries: Array = generator.uniform(0.05, 3.0, shape) * generator.choice([-1.0, 1.0], shape)
    return entries


@pytest.mark.parametrize(("batch", "fan_in", "fan_out"), [(1, 1, 1), (5, 3, 2), (2, 1, 4)], ids=str)
def test_affine_gradients_match_brute_force_differences(batch: int, fan_in: int, fan_out: int) -> None:
    inputs = np.concatenate([away_from_zero((batch, fan_in)), np.ones((batch, 1))], axis=1)
    gate = connect(Affine(), (inputs, away_from_zero((fan_in + 1, fan_out))), (batch, fan_out))
    gate.grad_output[...] = np.random.default_rng(4).normal(size=gate.output.shape)
    numeric = brute_force(gate)
    grad_inputs = np.empty((batch, fan_in))
    gate.grad_inputs = (grad_inputs, gate.grad_inputs[1])
    gate.backward()
    assert gate.grad_inputs[1] is not None
    np.testing.assert_allclose(grad_inputs, numeric[0][:, :-1], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(gate.grad_inputs[1], numeric[1], rtol=1e-6, atol=1e-8)


def test_affine_writes_the_textbook_values() -> None:
    weights = np.array([[3.0, 5.0, 7.0], [11.0, 13.0, 17.0], [0.5, -0.5, 1.0]])  # the last row is the bias
    grad_inputs, grad_weights = np.empty((1, 2)), np.empty((3, 3))
    grad_output = np.array([[1.0, 10.0, 100.0]])
    gate = Affine().connect(
        (np.array([[1.0, 2.0, 1.0]]), weights), np.empty((1, 3)), grad_output, (grad_inputs, grad_weights)
    )
    gate.forward()
    gate.backward()
    assert gate.output.tolist() == [[25.5, 30.5, 42.0]]
    assert grad_inputs.tolist() == [[753.0, 1841.0]]
    assert grad_weights.tolist() == [[1.0, 10.0, 100.0], [2.0, 20.0, 200.0], [1.0, 10.0, 100.0]]


def test_affine_leaves_out_the_gradients_nobody_wants() -> None:
    grad_weights = np.empty((4, 4))
    gate = Affine().connect((np.ones((2, 4)), np.ones((4, 4))), np.empty((2, 4)), np.ones((2, 4)), (None, grad_weights))
    gate.forward()
    gate.backward()
    assert (grad_weights == 2.0).all()


def test_connecting_leaves_the_described_gate_without_arrays() -> None:
    described = Affine()
    connect(described, (np.ones((2, 4)), np.ones((4, 4))), (2, 4))
    assert not hasattr(described, "output")


@pytest.mark.parametrize(
    "shapes", [((None, 3), (3, 2)), ((None, 3), (2, 4)), ((None,), (2, 4)), ((None, 3), (4,))], ids=str
)
def test_affine_refuses_shapes_that_do_not_fit(shapes: tuple[tuple[int | None, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"does not fit: inputs .*, weight with the bias as last row .*fan_in \+ 1"):
        Affine().output_shape(*shapes)
