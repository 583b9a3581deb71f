"""By how much a network is behind simple models, on the samples it was trained on or on new ones; or a constant is."""

import math
from dataclasses import dataclass
from typing import Self

from gradvitals.diagnostics.error_budget import student_tail
from gradvitals.diagnostics.notes import Generalisation
from gradvitals.diagnostics.scoring import SMALL_SAMPLE
from gradvitals.diagnostics.shortfall import Shortfall


@dataclass(frozen=True, slots=True)
class Lag:
    """Scores of a network and of simple models on the same samples.

    Attributes:
        samples: How many.
        new: Whether the network was not trained on them either.
        score: Of the network.
        value: Score of the simple models less the network's, paired by sample; NaN where none was asked.
        error: Its standard error.
    """

    samples: int
    new: bool
    score: float
    value: float
    error: float

    @classmethod
    def of_own(cls, note: Shortfall) -> Self:
        """Give it on samples that the network was trained on, and the simple models were not."""
        return cls(note.samples, False, note.score, note.value, note.error)  # noqa: FBT003 - as the attributes say

    @classmethod
    def of_new(cls, note: Generalisation) -> Self:
        """Give it on a validation sample; simple models are asked where the network does much worse on it."""
        value, error = note.shortfall, note.shortfall_se
        known = math.nan if value is None or error is None else value
        return cls(note.samples, True, note.score, known, error or 0.0)  # noqa: FBT003 - as the attributes say

    @classmethod
    def of_constant(cls, note: Shortfall) -> Self:
        """Give that of the best constant output, on samples that the simple models were not fitted to."""
        value, error = (math.nan if part is None else part for part in (note.excess, note.excess_se))
        return cls(note.samples, True, note.simple_score - value, value, error)  # noqa: FBT003 - as the attributes say

    @property
    def simple_score(self) -> float:
        """Score of the simple models."""
        return self.score + self.value

    def is_sure(self, level: float) -> bool:
        """Tell whether Student's t of the paired scores has less than this chance where the two are as good.

        It is that of a lag smaller by one answer: answers are whole, and of a few Student's t speaks a bit too often.
        """
        if math.isnan(self.value):
            return False
        t = (self.value - 1.0 / max(self.samples, 1)) / self.error if self.error > 0.0 else math.inf
        return self.samples >= SMALL_SAMPLE and student_tail(t, self.samples - 1) < level
