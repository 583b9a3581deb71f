"""The probe: a frozen look at a fixed sample of the training set, compared with the best constant predictor."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from gradvitals.diagnostics import metrics
from gradvitals.diagnostics.constant_predictor import ConstantPredictor, fit_constant
from gradvitals.diagnostics.data_signal import predict_held_out, predict_simply
from gradvitals.diagnostics.faults import Fault, forward_fault
from gradvitals.diagnostics.generalisation import Comparer, compare_on_more
from gradvitals.diagnostics.histogram import Histogram, reduce_histogram
from gradvitals.diagnostics.layer_activity import ActivityCollector
from gradvitals.diagnostics.loss_fit import output_activation
from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.notes import Generalisation, Note, Probe
from gradvitals.diagnostics.output_facts import measure_outputs
from gradvitals.diagnostics.recurrence import WayBack, last_informative_step, measure_recurrence, way_back
from gradvitals.diagnostics.schedule import FROZEN_COST
from gradvitals.diagnostics.scoring import Scorer, gains_over
from gradvitals.diagnostics.shortfall import Shortfall, measure_shortfall
from gradvitals.diagnostics.training_sample import draw_rows, probe_in_parts
from gradvitals.engine.events import (
    Array,
    LayerArrays,
    LayerBackward,
    LayerForward,
    Observable,
    Observer,
    ProbeResult,
    RecurrentBackward,
)

PROBE_ROWS, FEWEST_ROWS = 256, 32
MOST_NUMBERS = 2**23
"""Inputs of a probe: a convolution's outputs, all kept for the way back, are many times as large."""

MOST_DRAWN = 2**12
"""Activations or gradients in a histogram: it is looked at, not judged, and thirty bins need no more."""

GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""Multiples of it, modulo 1, are spread evenly and never fall into step with anything."""

PIECEWISE_LINEAR = frozenset({"hinge", "binary_hinge"})

SEED = 20100  # fixed, so that every run of a sweep is probed on the same rows


T = TypeVar("T")


class Known:
    """What follows from data alone, measured when it is first asked for."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def get(self, name: str, measure: Callable[[], T]) -> T:
        """Give what has this name, measured now if it was not before."""
        if name not in self._found:
            self._found[name] = measure()
        found: T = self._found[name]
        return found


