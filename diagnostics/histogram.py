"""Histograms, reduced: what a sink gets instead of an array."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.diagnostics.metrics import flatten
from gradvitals.engine.events import Array

BINS = 30
CHUNK = 1 << 14
"""Entries binned at a time, so that the scratch space stays in the cache."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in equal bins between the smallest and the largest finite entry.

    Attributes:
        count: Entries counted; 0 for an array without a finite one.
        smallest: The smallest of them.
        largest: The largest.
        total: Their sum.
        total_squares: The sum of their squares.
        counts: Entries per bin, `(bins,)`; one bin where all entries are equal.
        limits: Right edge of every bin, `(bins,)`.
    """

    count: int
    smallest: float
    largest: float
    total: float
    total_squares: float
    counts: Array
    limits: Array


def reduce_histogram(array: ArrayLike, bins: int = BINS) -> Histogram:
    """Reduce an array of any shape.

    NaN and ±∞ are left out: they have no place on an axis. Finite values beyond the float32 range, in which dashboards
    draw, count as ±3.4e38.
    """
    values, low, high = _drawable(flatten(np.asarray(array, np.float64)))
    if not values.size:
        return Histogram(0, 0.0, 0.0, 0.0, 0.0, np.empty(0), np.empty(0))
    counts, limits = _count(values, low, high, bins)
    return Histogram(values.size, low, high, float(values.sum()), float(values @ values), counts, limits)


def _drawable(values: Array) -> tuple[Array, float, float]:
    """Give what has a place on a float32 axis, the least and the largest of it; healthy arrays are not copied."""
    for _ in range(2):
        if not values.size:
            break
        low, high = float(values.min()), float(values.max())
        if max(-low, high) <= FLOAT32_MAX:  # a NaN compares false
            return values, low, high
        values = np.asarray(np.clip(values[np.isfinite(values)], -FLOAT32_MAX, FLOAT32_MAX))
    return values, 0.0, 0.0


def _count(values: Array, low: float, high: float, bins: int) -> tuple[Array, Array]:
    """Give counts and right edges of equal bins, also where `np.histogram` finds the range too small."""
    width = (high - low) / bins
    if width < np.finfo(np.float64).tiny:  # one value, or a range too small to divide
        return np.array([values.size]), np.array([high])
    per_width = 1.0 / width
    counts = np.zeros(bins + 1, np.intp)
    for start in range(0, values.size, CHUNK):
        places = values[start : start + CHUNK] - low
        places *= per_width
        counts += np.bincount(places.astype(np.intp), minlength=bins + 1)
    counts[-2] += counts[-1]  # the largest value closes the last bin
    counts = counts[:-1]
    limits = low + width * np.arange(1, bins + 1)
    limits[-1] = high
    return counts, limits
