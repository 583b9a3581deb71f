"""Fewer points for a curve, without losing what stands out."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 200
"""Finite points of a curve that are drawn; more are closer together than a screen's pixels."""


def thin(values: NDArray[np.floating], most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Choose the points of a curve to draw: the extremes of equal stretches, its ends, and where it is not finite.

    Args:
        values: `(points,)`.
        most: About how many to choose.

    Returns:
        Their places, ascending. Of every stretch also the first point that is not finite, so that no gap is lost.
    """
    if len(values) <= most:
        return np.arange(len(values))
    chosen = {0, len(values) - 1}
    finite = np.isfinite(values)
    edges = np.linspace(0, len(values), max(most // 2, 1) + 1, dtype=np.intp).tolist()
    for start, end in pairwise(edges):
        inside = np.arange(start, end)
        known, gaps = inside[finite[start:end]], inside[~finite[start:end]]
        if len(known):
            chosen |= {int(known[np.argmin(values[known])]), int(known[np.argmax(values[known])])}
        if len(gaps):
            chosen.add(int(gaps[0]))
    return np.array(sorted(chosen), np.intp)
