"""An arithmetic expression as a circuit of primitive gates, and the circuit run at a point.

Operations with a number in them become gates with that number built in: `2*x` scales, `x + 1` shifts, `x**2` is a
power. What has no gate of its own is put together: `x - y` adds −1 · y, `x / y` multiplies by a reciprocal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gradvitals.engine.activations import Sigmoid, Tanh
from gradvitals.engine.circuit import Circuit, ConnectedCircuit, Value
from gradvitals.engine.expression_reader import parse
from gradvitals.engine.expression_tree import (
    ExpressionError,
    Name,
    Number,
    Operation,
    Tree,
    names_of,
    shorten,
    show_number,
)
from gradvitals.engine.gates import Gate
from gradvitals.engine.primitives import Add, Exp, Log, Max, Multiply, Power, Reciprocal, Scale, Shift

MAX_GATES = 200

SigmoidForm: TypeAlias = Literal["fused", "primitive"]
"""The sigmoid as one gate, or as scale by −1, exp, shift by 1, reciprocal."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression and its circuit.

    Attributes:
        text: As written.
        tree: As read.
        circuit: All values are single numbers, of shape (); the last gate's output is the expression's.
        names: The inputs that are given values, in the order of their first appearance.
        constants: The inputs that are numbers of the expression, by name; no gradient is wanted on them.
        output: Name of the last gate's output.
    """

    text: str
    tree: Tree
    circuit: Circuit
    names: tuple[str, ...]
    constants: Mapping[str, float]
    output: str

    def connect(self, point: Mapping[str, float]) -> ConnectedCircuit:
        """Connect the circuit in float64, with gradients on every name, and feed the values.

        Raises:
            ExpressionError: If a name has no value, a value has no name, or a value is not finite.
        """
        self._check_point(point)
        gradients = {name: np.zeros(()) for name in self.names}
        connected = ConnectedCircuit(self.circuit, {}, gradients, batch=1, dtype=np.float64)
        for name, value in (*point.items(), *self.constants.items()):
            connected.values[name][...] = value
        return connected

    def evaluate(self, point: Mapping[str, float]) -> ConnectedCircuit:
        """Connect the circuit and run it forward and backward; raises as `connect` does.

        What has no finite value is an infinity or NaN in `values` and `gradients`.
        """
        connected = self.connect(point)
        with np.errstate(all="ignore"):
            connected.forward()
            connected.backward()
        return connected

    def _check_point(self, point: Mapping[str, float]) -> None:
        missing = [name for name in self.names if name not in point]
        if missing:
            msg = f"no value for {' and '.join(missing)}: add {' '.join(f'{name}=1' for name in missing)}"
            raise ExpressionError(msg)
        for name, value in point.items():
            if name not in self.names:
                msg = f"{name}={value:g}: the expression has no {name}, only {', '.join(self.names)}"
                raise ExpressionError(msg)
            if not np.isfinite(value):
                msg = f"{name}={value:g}: not a finite number"
                raise ExpressionError(msg)


def parse_expression(text: str, *, sigmoid: SigmoidForm = "fused") -> Expression:
    """Read an expression and draw its circuit.

    >>> circuit = parse_expression("(x + y)*z").evaluate({"x": -2.0, "y": 5.0, "z": -4.0})
    >>> {name: float(circuit.gradients[name]) for name in ("x", "y", "z")}
    {'x': -4.0, 'y': -4.0, 'z': 3.0}

    Args:
        text: Numbers, names, `+ - * / **`, parentheses, and calls of exp, log, max, sigmoid, sqrt, tanh.
        sigmoid: How to draw a sigmoid.

    Raises:
        ExpressionError: If the text is no arithmetic, has no names or no gate, or needs more than 200 gates.
    """
    tree = parse(text)
    names = names_of(tree)
    if not names:
        msg = f"{shorten(text.strip())!r} is a number whatever happens; an expression needs names, such as x*y"
        raise ExpressionError(msg)
    if isinstance(tree, Name):
        msg = f"{tree.name!r} is a name by itself, with no gate to go back through; write arithmetic such as x*y"
        raise ExpressionError(msg)
    drawer = _Drawer(names, sigmoid)
    output = drawer.draw(tree, _free("f", names))
    return Expression(text.strip(), tree, drawer.circuit, names, drawer.constants, output.name)


class _Drawer:
    """Draws a tree gate by gate, naming the steps on the way q1, q2, … as the notes do."""

    def __init__(self, names: tuple[str, ...], sigmoid: SigmoidForm) -> None:
        self.circuit = Circuit()
        self.constants: dict[str, float] = {}
        self._values = {name: self.circuit.input(name) for name in names}
        self._prefix = _free("q", names)
        self._fused = sigmoid == "fused"

    def draw(self, tree: Tree, name: str = "") -> Value:
        """Draw a tree; its last gate writes the value of this name."""
        match self._in_primitives(tree):
            case Name(known):
                return self._values[known]
            case Number(number):
                return self._constant(number)
            case Operation("+", (Number(number), other) | (other, Number(number))):
                return self._gate(name, Shift(number), other)
            case Operation("*", (Number(number), other) | (other, Number(number))):
                return self._gate(name, Scale(number), other)
            case Operation("**", (base, Number(exponent))):
                return self._gate(name, Power(exponent), base)
            case Operation(symbol, operands):
                return self._gate(name, GATES[symbol](), *operands)

    def _in_primitives(self, tree: Tree) -> Tree:
        """Put an operation that has no gate of its own together from those that have one."""
        match tree:
            case Operation("neg", (operand,)):
                return _times(-1.0, operand)
            case Operation("-", (left, right)):
                return Operation(
                    "+", (left, Number(-right.value) if isinstance(right, Number) else _times(-1.0, right))
                )
            case Operation("/", (left, Number(number))):
                return _times(_inverse(number), left)
            case Operation("/", (left, right)):
                inverse = Operation("reciprocal", (right,))
                return inverse if left == Number(1.0) else Operation("*", (left, inverse))
            case Operation("sigmoid", (operand,)) if not self._fused:
                exponential = Operation("exp", (_times(-1.0, operand),))
                return Operation("reciprocal", (Operation("+", (exponential, Number(1.0))),))
            case _:
                return tree

    def _gate(self, name: str, gate: Gate, *operands: Tree) -> Value:
        inputs = [self.draw(operand) for operand in operands]
        if len(self.circuit.gates) == MAX_GATES:
            msg = f"the expression needs more than {MAX_GATES} gates, the most that is drawn"
            raise ExpressionError(msg)
        return self.circuit.gate(name or f"{self._prefix}{len(self.circuit.gates) + 1}", gate, *inputs)

    def _constant(self, number: float) -> Value:
        """Give the input that stands for a number, which a name can never be."""
        name = show_number(number)
        if name not in self.constants:
            self.constants[name] = number
            self._values[name] = self.circuit.input(name)
        return self._values[name]


GATES: Mapping[str, type[Gate]] = {
    "+": Add,
    "*": Multiply,
    "max": Max,
    "exp": Exp,
    "log": Log,
    "reciprocal": Reciprocal,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
}
"""The gates that an operation is by itself."""


def _free(stem: str, names: tuple[str, ...]) -> str:
    """Give the stem, lengthened until no name begins with it."""
    while any(name.startswith(stem) for name in names):
        stem += "_"
    return stem


def _times(number: float, tree: Tree) -> Operation:
    return Operation("*", (Number(number), tree))


def _inverse(number: float) -> float:
    with np.errstate(over="ignore"):
        inverse = float(1.0 / np.float64(number))
    if not np.isfinite(inverse):
        msg = f"1/{number:g} is too large; numbers go up to {np.finfo(np.float64).max:.1e}"
        raise ExpressionError(msg)
    return inverse
