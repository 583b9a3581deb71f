"""Closed forms: what they say, that they agree with the circuit, and how they grow beside it."""

import pytest

from gradvitals.engine.closed_form import (
    BACKWARD_OPERATIONS,
    count_backward_operations,
    count_operations,
    derivative,
    evaluate,
    show,
)
from gradvitals.engine.expression_reader import parse
from gradvitals.engine.expressions import GATES, parse_expression
from gradvitals.engine.primitives import Power, Scale, Shift

POINT = {"x": 1.25, "y": -0.75, "z": 2.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "1"),
        ("y", "0"),
        ("7", "0"),
        ("x + y", "1"),
        ("x - y", "1"),
        ("y - x", "-1"),
        ("-x", "-1"),
        ("x*y", "y"),
        ("x*x", "x + x"),
        ("3*x", "3"),
        ("x/y", "1/y"),
        ("y/x", "-y/x**2"),
        ("x**3", "3*x**2"),
        ("x**2", "2*x"),
        ("x**1", "1"),
        ("x**0", "0"),
        ("sqrt(x)", "0.5*x**-0.5"),
        ("exp(2*x)", "exp(2*x)*2"),
        ("log(x*y)", "y/(x*y)"),
        ("tanh(x)", "1 - tanh(x)**2"),
        ("sigmoid(x)", "sigmoid(x)*(1 - sigmoid(x))"),
        ("max(x, y)", "step(x - y)"),
        ("max(y, 2*x)", "step(2*x - y)*2"),
        ("(x + y)*z", "z"),
        ("exp(-x)", "-exp(-x)"),
        ("1/(1 + exp(-x))", "exp(-x)/(1 + exp(-x))**2"),
    ],
    ids=str,
)
def test_the_derivative_is_the_textbooks(text: str, expected: str) -> None:
    assert show(derivative(parse(text), "x")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x - (y - z)",
        "x - y - z",
        "x/(y/z)",
        "x/y/z",
        "x*(y/z)",
        "(x + y)*(x - y)",
        "-(x + y)",
        "(-x)**2",
        "-x**2",
        "(x**2)**3",
        "x - (-y)",
        "2*(-x)",
        "x**-1.5",
        "max(x, max(y, z)) - exp(x*y)",
        "x + (-3)*y - 1e-20*z",
    ],
)
def test_what_is_shown_reads_back_as_the_same_number(text: str) -> None:
    tree = parse(text)
    assert evaluate(parse(show(tree)), POINT) == pytest.approx(evaluate(tree, POINT), rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)",
        "tanh(x*y - z/x)*max(x, y) - 3/z + 2",
        "log(z + exp(-y))**3 - sqrt(x*z)/x**1.5",
        "max(x*z, max(y, 0.25))*-x",
        "max(x, x)*max(0, 2*x - 2.5)",
        "(x - 1)**0*y + x/(2*y) - (3 - z)/(x*y*z)",
        "-(-x)/-(y/(x - z))",
    ],
)
def test_closed_forms_agree_with_the_circuit(text: str) -> None:
    expression = parse_expression(text)
    point = {name: POINT[name] for name in expression.names}
    circuit = expression.evaluate(point)
    assert evaluate(expression.tree, point) == pytest.approx(float(circuit.values["f"]), rel=1e-14)
    for name in point:
        closed = evaluate(derivative(expression.tree, name), point)
        assert closed == pytest.approx(float(circuit.gradients[name]), rel=1e-12, abs=1e-15)


def test_operations_are_counted_as_written() -> None:
    assert count_operations(parse("x")) == 0
    assert count_operations(parse("-x*y + exp(x)")) == 4


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x + y", 0),
        ("x*y", 2),
        ("x*x", 3),  # two products and their sum
        ("2*(x*y + max(z, w))", 5),
        ("(a + b)*(b + 1)", 3),
        ("max(0, x)", 1),  # nobody wants the gradient on 0
        ("(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)", 17),
    ],
)
def test_backward_operations_are_those_of_the_gates_and_of_the_forks(text: str, count: int) -> None:
    expression = parse_expression(text)
    assert count_backward_operations(expression.circuit, expression.constants) == count


def test_every_gate_of_an_expression_has_a_count() -> None:
    assert {*GATES.values(), Shift, Scale, Power} == set(BACKWARD_OPERATIONS)


def test_a_closed_form_grows_with_the_square_of_the_depth_where_the_circuit_grows_with_it() -> None:
    depths = (10, 20, 40)
    forms, circuits = [], []
    for depth in depths:
        expression = parse_expression("tanh(" * depth + "x" + ")" * depth)
        forms.append(count_operations(derivative(expression.tree, "x")))
        circuits.append(count_backward_operations(expression.circuit))
    assert forms == [depth * (depth + 1) // 2 + 3 * depth - 1 for depth in depths]
    assert circuits == [3 * depth for depth in depths]


@pytest.mark.parametrize(
    "text",
    ["*".join(["x"] * 100), "sigmoid(" * 99 + "x" + ")" * 99, "1/(1+" * 40 + "x" + ")" * 40],
    ids=["product", "sigmoids", "fraction"],
)
def test_the_largest_expressions_are_written_out_all_the_same(text: str) -> None:
    expression = parse_expression(text)
    tree = derivative(expression.tree, "x")
    circuit = expression.evaluate({"x": 0.9})
    assert len(show(tree)) < 200_000
    assert evaluate(tree, {"x": 0.9}) == pytest.approx(float(circuit.gradients["x"]), rel=1e-10)
