"""What ReLU layers do on a sample, kept from one scan to the next where they cannot be computed from past parameters.

So it is in convolutions, behind normalisation or other activations, and in networks unrolled through time.
"""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.unit_death import Seen, UnitState
from gradvitals.engine.events import Array, LayerForward, Observable

MOST_VALUES = 1024
"""Kept per unit: a convolution has many a row."""


@dataclass(frozen=True, slots=True)
class SampledLayer:
    """The units of a layer, as seen on the sample.

    Attributes:
        step: When.
        of: What the values are.
        values: `(values, units)`.
        bias: `(units,)`; None where it has none.
        weights: All that are incoming, `(fan_in, units)`; without a row where they cannot be told.
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


def sample_layers(network: Observable, inputs: Array, without: Container[str], *, step: int) -> dict[str, SampledLayer]:
    """Run the network frozen on some rows, and keep what its ReLU layers did, except some."""
    parameters, found = network.parameters_by_layer(), dict[str, SampledLayer]()

    def note(event: LayerForward) -> None:
        if event.activation not in RECTIFIED or event.layer in without or not event.outputs.size:
            return
        before, units = event.pre_activations, event.outputs.shape[1]
        of: Seen = "outputs" if before is None or before.shape[1] != units else "pre_activations"
        values = event.outputs if before is None or of == "outputs" else before
        own = parameters.get(event.layer, {})
        incoming = [array for array in own.values() if array.ndim == 2 and array.shape[1] == units]
        bias = own.get("bias")
        found[event.layer] = SampledLayer(
            step,
            of,
            values[:: -(-len(values) // MOST_VALUES)].copy(),
            bias.copy() if bias is not None and bias.shape == (units,) else None,
            np.concatenate(incoming) if incoming else np.empty((0, units)),
            of == "pre_activations" and len(incoming) == 1,
        )

    network.observe(inputs, note, step=step)
    return found
