"""How busy the hidden units are on the probe: dormant ones, and those that never bend their input."""

from dataclasses import dataclass, field

import numpy as np

from gradvitals.diagnostics.metrics import RECTIFIED, unit_sums
from gradvitals.diagnostics.notes import Activity
from gradvitals.engine.events import Array, LayerForward

DORMANT = 0.025
"""τ: a unit's mean |output|, relative to its layer's, up to which it is dormant.

References:
    Sokar, Agarwal, Castro & Evci 2023, "The dormant neuron phenomenon in deep reinforcement learning", definition 3.1.
"""


def dormant_share(outputs: Array) -> float:
    """Share of units, of `(samples, units)`, whose mean |output| is at most .025 of the mean over the layer."""
    sums = unit_sums(np.abs(outputs))
    return float((sums <= DORMANT * sums.mean()).mean())


def always_active_share(outputs: Array) -> float:
    """Share of ReLU units that are active on every sample, where they are as good as linear."""
    return float((outputs.min(axis=0) > 0.0).mean())


@dataclass(slots=True)
class ActivityCollector:
    """Reduces the LayerForward events of a probe."""

    output_layer: str
    dormant: dict[str, float] = field(default_factory=dict)
    always_linear: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: LayerForward) -> None:
        """Measure a hidden layer."""
        if event.layer == self.output_layer or not event.outputs.size:
            return
        self.dormant[event.layer] = dormant_share(event.outputs)
        if event.activation in RECTIFIED:
            self.always_linear[event.layer] = always_active_share(event.outputs)

    def note(self, step: int) -> Activity:
        """Give what was measured."""
        return Activity(step, self.dormant, self.always_linear)
