"""Updates that floats cannot hold: parameters that have a gradient, are updated, and stay what they were."""

import numpy as np

from gradvitals.diagnostics.metrics import sum_of_squares
from gradvitals.diagnostics.notes import Rounding
from gradvitals.engine.events import Array, GradientsReady, StepEnded


class LostUpdates:
    """Keeps the gradients of a step that is looked at until its update is known."""

    def __init__(self) -> None:
        self._gradients: list[Array] = []
        self._step = -1

    def gradients(self, event: GradientsReady) -> None:
        """Copy the gradients: they may be clipped in place before the update."""
        self._gradients = [array.reshape(-1).copy() for group in event.gradients.values() for array in group.values()]
        self._step = event.step

    def ended(self, event: StepEnded) -> Rounding | None:
        """Compare with the update really taken; None without gradients of this step."""
        gradients, self._gradients = self._gradients, []
        if not gradients or self._step != event.step:
            return None
        updates = [array.reshape(-1) for group in event.updates.values() for array in group.values()]
        return measure_rounding(gradients, updates, step=event.step, learning_rate=event.learning_rate)


@np.errstate(over="ignore", invalid="ignore")
def measure_rounding(
    gradients: list[Array], updates: list[Array], *, step: int, learning_rate: float
) -> Rounding | None:
    """Count the parameters with a gradient whose value stayed what it was.

    Args:
        gradients: Of every parameter, as vectors.
        updates: What was really added to each.
        step: The step the note carries.
        learning_rate: Its rate.

    Returns:
        None where gradients are not finite, or all 0.
    """
    asked = lost = 0
    total = lost_total = 0.0
    for gradient, update in zip(gradients, updates, strict=True):
        total += sum_of_squares(gradient)
        asked += int(np.count_nonzero(gradient))
        if np.count_nonzero(update) < update.size:
            unmoved = gradient[update == 0.0]
            lost += int(np.count_nonzero(unmoved))
            lost_total += sum_of_squares(unmoved)
    if not asked or not np.isfinite(total) or total == 0.0:
        return None
    return Rounding(step, learning_rate, lost / asked, lost_total / total)
