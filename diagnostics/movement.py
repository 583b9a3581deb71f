"""Movement: parameters that have a gradient and do not change by a bit.

Where training works, every array moves at its first update, and nothing more is looked at. An array that does not is
compared, from then on, with a copy; and at the steps looked at it is asked whether its gradient should have moved it:
whether rate · |gradient|, after clipping, is more than the spacing of floats there. An optimizer that rescales its
gradients may take a smaller step than that where they are large, so each counts for at most .001: where gradients stay
of one size, every optimizer of ours takes steps of more than .001 · rate.
"""

from collections.abc import Mapping

import numpy as np

from gradvitals.diagnostics.notes import Movement
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, Observable, StepEnded

LARGEST_GRADIENT = 1e-3


class MovementWatcher:
    """Remembers the arrays that have not moved since the first step looked at; mostly none."""

    def __init__(self, network: Observable) -> None:
        self._network = network
        self._since: int | None = None
        self._looks = 0
        self._known: set[str] = set()
        self._copies: dict[str, dict[str, Array]] = {}
        self._pushes: dict[str, dict[str, int]] = {}
        self._gradients: dict[str, dict[str, Array]] = {}
        self._done = False

    def gradients(self, event: GradientsReady) -> None:
        """Keep the gradients of what has not moved, until the end of the step."""
        if self._copies:
            self._gradients = {
                layer: {name: event.gradients[layer][name].copy() for name in arrays if name in event.gradients[layer]}
                for layer, arrays in self._copies.items()
                if layer in event.gradients  # where there are several optimizers, a step is that of one of them
            }

    def ended(self, event: StepEnded) -> None:
        """Note what this step moved, and what it should have moved."""
        if self._since is None:
            self._since = event.step
        elif self._copies:
            self._looks += 1
            self._forget_moved(event.parameters)
            for layer, gradients in self._gradients.items():
                moved = event.updates.get(layer, {}).keys()  # by the optimizer whose step it is
                for name in gradients.keys() & moved & self._copies.get(layer, {}).keys():
                    rate = event.learning_rate * event.clip_factor
                    array = self._copies[layer][name]
                    self._pushes[layer][name] += should_move(array, gradients[name], event.learning_rate, rate)
            self._gradients = {}
        if not event.updates.keys() <= self._known:
            self._meet(event)

    def _meet(self, event: StepEnded) -> None:
        """Keep what did not move at the first step seen of its layer; another optimizer's may come later."""
        for layer, arrays in event.updates.items():
            if layer in self._known:
                continue
            still = {name: event.parameters[layer][name].copy() for name in arrays if not arrays[name].any()}
            if still:
                self._copies[layer], self._done = still, False
                self._pushes[layer] = dict.fromkeys(still, 0)
        self._known |= event.updates.keys()

    def look(self, step: int) -> Movement | None:
        """Take the note; None before the first step looked at, and once it was said that everything has moved."""
        if self._since is None or self._done:
            return None
        self._forget_moved(self._network.parameters_by_layer())
        self._done = not self._copies
        unmoved = {
            layer: {name: self._pushes[layer][name] for name in arrays} for layer, arrays in self._copies.items()
        }
        return Movement(step, self._since, self._looks, unmoved)

    def _forget_moved(self, parameters: LayerArrays) -> None:
        """Drop the copies of what is no longer as it was, a NaN among it."""
        kept = {layer: _unmoved(arrays, parameters.get(layer, arrays)) for layer, arrays in self._copies.items()}
        self._copies = {layer: arrays for layer, arrays in kept.items() if arrays}


def _unmoved(copies: Mapping[str, Array], parameters: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array for name, array in copies.items() if np.array_equal(array, parameters.get(name, array))}


@np.errstate(over="ignore", invalid="ignore")  # of a diverged network
def should_move(parameters: Array, gradient: Array, learning_rate: float, clipped_rate: float) -> bool:
    """Tell whether an update would surely move a parameter by more than the spacing of floats there.

    Args:
        parameters: Any shape.
        gradient: Theirs, before clipping.
        learning_rate: Of the step.
        clipped_rate: The same times the factor by which clipping shrank the gradient.
    """
    if not np.isfinite(np.square(gradient)).all():
        return False  # a step that may rightly be skipped, or that an optimizer divides by infinity
    step = np.minimum(clipped_rate * np.abs(gradient.astype(np.float64)), learning_rate * LARGEST_GRADIENT)
    return bool((step > np.abs(np.spacing(parameters))).any())
