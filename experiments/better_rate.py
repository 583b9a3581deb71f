"""Diagnosis 8, a hint: a neighbouring learning rate of the same sweep is better, by more than its seeds explain.

Runs are compared that differ in the learning rate alone, seed by seed (Student's paired t). All comparisons of a sweep
share the level at which one would count as 3 standard errors. Below three common seeds nobody can tell, and differences
that are the same in all seeds have no error to hold them against: nothing is said then.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any

from gradvitals.diagnostics.error_budget import student_tail
from gradvitals.experiments.run_folder import RunSummary

RATE = "training.optimizer.learning_rate"

LEVEL = 0.5 * math.erfc(3.0 / math.sqrt(2.0))
"""Chance that a normal error exceeds 3 standard errors."""

SEEDS = 3
"""Common seeds from which on two rates are compared."""

MOST_HINTS = 3
"""Lines about better rates below a map."""


@dataclass(frozen=True, slots=True)
class BetterRate:
    """Two neighbouring rates, of which one trains better.

    Attributes:
        others: Values of the other axes, by key.
        worse: The rate that does worse.
        better: The one that does better.
        score_name: `accuracy`, or `loss` where there is none.
        gain: Mean difference on validation; positive, whichever it is.
        error: Its standard error.
        seeds: How many pairs.
    """

    others: Mapping[str, Any]
    worse: float
    better: float
    score_name: str
    gain: float
    error: float
    seeds: int

    @property
    def text(self) -> str:
        """What was found, in one line."""
        where = "".join(f" at {key.rpartition('.')[2]} = {value}" for key, value in self.others.items())
        change = f"{self.score_name} {'+' if self.score_name == 'accuracy' else '-'}{self.gain:.3g} ± {self.error:.2g}"
        return f"learning rate {self.better:g} is better than {self.worse:g}{where} ({change}, {self.seeds} seeds)"


def better_rates(axes: Mapping[str, Sequence[Any]], summaries: Sequence[RunSummary]) -> list[BetterRate]:
    """Find the neighbouring learning rates of a sweep of which one is surely better, the greatest gain first.

    Args:
        axes: The swept keys and their values.
        summaries: The sweep's runs.
    """
    if len(axes.get(RATE, ())) < 2 or "seed" not in axes:
        return []
    finished = [each for each in summaries if each.finished]
    name = "accuracy" if any(each.score("accuracy") is not None for each in finished) else "loss"
    rows: dict[str, dict[float, dict[Any, float]]] = {}
    for each in finished:
        score, others = each.score(name), {key: each.axes[key] for key in axes if key not in {RATE, "seed"}}
        if score is not None and math.isfinite(score):
            row = rows.setdefault(json.dumps(others, sort_keys=True), {})
            row.setdefault(float(each.axes[RATE]), {})[each.axes["seed"]] = score if name == "accuracy" else -score
    compared = [(others, *each) for others, row in rows.items() for each in _neighbours(row)]
    found = [
        BetterRate(json.loads(others), *((low, high) if mean > 0.0 else (high, low)), name, abs(mean), error, seeds)
        for others, low, high, mean, error, seeds in compared
        if student_tail(abs(mean) / error, seeds - 1) < 0.5 * LEVEL / len(compared)
    ]
    return sorted(found, key=lambda each: -each.gain)


def _neighbours(row: Mapping[float, Mapping[Any, float]]) -> Iterator[tuple[float, float, float, float, int]]:
    """Yield neighbouring rates, how much better the higher is, the standard error, and how many seeds both have."""
    for low, high in pairwise(sorted(row)):
        differences = [row[high][seed] - row[low][seed] for seed in row[low].keys() & row[high].keys()]
        if len(differences) >= SEEDS and (spread := stdev(differences)) > 0.0:
            yield low, high, fmean(differences), spread / math.sqrt(len(differences)), len(differences)
