"""Labels and the order they come in: a runs test of classes."""

import math
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.least_loss import is_one_hot
from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches of equal labels.

    Attributes:
        count: How many there are.
        expected: How many a random order has on average.
        deviation: Standard deviation of that.
    """

    count: int
    expected: float
    deviation: float


def count_runs(labels: Array) -> Runs:
    """Count the runs of labels `(n,)` of any number of kinds, and give what to expect of a random permutation.

    References:
        Barton & David 1957, "Multiple runs", Biometrika 44: mean and variance for several kinds.
    """
    n = len(labels)
    count = 1 + int(np.count_nonzero(labels[1:] != labels[:-1])) if n else 0
    _, sizes = np.unique(labels, return_counts=True)
    squares, cubes = float((sizes.astype(np.float64) ** 2).sum()), float((sizes.astype(np.float64) ** 3).sum())
    if n < 2:
        return Runs(count, float(count), 0.0)
    expected = n + 1.0 - squares / n
    variance = (squares * (squares + n * (n + 1.0)) - 2.0 * n * cubes - float(n) ** 3) / (float(n) ** 2 * (n - 1.0))
    return Runs(count, expected, math.sqrt(max(variance, 0.0)))


def labels_of(targets: Array) -> Array | None:
    """Give the classes `(n,)` that targets `(n, outputs)` stand for; None where they are not one-hot, nor 0 and 1."""
    if not targets.size:
        return None
    if targets.shape[1] == 1:
        yes = targets[:, 0] == 1.0
        return np.asarray(yes, np.int64) if (yes | (targets[:, 0] == 0.0)).all() else None
    return np.asarray(targets.argmax(axis=1)) if is_one_hot(targets) else None
