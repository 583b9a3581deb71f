"""An arithmetic expression as a tree, whose operations compute with NumPy and nothing else."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np


class ExpressionError(ValueError):
    """What is wrong with an expression or with the values given for it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number; an operation on numbers alone is one too."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A name, whose value is given later."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One of `+ - * / **`, `neg`, or a function, on its operands."""

    symbol: str
    operands: tuple["Tree", ...]


Tree: TypeAlias = Number | Name | Operation


def names_of(tree: Tree) -> tuple[str, ...]:
    """List the names in the order in which they are first read."""
    return tuple(dict.fromkeys(node.name for node in walk(tree) if isinstance(node, Name)))


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield the tree and all trees in it, from left to right."""
    yield tree
    if isinstance(tree, Operation):
        for operand in tree.operands:
            yield from walk(operand)


def apply(symbol: str, *values: float) -> float:
    """Compute one operation in float64; what becomes of infinities and NaN is NumPy's `errstate`."""
    return float(COMPUTE[symbol](*(np.float64(value) for value in values)))


COMPUTE: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "neg": np.negative,
    "max": np.maximum,
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.exp(min(x, 0.0)) / (1.0 + np.exp(-abs(x))),
    "step": lambda x: np.heaviside(x, 0.5),
}
"""What every symbol computes; `step` is only in derivatives: 1 for a positive value, ½ for 0, else 0."""


def show_number(value: float) -> str:
    """Write a number so that it can be read back exactly.

    >>> show_number(2.0), show_number(-0.1)
    ('2', '-0.1')
    """
    return repr(float(value)).removesuffix(".0")


def shorten(text: str, most: int = 40) -> str:
    """Give the text, cut to fit a sentence."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
