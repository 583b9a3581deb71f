"""The step rhythm: scalars of one training step, from the arrays its events carry."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, LayerForward, Observable, StepEnded


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not finite: what (see `Incident`) and in which layer."""

    what: str
    layer: str | None


class StepMetrics:
    """Collects the scalars of the step under way; `take` hands them over and starts anew."""

    def __init__(self, network: Observable) -> None:
        self._network = network
        self._scalars: dict[str, float] = {}
        self._fault: Fault | None = None

    def forward(self, event: LayerForward) -> None:
        """Measure a layer's outputs."""
        outputs = event.outputs
        if outputs.size == 0:
            return
        if event.activation in metrics.SLOPED:
            value = metrics.slope(outputs, event.activation)
            self._scalars[f"sigmoid_slope/{event.layer}"] = value
        elif event.activation in metrics.RECTIFIED:
            sums = metrics.unit_sums(outputs)
            value = float(sums.sum())
            self._scalars[f"inactive_fraction/{event.layer}"] = metrics.share_of_silent_units(sums)
        else:
            value = float(outputs.sum())
        if not math.isfinite(value):  # a sum may also overflow by itself: look closely
            self.note_fault(forward_fault(event, self._network.parameters_by_layer()))

    def gradients(self, event: GradientsReady) -> None:
        """Measure the gradient's norm, per layer and over all."""
        total = 0.0
        for layer, arrays in event.gradients.items():
            squares = sum(map(metrics.sum_of_squares, arrays.values()))
            total += squares
            self._scalars[f"gradient_norm/{layer}"] = math.sqrt(squares)
        self._scalars["gradient_norm/global"] = math.sqrt(total)
        if not math.isfinite(total):
            self.note_fault(_array_fault(event.gradients, "gradients"))

    def ended(self, event: StepEnded) -> None:
        """Measure weights and the update really taken."""
        finite = math.isfinite(event.loss)
        for layer, arrays in event.parameters.items():
            weight = arrays["weight"]
            weight_norm = math.sqrt(metrics.sum_of_squares(weight))
            update_norm = math.sqrt(metrics.sum_of_squares(event.updates[layer]["weight"]))
            self._scalars[f"weight_norm/{layer}"] = weight_norm
            self._scalars[f"update_ratio/{layer}"] = update_norm / max(weight_norm, metrics.he_norm(weight))
            finite = finite and math.isfinite(weight_norm + update_norm)
        if not math.isfinite(event.loss) and (self._fault is None or self._fault.what == "gradients"):
            self._fault = Fault("loss", None)  # it came before the gradients
        if not finite and self._fault is None:
            found = (_array_fault(event.parameters, "parameters"), _array_fault(event.updates, "update"))
            self.note_fault(next((fault for fault in found if fault), None))

    def note_fault(self, fault: Fault | None) -> None:
        """Keep the first fault of the step: the others follow from it."""
        self._fault = self._fault or fault

    def take(self) -> tuple[Mapping[str, float], Fault | None]:
        """Hand over the step's scalars and its first fault."""
        scalars, fault = self._scalars, self._fault
        self._scalars, self._fault = {}, None
        return scalars, fault


def forward_fault(event: LayerForward, parameters: LayerArrays) -> Fault | None:
    """Give the fault of the first layer, from the inputs on, at which something is not finite.

    Either it turned finite inputs into something that is not, or its parameters or, in the first layer, the data are
    not finite.
    """
    if not np.isfinite(event.inputs).all():
        return Fault("inputs", None)
    computed: list[Array] = [event.outputs] if event.pre_activations is None else [event.pre_activations, event.outputs]
    if metrics.all_finite(computed):
        return None
    return Fault("outputs" if metrics.all_finite(parameters[event.layer].values()) else "parameters", event.layer)


def _array_fault(arrays: LayerArrays, what: str) -> Fault | None:
    for layer, group in arrays.items():
        if not metrics.all_finite(group.values()):
            return Fault(what, layer)
    return None
