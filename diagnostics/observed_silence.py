"""Units that no training batch looked at has made fire: what can be said of dead units without the training set.

It is no scan: weights move between the batches, and other inputs may make a unit fire. So it names the inputs that it
speaks of, and is never more than info.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class ObservedSilence:
    """Units of ReLU layers that were silent in the later half of the steps looked at; the note `observed_silence`.

    Attributes:
        step: When it was taken.
        silent: By layer, as indices.
        since: By layer, the first of these steps.
        steps: By layer, how many they are.
        rows: By layer, how many inputs of the layer they had.
    """

    step: int
    silent: Mapping[str, tuple[int, ...]]
    since: Mapping[str, int]
    steps: Mapping[str, int]
    rows: Mapping[str, int]


@dataclass(slots=True)
class _Seen:
    """What was seen of a layer.

    Attributes:
        fired: Which of the steps was the last at which a unit fired, `(units,)`; −1 for none.
        steps: All that were looked at.
        rows: Inputs of each.
    """

    fired: Array
    steps: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class SilenceWatcher:
    """Keeps for every unit when it last fired."""

    def __init__(self) -> None:
        self._layers: dict[str, _Seen] = {}

    def see(self, layer: str, step: int, sums: Array, rows: int) -> None:
        """Take a ReLU layer's outputs, all ≥ 0, summed over so many rows; a step may have several batches.

        Args:
            layer: Its name.
            step: The step.
            sums: `(units,)`; NaN, like all that is not 0, comes of a unit that is not silent.
            rows: How many were summed.
        """
        seen = self._layers.get(layer)
        if seen is None or seen.fired.size != sums.size:
            seen = self._layers[layer] = _Seen(np.full(sums.size, -1))
        if seen.steps and seen.steps[-1] == step:
            seen.rows[-1] += rows
        else:
            seen.steps.append(step)
            seen.rows.append(rows)
        np.copyto(seen.fired, len(seen.steps) - 1, where=sums != 0)

    def take(self, step: int) -> ObservedSilence | None:
        """Give what was seen; None where nothing was."""
        if not self._layers:
            return None
        half = {layer: len(seen.steps) // 2 for layer, seen in self._layers.items()}
        layers = self._layers.items()
        return ObservedSilence(
            step,
            {layer: tuple(np.flatnonzero(seen.fired < half[layer]).tolist()) for layer, seen in layers},
            {layer: seen.steps[half[layer]] for layer, seen in layers},
            {layer: len(seen.steps) - half[layer] for layer, seen in layers},
            {layer: sum(seen.rows[half[layer] :]) for layer, seen in layers},
        )
