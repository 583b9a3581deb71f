"""Updates that floats cannot hold: parameters that have a gradient, are updated, and stay what they were."""

from collections.abc import Iterable

import numpy as np

from gradvitals.diagnostics.metrics import sum_of_squares
from gradvitals.diagnostics.notes import Rounding
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, StepEnded


class LostUpdates:
    """Keeps the gradients of a step that is looked at until its update is known."""

    def __init__(self) -> None:
        self._gradients: dict[tuple[str, str], Array] = {}
        self._step = -1
        self._unheld: frozenset[str] = frozenset()

    def leave_out(self, layers: Iterable[str]) -> None:
        """Leave out layers that no optimizer holds: they stay as they were, whatever the precision."""
        self._unheld = frozenset(layers)

    def gradients(self, event: GradientsReady) -> None:
        """Copy the gradients: they may be clipped in place before the update."""
        self._gradients = {key: array.copy(order="K") for key, array in self._held(event.gradients).items()}
        self._step = event.step

    def ended(self, event: StepEnded) -> Rounding | None:
        """Compare with the update really taken; None without gradients of this step."""
        gradients, self._gradients = self._gradients, {}
        updates = self._held(event.updates)
        both = [key for key in gradients if key in updates]
        if not both or self._step != event.step:
            return None
        pairs = [gradients[key] for key in both], [updates[key] for key in both]
        return measure_rounding(*pairs, step=event.step, learning_rate=event.learning_rate)

    def _held(self, arrays: LayerArrays) -> dict[tuple[str, str], Array]:
        held = {layer: group for layer, group in arrays.items() if layer not in self._unheld}
        return {(layer, name): array for layer, group in held.items() for name, array in group.items()}


@np.errstate(over="ignore", invalid="ignore")
def measure_rounding(
    gradients: list[Array], updates: list[Array], *, step: int, learning_rate: float
) -> Rounding | None:
    """Count the parameters with a gradient whose value stayed what it was.

    Args:
        gradients: Of every parameter, of any shape.
        updates: What was really added to each.
        step: The step the note carries.
        learning_rate: Its rate.

    Returns:
        None where gradients are not finite, or all 0.
    """
    lost = 0
    lost_total = 0.0
    total = sum(map(sum_of_squares, gradients))
    if not np.isfinite(total) or total == 0.0:
        return None
    for gradient, update in zip(gradients, updates, strict=True):
        moved = update != 0.0
        if not moved.all():
            unmoved = _where_not(moved, gradient)
            lost += int(np.count_nonzero(unmoved))
            lost_total += sum_of_squares(unmoved)
    if not lost:
        return Rounding(step, learning_rate, 0.0, 0.0)
    asked = sum(int(np.count_nonzero(gradient != 0.0)) for gradient in gradients)  # of floats: five times as long
    return Rounding(step, learning_rate, lost / asked, lost_total / total)


def _where_not(moved: Array, gradient: Array) -> Array:
    """Give the gradient where nothing moved, row by row: of arrays laid out by columns too, where that is rare."""
    if not (moved.flags.f_contiguous and gradient.flags.f_contiguous) or gradient.ndim != 2:
        return np.asarray(gradient[~moved])
    columns, rows = np.unravel_index(np.flatnonzero(~moved.T), moved.T.shape)
    by_row = np.lexsort((columns, rows))
    return np.asarray(gradient[rows[by_row], columns[by_row]])
