"""Axes of a chart: where a value stands between bottom and top, and what is written beside it."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["linear", "log", "share", "auto"]
"""How values are laid out: `share` from 0 to 1; `auto` by logarithm where they span much."""

Tick: TypeAlias = tuple[float, str]
"""Where it is, from 0 (start) to 1 (end), and its text."""

SPAN = 30.0
"""Largest value over smallest from which on a linear axis would show only the large ones."""

FLOOR = 0.12
"""Share of a logarithmic axis that is left below its decades for zeros."""

MOST_TICKS = 5


class Scale(Protocol):
    """An axis."""

    def place(self, value: float) -> float:
        """Give where a finite value stands: 0 at the bottom, 1 at the top."""

    def ticks(self) -> list[Tick]:
        """Give what is written beside the axis."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal differences, equal lengths."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Give where a value stands."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[Tick]:
        """Give round numbers, at most `MOST_TICKS` of them."""
        wanted = (self.high - self.low) / (MOST_TICKS - 1)
        decade = 10.0 ** math.floor(math.log10(wanted))
        step = next(times * decade for times in (1.0, 2.0, 5.0, 10.0) if times * decade >= wanted * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self.place(times * step), f"{times * step:.4g}") for times in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """Equal ratios, equal lengths; what is not positive stands on the floor."""

    low: int
    high: int
    floor: bool

    def place(self, value: float) -> float:
        """Give where a value stands."""
        if value <= 0.0:
            return 0.0
        base = FLOOR if self.floor else 0.0
        return base + (1.0 - base) * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[Tick]:
        """Give powers of ten, and 0 for the floor."""
        step = -(-(self.high - self.low) // (MOST_TICKS - 1))
        zero = [(0.0, "0")] if self.floor else []
        return zero + [(self.place(10.0**power), _power(power)) for power in range(self.low, self.high + 1, step)]


def choose_scale(values: NDArray[np.floating], kind: Kind) -> Linear | Log:
    """Choose the axis on which all finite values of a chart have their place."""
    finite = values[np.isfinite(values)].astype(np.float64)
    positive = finite[finite > 0.0]
    if kind == "share":
        return Linear(min(0.0, *finite, 0.0), max(1.0, *finite, 1.0))
    wide = len(positive) == len(finite) > 0 and positive.max() > SPAN * positive.min()
    if kind == "log" or (kind == "auto" and wide):
        return _log(positive, floor=len(positive) < len(finite))
    low, high = (min(0.0, float(finite.min())), float(finite.max())) if len(finite) else (0.0, 1.0)
    return Linear(low, high if high > low else low + 1.0)


def _log(positive: NDArray[np.float64], *, floor: bool) -> Log:
    if not len(positive):
        return Log(-1, 0, floor=floor)
    low, high = math.floor(math.log10(positive.min())), math.ceil(math.log10(positive.max()))
    return Log(low, max(high, low + 1), floor=floor)


def _power(power: int) -> str:
    """Write a power of ten.

    >>> _power(-2), _power(0), _power(-12)
    ('0.01', '1', '10⁻¹²')
    """
    if -2 <= power <= 2:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
