"""How large signals are in a network before its first update, on its data as they are and on the same standardised."""

from dataclasses import dataclass, field

import numpy as np

from gradvitals.diagnostics.column_scales import Columns, measure_columns
from gradvitals.diagnostics.curvature import Curvature, draw_targets, largest_curvature
from gradvitals.diagnostics.start_notes import Propagation
from gradvitals.engine.events import Array, LayerBackward, LayerForward, Observable, RecurrentBackward

MOST_OUTPUTS = 1000
"""Outputs that the note lists one by one; a model of images may have a million."""

STRIDE = 2
"""Every second row of the sample is enough for the curvature, whose cost grows with their square."""


@dataclass(slots=True)
class _Signals:
    """Collects a probe's events: how large pre-activations are, what the first layer reads and what comes back."""

    first: str
    deviations: dict[str, float] = field(default_factory=dict)
    inputs: Array | None = None
    slides: bool = False
    deltas: Array | None = None

    def __call__(self, event: LayerForward | LayerBackward | RecurrentBackward) -> None:
        if isinstance(event, LayerForward):
            if event.pre_activations is not None:
                self.deviations[event.layer] = float(event.pre_activations.std(dtype=np.float64))
            if event.layer == self.first:
                self.inputs = event.inputs.copy()
                self.slides = len(event.outputs) > len(event.inputs)
        elif isinstance(event, LayerBackward) and event.layer == self.first:
            self.deltas = event.grad_pre_activations.copy()


@dataclass(frozen=True, slots=True)
class _Start:
    """A network's start on one version of the data."""

    loss: float
    outputs: Array
    deviations: dict[str, float]
    curvature: Curvature | None
    read: Array | None
    slides: bool


@np.errstate(over="ignore", invalid="ignore")
def measure_propagation(
    network: Observable,
    inputs: Array,
    targets: Array,
    columns: Columns | None,
    generator: np.random.Generator,
    *,
    step: int,
) -> Propagation:
    """Measure on a sample of the training set.

    Args:
        network: Is run frozen.
        inputs: The sample's, `(samples, features)` or `(samples, …)`.
        targets: The sample's, `(samples, outputs)`.
        columns: Of all training inputs, to standardise the sample by; None where these are no quantities.
        generator: Draws targets for the curvature.
        step: The step the note carries.
    """
    start = _start(network, inputs, targets, generator)
    other = None
    if columns is not None and not columns.standardised:
        standardised_inputs = columns.standardise(inputs.reshape(len(inputs), -1)).reshape(inputs.shape)
        other = _start(network, standardised_inputs, targets, generator)
    read = None if columns is None else _scale_of_read(start, inputs)
    curvature, standardised = start.curvature, None if other is None else other.curvature
    few_outputs = start.outputs[:, :MOST_OUTPUTS]
    return Propagation(
        step=step,
        samples=len(inputs),
        loss=start.loss,
        deviations=start.deviations,
        output_means=tuple(map(float, few_outputs.mean(axis=0, dtype=np.float64))),
        output_deviations=tuple(map(float, few_outputs.std(axis=0, dtype=np.float64))),
        curvature=None if curvature is None else curvature.value,
        curvature_column=None if curvature is None else int(curvature.shares.argmax()),
        curvature_share=None if curvature is None else float(curvature.shares.max()),
        standardised_loss=None if other is None else other.loss,
        standardised_deviations=None if other is None else other.deviations,
        standardised_curvature=None if standardised is None else standardised.value,
        read_rms=None if read is None else read[0],
        read_spread=None if read is None else read[1],
    )


def _scale_of_read(start: _Start, inputs: Array) -> tuple[float, float] | None:
    """Give size and spread of what the first layer reads, where it is not the inputs column by column; else None.

    These are the root mean square over the columns worth comparing, and the ratio of their standard deviations. What a
    recurrent layer reads at many positions has a column per feature of all of these. The weights of a convolution read
    all pixels alike, so that these have no spread to speak of.
    """
    read = start.read
    if read is None:
        return None
    is_same = read.size == inputs.size and np.array_equal(read.reshape(-1), inputs.reshape(-1).astype(read.dtype))
    if is_same and len(read) == len(inputs) and not start.slides:
        return None
    columns = measure_columns(read)
    mean, std = columns.mean[columns.compared], columns.std[columns.compared]
    if not len(std) or not std.min() > 0.0:
        return None
    return float(np.sqrt((mean**2 + std**2).mean())), 1.0 if start.slides else float(std.max() / std.min())


def _start(network: Observable, inputs: Array, targets: Array, generator: np.random.Generator) -> _Start:
    """Run forward under the true targets, then forward and backward under drawn ones."""
    result = network.probe(inputs, targets)
    drawn = None
    if network.class_weight is None and result.outputs.shape == targets.shape:
        drawn = draw_targets(network.loss_name, network.loss_info, result.outputs, generator)
    signals = _Signals(network.layers[0].name)
    network.probe(inputs, targets if drawn is None else drawn.targets, signals)
    curvature = None
    read, deltas = signals.inputs, signals.deltas
    if drawn is not None and read is not None and deltas is not None and len(read) == len(deltas) == len(inputs):
        own = deltas[::STRIDE] * float(len(inputs))  # events carry the mean loss's
        curvature = largest_curvature(read[::STRIDE], own, drawn.factor)
    return _Start(
        float(result.losses.mean(dtype=np.float64)), result.outputs, signals.deviations, curvature, read, signals.slides
    )
