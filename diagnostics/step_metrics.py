"""The step rhythm: scalars of one training step, from the arrays its events carry."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import is_

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.diagnostics.observed_silence import SilenceWatcher
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, LayerForward, Observable, StepEnded

UNWARNED = np.errstate(over="ignore", invalid="ignore")
"""What overflows is measured, not warned about: whoever makes warnings errors would lose the training."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not finite: what (see `Incident`) and in which layer."""

    what: str
    layer: str | None


@dataclass(frozen=True, slots=True)
class _Tags:
    """The tags of one layer, put together once."""

    slope: str
    inactive: str
    gradient: str
    weight: str
    update: str


class _TagsByLayer(dict[str, _Tags]):
    """The tags of every layer met so far: a network may know its layers only once it has been run."""

    def __missing__(self, layer: str) -> _Tags:
        tags = self[layer] = _Tags(
            f"sigmoid_slope/{layer}",
            f"inactive_fraction/{layer}",
            f"gradient_norm/{layer}",
            f"weight_norm/{layer}",
            f"update_ratio/{layer}",
        )
        return tags


class StepMetrics:
    """Collects the scalars of the step under way; `take` hands them over and starts anew."""

    def __init__(self, network: Observable, silence: SilenceWatcher | None = None) -> None:
        self._network, self._silence = network, silence
        self._tags = _TagsByLayer()
        self._gradients, self._weights, self._updates = _Vectors(), _Vectors("weight"), _Vectors("weight")
        self._ones: dict[tuple[int, str], Array] = {}
        self._he_norms: dict[str, float] = {}
        self._layers: set[str] = set()
        self._scalars: dict[str, float] = {}
        self._fault: Fault | None = None

    @UNWARNED
    def forward(self, event: LayerForward) -> None:
        """Measure a layer's outputs."""
        outputs = event.outputs
        if outputs.size == 0:
            return
        if event.activation in metrics.SLOPED:
            value = metrics.slope(outputs, event.activation)
            self._scalars[self._tags[event.layer].slope] = value
        else:
            sums = np.matmul(self._ones_of(outputs), outputs)
            value = float(sums.dot(sums))
            if event.activation in metrics.RECTIFIED:
                self._scalars[self._tags[event.layer].inactive] = metrics.share_of_silent_units(sums)
                if self._silence is not None:
                    self._silence.see(event.layer, event.step, sums, len(outputs))
        if not math.isfinite(value):  # it may also overflow by itself: look closely
            self.note_fault(forward_fault(event, self._network.parameters_by_layer()))

    @UNWARNED
    def gradients(self, event: GradientsReady) -> None:
        """Measure the gradient's norm, per layer and over all."""
        layers, vectors = self._gradients.of(event.gradients)
        squares = dict.fromkeys(layers, 0.0)
        for layer, square in zip(layers, metrics.sums_of_squares(vectors), strict=True):
            squares[layer] += square
        for layer, square in squares.items():
            self._scalars[self._tags[layer].gradient] = math.sqrt(square)
        total = sum(squares.values())
        self._layers |= squares.keys()
        if len(squares) == len(self._layers):  # of several optimizers, none shows the whole
            self._scalars["gradient_norm/global"] = math.sqrt(total)
        if not math.isfinite(total):
            self.note_fault(_array_fault(event.gradients, "gradients"))

    @UNWARNED
    def ended(self, event: StepEnded) -> None:
        """Measure weights and the update really taken."""
        layers, weights = self._weights.of(event.parameters)
        weight_squares = metrics.sums_of_squares(weights)
        _, updates = self._updates.of({layer: event.updates[layer] for layer in layers})
        update_squares = metrics.sums_of_squares(updates)
        for layer, weight, update in zip(layers, weight_squares, update_squares, strict=True):
            tags, weight_norm = self._tags[layer], math.sqrt(weight)
            self._scalars[tags.weight] = weight_norm
            self._scalars[tags.update] = math.sqrt(update) / max(weight_norm, self._he_norm(layer, event.parameters))
        if not math.isfinite((event.loss or 0.0) + sum(weight_squares) + sum(update_squares)):
            self._note_fault_of_step(event)

    def note_fault(self, fault: Fault | None) -> None:
        """Keep the first fault of the step: the others follow from it."""
        self._fault = self._fault or fault

    def take(self) -> tuple[Mapping[str, float], Fault | None]:
        """Hand over the step's scalars and its first fault."""
        scalars, fault = self._scalars, self._fault
        self._scalars, self._fault = {}, None
        return scalars, fault

    def _note_fault_of_step(self, event: StepEnded) -> None:
        if not math.isfinite(event.loss or 0.0) and (self._fault is None or self._fault.what == "gradients"):
            self._fault = Fault("loss", None)  # it came before the gradients
        if self._fault is None:
            found = (_array_fault(event.parameters, "parameters"), _array_fault(event.updates, "update"))
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


class _Vectors:
    """Arrays by layer as vectors: made anew only for other arrays, and for those that no vector is a view of."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._arrays: list[Array] = []
        self._layers: list[str] = []
        self._vectors: list[Array] = []

    def of(self, arrays: LayerArrays) -> tuple[list[str], list[Array]]:
        """Give the vectors of all parameters, or of those named so, and the layer of each."""
        wanted = self._name
        if wanted is None:
            present = [array for group in arrays.values() for array in group.values()]
        else:
            present = [group[wanted] for group in arrays.values() if wanted in group]
        if len(present) != len(self._arrays) or not all(map(is_, present, self._arrays)):
            self._layers = [layer for layer, group in arrays.items() for name in group if wanted in {None, name}]
            self._vectors = [metrics.flatten(array) for array in present]
            self._arrays = present if all(array.flags.forc for array in present) else []
        return self._layers, self._vectors


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
