"""Which candidates trained well: decided by their scores on the validation set, before any diagnosis is looked at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_data import DataSet, Yardstick
from zoo_grid import LEAST_UPDATES, Candidate

TOLERANCE: dict[Yardstick, float] = {"accuracy": 0.02, "skill": 0.05, "r2": 0.05}
"""How far below the best of its data set a run may be."""

ROUNDING = 1e-6

LEAST_MARGIN: dict[Yardstick, float] = {"accuracy": 0.05, "skill": 0.1, "r2": 0.1}
"""How far the best must be above the trivial predictor (the majority, the class shares, the mean)."""

LEAST_SHARE_OF_MARGIN = 0.5
"""What a run must have of the best's margin over the trivial predictor."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished candidate and its scores on the validation set."""

    candidate: Candidate
    scores: Mapping[str, float | None]

    def result(self, yardstick: Yardstick) -> float | None:
        """Give the score that counts; None where it has none or is not finite."""
        return self.scores.get(yardstick)

    def trivial(self, yardstick: Yardstick) -> float:
        """Give what the trivial predictor scores."""
        return (self.scores["majority"] or 0.0) if yardstick == "accuracy" else 0.0


@dataclass(frozen=True, slots=True)
class Selection:
    """What trained well.

    Attributes:
        healthy: The runs.
        others: Those that did not, on data sets where something did.
        best: The best score and the trivial one, by half and data set.
        dropped: Data sets on which nothing beats the trivial predictor by the margin, with the best score.
    """

    healthy: tuple[Run, ...]
    others: tuple[Run, ...]
    best: Mapping[tuple[str, str], tuple[float, float]]
    dropped: Mapping[str, float | None]

    def share(self, run: Run, yardstick: Yardstick) -> float:
        """Give the share of the best's margin over the trivial predictor that a run has; below 0 if it is worse."""
        best, trivial = self.best[run.candidate.half, run.candidate.data_set]
        result = run.result(yardstick)
        return -math.inf if result is None else (result - trivial) / (best - trivial)

    def to_json(self) -> dict[str, Any]:
        """Give the selection as plain data, for the file that is written before any verdict."""
        return {
            "healthy": [run.candidate.key for run in self.healthy],
            "best": {f"{name} ({half})": best for (half, name), (best, _) in self.best.items()},
            "dropped": dict(self.dropped),
        }


def select(runs: Iterable[Run], sets: Mapping[str, DataSet]) -> Selection:
    """Select the runs that trained well; each half is compared with its own best.

    A run trained well if it made at least 100 updates, is within 2 points of the best accuracy (.05 of the best R² or
    skill) on its data set, and keeps half of the best's margin over the trivial predictor.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.candidate.half, run.candidate.data_set), []).append(run)
    healthy: list[Run] = []
    others: list[Run] = []
    best: dict[tuple[str, str], tuple[float, float]] = {}
    dropped: dict[str, float | None] = {}
    for (half, name), group in groups.items():
        yardstick = sets[name].yardstick
        results = {run.candidate.key: result for run in group if (result := run.result(yardstick)) is not None}
        top = max(results.values(), default=None)
        trivial = max((run.trivial(yardstick) for run in group), default=0.0)
        if top is None or top - trivial < LEAST_MARGIN[yardstick]:
            dropped[f"{name} ({half})"] = top
            continue
        best[half, name] = top, trivial
        for run in group:
            (healthy if trained_well(run, top, trivial, yardstick) else others).append(run)
    return Selection(tuple(healthy), tuple(others), best, dropped)


def trained_well(run: Run, best: float, trivial: float, yardstick: Yardstick) -> bool:
    """Tell whether a run did about as well as the best, and better than the trivial predictor."""
    result, updates = run.result(yardstick), run.scores["updates"] or 0.0
    if result is None or updates < LEAST_UPDATES:
        return False
    near = result >= best - TOLERANCE[yardstick] - ROUNDING
    return near and result - trivial >= LEAST_SHARE_OF_MARGIN * (best - trivial)
