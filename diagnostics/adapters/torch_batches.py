"""Which examples a batch of the user's loop holds, found again among the data: the model is shown their inputs only.

It is asked only where the labels of the data come in stretches: else no loop that goes through them makes batches of
one class, and nobody need look.
"""

from typing import Any

import torch

from gradvitals.diagnostics.adapters.torch_arrays import as_array
from gradvitals.diagnostics.batch_labels import BATCHES
from gradvitals.diagnostics.label_order import count_runs, labels_of
from gradvitals.engine.events import Array

STRETCHES = 0.5
"""Share of the stretches that labels in a random order have, from which on nobody looks."""

MOST_ROWS = 200_000
"""Rows among which a batch is looked for."""

MISSES = 3
"""Batches, one after the other, that are not found among the data, after which none is expected to be."""


class BatchFinder:
    """Finds the examples of the first batches that are looked at."""

    def __init__(self, inputs: Array, targets: Array) -> None:
        """Take the training set: inputs `(samples, …)`, targets a row per sample."""
        labels = labels_of(targets) if len(inputs) <= MOST_ROWS else None
        runs = None if labels is None else count_runs(labels)
        self._left = BATCHES if runs is not None and runs.count <= STRETCHES * runs.expected else 0
        self._misses, self._inputs, self._targets = 0, inputs, targets
        self._labels: Any = labels
        self._rows: dict[int, int] = {}
        self._dtype: Any = None
        self._found: Array | None = None

    @property
    def is_curious(self) -> bool:
        """Whether there is anything left to look for."""
        return self._left > 0 and self._misses < MISSES

    def read(self, batch: torch.Tensor) -> None:
        """Look for the examples of a batch, by what the model was given of them."""
        if not self.is_curious or tuple(batch.shape[1:]) != self._inputs.shape[1:] or len(batch) < 2:
            return
        rows = as_array(batch)
        if rows.dtype != self._dtype:
            self._learn(rows.dtype)
        found = [self._rows.get(hash(row.tobytes()), -1) for row in rows]
        if min(found) < 0:
            self._misses += 1
            return
        self._misses, self._left = 0, self._left - 1
        self._found = self._targets[found]

    def take(self) -> Array | None:
        """Give the targets of the batch that was found last, `(samples, outputs)`, once."""
        found, self._found = self._found, None
        return found

    def _learn(self, dtype: Any) -> None:  # noqa: ANN401 - a type of NumPy's
        """Learn all rows in the precision that the model gets them in; the same inputs with two labels tell nothing."""
        self._dtype, self._rows = dtype, {}
        for index, row in enumerate(self._inputs.astype(dtype, copy=False)):
            key = hash(row.tobytes())
            known = self._rows.setdefault(key, index)
            if known >= 0 and self._labels[known] != self._labels[index]:
                self._rows[key] = -1
