"""What the metrics of a step share, of one run or of many: tags, and the arrays of an event as vectors."""

from dataclasses import dataclass
from operator import is_

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.engine.events import Array, LayerArrays

UNWARNED = np.errstate(over="ignore", invalid="ignore")
"""What overflows is measured, not warned about: whoever makes warnings errors would lose the training."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of one layer, put together once."""

    slope: str
    inactive: str
    gradient: str
    weight: str
    update: str


class TagsByLayer(dict[str, Tags]):
    """The tags of every layer met so far: a network may know its layers only once it has been run."""

    def __missing__(self, layer: str) -> Tags:
        tags = self[layer] = Tags(
            f"sigmoid_slope/{layer}",
            f"inactive_fraction/{layer}",
            f"gradient_norm/{layer}",
            f"weight_norm/{layer}",
            f"update_ratio/{layer}",
        )
        return tags


CHANGES = 3
"""Times that others are met after which arrays are taken to be others every time."""


class Vectors:
    """Arrays by layer as vectors: made anew only for other arrays, and for those that no vector is a view of.

    Those `(R, …)` of many runs become matrices `(R, n)`. Arrays that are others every time, as gradients of a framework
    that allocates them at every step, are not held on to: their memory is wanted for the next.
    """

    def __init__(self, name: str | None = None, *, runs: bool = False) -> None:
        self._name, self._runs = name, runs
        self._changes = 0
        self._known: tuple[list[Array], list[str], list[Array]] = [], [], []

    def of(self, arrays: LayerArrays) -> tuple[list[str], list[Array]]:
        """Give the vectors of all parameters, or of those named so, and the layer of each."""
        wanted = self._name
        if wanted is None:
            present = [array for group in arrays.values() for array in group.values()]
        else:
            present = [group[wanted] for group in arrays.values() if wanted in group]
        known, layers, vectors = self._known
        if len(present) == len(known) and all(map(is_, present, known)):
            return layers, vectors
        self._changes += 1
        layers = [layer for layer, group in arrays.items() for name in group if wanted in {None, name}]
        if self._runs:
            vectors = [array.reshape(len(array), -1) for array in present]
        else:
            vectors = [metrics.flatten(array) for array in present]
        lasting = self._changes <= CHANGES and all(map(np.may_share_memory, vectors, present))
        self._known = (present, layers, vectors) if lasting else ([], [], [])
        return layers, vectors
