"""Numeric gradients: right on arrays of any shape and type, where the notes' routine is wrong on integers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from gradvitals.engine.events import Array
from gradvitals.engine.expressions import parse_expression
from gradvitals.engine.network import Network
from gradvitals.engine.numeric_gradient import numeric_gradient, numeric_gradients
from gradvitals.engine.training import Samples


def cubes(x: Array) -> Any:
    return (x**3).sum()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_, np.float16, np.float32, np.float64], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,)], ids=str)
def test_the_gradient_is_right_for_every_type_of_number(dtype: type, shape: tuple[int, ...]) -> None:
    point: Array = np.random.default_rng(0).integers(0, 5, shape).astype(dtype)
    before = point.copy()
    gradient = numeric_gradient(cubes, point)
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, 3.0 * point.astype(np.float64) ** 2, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(point, before)


def test_a_list_of_integers_will_do() -> None:
    assert numeric_gradient(lambda x: x[0] * x[1], [4, -3]).tolist() == pytest.approx([-3.0, 4.0])


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e6, 1e15], ids=str)
def test_the_step_grows_with_the_number(size: float) -> None:
    assert float(numeric_gradient(lambda x: x * x, size)) == pytest.approx(2.0 * size, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("point", [[1j], ["a"], [None]], ids=["complex", "text", "object"])
def test_what_is_no_real_number_is_refused(point: ArrayLike) -> None:
    with pytest.raises(TypeError, match="taken at real numbers, and the point is of dtype"):
        numeric_gradient(cubes, point)


def test_a_function_of_several_numbers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must give one number, and it gave an array of shape \(2,\); sum it, say"):
        numeric_gradient(lambda x: x**2, [1.0, 2.0])


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, math.nan, math.inf], ids=str)
def test_a_step_that_is_none_is_refused(epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon must be positive and finite"):
        numeric_gradient(cubes, [1.0], epsilon=epsilon)


def test_circuits_are_differentiated_and_restored_to_the_bit() -> None:
    expression = parse_expression("(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)")
    circuit = expression.evaluate({"x": 3.0, "y": -4.0})
    before = {name: array.copy() for name, array in circuit.values.items()}
    numeric = numeric_gradients(expression.circuit, circuit, expression.names)
    for name in expression.names:
        assert float(numeric[name]) == pytest.approx(float(circuit.gradients[name]), rel=1e-9)
    for name, array in circuit.values.items():
        assert array == before[name], name


def test_the_inputs_of_a_network_are_differentiated_too(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", "mse", (3, 4, 2)), make_samples("mse", 3, 2, 5)
    circuit = network.training_circuit(5)
    circuit.values["inputs"][...], circuit.values["targets"][...] = samples.inputs, samples.targets
    circuit.forward()
    circuit.backward()
    numeric = numeric_gradients(network.circuit, circuit, ["inputs", "hidden_1/weight_and_bias"])
    np.testing.assert_allclose(
        numeric["hidden_1/weight_and_bias"], circuit.gradients["hidden_1/weight_and_bias"], rtol=1e-6, atol=1e-10
    )
    assert numeric["inputs"].shape == (5, 3)


def test_a_float32_circuit_is_refused(make_network: Callable[..., Network]) -> None:
    network = make_network(dtype=np.float32)
    with pytest.raises(TypeError, match="needs a float64 circuit, and 'inputs' is float32"):
        numeric_gradients(network.circuit, network.training_circuit(2), ["inputs"])
