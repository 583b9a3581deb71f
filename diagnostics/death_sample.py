"""What ReLU layers do on a sample, kept from one scan to the next where they cannot be computed from past parameters.

So it is in convolutions, behind normalisation or other activations, and in networks unrolled through time.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.unit_death import Seen, UnitState
from gradvitals.engine.events import Array, LayerForward, Observable

MOST_VALUES = 1024
"""Kept per unit: a convolution has many a row."""

MOST_WEIGHTS = 2**22
"""Of a layer that are kept from scan to scan; of a larger one nothing is said of its weights."""


@dataclass(frozen=True, slots=True)
class SampledLayer:
    """The units of a layer, as seen on the sample.

    Attributes:
        step: When.
        of: What the values are.
        values: `(values, units)`.
        bias: `(units,)`; None where it has none.
        weights: All that are incoming, `(fan_in, units)`; without a row where they cannot be told, or are too many.
        adds_bias: Whether the values are what the weights make of the inputs, plus the bias; through time they are not.
    """

    step: int
    of: Seen
    values: Array
    bias: Array | None
    weights: Array
    adds_bias: bool

    def unit(self, index: int) -> UnitState:
        """Give one unit."""
        bias = None if self.bias is None else float(self.bias[index])
        return UnitState(self.step, self.values[:, index], bias, self.weights[:, index])

    def can_follow(self, earlier: "SampledLayer") -> bool:
        """Tell whether the same was seen of the same units at a scan before."""
        return earlier.of == self.of and earlier.values.shape[1] == self.values.shape[1]


class Sampler:
    """Collects what some ReLU layers do in a frozen pass over the sample."""

    def __init__(self, network: Observable, without: Container[str]) -> None:
        """Take a network, and the layers that need not be looked at."""
        self._network, self._without = network, without
        self._step = -1
        self._seen: dict[str, tuple[Seen, Array]] = {}

    def __call__(self, event: object) -> None:
        """Keep a layer's values; other events than of a forward pass are passed over."""
        if not isinstance(event, LayerForward) or event.activation not in RECTIFIED or event.layer in self._without:
            return
        if event.step != self._step:
            self._step, self._seen = event.step, {}
        if event.outputs.size:
            before, units = event.pre_activations, event.outputs.shape[1]
            known = before is not None and before.shape[1] == units
            values = before if before is not None and known else event.outputs
            self._seen[event.layer] = (
                "pre_activations" if known else "outputs",
                values[:: -(-len(values) // MOST_VALUES)].copy(),
            )

    def take(self, inputs: Array, step: int) -> dict[str, SampledLayer]:
        """Give what was seen at this step; nobody having looked, run the sample."""
        if self._step != step:
            self._network.observe(inputs, self, step=step)
        parameters, (seen, self._seen) = self._network.parameters_by_layer(), (self._seen, {})
        self._step = -1
        return {layer: _sampled(step, of, values, parameters.get(layer, {})) for layer, (of, values) in seen.items()}


def _sampled(step: int, of: Seen, values: Array, parameters: Mapping[str, Array]) -> SampledLayer:
    units = values.shape[1]
    incoming = [array for array in parameters.values() if array.ndim == 2 and array.shape[1] == units]
    kept = 0 < sum(array.size for array in incoming) <= MOST_WEIGHTS
    weights = np.concatenate(incoming) if kept else np.empty((0, units))
    bias = parameters.get("bias")
    bias = bias.copy() if bias is not None and bias.shape == (units,) else None
    return SampledLayer(step, of, values, bias, weights, of == "pre_activations" and len(incoming) == 1)
