"""Whether a training's batches hold examples of one class only, as batches cut from sorted examples do."""

import math

import numpy as np

from gradvitals.diagnostics.label_order import labels_of
from gradvitals.diagnostics.start_notes import BatchLabels
from gradvitals.engine.events import Array

BATCHES = 12
"""Batches looked at: the first of the sampled ones."""


class BatchWatcher:
    """Looks at the targets of the first sampled batches; `take` gives the note once."""

    def __init__(self, targets: Array | None) -> None:
        """Take the targets of the training set, `(samples, outputs)`; without any there is nothing to compare with."""
        labels = None if targets is None else labels_of(targets)
        counts = np.zeros(0) if labels is None else np.unique(labels, return_counts=True)[1]
        self._shares = counts / max(counts.sum(), 1.0)
        self._left = BATCHES if len(counts) > 1 else 0
        self._one_class: list[bool] = []
        self._chances: list[float] = []
        self._step = 0

    def see(self, targets: Array | None, step: int) -> None:
        """Look at a batch, unless enough have been seen.

        Args:
            targets: Of the batch, `(samples, outputs)`; None where nobody knows them.
            step: It was taken for.
        """
        if not self._left or targets is None:
            return
        labels = labels_of(targets)
        if labels is None or len(labels) < 2:
            return
        self._left -= 1
        self._step = step
        self._one_class.append(bool((labels == labels[0]).all()))
        self._chances.append(float((self._shares ** len(labels)).sum()))

    def take(self, *, ended: bool = False) -> BatchLabels | None:
        """Give the note as soon as all batches were seen, or as it is at the end; None before and after."""
        if not self._one_class or (self._left and not ended):
            return None
        batches, found = len(self._one_class), sum(self._one_class)
        note = BatchLabels(self._step, batches, found, _tail(batches, found, max(self._chances)))
        self._one_class, self._left = [], 0
        return note


def _tail(count: int, successes: int, chance: float) -> float:
    """Give the probability of so many successes or more in so many tries."""
    ways = [math.comb(count, k) * chance**k * (1.0 - chance) ** (count - k) for k in range(successes, count + 1)]
    return min(math.fsum(ways), 1.0)
