"""The three rhythms: when a monitor looks. Everything depends on steps and rows, nothing on the clock.

So a run has the same measurements, and the same verdict, on every machine.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

Every: TypeAlias = int | Literal["auto"]
Exact: TypeAlias = int | Literal["auto", "epoch"]

ROW_SHARE = 0.015
"""Probes beyond the first few, and exact scans between start and end, stay below this share of the rows trained."""

FROZEN_COST = 1.0 / 3.0
"""A row passed forward only, in units of a row trained (forward, and backward into inputs and weights)."""

FIBONACCI = (1, 2, 3, 5, 8, 13, 21, 34)
"""The steps looked at besides the regular ones: much happens early."""

LEAST_PROBES, MOST_PROBES = 5, 50


@dataclass(frozen=True, slots=True)
class StepRhythm:
    """Steps 1, 2, 3, 5, 8, 13, … and every n-th; n = clamp(total // 100, 1, 50) where `every` is "auto".

    With the total unknown, n is 10 for the first 500 steps and 50 after them.
    """

    every: Every
    total_steps: int | None

    def next_after(self, step: int) -> int:
        """Give the next step of the rhythm."""
        if self.every != "auto":
            return 1 if step < 1 else _next_multiple(step, self.every)
        unplanned = 10 if step < 500 else 50
        n = unplanned if self.total_steps is None else min(max(self.total_steps // 100, 1), 50)
        regular = _next_multiple(step, n)
        early = bisect_right(FIBONACCI, step)
        return regular if early == len(FIBONACCI) else min(regular, FIBONACCI[early])


def _next_multiple(step: int, n: int) -> int:
    return (step // n + 1) * n


def plan_probes(total_steps: int | None, batch_size: int, probe_cost: float) -> tuple[int, ...]:
    """Choose the steps after which to probe: evenly spread, at least 5 with start and end, more as rows allow.

    Args:
        total_steps: Planned steps; None where nobody knows.
        batch_size: Rows per step.
        probe_cost: Of one probe, in rows trained.
    """
    if total_steps is None:
        return tuple(_doubling_steps())
    affordable = int(0.5 * ROW_SHARE * total_steps * batch_size / max(probe_cost, 1.0))
    count = min(max(affordable, LEAST_PROBES), MOST_PROBES, total_steps + 1)
    return tuple(round(i * total_steps / max(count - 1, 1)) for i in range(count))


def _doubling_steps() -> list[int]:
    """Give steps a quarter further each time: a plan for runs of unknown length, never many probes."""
    steps, step = [0], 100
    while step < 10**9:
        steps.append(step)
        step += max(step // 4, 100)
    return steps


EARLY = (3, 5, 8, 13, 20, 30, 40, 60, 80, 120, 150)
"""Steps from which on a state is kept, beside the regular ones, of a training whose length nobody said: it may end."""

SHORT = 200
"""Steps before which two regular looks in a row have not been taken."""


def next_early(step: int) -> float:
    """Give the step from which on the next state is to be kept after this one."""
    return next((early for early in EARLY if early > step), math.inf)


def choose_looks(steps: Sequence[int], total_steps: int, regular: Sequence[int]) -> set[int]:
    """Choose, of steps at which a state was kept, those to look at in a training that was so long.

    Of a short one they are spread as evenly as they lie, a sixth apart at least; of others they are the regular ones.

    Args:
        steps: In order.
        total_steps: Taken in all.
        regular: Those that looks are taken at in long ones.
    """
    if total_steps >= SHORT:
        return set(steps).intersection(regular)
    chosen = [0]
    for step in steps:
        if min(step - chosen[-1], total_steps - step) >= total_steps / 6.0:
            chosen.append(step)
    return set(chosen)


@dataclass(slots=True)
class Looks:
    """When to probe, and when to scan the whole training set for dead units, between start and end.

    Attributes:
        steps: The steps after which to probe, ascending.
        total_steps: Planned steps; None where nobody knows.
    """

    steps: tuple[int, ...]
    total_steps: int | None
    _batch_size: int
    _scan_every: int | None
    _last_cost: float = 0.0
    _spent: float = 0.0

    @classmethod
    def plan(cls, exact: Exact, total_steps: int | None, batch_size: int, samples: int, probe_cost: float) -> Self:
        """Plan the looks of a training.

        Args:
            exact: "auto" (with the probes, as rows allow), "epoch", or every n steps.
            total_steps: Planned steps; None where nobody knows.
            batch_size: Rows per step.
            samples: Rows of the training set; 0 where there is none to look at.
            probe_cost: Of one probe, in rows trained.
        """
        scan_every = None if exact == "auto" else max(-(-samples // batch_size), 1) if exact == "epoch" else exact
        steps = plan_probes(total_steps, batch_size, probe_cost) if samples else ()
        return cls(steps, total_steps, batch_size, scan_every if samples else None)

    def next_after(self, step: int) -> float:
        """Give the next step after which there is anything to look at."""
        following = bisect_right(self.steps, step)
        probe = self.steps[following] if following < len(self.steps) else math.inf
        return probe if self._scan_every is None else min(probe, _next_multiple(step, self._scan_every))

    def wants_scan(self, step: int) -> bool:
        """Tell whether to scan; on "auto", whether the last scan's cost still fits half the share of rows trained."""
        if self._scan_every is not None:
            return step % self._scan_every == 0
        return self._spent + self._last_cost <= 0.5 * ROW_SHARE * step * self._batch_size

    def scanned(self, rows: float) -> None:
        """Note what a scan cost, in rows passed forward through the whole network."""
        self._last_cost = rows * FROZEN_COST
        self._spent += self._last_cost
