"""The [sweep] table: the values a key takes, listed or spaced evenly on a linear or a logarithmic scale."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, JsonValue, Tag

from gradvitals.experiments.config.base import Model, fault
from gradvitals.experiments.show import show

MAX_RUNS = 10_000

Whole = Annotated[int, Field(strict=True, ge=-(10**15), le=10**15)]
Real = Annotated[float, Field(strict=True, ge=-1e30, le=1e30, allow_inf_nan=False)]
End = Annotated[
    Annotated[Whole, Tag("whole")] | Annotated[Real, Tag("real")],
    Discriminator(lambda value: "whole" if isinstance(value, int) and not isinstance(value, bool) else "real"),
]
Steps = Annotated[int, Field(strict=True, ge=2, le=MAX_RUNS)]


def _two_ends(ends: tuple[int | float, ...]) -> tuple[int | float, ...]:
    if len(ends) != 2 or ends[0] == ends[1]:
        text = "needs two different ends, such as [0.001, 1.0]"
        raise fault(text)
    return ends


def _above_zero(ends: tuple[int | float, ...]) -> tuple[int | float, ...]:
    if min(ends) <= 0:
        text = "a logarithmic scale needs ends above 0"
        raise fault(text)
    return ends


Ends = Annotated[tuple[End, ...], AfterValidator(_two_ends)]


AXIS_FORMS = "an axis is a list, {log = [low, high], n = 8} or {linear = [low, high], n = 8}"


def _axis(value: object) -> object:
    """Refuse what is neither a list nor a table of one of the two forms."""
    if isinstance(value, dict) and not (value.keys() <= {"log", "n"} or value.keys() <= {"linear", "n"}):
        text = f"no axis has these keys: {', '.join(value)}; {AXIS_FORMS}"
        raise fault(text)
    if not isinstance(value, dict | list | tuple | LogAxis | LinearAxis):
        text = f"{show(value)} is not an axis; {AXIS_FORMS}"
        raise fault(text)
    return value


class LogAxis(Model):
    """Values in equal ratios, both ends included."""

    log: Annotated[Ends, AfterValidator(_above_zero)]
    n: Steps

    @property
    def values(self) -> tuple[int | float, ...]:
        """The `n` values, first end first."""
        low, high = self.log
        return _tidy(self.log, [low * (high / low) ** (index / (self.n - 1)) for index in range(self.n)])


class LinearAxis(Model):
    """Values at equal distances, both ends included."""

    linear: Ends
    n: Steps

    @property
    def values(self) -> tuple[int | float, ...]:
        """The `n` values, first end first."""
        low, high = self.linear
        return _tidy(self.linear, [low + (high - low) * index / (self.n - 1) for index in range(self.n)])


def _form(value: object) -> str:
    """Tell the three forms of an axis apart (a union's discriminator)."""
    if isinstance(value, list | tuple):
        return "list axis"
    if isinstance(value, LinearAxis) or (isinstance(value, dict) and "linear" in value):
        return "linear axis"
    return "log axis" if isinstance(value, LogAxis | dict) else "list axis"


Axis = Annotated[
    Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=MAX_RUNS), Tag("list axis")]
    | Annotated[LogAxis, Tag("log axis")]
    | Annotated[LinearAxis, Tag("linear axis")],
    Discriminator(_form),
    BeforeValidator(_axis),
]


def axis_values(axis: Axis) -> tuple[JsonValue, ...]:
    """Return the values of an axis in order: the outer list is always the axis."""
    return axis if isinstance(axis, tuple) else tuple(axis.values)


def _tidy(ends: tuple[int | float, ...], values: list[float]) -> tuple[int | float, ...]:
    """Round to 12 digits, so that names of runs are the same on every machine.

    Between whole ends the values are whole numbers if all of them come out so.
    """
    rounded = [float(f"{value:.12g}") for value in values]
    rounded[0], rounded[-1] = ends[0], ends[-1]
    if all(isinstance(end, int) for end in ends) and all(float(value).is_integer() for value in rounded):
        return tuple(int(value) for value in rounded)
    return tuple(float(value) for value in rounded)
