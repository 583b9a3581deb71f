"""A network as drawn: its circuit, and which of the circuit's values make up each layer."""

from dataclasses import dataclass

from gradvitals.engine.circuit import Circuit
from gradvitals.engine.events import LayerInfo


@dataclass(frozen=True, slots=True)
class DrawnLayer:
    """A layer and the names of its values in the circuit, one per time step where it is unrolled through time.

    Attributes:
        info: Name, activation and size.
        inputs: What its op reads, before a dropout of its own outputs.
        pre_activations: What its activation reads; the outputs themselves where it is linear.
        outputs: What its activation gives.
    """

    info: LayerInfo
    inputs: tuple[str, ...]
    pre_activations: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A circuit of the inputs `inputs` and `targets` and parameters named `layer/what`, ending in a gate `loss`."""

    circuit: Circuit
    layers: tuple[DrawnLayer, ...]
