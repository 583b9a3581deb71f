"""A chart as places in a picture: lines with gaps where they are not finite, and marks where findings began."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gradvitals.diagnostics.scales import Kind, Linear, Scale, Tick, choose_scale
from gradvitals.experiments.html_report.thinning import thin

WIDTH, HEIGHT = 440, 220
"""Of the picture, in its own pixels."""

LEFT, RIGHT, TOP, BOTTOM = 48, 428, 26, 194
"""Of the lines' field."""

FINE = 10
"""Places are whole tenths of a pixel: short to write, and exact when added up."""

MARK_WIDTH = 18
"""Marks that are closer together stand as one."""

STYLES = 8
"""Lines that can be told apart by colour and dashes."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series to draw: steps `(points,)` and values `(points,)`, in order of the steps."""

    name: str
    steps: NDArray[np.integer]
    values: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve, drawn.

    Attributes:
        name: What it is of.
        style: Number of its colour and dashes.
        path: In tenths of a pixel; empty where no point is finite.
        steps: Of the points that are drawn, as text.
        values: Likewise.
        last: Its last value, as text.
        strange: Where it begins not to be finite: x, y, symbol, sentence.
    """

    name: str
    style: int
    path: str
    steps: str
    values: str
    last: str
    strange: tuple[tuple[float, float, str, str], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where findings began: a place, their symbols, and a sentence."""

    x: float
    symbols: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, laid out.

    Attributes:
        title: What is drawn.
        lines: One for each curve.
        rows: Heights and texts of the vertical axis.
        columns: Likewise of the horizontal one.
        marks: Where findings began.
        last_step: At the right edge.
        note: What is left out; empty for nothing.
    """

    title: str
    lines: tuple[Line, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    last_step: int
    note: str = ""


def draw_chart(
    title: str,
    curves: Sequence[Curve],
    kind: Kind,
    began: Mapping[int, Sequence[tuple[str, str]]],
    last_step: int,
    *,
    note: str = "",
) -> Chart:
    """Lay a chart out.

    Args:
        title: What is drawn.
        curves: At least one, each with at least one point; at most `STYLES` can be told apart.
        kind: Of the vertical axis.
        began: By step, symbol and name of the findings that began there.
        last_step: Of the run: the charts of a run share their horizontal axis.
        note: What is left out.
    """
    along = Linear(0.0, float(max(last_step, 1)))
    values = np.concatenate([curve.values for curve in curves])
    upwards = choose_scale(values, kind)
    lines = tuple(_line(curve, number % STYLES, along, upwards) for number, curve in enumerate(curves))
    ticks = upwards.ticks() if np.isfinite(values).any() else ()
    rows = tuple((_y(place), text) for place, text in ticks)
    columns = tuple((_x(place), text) for place, text in along.ticks() if _is_whole(text))
    return Chart(title, lines, rows, columns, tuple(_marks(began, along)), max(last_step, 1), note)


def show_number(value: float) -> str:
    """Write a value in a few characters.

    >>> show_number(0.123456), show_number(float("nan")), show_number(float("-inf"))
    ('0.1235', 'nan', '−∞')
    """
    if math.isfinite(value):
        return f"{value:.4g}"
    return "nan" if math.isnan(value) else "∞" if value > 0.0 else "−∞"


def _line(curve: Curve, style: int, along: Scale, upwards: Scale) -> Line:
    chosen = thin(curve.values)
    steps, values = curve.steps[chosen].tolist(), curve.values[chosen].tolist()
    pieces: list[list[tuple[int, int]]] = [[]]
    strange: list[tuple[float, float, str, str]] = []
    before = 0.0
    for step, value in zip(steps, values, strict=True):
        x = _x(along.place(step))
        if math.isfinite(value):
            pieces[-1].append((round(FINE * x), round(FINE * _y(upwards.place(value)))))
        else:
            if math.isfinite(before):
                symbol, word = ("×", "not a number") if math.isnan(value) else (show_number(value), "infinite")
                strange.append((x, BOTTOM if value < 0.0 else TOP, symbol, f"{curve.name}: {word} from step {step} on"))
            pieces.append([])
        before = value
    return Line(
        curve.name,
        style,
        "".join(_piece(piece) for piece in pieces if piece),
        " ".join(map(str, steps)),
        " ".join(f"{value:.6g}" for value in values),
        show_number(values[-1]),
        tuple(strange),
    )


def _piece(points: Sequence[tuple[int, int]]) -> str:
    """Write a stretch of finite points; one alone is a dot of the line's width."""
    (x, y), rest = points[0], pairwise(points)
    ways = " ".join(f"{right[0] - left[0]} {right[1] - left[1]}" for left, right in rest) or "0 0"
    return f"M{x} {y}l{ways}"


def _marks(began: Mapping[int, Sequence[tuple[str, str]]], along: Scale) -> list[Mark]:
    """Mark where findings began, those close together as one."""
    marks: list[Mark] = []
    for step in sorted(began):
        x = _x(along.place(step))
        symbols = " ".join(dict.fromkeys(symbol for symbol, _ in began[step]))
        text = f"since step {step}: {', '.join(name for _, name in began[step])}"
        if marks and x - marks[-1].x < MARK_WIDTH:
            last = marks.pop()
            x, symbols, text = (
                last.x,
                " ".join(dict.fromkeys([*last.symbols.split(), *symbols.split()])),
                f"{last.text}; {text}",
            )
        marks.append(Mark(x, symbols, text))
    return marks


def _is_whole(text: str) -> bool:
    return "." not in text  # there are no half steps


def _x(place: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * place, 1)


def _y(place: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * place, 1)
