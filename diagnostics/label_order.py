"""Labels, the order they come in, and how they are split: tests of classes against chance."""

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


@dataclass(frozen=True, slots=True)
class UnseenLabels:
    """Classes that validation examples have and no training example.

    Attributes:
        labels: The classes.
        rows: How many validation examples have one of them.
        chance: Upper bound of the probability that a random split of all examples leaves such a class out.
    """

    labels: tuple[int, ...]
    rows: int
    chance: float


def find_unseen(training: Array, validation: Array) -> UnseenLabels:
    """Compare the classes `(n,)` of two sets.

    A random split puts all k examples of a class among the m of n that it holds out with a probability of
    C(m, k) / C(n, k); that of the rarest such chance is multiplied by the number of classes, as any might have been it.
    """
    labels, counts = np.unique(validation, return_counts=True)
    is_unseen = ~np.isin(labels, training)
    held_out, total = len(validation), len(training) + len(validation)
    classes = len(np.union1d(labels, training))
    chances = [math.comb(held_out, int(k)) / math.comb(total, int(k)) for k in counts[is_unseen]]
    return UnseenLabels(
        tuple(int(label) for label in labels[is_unseen]),
        int(counts[is_unseen].sum()),
        min(1.0, classes * min(chances, default=1.0)),
    )


def labels_of(targets: Array) -> Array | None:
    """Give the classes `(n,)` that targets `(n, outputs)` stand for; None where they are not one-hot, nor 0 and 1."""
    if not targets.size:
        return None
    if targets.shape[1] == 1:
        yes = targets[:, 0] == 1.0
        return np.asarray(yes, np.int64) if (yes | (targets[:, 0] == 0.0)).all() else None
    return np.asarray(targets.argmax(axis=1)) if is_one_hot(targets) else None
