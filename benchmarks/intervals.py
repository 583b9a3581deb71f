"""Shares with two-sided 95 % Clopper–Pearson intervals, and bootstrap intervals of a mean over clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """How often something happened.

    Attributes:
        hits: How many had it.
        total: Of how many.
    """

    hits: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """The two-sided Clopper–Pearson interval (Clopper & Pearson 1934); from 0 to 1 where there is nothing."""
        tail = (1.0 - CONFIDENCE) / 2.0
        low = float(beta.ppf(tail, self.hits, self.total - self.hits + 1)) if self.hits else 0.0
        high = float(beta.ppf(1.0 - tail, self.hits + 1, self.total - self.hits)) if self.hits < self.total else 1.0
        return low, high

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"hits": self.hits, "total": self.total, "interval_95": list(self.interval)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Share":
        """Read it back."""
        return cls(data["hits"], data["total"])

    def __str__(self) -> str:
        if not self.total:
            return "–"
        low, high = self.interval
        return f"{self.hits} of {self.total} ({100 * self.hits / self.total:.1f} %, {100 * low:.1f}–{100 * high:.1f})"


def bootstrap(
    values: Sequence[float], clusters: Sequence[str], generator: np.random.Generator
) -> tuple[float, float] | None:
    """Give the 95 % percentile interval of a mean, clusters resampled as wholes: runs of one kind are not independent.

    Args:
        values: One per run.
        clusters: What each run belongs to.
        generator: Draws the clusters.

    Returns:
        The interval; None where there are fewer than two clusters.
    """
    names = sorted(set(clusters))
    if len(names) < 2:
        return None
    index = {name: place for place, name in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, cluster in zip(values, clusters, strict=True):
        sums[index[cluster]] += value
        counts[index[cluster]] += 1
    drawn = generator.integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(means, (tail, 100.0 - tail))
    return float(low), float(high)
