"""The course of the validation loss: how far it is above its lowest, sample by sample, at every probe."""

from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class ValidationCourse:
    """The loss on a sample of the validation set, against its lowest so far; the note `validation_course`.

    Attributes:
        step: Of the probe.
        samples: Rows of the sample.
        loss_ratio: Mean loss / H, both less the least loss there can be, if that is known not to be 0.
        lowest_step: The probe of the lowest mean loss so far.
        rise: Mean of (loss − loss at that probe) / H, paired by sample.
        rise_se: Its standard error.
        fall: Score at the probe of the best score so far, less the score, paired by sample: the share of right answers,
            or for a regression the gain over the best constant.
        fall_se: Its standard error.
    """

    step: int
    samples: int
    loss_ratio: float
    lowest_step: int
    rise: float
    rise_se: float
    fall: float
    fall_se: float


class CourseWatcher:
    """Remembers every sample's loss where their mean was lowest, and every sample's score where it was highest."""

    def __init__(self, floor: float, reducible: float) -> None:
        """Begin with nothing seen.

        Args:
            floor: The least loss there can be.
            reducible: H less that.
        """
        self._floor, self._reducible = floor, reducible
        self._lowest: tuple[int, Array] | None = None
        self._best: Array | None = None

    def see(self, step: int, losses: Array, scores: Array) -> ValidationCourse | None:
        """Compare a probe's losses and scores `(samples,)` with the best ones; None where a loss is not finite."""
        losses = losses.astype(np.float64)
        if not len(losses) or not np.isfinite(losses).all():
            return None
        if self._lowest is None or losses.mean() <= self._lowest[1].mean():
            self._lowest = step, losses
        if self._best is None or scores.mean() >= self._best.mean():
            self._best = scores
        lowest_step, lowest = self._lowest
        return ValidationCourse(
            step,
            len(losses),
            float(losses.mean() - self._floor) / self._reducible,
            lowest_step,
            *mean_and_error((losses - lowest) / self._reducible),
            *mean_and_error(self._best - scores),
        )
