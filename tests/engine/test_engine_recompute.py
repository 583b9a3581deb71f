"""Recomputing: the same gradients to the bit, nothing kept between forward and backward, and the cost counted."""

from collections.abc import Callable

import numpy as np
import pytest

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.expressions import SigmoidForm, parse_expression
from gradvitals.engine.network import Network
from gradvitals.engine.primitives import Exp, Multiply
from gradvitals.engine.recompute import RecomputingCircuit
from gradvitals.engine.training import Samples


def recompute(text: str, point: dict[str, float], sigmoid: SigmoidForm = "fused") -> RecomputingCircuit:
    expression = parse_expression(text, sigmoid=sigmoid)
    gradients = {name: np.full((), np.nan) for name in expression.names}
    circuit = RecomputingCircuit(expression.circuit, {}, gradients, batch=1, dtype=np.float64)
    for name, value in (*point.items(), *expression.constants.items()):
        circuit.values[name][...] = value
    return circuit


@pytest.mark.parametrize("sigmoid", ["fused", "primitive"])
@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("x*y", {"x": 4.0, "y": -3.0}),
        ("(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)", {"x": 3.0, "y": -4.0}),
        ("max(0, x*x*x)*x - exp(x)/tanh(x)", {"x": 0.7}),
    ],
    ids=["product", "the notes' fork", "one name many times"],
)
def test_values_and_gradients_are_those_of_the_cached_circuit_to_the_bit(
    text: str, point: dict[str, float], sigmoid: SigmoidForm
) -> None:
    cached = parse_expression(text, sigmoid=sigmoid).evaluate(point)
    circuit = recompute(text, point, sigmoid)
    for _ in range(2):  # and nothing is left over from the first time
        circuit.forward()
        circuit.backward()
        assert circuit.values["f"] == cached.values["f"]
        for name in point:
            assert circuit.gradients[name] == cached.gradients[name]


def test_between_forward_and_backward_only_the_output_is_kept() -> None:
    circuit = recompute("(x + y)*(x + 1)*y", {"x": 1.0, "y": 2.0})
    circuit.forward()
    assert set(circuit.values) == {"x", "y", "f"}


def test_a_chain_of_n_gates_takes_half_of_n_squared_evaluations_and_two_arrays() -> None:
    circuit = recompute("exp(-" * 10 + "x" + ")" * 10, {"x": 0.5})
    circuit.forward()
    assert (circuit.evaluations, circuit.most_held) == (20, 2)
    circuit.backward()
    assert (circuit.evaluations, circuit.most_held) == (20 + 20 * 21 // 2, 2)


@pytest.mark.parametrize("activation", ["tanh", "relu", "maxout", "prelu"])
def test_a_network_gets_the_same_gradients(
    activation: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(activation, "cross_entropy", (3, 6, 5, 4)), make_samples("cross_entropy", 3, 4, 7)
    trained = network.training_circuit(7)
    gradients = network.circuit_parameters(np.full_like(network.gradients, np.nan))
    parameters = network.circuit_parameters(network.parameters)
    circuit = RecomputingCircuit(network.circuit, parameters, gradients, batch=7, dtype=np.float64)
    for connected in (trained, circuit):
        connected.values["inputs"][...] = samples.inputs
        connected.values["targets"][...] = samples.targets
        connected.forward()
        connected.backward()
    assert circuit.values["loss"] == trained.values["loss"]
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, trained.gradients[name], rtol=1e-12, atol=1e-15)


def test_a_value_that_does_not_reach_the_output_has_the_gradient_zero() -> None:
    circuit = Circuit()
    x, y = circuit.input("x"), circuit.input("y")
    circuit.gate("nowhere", Exp(), x)
    circuit.gate("f", Multiply(), y, y)
    gradients = {name: np.full((), np.nan) for name in ("x", "y")}
    for kind in (ConnectedCircuit, RecomputingCircuit):
        connected = kind(circuit, {}, gradients, batch=1, dtype=np.float64)
        connected.values["y"][...] = 3.0
        connected.forward()
        connected.backward()
        assert {name: float(gradient) for name, gradient in gradients.items()} == {"x": 0.0, "y": 6.0}


def test_gradients_nobody_wants_cost_nothing() -> None:
    expression = parse_expression("exp(x)*exp(y)")
    circuit = RecomputingCircuit(expression.circuit, {}, {}, batch=1, dtype=np.float64)
    circuit.forward()
    circuit.backward()
    assert (float(circuit.values["f"]), circuit.evaluations) == (1.0, 3)
