"""The step rhythm of a stack: the scalars of a step of many runs, to the bit those that each has alone."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, cast

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.diagnostics.faults import array_fault, forward_fault
from gradvitals.diagnostics.step_arrays import UNWARNED, TagsByLayer, Vectors
from gradvitals.engine.events import Array, GradientsReady, LayerArrays, LayerForward, StepEnded

if TYPE_CHECKING:
    from gradvitals.diagnostics.step_metrics import StepMetrics


class StackedStepMetrics:
    """Measures the runs of a stack at once, and hands each its own."""

    def __init__(self) -> None:
        self._tags = TagsByLayer()
        self._gradients = Vectors(runs=True)
        self._weights, self._updates = Vectors("weight", runs=True), Vectors("weight", runs=True)

    @UNWARNED
    def see(self, event: LayerForward | GradientsReady | StepEnded, runs: Sequence["StepMetrics"]) -> None:
        """Measure what an event of these runs carries, arrays `(R, …)`."""
        if isinstance(event, LayerForward):
            self._forward(event, runs)
        elif isinstance(event, GradientsReady):
            self._show_gradients(event, runs)
        else:
            self._ended(event, runs)

    def _forward(self, event: LayerForward, runs: Sequence["StepMetrics"]) -> None:
        outputs = event.outputs
        if outputs.size == 0:
            return
        if event.activation in metrics.SLOPED:
            values = metrics.slope_by_run(outputs, event.activation)
            _hand_out(runs, self._tags[event.layer].slope, values)
        else:
            sums = np.matmul(np.ones(outputs.shape[1], outputs.dtype), outputs)
            values = np.vecdot(sums, sums)
            if event.activation in metrics.RECTIFIED:
                shares = 1.0 - np.count_nonzero(sums, axis=-1) / sums.shape[-1]
                _hand_out(runs, self._tags[event.layer].inactive, shares)
                for run, own in zip(runs, sums, strict=True):
                    if run.silence is not None:
                        run.silence.see(event.layer, event.step, own, outputs.shape[1])
        for place in _not_finite(values):
            before = None if event.pre_activations is None else event.pre_activations[place]
            own_event = replace(event, inputs=event.inputs[place], pre_activations=before, outputs=outputs[place])
            runs[place].note_fault(forward_fault(own_event, runs[place].network.parameters_by_layer()))

    def _show_gradients(self, event: GradientsReady, runs: Sequence["StepMetrics"]) -> None:
        layers, matrices = self._gradients.of(event.gradients)
        squares = {layer: np.zeros(len(runs)) for layer in layers}
        for layer, matrix in zip(layers, matrices, strict=True):
            squares[layer] += metrics.sums_of_squares_by_run(matrix)
        for layer, by_run in squares.items():
            _hand_out(runs, self._tags[layer].gradient, np.sqrt(by_run))
        for place, own in enumerate(np.stack(list(squares.values()), axis=1).tolist()):
            total = sum(own)
            runs[place].add_global(squares.keys(), total)
            if not isfinite(total):
                runs[place].note_fault(array_fault(_of_run(event.gradients, place), "gradients"))

    def _ended(self, event: StepEnded, runs: Sequence["StepMetrics"]) -> None:
        layers, weights = self._weights.of(event.parameters)
        _, updates = self._updates.of({layer: event.updates[layer] for layer in layers})
        losses = cast("Array", event.loss)
        total = losses.copy()
        for layer, weight, update in zip(layers, weights, updates, strict=True):
            weight_squares, update_squares = map(metrics.sums_of_squares_by_run, (weight, update))
            norms, tags = np.sqrt(weight_squares), self._tags[layer]
            _hand_out(runs, tags.weight, norms)
            ratios = np.sqrt(update_squares) / np.maximum(norms, metrics.he_norm(event.parameters[layer]["weight"]))
            _hand_out(runs, tags.update, ratios)
            total += weight_squares + update_squares
        for place in _not_finite(total):
            parameters, changes = _of_run(event.parameters, place), _of_run(event.updates, place)
            own_event = replace(event, loss=losses[place].item(), parameters=parameters, updates=changes)
            runs[place].note_fault_of_step(own_event)


def _hand_out(runs: Sequence["StepMetrics"], tag: str, values: Array) -> None:
    """Give each run its value of `(R,)`."""
    for run, value in zip(runs, values.tolist(), strict=True):
        run.scalars[tag] = value


def _not_finite(values: Array) -> list[int]:
    """Give the places of what is not finite in `(R,)`."""
    return [int(place) for place in np.flatnonzero(~np.isfinite(values))]


def _of_run(arrays: LayerArrays, place: int) -> LayerArrays:
    """Give one run's arrays of a stack's."""
    return {layer: {name: array[place] for name, array in group.items()} for layer, group in arrays.items()}
