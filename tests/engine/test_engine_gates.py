"""Gates, each by itself: values at known points, gradients against brute-force differences, shapes refused."""

import math

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.activations import ACTIVATIONS, LeakyRelu
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Affine, Gate

ACTIVATION_NAMES = sorted(ACTIVATIONS)


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


def assert_gradients_match(gate: Gate) -> None:
    numeric = brute_force(gate)
    gate.backward()
    for analytic, expected in zip(gate.grad_inputs, numeric, strict=True):
        assert analytic is not None
        scale = max(float(np.abs(expected).max()), 1e-3)
        assert float(np.abs(analytic - expected).max()) < 1e-6 * scale


def away_from_zero(shape: tuple[int, ...]) -> Array:
    """Draw entries of both signs, none so near to 0 that a difference would cross a kink."""
    generator = np.random.default_rng(3)
    entries: Array = generator.uniform(0.05, 3.0, shape) * generator.choice([-1.0, 1.0], shape)
    return entries


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (2, 4, 3)], ids=str)
def test_activation_gradient_matches_brute_force_differences(name: str, shape: tuple[int, ...]) -> None:
    gate = connect(ACTIVATIONS[name](), (away_from_zero(shape),), shape)
    gate.grad_output[...] = np.random.default_rng(4).normal(size=shape)
    assert_gradients_match(gate)


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


POINTS = [-800.0, -2.0, 0.0, 2.0, 800.0]
SIGMOID_2 = 1.0 / (1.0 + math.exp(-2.0))
TANH_2 = math.tanh(2.0)
EXPECTED: dict[str, tuple[list[float], list[float]]] = {
    "linear": (POINTS, [1.0] * 5),
    "relu": ([0.0, 0.0, 0.0, 2.0, 800.0], [0.0, 0.0, 0.0, 1.0, 1.0]),
    "leaky_relu": ([-8.0, -0.02, 0.0, 2.0, 800.0], [0.01, 0.01, 0.01, 1.0, 1.0]),
    "sigmoid": (
        [0.0, 1.0 - SIGMOID_2, 0.5, SIGMOID_2, 1.0],
        [0.0, SIGMOID_2 * (1.0 - SIGMOID_2), 0.25, SIGMOID_2 * (1.0 - SIGMOID_2), 0.0],
    ),
    "tanh": ([-1.0, -TANH_2, 0.0, TANH_2, 1.0], [0.0, 1.0 - TANH_2**2, 1.0, 1.0 - TANH_2**2, 0.0]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_activation_is_exact_at_known_points_far_out_and_at_zero(name: str, dtype: DTypeLike) -> None:
    gate = connect(ACTIVATIONS[name](), (np.array([POINTS], dtype),), (1, 5), dtype)
    gate.grad_output[...] = 1.0
    with np.errstate(all="raise", under="ignore"):
        gate.forward()
        gate.backward()
    values, slopes = EXPECTED[name]
    tolerance = 4 * float(np.finfo(gate.output.dtype).eps)
    np.testing.assert_allclose(gate.output, [values], rtol=tolerance, atol=tolerance)
    assert gate.grad_inputs[0] is not None
    np.testing.assert_allclose(gate.grad_inputs[0], [slopes], rtol=tolerance, atol=tolerance)


def test_leaky_relu_takes_its_slope() -> None:
    gate = connect(LeakyRelu(0.25), (np.array([[-4.0, 4.0]]),), (1, 2))
    gate.grad_output[...] = 1.0
    gate.forward()
    gate.backward()
    assert gate.output.tolist() == [[-1.0, 4.0]]
    assert gate.grad_inputs[0].tolist() == [[0.25, 1.0]]  # type: ignore[union-attr]


@pytest.mark.parametrize("slope", [-0.1, 1.0, math.nan], ids=str)
def test_leaky_relu_refuses_a_slope_outside_its_range(slope: float) -> None:
    with pytest.raises(ValueError, match=r"slope of leaky_relu must be in \[0, 1\)"):
        LeakyRelu(slope)


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
