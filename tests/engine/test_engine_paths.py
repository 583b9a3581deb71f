"""Paths: all of them, each with its product, and their sum is the gradient."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.expressions import parse_expression
from gradvitals.engine.gates import Gate
from gradvitals.engine.paths import TooManyPathsError, count_paths, find_paths
from gradvitals.engine.primitives import Add, Exp, Multiply, Scale


def test_a_fork_makes_a_path_each() -> None:
    expression = parse_expression("(a + b)*(b + 1)")
    circuit = expression.evaluate({"a": 2.0, "b": 1.0})
    paths = find_paths(expression.circuit, circuit.values, "b")
    assert [(path.values, path.local_gradients, path.product) for path in paths] == [
        (("b", "q1", "f"), (1.0, 2.0), 2.0),
        (("b", "q2", "f"), (1.0, 3.0), 3.0),
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x*x", 2),
        ("x*x*x*x*x", 5),
        ("(x + x)*(x + x)*(x + x)", 6),
        ("(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)", 3),
        ("max(x, 2*x) - exp(x)/x", 4),
    ],
)
def test_the_products_add_up_to_the_gradient(text: str, count: int) -> None:
    expression = parse_expression(text)
    point = dict.fromkeys(expression.names, 1.5)
    circuit = expression.evaluate(point)
    for name in expression.names:
        paths = find_paths(expression.circuit, circuit.values, name)
        total = sum(path.product for path in paths)
        assert total == pytest.approx(float(circuit.gradients[name]), rel=1e-13)
    assert count_paths(expression.circuit, "x") == len(find_paths(expression.circuit, circuit.values, "x")) == count


def doubling(levels: int) -> tuple[Circuit, ConnectedCircuit]:
    """Draw x + x, that plus itself, and so on: the paths double at every level."""
    circuit = Circuit()
    value = circuit.input("x")
    for level in range(levels):
        value = circuit.gate(f"q{level}", Add(), value, value)
    connected = ConnectedCircuit(circuit, {}, {"x": np.zeros(())}, batch=1, dtype=np.float64)
    connected.values["x"][...] = 1.0
    connected.forward()
    connected.backward()
    return circuit, connected


def test_paths_double_with_every_fork_and_are_counted_without_being_listed() -> None:
    circuit, connected = doubling(200)
    assert count_paths(circuit, "x") == 2**200
    assert float(connected.gradients["x"]) == 2.0**200
    with pytest.raises(TooManyPathsError, match=f"^{2**200} paths lead from x to the output, and 1000 are the most"):
        find_paths(circuit, connected.values, "x")


def test_as_many_paths_as_allowed_are_listed() -> None:
    circuit, connected = doubling(4)
    assert len(find_paths(circuit, connected.values, "x", most=16)) == 16
    with pytest.raises(TooManyPathsError, match=r"^16 paths"):
        find_paths(circuit, connected.values, "x", most=15)


def test_a_path_may_be_long() -> None:
    circuit = Circuit()
    value = circuit.input("x")
    for number in range(3000):
        value = circuit.gate(f"q{number}", Scale(-1.0), value)
    connected = ConnectedCircuit(circuit, {}, {}, batch=1, dtype=np.float64)
    (path,) = find_paths(circuit, connected.values, "x")
    assert (len(path.values), path.product) == (3001, 1.0)


def test_paths_start_at_any_value() -> None:
    expression = parse_expression("(a + b)*(b + 1)")
    circuit = expression.evaluate({"a": 2.0, "b": 1.0})
    (path,) = find_paths(expression.circuit, circuit.values, "q2")
    assert (path.values, path.product) == (("q2", "f"), 3.0)
    (path,) = find_paths(expression.circuit, circuit.values, "f")
    assert (path.values, path.product) == (("f",), 1.0)


def test_a_value_that_does_not_reach_the_output_has_no_path() -> None:
    circuit = Circuit()
    x, y = circuit.input("x"), circuit.input("y")
    circuit.gate("nowhere", Exp(), x)
    circuit.gate("f", Multiply(), y, y)
    connected = ConnectedCircuit(circuit, {}, {}, batch=1, dtype=np.float64)
    assert find_paths(circuit, connected.values, "x") == []


def test_an_unknown_value_is_refused() -> None:
    circuit, connected = doubling(1)
    with pytest.raises(ValueError, match="no value named 'z'"):
        find_paths(circuit, connected.values, "z")


def test_values_that_are_no_single_numbers_are_refused() -> None:
    circuit = Circuit()
    gate: Gate = Exp()
    circuit.gate("f", gate, circuit.input("x", None, 3))
    connected: Any = ConnectedCircuit(circuit, {}, {}, batch=2, dtype=np.float64)
    with pytest.raises(ValueError, match=r"'x' has the shape \(2, 3\)"):
        find_paths(circuit, connected.values, "x")