@dataclass(frozen=True, slots=True)
class WatchedData:
    """The training set and perhaps the validation set; the arrays stay as they are while anyone watches.

    Attributes:
        inputs: `(samples, features)`; another framework's may have more axes, `(samples, …)`.
        targets: `(samples, outputs)`.
        validation_inputs: As the inputs; None without a validation set.
        validation_targets: As the targets.
        complete: Whether it is the whole training set and not a sample of it.
        total: Samples of the whole training set; None where that is what is here.
        discrete: Whether inputs are no quantities but, as token ids are, names: they cannot be rescaled.
        constant: The best constant output, where it is known otherwise than by the loss's name.
        overhead: Factor by which a look takes longer than training on as many rows, where the network is run for it.
        known: What was measured of it; monitors that are given one `WatchedData` measure it once.
    """

    inputs: Array
    targets: Array
    validation_inputs: Array | None = None
    validation_targets: Array | None = None
    complete: bool = True
    total: int | None = None
    discrete: bool = False
    constant: ConstantPredictor | None = None
    overhead: float = 1.0
    known: Known = field(default_factory=Known, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What a probe saw.

    Attributes:
        probe: The note.
        scalars: For the dashboard.
        histograms: Of activations, weights, and gradients on pre-activations; empty unless asked for.
        silent: Which units of every ReLU layer are silent on the whole sample, `(units,)`; they need not be dead.
        fault: Set if something was not finite.
        notes: Of outputs and hidden units.
    """

    probe: Probe
    scalars: dict[str, float]
    histograms: dict[str, Histogram]
    silent: dict[str, Array]
    fault: Fault | None
    notes: tuple[Note, ...] = ()


@dataclass(slots=True)
class _Collector:
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
        if isinstance(event, RecurrentBackward):
            weight = self.parameters[event.layer]["recurrent_weight"]
            self.scalars[f"spectral_radius/{event.layer}"] = metrics.spectral_radius(weight)
            self.scalars[f"recurrent_gain/{event.layer}"] = metrics.recurrent_gain(event.gains)
            self.ways.insert(0, way_back(event))  # events come from the last layer to the first
            return
        if isinstance(event, LayerBackward):
            self.gradients[event.layer] = metrics.rms(event.grad_pre_activations)
            if self.draw:
                self.histograms[f"gradients/{event.layer}"] = reduce_histogram(_some(event.grad_pre_activations))
            return
        if self.draw:
            self.histograms[f"activations/{event.layer}"] = reduce_histogram(_some(event.outputs))
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


class Prober:
    """Holds the fixed sample and the constant predictor, and takes probes."""

    def __init__(self, network: Observable, data: WatchedData) -> None:
        generator = np.random.default_rng(SEED)
        rows = _sample(data.inputs, generator)
        self._network, self._data = network, data
        self._inputs, self._targets = data.inputs[rows], data.targets[rows]
        self._whole_set = data.complete and len(rows) == len(data.inputs)
        self.constant = data.constant or fit_constant(network.loss_name, data.targets, network.class_weight)
        self._validation: tuple[Array, Array] | None = None
        self._comparer: Comparer | None = None
        if data.validation_inputs is not None and data.validation_targets is not None:
            rows = _sample(data.validation_inputs, generator)
            self._validation = data.validation_inputs[rows], data.validation_targets[rows]
            if self.constant is not None and self.constant.reducible > 0.0 and len(rows):
                training, unseen = (data.inputs, data.targets), self._validation[1]
                self._comparer = Comparer(self.constant, training, self._targets, unseen, generator)

    @property
    def sample(self) -> tuple[Array, Array]:
        """The fixed sample: inputs and targets."""
        return self._inputs, self._targets

    @property
    def cost(self) -> float:
        """Rows of one probe, in units of a row trained."""
        unseen = 0.0 if self._validation is None else FROZEN_COST * len(self._validation[0])
        return self._data.overhead * (len(self._inputs) + unseen)

    @np.errstate(over="ignore", invalid="ignore")
    def take(self, step: int, *, draw: bool = False, closely: bool = False, also: Observer | None = None) -> Look:
        """Probe the network as it is after `step` updates.

        Args:
            step: Updates so far.
            draw: Whether to make histograms.
            closely: Whether to look at hidden units, too.
            also: Is shown the events of the pass, too.
        """
        network = self._network
        activity = ActivityCollector(network.layers[-1].name) if closely else None
        collect = _Collector(network.parameters_by_layer(), activity, draw)
        result = network.probe(self._inputs, self._targets, _both(collect, also), step=step)
        loss = float(result.losses.mean(dtype=np.float64))
        gain, gain_se = self._surest_gain(result)
        excess, excess_se, majority = self._accuracy_excess(result.scores)
        ratio = None
        if self.constant is not None and self.constant.reducible > 0.0:
            ratio = (loss - self.constant.floor) / self.constant.reducible
            collect.scalars["loss_ratio"] = ratio
        names = [info.name for info in self._network.layers]
        probe = Probe(
            step=step,
            samples=len(self._inputs),
            whole_set=self._whole_set,
            loss=loss,
            loss_ratio=ratio,
            gain=gain,
            gain_se=gain_se,
            accuracy_excess=excess,
            accuracy_excess_se=excess_se,
            majority_accuracy=majority,
            preactivation_gradients={name: collect.gradients[name] for name in names if name in collect.gradients},
            relative_slopes=collect.slopes,
        )
        fault = collect.fault
        if fault is None and not math.isfinite(loss):
            fault = Fault("loss", None)
        outputs = measure_outputs(
            result,
            self._targets,
            loss=network.loss_name,
            info=network.loss_info,
            activation=output_activation(network, result.outputs.shape[1]),
            step=step,
        )
        notes: tuple[Note, ...] = (
            outputs,
            *collect.activity_notes(step),
            *self._look_back(step, collect),
            *self._compare(step, result),
        )
        return Look(probe, collect.scalars, collect.histograms, collect.silent, fault, notes)

    def _look_back(self, step: int, collected: _Collector) -> tuple[Note, ...]:
        """Say what became of the gradient on its way back through time, in a recurrent network."""
        ways = [way for way in collected.ways if way is not None]
        if not ways or len(ways) < len(collected.ways):
            return ()
        data, length = self._data, len(ways[0].arrived)

        def find() -> int | None:
            return last_informative_step(data.inputs, data.targets, length, np.random.default_rng(SEED))

        informative = data.known.get(f"the last of {length} time steps that tells anything", find)
        return (measure_recurrence(ways, informative, step=step),)

    @np.errstate(over="ignore", invalid="ignore")
    def shortfall(self, step: int) -> Shortfall | None:
        """Hold the network on training rows against simple models that were not fitted to them; None where none can."""
        data = self._data
        if self.constant is None or not self.constant.reducible > 0.0 or not len(data.inputs):
            return None
        rows = draw_rows(data.inputs, np.random.default_rng(SEED))

        def predict() -> tuple[Array, ...]:
            return predict_held_out(data.inputs, data.targets, rows, np.random.default_rng(SEED))

        predictions, targets = data.known.get("held_out", predict), data.targets[rows]
        result = probe_in_parts(self._network, data.inputs[rows], targets, step=step)
        return measure_shortfall(Scorer(self.constant, targets), result, predictions, step=step)

    @np.errstate(over="ignore", invalid="ignore")
    def generalisation(self, step: int) -> Generalisation | None:
        """Hold the network on more new samples against its own, and against simple models; None where none can be.

        Args:
            step: That the note carries.
        """
        data = self._data
        if self._comparer is None or self.constant is None:
            return None
        inputs, targets = data.validation_inputs, data.validation_targets
        if inputs is None or targets is None:
            return None
        own = draw_rows(data.inputs, np.random.default_rng(SEED))
        rows = draw_rows(inputs, np.random.default_rng(SEED))

        def predict() -> tuple[Array, ...]:
            return predict_simply(data.inputs, data.targets, inputs[rows], np.random.default_rng(SEED))

        predictions = data.known.get("new", predict)
        seen = probe_in_parts(self._network, data.inputs[own], data.targets[own], step=step)
        unseen = probe_in_parts(self._network, inputs[rows], targets[rows], step=step)
        scores = Scorer(self.constant, data.targets[own]).of(seen)
        return compare_on_more(scores, Scorer(self.constant, targets[rows]), unseen, predictions, step=step)

    def _compare(self, step: int, result: ProbeResult) -> tuple[Note, ...]:
        """Compare how the network does on its own samples and on new ones, where there are any to score."""
        if self._comparer is None or self._validation is None:
            return ()
        inputs, targets = self._validation
        unseen = self._network.probe(inputs, targets, step=step)
        course = self._comparer.course(step, unseen)
        compared = self._comparer.compare(step, result, unseen, inputs)
        return (compared,) if course is None else (compared, course)

    def _surest_gain(self, result: ProbeResult) -> tuple[float | None, float | None]:
        """Give the gain over the best constant, or over one no better that leaves less doubt.

        Under a hinge many constants are equally good: the network's own mean output is paired with it more closely.
        """
        constants = [self.constant]
        if self.constant is not None and self.constant.loss in PIECEWISE_LINEAR:
            constants.append(replace(self.constant, best=np.asarray(result.outputs.mean(axis=0), np.float64)))
        gains = [_gain(constant, self._targets, result.losses) for constant in constants]
        return min(gains, key=_upper_bound)

    def _accuracy_excess(self, scores: Array | None) -> tuple[float | None, float | None, float | None]:
        """Compare, sample by sample, with naming the commonest class: mean difference, its error, that accuracy."""
        majority = None if self.constant is None else self.constant.scores(self._targets)
        if scores is None or majority is None:
            return None, None, None
        return *mean_and_error(scores - majority), float(majority.mean())


def _both(collect: Observer, also: Observer | None) -> Observer:
    if also is None:
        return collect

    def show(event: object) -> None:
        collect(event)
        also(event)

    return show


def _some(values: Array) -> Array:
    """Give some rows of `(samples, units)`, so that about `MOST_DRAWN` numbers are left, or a few rows.

    They follow no period: rows may be time steps or places of an image, of which every n-th would be all alike.
    """
    total = len(values)
    count = max(MOST_DRAWN // max(values.shape[1], 1), FEWEST_ROWS)
    return values if total <= count else values[(np.arange(count) * (GOLDEN * total) % total).astype(np.intp)]


def _sample(inputs: Array, generator: np.random.Generator) -> Array:
    """Choose the probe's rows, in ascending order; fewer where each is a large image."""
    count = len(inputs)
    most = PROBE_ROWS if not count else min(max(MOST_NUMBERS // max(inputs[0].size, 1), FEWEST_ROWS), PROBE_ROWS)
    return np.sort(generator.choice(count, min(count, most), replace=False))


def _gain(constant: ConstantPredictor | None, targets: Array, losses: Array) -> tuple[float | None, float | None]:
    """Give the mean of (constant's loss − network's loss) / H, paired by sample, and its standard error."""
    if constant is None or not constant.reducible > 0.0:
        return None, None
    return mean_and_error(gains_over(constant, targets, losses))


def _upper_bound(gain: tuple[float | None, float | None]) -> float:
    """Give three standard errors above a gain; infinity where there is none."""
    bound = math.inf if gain[0] is None or gain[1] is None else gain[0] + 3.0 * gain[1]
    return math.inf if math.isnan(bound) else bound
