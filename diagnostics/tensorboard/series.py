"""Scalars as they come from a log: collected event by event, handed out as one series for each tag."""

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


@dataclass(slots=True)
class _Block:
    """All events with the same tuple of tags: a row of values an event, and its place among all events."""

    order: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    rows: list[Sequence[float] | NDArray[np.float32]] = field(default_factory=list)

    def drop_from(self, step: int) -> None:
        """Keep the events before `step`."""
        kept = [place for place, found in enumerate(self.steps) if found < step]
        self.order = [self.order[place] for place in kept]
        self.steps = [self.steps[place] for place in kept]
        self.rows = [self.rows[place] for place in kept]


class SeriesCollector:
    """Takes events whole and transposes them once at the end: the cost is per event, not per scalar."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, ...], _Block] = {}
        self._events = 0

    def add(self, tags: tuple[str, ...], step: int, values: Sequence[float] | NDArray[np.float32]) -> None:
        """Take the values of one event, one for each tag."""
        block = self._blocks.get(tags)
        if block is None:
            block = self._blocks[tags] = _Block()
        block.order.append(self._events)
        block.steps.append(step)
        block.rows.append(values)
        self._events += 1

    def drop_from(self, step: int) -> None:
        """Forget all that was collected for `step` and later ones."""
        for block in self._blocks.values():
            block.drop_from(step)

    def series(self) -> dict[str, Series]:
        """Return the series of every tag that has points."""
        parts: dict[str, list[tuple[NDArray[np.int64], Series]]] = {}
        for tags, block in self._blocks.items():
            if not block.rows:
                continue
            order = np.array(block.order, np.int64)
            steps = _frozen(np.array(block.steps, np.int64))
            columns = _frozen(np.array(block.rows).T.astype(np.float64, order="C"))
            for tag, values in zip(tags, columns, strict=True):
                parts.setdefault(tag, []).append((order, Series(steps, values)))
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
