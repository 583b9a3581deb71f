"""Targets as a loss wants them, and as rules read them: a row of numbers per sample, one-hot where they are classes."""

import math
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array

MOST_BEYOND = 1000
"""Class indices for which there is no output, and which get a column all the same: they are a fault to be told."""


@dataclass(frozen=True, slots=True)
class TargetCoding:
    """How targets `(samples, …)` are written as rows `(samples, columns)`, and back.

    Attributes:
        shape: Of one sample's targets.
        classes: How many columns a class index becomes, at least; None where targets stay the numbers they are.
        truths: Whether they are true or false, which rows have as 1 and 0.
        cuts: Whether class indices are cut to whole numbers, as Keras does.
    """

    shape: tuple[int, ...]
    classes: int | None = None
    truths: bool = False
    cuts: bool = False

    def encode(self, targets: Array) -> Array:
        """Write targets as rows; class indices `(samples,)` become one-hot ones.

        Raises:
            ValueError: If class indices are none, or far beyond the classes.
        """
        if self.classes is None:
            flat = targets.reshape(len(targets), math.prod(self.shape))
            return flat.astype(np.float32) if flat.dtype in (np.bool_, np.float16) else flat
        numbers = np.trunc(targets.reshape(-1)) if self.cuts else targets.reshape(-1)
        inside = (numbers >= 0) & (numbers < self.classes + MOST_BEYOND) & (numbers == np.rint(numbers))
        if not inside.all():
            found = f"{numbers.min():g} to {numbers.max():g}"
            msg = f"class indices must be whole numbers from 0 to {self.classes - 1}, as there are outputs, got {found}"
            raise ValueError(msg)
        indices = numbers.astype(np.int64)
        count = max(self.classes, int(indices.max(initial=0)) + 1)
        rows = np.zeros((len(indices), count), np.float32)
        rows[np.arange(len(indices)), indices] = 1.0
        return rows

    def decode(self, rows: Array) -> Array:
        """Give the targets that rows stand for."""
        numbers = rows if self.classes is None else rows.argmax(axis=1)
        numbers = numbers > 0.5 if self.truths else numbers
        return np.asarray(numbers.reshape(len(rows), *self.shape))
