"""What the events of a probe are reduced to: numbers for the record, histograms for the dashboard."""

from dataclasses import dataclass, field

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.diagnostics.faults import Fault, forward_fault
from gradvitals.diagnostics.histogram import Histogram, reduce_histogram
from gradvitals.diagnostics.layer_activity import ActivityCollector
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.recurrence import WayBack, way_back
from gradvitals.engine.events import Array, LayerArrays, LayerBackward, LayerForward, Observer, RecurrentBackward

FEWEST_ROWS = 32
MOST_DRAWN = 2**12
"""Activations or gradients in a histogram: it is looked at, not judged, and thirty bins need no more."""

GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""Multiples of it, modulo 1, are spread evenly and never fall into step with anything."""


@dataclass(slots=True)
class ProbeCollector:
    """Reduces a probe's events to numbers."""

    parameters: LayerArrays
    activity: ActivityCollector | None
    draw: bool
    histograms: dict[str, Histogram] = field(default_factory=dict)
    slopes: dict[str, float] = field(default_factory=dict)
    silent: dict[str, Array] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)
    ways: list[WayBack | None] = field(default_factory=list)
    fault: Fault | None = None

    def __call__(self, event: LayerForward | LayerBackward | RecurrentBackward) -> None:
        """Reduce an event of the pass."""
        if isinstance(event, RecurrentBackward):
            weight = self.parameters[event.layer]["recurrent_weight"]
            self.scalars[f"spectral_radius/{event.layer}"] = metrics.spectral_radius(weight)
            self.scalars[f"recurrent_gain/{event.layer}"] = metrics.recurrent_gain(event.gains)
            self.ways.insert(0, way_back(event))  # events come from the last layer to the first
            return
        if isinstance(event, LayerBackward):
            self.gradients[event.layer] = metrics.rms(event.grad_pre_activations)
            if self.draw:
                self.histograms[f"gradients/{event.layer}"] = reduce_histogram(some_values(event.grad_pre_activations))
            return
        if self.draw:
            self.histograms[f"activations/{event.layer}"] = reduce_histogram(some_values(event.outputs))
            self.histograms[f"weights/{event.layer}"] = reduce_histogram(self.parameters[event.layer]["weight"])
        if self.activity is not None:
            self.activity(event)
        self.fault = self.fault or forward_fault(event, self.parameters)
        if event.activation in metrics.RECTIFIED:
            self.silent[event.layer] = metrics.unit_sums(event.outputs) == 0.0
        elif event.activation in metrics.SLOPED:
            slopes = metrics.relative_slope(event.outputs, event.activation)
            self.slopes[event.layer] = float(slopes.mean())
            self.scalars[f"saturated_fraction/{event.layer}"] = metrics.share_of_flat_units(slopes)

    def activity_notes(self, step: int) -> tuple[Note, ...]:
        """Give the note of the hidden units, if they were looked at."""
        return () if self.activity is None else (self.activity.note(step),)


def shown_to_both(collect: Observer, also: Observer | None) -> Observer:
    """Give an observer that shows every event to both."""
    if also is None:
        return collect

    def show(event: object) -> None:
        collect(event)
        also(event)

    return show


def some_values(values: Array) -> Array:
    """Give some rows of `(samples, units)`, so that about `MOST_DRAWN` numbers are left, or a few rows.

    They follow no period: rows may be time steps or places of an image, of which every n-th would be all alike.
    """
    total = len(values)
    count = max(MOST_DRAWN // max(values.shape[1], 1), FEWEST_ROWS)
    return values if total <= count else values[(np.arange(count) * (GOLDEN * total) % total).astype(np.intp)]
