"""The step rhythm: scalars of one training step, from the arrays its events carry."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.diagnostics.faults import Fault, array_fault, forward_fault
from gradvitals.diagnostics.observed_silence import SilenceWatcher
from gradvitals.diagnostics.stacked_step_metrics import StackedStepMetrics
from gradvitals.diagnostics.step_arrays import UNWARNED, TagsByLayer, Vectors
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, LayerForward, Observable, StepEnded

MEASURED = metrics.SLOPED | metrics.RECTIFIED
"""Activations of whose outputs a step's scalars tell something; of others it is only asked whether they are finite."""


class StepMetrics:
    """Observes the step under way and collects its scalars; `take` hands them over and starts anew.

    Of a stack of runs it sees all at once, and each has to the bit the scalars that it has alone.

    Attributes:
        network: What is observed.
        silence: Keeps which units have fired; None where a scan says it exactly.
        scalars: Of the step under way.
    """

    def __init__(self, network: Observable, silence: SilenceWatcher | None = None) -> None:
        self.network, self.silence = network, silence
        self._tags = TagsByLayer()
        self._gradients, self._weights, self._updates = Vectors(), Vectors("weight"), Vectors("weight")
        self._ones: dict[tuple[int, str], Array] = {}
        self._he_norms: dict[str, float] = {}
        self._layers: set[str] = set()
        self.scalars: dict[str, float] = {}
        self._fault: Fault | None = None
        self._stack: StackedStepMetrics | None = None

    def __call__(self, event: LayerForward | GradientsReady | StepEnded) -> None:
        """Measure what an event of the step carries."""
        if isinstance(event, LayerForward):
            self.forward(event)
        elif isinstance(event, GradientsReady):
            self.gradients(event)
        else:
            self.ended(event)

    def see_stack(self, event: LayerForward | GradientsReady | StepEnded, observers: Sequence[Self]) -> None:
        """Measure what an event of many runs carries, for the metrics of each."""
        if self._stack is None:
            self._stack = StackedStepMetrics()
        self._stack.see(event, observers)

    @UNWARNED
    def forward(self, event: LayerForward) -> None:
        """Measure a layer's outputs."""
        outputs = event.outputs
        if outputs.size == 0:
            return
        if event.activation in metrics.SLOPED:
            value = metrics.slope(outputs, event.activation)
            self.scalars[self._tags[event.layer].slope] = value
        else:
            sums = np.matmul(self._ones_of(outputs), outputs)
            value = float(sums.dot(sums))
            if event.activation in metrics.RECTIFIED:
                self.scalars[self._tags[event.layer].inactive] = metrics.share_of_silent_units(sums)
                if self.silence is not None:
                    self.silence.see(event.layer, event.step, sums, len(outputs))
        if not math.isfinite(value):  # it may also overflow by itself: look closely
            self.note_fault(forward_fault(event, self.network.parameters_by_layer()))

    @UNWARNED
    def gradients(self, event: GradientsReady) -> None:
        """Measure the gradient's norm, per layer and over all."""
        layers, vectors = self._gradients.of(event.gradients)
        squares = dict.fromkeys(layers, 0.0)
        for layer, square in zip(layers, metrics.sums_of_squares(vectors), strict=True):
            squares[layer] += square
        for layer, square in squares.items():
            self.scalars[self._tags[layer].gradient] = math.sqrt(square)
        total = sum(squares.values())
        self.add_global(squares.keys(), total)
        if not math.isfinite(total):
            self.note_fault(array_fault(event.gradients, "gradients"))

    @UNWARNED
    def ended(self, event: StepEnded) -> None:
        """Measure weights and the update really taken."""
        layers, weights = self._weights.of(event.parameters)
        weight_squares = metrics.sums_of_squares(weights)
        _, updates = self._updates.of({layer: event.updates[layer] for layer in layers})
        update_squares = metrics.sums_of_squares(updates)
        for layer, weight, update in zip(layers, weight_squares, update_squares, strict=True):
            tags, weight_norm = self._tags[layer], math.sqrt(weight)
            self.scalars[tags.weight] = weight_norm
            self.scalars[tags.update] = math.sqrt(update) / max(weight_norm, self._he_norm(layer, event.parameters))
        if not math.isfinite((event.loss or 0.0) + sum(weight_squares) + sum(update_squares)):
            self.note_fault_of_step(event)

    def add_global(self, layers: AbstractSet[str], total: float) -> None:
        """Add the norm over all layers: of several optimizers, none shows the whole."""
        self._layers |= layers
        if len(layers) == len(self._layers):
            self.scalars["gradient_norm/global"] = math.sqrt(total)

    def note_fault(self, fault: Fault | None) -> None:
        """Keep the first fault of the step: the others follow from it."""
        self._fault = self._fault or fault

    def take(self) -> tuple[Mapping[str, float], Fault | None]:
        """Hand over the step's scalars and its first fault."""
        scalars, fault = self.scalars, self._fault
        self.scalars, self._fault = {}, None
        return scalars, fault

    def note_fault_of_step(self, event: StepEnded) -> None:
        """Find out what was not finite first."""
        if not math.isfinite(event.loss or 0.0) and (self._fault is None or self._fault.what == "gradients"):
            self._fault = Fault("loss", None)  # it came before the gradients
        if self._fault is None:
            found = (array_fault(event.parameters, "parameters"), array_fault(event.updates, "update"))
            self.note_fault(next((fault for fault in found if fault), None))

    def _he_norm(self, layer: str, parameters: LayerArrays) -> float:
        if layer not in self._he_norms:
            self._he_norms[layer] = metrics.he_norm(parameters[layer]["weight"])
        return self._he_norms[layer]

    def _ones_of(self, outputs: Array) -> Array:
        """Give a vector of ones as long as the outputs: batches come in one size, or two."""
        key = len(outputs), outputs.dtype.char
        if key not in self._ones:
            self._ones[key] = np.ones(len(outputs), outputs.dtype)
        return self._ones[key]
