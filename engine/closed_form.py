"""The derivative of a whole expression written out, to see how large it gets beside a circuit's backward pass.

A closed form repeats whatever the product, quotient and chain rules repeat: its size grows with the square of the
expression's depth, and every input has one of its own. The circuit computes each local gradient once, for all inputs.

References:
    cs231n, "Backpropagation, intuitions" (optimization-2), section "Backprop in practice: Staged computation".
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from gradvitals.engine.activations import Sigmoid, Tanh
from gradvitals.engine.circuit import Circuit
from gradvitals.engine.expression_tree import Name, Number, Operation, Tree, apply, show_number, walk
from gradvitals.engine.gates import Gate
from gradvitals.engine.primitives import Add, Exp, Log, Max, Multiply, Power, Reciprocal, Scale, Shift

BACKWARD_OPERATIONS: Mapping[type[Gate], int] = {
    Add: 0,  # passes the gradient on
    Shift: 0,
    Multiply: 1,  # by the other input
    Scale: 1,
    Max: 1,  # by 1 or 0
    Exp: 1,  # by the output
    Log: 1,
    Reciprocal: 3,  # − output · output · gradient
    Power: 3,  # c · x to the power c − 1 · gradient
    Sigmoid: 3,  # z · (1 − z) · gradient
    Tanh: 3,  # (1 − z · z) · gradient
}
"""Arithmetic operations that a gate's backward needs for each input whose gradient is wanted."""


def derivative(tree: Tree, name: str) -> Tree:
    """Write out ∂tree/∂name by the sum, product, quotient and chain rules, leaving out what is times 0 or plus 0.

    Under a max the derivative has `step(u)`: 1 where u is positive, ½ where it is 0, else 0.

    >>> show(derivative(Operation("**", (Name("x"), Number(3.0))), "x"))
    '3*x**2'
    """
    match tree:
        case Number():
            return Number(0.0)
        case Name(known):
            return Number(1.0 if known == name else 0.0)
        case Operation(symbol, operands):
            return RULES[symbol](operands, tuple(derivative(operand, name) for operand in operands))


def count_operations(tree: Tree) -> int:
    """Count the operations written in a tree."""
    return sum(isinstance(node, Operation) for node in walk(tree))


def count_backward_operations(circuit: Circuit, unwanted: Collection[str] = ()) -> int:
    """Count the operations of a circuit's backward pass, for the gradients on all its inputs but the unwanted.

    Where a value forks, every branch after the first adds one.

    Raises:
        KeyError: If a gate is none of those of expressions.
    """
    count, contributed = 0, set(unwanted)
    for placed in circuit.gates:
        for value in placed.inputs:
            if value.name not in unwanted:
                count += BACKWARD_OPERATIONS[type(placed.gate)] + (value.name in contributed)
                contributed.add(value.name)
    return count


def evaluate(tree: Tree, point: Mapping[str, float]) -> float:
    """Compute a tree's value in float64; what has no finite value is an infinity or NaN."""
    match tree:
        case Number(value):
            return value
        case Name(name):
            return point[name]
        case Operation(symbol, operands):
            with np.errstate(all="ignore"):
                return apply(symbol, *(evaluate(operand, point) for operand in operands))


def show(tree: Tree) -> str:
    """Write a tree with as few parentheses as it needs."""
    return _show(tree)[0]


Terms = tuple[Tree, ...]
RULES: Mapping[str, Callable[[Terms, Terms], Tree]] = {
    "+": lambda _, d: _plus(*d),
    "-": lambda _, d: _minus(*d),
    "neg": lambda _, d: _minus(Number(0.0), *d),
    "*": lambda u, d: _plus(_times(d[0], u[1]), _times(u[0], d[1])),
    "/": lambda u, d: _quotient_rule(*u, *d),
    "**": lambda u, d: _times(_times(u[1], _power_below(u[0], u[1])), d[0]),
    "exp": lambda u, d: _times(Operation("exp", u), d[0]),
    "log": lambda u, d: _over(d[0], u[0]),
    "sigmoid": lambda u, d: _times(_times(Operation("sigmoid", u), _minus(Number(1.0), Operation("sigmoid", u))), d[0]),
    "tanh": lambda u, d: _times(_minus(Number(1.0), Operation("**", (Operation("tanh", u), Number(2.0)))), d[0]),
    "max": lambda u, d: _plus(_times(_step(u[0], u[1]), d[0]), _times(_step(u[1], u[0]), d[1])),
}
"""The derivative of each operation from its operands and their derivatives."""


