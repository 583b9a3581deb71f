"""Whether a squared error pulls the outputs of every batch to one number, where no data are known.

As `torch_pull` does it with data: where (batch, 1) meets (batch,), every output is pulled to the mean of the batch's
targets. Targets that are all the same in a batch pull so, too; but then an example that comes again is pulled to the
same number as before.
"""

from collections.abc import Sequence

import numpy as np

from gradvitals.diagnostics.adapters.row_sample import KeptRow
from gradvitals.diagnostics.start_notes import AcrossSamples
from gradvitals.engine.events import Array

BATCHES, LEAST = 8, 4
"""Batches that must agree, and samples looked at of each."""

MOST_BATCHES = 64
"""Batches looked at."""

ALIKE = 1e-3
"""Share of how much the batches' numbers differ that those of one batch may."""


class ToldPull:
    """Asks batches where their outputs are pulled, as far as they are one to a sample."""

    def __init__(self) -> None:
        self._middles: list[float] = []
        self._ranges: list[float] = []
        self._last: dict[int, float] = {}
        self._moves: list[float] = []
        self._samples = 0

    def see(self, rows: Sequence[KeptRow | None], outputs: Array, gradient: Array, samples: int) -> None:
        """Look at some of a batch.

        Args:
            rows: Which they are; None for one that is not kept.
            outputs: Of these, one each.
            gradient: On these.
            samples: Of the whole batch.
        """
        if len(rows) < LEAST or len(self._middles) == MOST_BATCHES or outputs.size != len(rows):
            return
        pulls = (outputs - samples / 2.0 * gradient).ravel()
        middle = float(pulls.min() + pulls.max()) / 2.0
        self._samples = samples
        self._middles.append(middle)
        self._ranges.append(float(np.ptp(pulls)))
        kept = [id(row) for row in rows if row is not None]
        self._moves += [abs(middle - self._last[row]) for row in kept if row in self._last]
        self._last |= dict.fromkeys(kept, middle)

    def note(self, step: int) -> AcrossSamples | None:
        """Say that outputs meet the targets of all samples, if all batches looked at do."""
        if len(self._middles) < BATCHES or not self._moves:
            return None
        spread = float(np.std(self._middles))
        is_so = max(self._ranges) < ALIKE * spread and float(np.median(self._moves)) > ALIKE * spread
        return AcrossSamples(step, self._samples) if is_so else None
