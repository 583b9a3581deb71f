"""Scalars as they come from a log: collected event by event, handed out as one series for each tag."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one tag in the order in which they were written; read-only, as series may share their steps.

    Attributes:
        steps: Global update counts `(points,)`.
        values: `(points,)`, with float32's precision where the file had no more.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Events with the same tags: their places among all events `(n,)`, their steps `(n,)`, their values `(n, tags)`."""

    order: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.floating]

    def chosen(self, rows: NDArray[np.generic]) -> "_Rows":
        return _Rows(self.order[rows], self.steps[rows], self.values[rows])


@dataclass(slots=True)
class _Block:
    """All events with the same tuple of tags, one by one and in stretches."""

    order: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    values: list[Sequence[float]] = field(default_factory=list)
    stretches: list[_Rows] = field(default_factory=list)

    def rows(self) -> _Rows:
        """Join all, in the order of writing."""
        parts = self.stretches
        if self.order:
            parts = [_Rows(np.array(self.order), np.array(self.steps, np.int64), np.array(self.values)), *parts]
        if len(parts) == 1:
            return parts[0]
        joined = _Rows(
            np.concatenate([part.order for part in parts]),
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
        return joined.chosen(np.argsort(joined.order))


class SeriesCollector:
    """Takes events whole and transposes them once at the end: the cost is per event, not per scalar."""

    def __init__(self) -> None:
        self._blocks: defaultdict[tuple[str, ...], _Block] = defaultdict(_Block)
        self._events = 0

    def add(self, tags: tuple[str, ...], step: int, values: Sequence[float]) -> None:
        """Take the values of one event, one for each tag."""
        block = self._blocks[tags]
        block.order.append(self._events)
        block.steps.append(step)
        block.values.append(values)
        self._events += 1

    def add_stretch(self, tags: tuple[str, ...], steps: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Take the steps `(n,)` and the values `(n, tags)` of consecutive events with the same tags."""
        order = np.arange(self._events, self._events + len(steps))
        self._blocks[tags].stretches.append(_Rows(order, steps, values))
        self._events += len(steps)

    def drop_from(self, step: int) -> None:
        """Forget all that was collected for `step` and later ones."""
        for block in self._blocks.values():
            rows = block.rows()
            block.order, block.steps, block.values = [], [], []
            block.stretches = [rows.chosen(np.flatnonzero(rows.steps < step))]

    def series(self) -> dict[str, Series]:
        """Return the series of every tag that has points."""
        parts: dict[str, list[tuple[NDArray[np.int64], Series]]] = {}
        for tags, block in self._blocks.items():
            rows = block.rows()
            if not len(rows.order):
                continue
            steps = _frozen(rows.steps)
            columns = _frozen(rows.values.T.astype(np.float64, order="C"))
            for tag, values in zip(tags, columns, strict=True):
                parts.setdefault(tag, []).append((rows.order, Series(steps, values)))
        return {tag: _merged(found) for tag, found in parts.items()}


def _merged(parts: list[tuple[NDArray[np.int64], Series]]) -> Series:
    """Join the parts of one tag that came with different companions."""
    if len(parts) == 1:
        return parts[0][1]
    written = np.argsort(np.concatenate([order for order, _ in parts]), kind="stable")
    steps = np.concatenate([series.steps for _, series in parts])[written]
    values = np.concatenate([series.values for _, series in parts])[written]
    return Series(_frozen(steps), _frozen(values))


def _frozen(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
    array.flags.writeable = False
    return array
