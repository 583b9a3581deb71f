"""What is not finite, and in which layer it began."""

from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.engine.events import Array, LayerArrays, LayerForward


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not finite: what (see `Incident`) and in which layer."""

    what: str
    layer: str | None


def forward_fault(event: LayerForward, parameters: LayerArrays) -> Fault | None:
    """Give the fault of the first layer, from the inputs on, at which something is not finite.

    Either it turned finite inputs into something that is not, or its parameters or, in the first layer, the data are
    not finite; or, in a later one, what was made on the way to it, as a product of two layers' outputs.
    """
    if not np.isfinite(event.inputs).all():
        return Fault("inputs", None) if event.layer == next(iter(parameters)) else Fault("read", event.layer)
    computed: list[Array] = [event.outputs] if event.pre_activations is None else [event.pre_activations, event.outputs]
    if metrics.all_finite(computed):
        return None
    return Fault("outputs" if metrics.all_finite(parameters[event.layer].values()) else "parameters", event.layer)


def array_fault(arrays: LayerArrays, what: str) -> Fault | None:
    """Give the fault of the first layer whose arrays are not finite."""
    for layer, group in arrays.items():
        if not metrics.all_finite(group.values()):
            return Fault(what, layer)
    return None
