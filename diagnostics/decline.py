"""How a loss falls from probe to probe: at what pace, how evenly, and whether as fast as it did."""

import math
from itertools import pairwise

import numpy as np

from gradvitals.diagnostics.notes import Probe

SLOWED = 0.1
"""Share of its mean pace, since the start, below which a loss falls no longer as it did."""

PROBES_BACK = 9
"""Of a training with many probes, the last ones say at what pace it ends."""


def fall(probes: list[Probe], correlation: float = 0.0) -> tuple[float, float]:
    """Give the pace at which the logarithm of the loss falls, per update, and Student's t of its falls between probes.

    Falls that are noise around no trend, as those of a random walk, have a t of its distribution with one degree of
    freedom less than there are; those of independent noise around a level take each other back, and have less.

    Args:
        probes: Of the training.
        correlation: Of a fall with the one before, where noise may go on in the direction it took.

    Returns:
        The pace between the last two probes, and t over the last ones; both 0 where a loss is no positive number.
    """
    recent = probes[-PROBES_BACK:]
    ratios = [probe.loss_ratio for probe in recent if probe.loss_ratio is not None and probe.loss_ratio > 0.0]
    if len(ratios) < len(recent) or not np.isfinite(ratios).all():
        return 0.0, 0.0
    lengths = [max(later.step - earlier.step, 1) for earlier, later in pairwise(recent)]
    paces = -np.diff(np.log(ratios)) / lengths
    error = float(paces.std(ddof=1)) * lasting_error(len(paces), correlation)
    t = float(paces.mean()) / error if error > 0.0 else math.copysign(math.inf, float(paces.mean()))
    return float(paces[-1]), t


def lasting_error(count: int, correlation: float) -> float:
    """Give the standard error of a mean of so many falls in units of their standard deviation, if one follows another.

    A fall has this correlation with the next, its square with the one after that, and so on (AR(1)). The mean then
    varies more than that of independent ones, and they vary less around it.

    >>> round(lasting_error(4, 0.0), 3), round(lasting_error(4, 0.7), 3), round(lasting_error(8, 0.7), 3)
    (0.5, 1.256, 0.897)
    """
    more = sum(2.0 * (1.0 - lag / count) * correlation**lag for lag in range(1, count))
    return math.sqrt((1.0 + more) / (1.0 - more / (count - 1)) / count) if count > 1 else math.inf


def has_slowed(probes: list[Probe]) -> bool:
    """Tell whether the loss falls far more slowly than it did on average: what is left is then not a matter of time."""
    first, last = probes[0].loss_ratio, probes[-1].loss_ratio
    before = probes[-2].loss_ratio if len(probes) > 1 else None
    if not (first and last and before and min(first, last, before) > 0.0):
        return False
    steps, latest = probes[-1].step - probes[0].step, probes[-1].step - probes[-2].step
    return math.log(before / last) / max(latest, 1) < SLOWED * math.log(first / last) / max(steps, 1)