def _quotient_rule(above: Tree, below: Tree, d_above: Tree, d_below: Tree) -> Tree:
    if d_below == Number(0.0):
        return _over(d_above, below)
    numerator = _minus(_times(d_above, below), _times(above, d_below))
    return _over(numerator, Operation("**", (below, Number(2.0))))


def _power_below(base: Tree, exponent: Tree) -> Tree:
    lower = exponent.value - 1.0 if isinstance(exponent, Number) else 0.0
    return Number(1.0) if lower == 0.0 else base if lower == 1.0 else Operation("**", (base, Number(lower)))


def _step(larger: Tree, smaller: Tree) -> Tree:
    return Operation("step", (_minus(larger, smaller),))


def _plus(left: Tree, right: Tree) -> Tree:
    match left, right:
        case (Number(0.0), other) | (other, Number(0.0)):
            return other
        case Number(a), Number(b):
            return Number(a + b)
        case _, Operation("neg", (negated,)):
            return Operation("-", (left, negated))
        case _:
            return Operation("+", (left, right))


def _minus(left: Tree, right: Tree) -> Tree:
    match left, right:
        case Number(a), Number(b):
            return Number(a - b)
        case _, Number(0.0):
            return left
        case Number(0.0), Operation("neg", (negated,)):
            return negated
        case Number(0.0), _:
            return Operation("neg", (right,))
        case _, Operation("neg", (negated,)):
            return Operation("+", (left, negated))
        case _:
            return Operation("-", (left, right))


def _times(left: Tree, right: Tree) -> Tree:
    match left, right:
        case (Number(0.0), _) | (_, Number(0.0)):
            return Number(0.0)
        case (Number(1.0), other) | (other, Number(1.0)):
            return other
        case (Number(-1.0), other) | (other, Number(-1.0)):
            return _minus(Number(0.0), other)
        case Number(a), Number(b):
            return Number(a * b)
        case (Operation("neg", (one,)), other) | (one, Operation("neg", (other,))):
            return _minus(Number(0.0), _times(one, other))
        case _:
            return Operation("*", (left, right))


def _over(above: Tree, below: Tree) -> Tree:
    match above, below:
        case (Number(0.0), _) | (_, Number(1.0)):
            return above
        case Number(a), Number(b):
            return Number(a / b)
        case Operation("neg", (negated,)), _:
            return _minus(Number(0.0), _over(negated, below))
        case _:
            return Operation("/", (above, below))


SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
"""How tightly the outermost operation binds."""

BINDING = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "**": POWER}


def _show(tree: Tree) -> tuple[str, int]:
    """Give a tree's text and how tightly its outermost operation binds."""
    match tree:
        case Number(value):
            return show_number(value), ATOM if value >= 0.0 else SIGN
        case Name(name):
            return name, ATOM
        case Operation("neg", (operand,)):
            return f"-{_enclosed(operand, PRODUCT)}", SIGN
        case Operation("**", (base, exponent)):
            return f"{_enclosed(base, ATOM)}**{_enclosed(exponent, SIGN)}", POWER
        case Operation(symbol, (left, right)) if symbol in BINDING:
            binds, gap = BINDING[symbol], " " * (symbol in "+-")
            text, tightly = _show(right)
            # a − (b + c) needs its parentheses, a + (b + c) does not; a sign inside needs them for the eye
            bare = tightly >= binds + (symbol not in "+*") and tightly != SIGN
            return f"{_enclosed(left, binds)}{gap}{symbol}{gap}{text if bare else f'({text})'}", binds
        case Operation(symbol, operands):
            return f"{symbol}({', '.join(map(show, operands))})", ATOM


def _enclosed(tree: Tree, least: int) -> str:
    text, binds = _show(tree)
    return text if binds >= least else f"({text})"
