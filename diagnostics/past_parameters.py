"""Parameters as they were after some of the last updates, and what units then made of the training set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.engine.events import Array, LayerArrays, LayerInfo, Observable

REPLAYED = RECTIFIED | {"linear"}
"""Activations that need nothing but their inputs to be computed anew."""

MOST_NUMBERS, MOST_MOMENTS = 2**21, 128
"""Numbers kept in all, and moments: as many as are looked at in 5,000 steps; of a large network only those of scans."""

FEWEST_MOMENTS = 4

LARGEST = 2**24
"""Most numbers of the layers to be replayed: two moments are 128 MB."""

CHUNK = 1000
"""Rows computed at a time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Parameters after `step` updates, by layer."""

    step: int
    parameters: LayerArrays


def replayable_layers(network: Observable) -> tuple[LayerInfo, ...]:
    """Give the first layers, up to the last ReLU layer that can be computed from past parameters and the inputs."""
    if not network.layerwise:
        return ()
    first = list(network.layers)
    others = [place for place, info in enumerate(first) if info.activation not in REPLAYED]
    first = first[: others[0]] if others else first
    last = max((place for place, info in enumerate(first) if info.activation in RECTIFIED), default=-1)
    replayed = tuple(first[: last + 1])
    return replayed if numbers_of(replayed) <= LARGEST else ()


def numbers_of(layers: Sequence[LayerInfo]) -> int:
    """Count the weights and biases of layers of a plain chain."""
    return sum((info.fan_in + 1) * info.fan_out for info in layers)


class PastParameters:
    """Keeps the parameters of some layers at some moments: the first and the last, and as many between as have room.

    Attributes:
        layers: Those of the network's layers that can be replayed.
        moments: In order.
        size: Numbers of a moment.
    """

    def __init__(self, layers: Sequence[LayerInfo]) -> None:
        self.layers = tuple(layers)
        self.moments: list[Moment] = []
        self.size = numbers_of(layers)
        self._most = min(MOST_NUMBERS // max(self.size, 1), MOST_MOMENTS)

    @property
    def keeps_steps(self) -> bool:
        """Whether there is room for more than the moments of scans."""
        return bool(self.layers) and self._most >= FEWEST_MOMENTS

    def keep(self, step: int, parameters: LayerArrays) -> None:
        """Keep a copy; what was kept of the same step is replaced."""
        if self.moments and self.moments[-1].step == step:
            self.moments.pop()
        copied = {
            info.name: {name: array.copy() for name, array in parameters[info.name].items()} for info in self.layers
        }
        self.moments.append(Moment(step, copied))
        if len(self.moments) > max(self._most, 2):
            self._thin()

    def begin_anew(self) -> None:
        """Forget all but the last moment."""
        del self.moments[:-1]

    def _thin(self) -> None:
        """Drop a quarter: those whose neighbours are least far apart, relative to how late they are.

        Much happens early. No two neighbours are dropped at once.
        """
        steps = [moment.step for moment in self.moments]
        inner = range(1, len(steps) - 1, 2)
        order = sorted(inner, key=lambda place: (steps[place + 1] - steps[place - 1]) / steps[place + 1])
        for place in sorted(order[: max(self._most // 4, 1)], reverse=True):
            del self.moments[place]


def past_pre_activations(
    layers: Sequence[LayerInfo], below: LayerArrays, own: Mapping[str, Array], inputs: Array, units: Array
) -> Array:
    """Compute pre-activations `(rows, units)` of some units of the last of these layers.

    Args:
        layers: The first ones of a layerwise network, `REPLAYED` all.
        below: Parameters of those below the last.
        own: Those of the last.
        inputs: `(rows, …)`, of the network.
        units: Indices.
    """
    weight = own["weight"][:, units]
    bias = own["bias"][units] if "bias" in own else 0.0
    found = np.empty((len(inputs), len(units)), weight.dtype)
    for start in range(0, len(inputs), CHUNK):
        hidden = np.asarray(inputs[start : start + CHUNK], weight.dtype)
        hidden = hidden.reshape(len(hidden), -1)
        for info in layers[:-1]:
            arrays = below[info.name]
            hidden = hidden @ arrays["weight"]
            hidden += arrays.get("bias", 0.0)
            if info.activation in RECTIFIED:
                np.maximum(hidden, 0.0, out=hidden)
        found[start : start + CHUNK] = hidden @ weight + bias
    return found


def work_per_row(layers: Sequence[LayerInfo], units: int) -> int:
    """Give the multiply-adds that `past_pre_activations` takes for a row."""
    return sum(info.fan_in * info.fan_out for info in layers[:-1]) + layers[-1].fan_in * units
