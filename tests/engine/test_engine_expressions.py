"""Expressions: which gates they become, what they compute, and one sentence for everything that is no arithmetic."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.expression_reader import MAX_DEPTH, MAX_LENGTH, parse
from gradvitals.engine.expression_tree import ExpressionError, Name, Number, Operation, names_of
from gradvitals.engine.expressions import Expression, SigmoidForm, parse_expression
from gradvitals.engine.numeric_gradient import numeric_gradients

POINT = {"x": 1.25, "y": -0.75, "z": 2.5, "w": 0.5}


def gates(expression: Expression) -> list[str]:
    return [
        f"{placed.output.name} = {name(placed.gate)} {' '.join(value.name for value in placed.inputs)}"
        for placed in expression.circuit.gates
    ]


def name(gate: Any) -> str:
    return gate.name if gate.name in {"sigmoid", "tanh"} else str(gate)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x*y", ["f = multiply x y"]),
        ("(x + y)*z", ["q1 = add x y", "f = multiply q1 z"]),
        ("2*x", ["f = scale by 2 x"]),
        ("x*2", ["f = scale by 2 x"]),
        ("x + 1", ["f = shift by 1 x"]),
        ("x - 1", ["f = shift by -1 x"]),
        ("1 - x", ["q1 = scale by -1 x", "f = shift by 1 q1"]),
        ("x - y", ["q1 = scale by -1 y", "f = add x q1"]),
        ("-x", ["f = scale by -1 x"]),
        ("+x*y", ["f = multiply x y"]),
        ("1/x", ["f = reciprocal x"]),
        ("3/x", ["q1 = reciprocal x", "f = scale by 3 q1"]),
        ("x/4", ["f = scale by 0.25 x"]),
        ("x/y", ["q1 = reciprocal y", "f = multiply x q1"]),
        ("x**2", ["f = power 2 x"]),
        ("x**-1", ["f = power -1 x"]),
        ("-x**2", ["q1 = power 2 x", "f = scale by -1 q1"]),
        ("sqrt(x)", ["f = power 0.5 x"]),
        ("max(x, y, z)", ["q1 = max x y", "f = max q1 z"]),
        ("max(0, x)", ["f = max 0 x"]),
        ("2*3*x + 10**2", ["q1 = scale by 6 x", "f = shift by 100 q1"]),
        ("log(exp(x))", ["q1 = exp x", "f = log q1"]),
        ("tanh(x)", ["f = tanh x"]),
        ("σ(x)", ["f = sigmoid x"]),
        ("q1 + f", ["f_ = add q1 f"]),
        ("x*x", ["f = multiply x x"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_expression_becomes_these_gates(text: str, expected: list[str]) -> None:
    assert gates(parse_expression(text)) == expected


def test_a_sigmoid_is_four_primitive_gates_on_request() -> None:
    assert gates(parse_expression("sigmoid(x)", sigmoid="primitive")) == [
        "q1 = scale by -1 x",
        "q2 = exp q1",
        "q3 = shift by 1 q2",
        "f = reciprocal q3",
    ]


IN_PYTORCH: dict[str, Callable[..., Any]] = {
    "x*y + y*z - w": lambda _, x, y, z, w: x * y + y * z - w,
    "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)": lambda torch, x, y: (
        (x + torch.sigmoid(y)) / (torch.sigmoid(x) + (x + y) ** 2)
    ),
    "tanh(x*y - z/w)*max(x, y) - 3/z + 2": lambda torch, x, y, z, w: (
        torch.tanh(x * y - z / w) * torch.maximum(x, y) - 3 / z + 2
    ),
    "log(z + exp(-y))**3 - sqrt(x*z)/x**1.5": lambda torch, z, y, x: (
        torch.log(z + torch.exp(-y)) ** 3 - torch.sqrt(x * z) / x**1.5
    ),
    "max(x*w, max(y, 0.25))*-x": lambda torch, x, w, y: (
        torch.maximum(x * w, torch.maximum(y, torch.full_like(y, 0.25))) * -x
    ),
    "1/(1 + exp(-(x*y + z*w + 1)))": lambda torch, x, y, z, w: 1 / (1 + torch.exp(-(x * y + z * w + 1))),
    "x - (y - (z - (w - 1)))": lambda _, x, y, z, w: x - (y - (z - (w - 1))),
}


@pytest.mark.parametrize("sigmoid", ["fused", "primitive"])
@pytest.mark.parametrize("text", IN_PYTORCH)
def test_values_and_gradients_are_those_of_pytorch_and_of_differences(text: str, sigmoid: SigmoidForm) -> None:
    torch: Any = pytest.importorskip("torch")
    expression = parse_expression(text, sigmoid=sigmoid)
    point = {name: POINT[name] for name in expression.names}
    circuit = expression.evaluate(point)
    tensors = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in point.items()}
    expected = IN_PYTORCH[text](torch, **tensors)
    expected.backward()
    assert float(circuit.values[expression.output]) == pytest.approx(expected.item(), rel=1e-14)
    analytic = {name: float(circuit.gradients[name]) for name in point}
    for name, tensor in tensors.items():
        assert analytic[name] == pytest.approx(tensor.grad.item(), rel=1e-12)
    numeric = numeric_gradients(expression.circuit, circuit, point)
    assert {name: float(array) for name, array in numeric.items()} == pytest.approx(analytic, rel=1e-6, abs=1e-9)


def test_names_come_in_the_order_in_which_they_are_read() -> None:
    assert parse_expression("w*z + max(y, w) - x").names == ("w", "z", "y", "x")
    assert names_of(parse("b + a*b")) == ("b", "a")


def test_numbers_that_are_values_get_no_gradient() -> None:
    expression = parse_expression("max(0, x) + max(y, 0.1) + max(0, y)")
    assert expression.constants == {"0": 0.0, "0.1": 0.1}
    assert set(expression.evaluate({"x": 1.0, "y": 2.0}).gradients).isdisjoint(expression.constants)


def test_precedence_is_that_of_arithmetic() -> None:
    assert parse("-x**2") == Operation("neg", (Operation("**", (Name("x"), Number(2.0))),))
    assert parse("2**3**2*x") == Operation("*", (Number(512.0), Name("x")))
    assert parse("x - 1 - 2") == Operation("-", (Operation("-", (Name("x"), Number(1.0))), Number(2.0)))


REFUSED: dict[str, str] = {
    "x.y": "column 1: 'x.y' is attribute access; an expression has numbers, names, + - * / **, and calls of exp, log,"
    " max, sigmoid, sqrt, tanh",
    "2*x.real": "column 3: 'x.real' is attribute access; an",
    "x.conjugate()": "column 1: 'x.conjugate' is attribute access; an",
    "__import__('os').system('true')": "column 1: \"__import__('os').system\" is attribute access; an",
    "open(x)": "column 1: 'open' is no gate; there are exp, log, max, sigmoid, sqrt, tanh",
    "1 + sin(x)": "column 5: 'sin' is no gate; there are",
    "relu(x)": "column 1: 'relu' is no gate; write max(0, x)",
    "pow(x, 2)": "column 1: 'pow' is no gate; write x**2",
    "exp(x)(y)": "column 1: 'exp(x)(y)' has no operator between its values; a product is written x*y",
    "(lambda: x)()": "column 2: 'lambda: x' is a lambda; an",
    "lambda x: x": "column 1: 'lambda x: x' is a lambda; an",
    "x[0]": "column 1: 'x[0]' is a subscript; an",
    "x < y": "column 1: 'x < y' is a comparison; an",
    "x and y": "column 1: 'x and y' is a logical operation; an",
    "not x": "column 1: 'not x' is no arithmetic; an",
    "~x": "column 1: '~x' is no arithmetic; an",
    "x if y else z": "column 1: 'x if y else z' is a condition; an",
    "x, y": "column 1: 'x, y' is a tuple; an",
    "[x]": "column 1: '[x]' is a list; an",
    "{x}": "column 1: '{x}' is a set; an",
    "[x for x in y]": "column 1: '[x for x in y]' is a comprehension; an",
    "(x := y)": "column 2: 'x := y' is an assignment; an",
    "await x": "column 1: 'await x' is no arithmetic; an",
    "'x'": "column 1: \"'x'\" is a string; an",
    "f'{x}'": "column 1: \"f'{x}'\" is a string; an",
    "b'x'*x": "column 1: \"b'x'\" is a string; an",
    "True*x": "column 1: 'True' is no real number; an",
    "None": "column 1: 'None' is no real number; an",
    "...": "column 1: '...' is no real number; an",
    "2j*x": "column 1: '2j' is no real number; an",
    "x//y": "column 1: 'x//y' is no arithmetic; an",
    "x % y": "column 1: 'x % y' is no arithmetic; an",
    "x @ y": "column 1: 'x @ y' is no arithmetic; an",
    "x^2": "column 1: 'x^2' has ^, which is no arithmetic; a power is written x**2",
    "x**y": "column 4: 'y' is an exponent and must be a number; x**y is exp(y*log(x)) for positive x",
    "2**x": "column 4: 'x' is an exponent and must be a number",
    "x**1001": "column 4: '1001' is an exponent, and 1000 is the largest that is read",
    "x**-1e9": "column 4: '-1e9' is an exponent, and 1000",
    "9**9**9*x": "column 4: '9**9' is an exponent, and 1000",
    "9**999*x": "column 1: '9**999' has no finite value",
    "1e999*x": "column 1: '1e999' is too large; numbers go up to 1.8e+308",
    "9" * 400 + "*x": "column 1: '999999999999999999999999999999999999999…' is too large",
    "x/0": "column 1: 'x/0' divides by zero",
    "x/(2 - 2)": "column 1: 'x/(2 - 2)' divides by zero",
    "1/0*x": "column 1: '1/0' divides by zero",
    "x/1e-320": "1/9.99989e-321 is too large; numbers go up to 1.8e+308",
    "log(0)*x": "column 1: 'log(0)' has no finite value",
    "(-8)**0.5*x": "column 1: '(-8)**0.5' has no finite value",
    "max(x)": "column 1: 'max(x)' has 1 value, and max takes two or more",
    "exp(x, y)": "column 1: 'exp(x, y)' has 2 values, and exp takes 1",
    "exp()": "column 1: 'exp()' has 0 values, and exp takes 1",
    "max(*x, y)": "column 5: '*x' is a starred value; an",
    "max(x, key=y)": "column 1: 'max(x, key=y)' has a keyword; max takes values alone",
    "exp*x": "column 1: 'exp' is a gate and needs its values: exp(x)",
    "x + max": "column 5: 'max' is a gate and needs its values: max(x, y)",
    "σ": "column 1: 'σ' is a gate and needs its values: sigmoid(x)",
    "é.a + b": "column 1: 'é.a' is attribute access; an",
    "é + ü.b": "column 5: 'ü.b' is attribute access; an",
    "": "the expression is empty; write arithmetic such as (x + y)*z",
    "  \t\n": "the expression is empty",
    "x*": "column 2: a value is missing after '*'",
    "max(x,": "column 6: a value is missing after ','",
    "(x + y": "column 1: '(' is never closed",
    "x + y)": "column 6: ')' cannot stand here; write arithmetic such as 2*(x*y + max(z, w))",
    "x y": "column 3: 'y' lacks an operator; a product is written x*y",
    "2*(x y)": "column 4: 'x y)' lacks an operator; a product is written x*y",
    "2 x": "column 3: 'x' lacks an operator; a product",
    "2(x + 1)": "column 1: '2(x + 1)' has no operator between its values; a product",
    "(x + 1)(y + 1)": "column 1: '(x + 1)(y + 1)' has no operator between its values; a product",
    "x(y + 1)": "column 1: 'x' is no gate; there are exp, log, max, sigmoid, sqrt, tanh; a product is written x*y",
    "lambda*x": "column 1: 'lambda' is a reserved word and no name; write lambda_",
    "x*class + 1": "column 3: 'class' is a reserved word and no name; write class_",
    "007*x": "column 1: '007*x' begins with 0; write 7 for 007",
    "(" * 250 + "x" + ")" * 250: "the expression cannot be read: it is nested too deeply",
    "x; y": "column 2: '; y' cannot stand here",
    "import os": "column 1: 'import' is a reserved word and no name",
    "x = 3": "column 3: '=' is an assignment; give values behind the expression: x=3",
    "2x": "column 1: '2x' has a number that runs into a name; write 2*x",
    "x×y": "column 2: '×' is no operator or digit here; write '*'",
    "x − y": "column 3: '−' is no operator or digit here; write '-'",
    "x²": "column 2: '²' is no operator or digit here; a power is written x**2",
    "x # y": "column 3: '#' begins a comment, which is no arithmetic",
    "x\0*y": "column 2: '\\x00' is no arithmetic",
    "x*\x1b[31m": "column 3: '\\x1b' is no arithmetic",
    "\ud800*x": "column 1: '\\ud800' is no arithmetic",
    "x": "'x' is a name by itself, with no gate to go back through; write arithmetic such as x*y",
    "(+x)": "'x' is a name by itself",
    "2*3": "'2*3' is a number whatever happens; an expression needs names, such as x*y",
    "x*" * 600 + "x": "the expression has 1201 characters; 1000 are the most that is read",
    "x" + "+x" * 150: "column 1: 'x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x…' stands inside 100 other operations",
    "-" * 900 + "x": f"column 101: '{'-' * 39}…' stands inside 100 other operations",
    "(" * 900 + "x": "the expression cannot be read: it is nested too deeply",
    "(x" + "-x" * 80 + ")*(x" + "-x" * 80 + ")": "the expression needs more than 200 gates, the most that is drawn",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items(), ids=[repr(text)[:30] for text in REFUSED])
def test_what_is_no_arithmetic_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse_expression(text)
    said = str(refused.value)
    assert said.startswith(sentence)
    assert "\n" not in said
    assert len(said) < 200


def test_the_limits_themselves_are_within_reach() -> None:
    longest = "x" + "*x" * (MAX_DEPTH - 1)
    expression = parse_expression(longest)
    assert float(expression.evaluate({"x": 1.1}).gradients["x"]) == pytest.approx(100 * 1.1**99)
    padded = f"x{' ' * (MAX_LENGTH - 3)}*y"
    assert len(padded) == MAX_LENGTH
    assert parse_expression(padded).names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "point", "sentence"),
    [
        ("x*y*z", {"y": 1.0}, "no value for x and z: add x=1 z=1"),
        ("x*y", {"x": 1.0, "y": 2.0, "w": 3.0}, "w=3: the expression has no w, only x, y"),
        ("x*y", {"x": 1.0, "y": math.nan}, "y=nan: not a finite number"),
        ("max(0, x)", {"x": 1.0, "0": 2.0}, "0=2: the expression has no 0, only x"),
    ],
    ids=["missing", "unknown", "nan", "a number of the expression"],
)
def test_values_that_do_not_fit_are_one_sentence(text: str, point: dict[str, float], sentence: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse_expression(text).evaluate(point)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("text", "x", "check"),
    [("1/x", 0.0, np.isposinf), ("log(x)", -1.0, np.isnan), ("exp(x)", 1e4, np.isposinf)],
    ids=["division by zero", "log of a negative", "overflow"],
)
def test_a_value_that_is_not_finite_is_no_exception(text: str, x: float, check: Callable[[Any], bool]) -> None:
    expression = parse_expression(text)
    assert check(expression.evaluate({"x": x}).values[expression.output])


def test_everything_is_computed_in_float64() -> None:
    expression = parse_expression("x + 1e-15")
    circuit = expression.evaluate({"x": 1.0})
    assert {array.dtype for array in (*circuit.values.values(), *circuit.gradients.values())} == {np.dtype(np.float64)}
    assert float(circuit.values["f"]) > 1.0
