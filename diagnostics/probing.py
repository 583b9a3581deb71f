"""The probe: a frozen look at a fixed sample of the training set, compared with the best constant predictor."""

import math
from dataclasses import dataclass, replace

import numpy as np

from gradvitals.diagnostics.constant_predictor import ConstantPredictor, fit_constant
from gradvitals.diagnostics.data_signal import predict_held_out, predict_simply
from gradvitals.diagnostics.faults import Fault
from gradvitals.diagnostics.generalisation import Comparer, compare_on_more
from gradvitals.diagnostics.histogram import Histogram
from gradvitals.diagnostics.layer_activity import ActivityCollector
from gradvitals.diagnostics.loss_fit import output_activation
from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.notes import Generalisation, Note, Probe
from gradvitals.diagnostics.output_facts import measure_outputs
from gradvitals.diagnostics.probe_collector import ProbeCollector, shown_to_both
from gradvitals.diagnostics.recurrence import last_informative_step, measure_recurrence
from gradvitals.diagnostics.schedule import FROZEN_COST
from gradvitals.diagnostics.scoring import Scorer, gains_over
from gradvitals.diagnostics.shortfall import Shortfall, measure_shortfall
from gradvitals.diagnostics.straightness import Straightness, measure_straightness
from gradvitals.diagnostics.training_sample import draw_rows, probe_in_parts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import (
    Array,
    Observable,
    Observer,
    ProbeResult,
)

PROBE_ROWS, FEWEST_ROWS = 256, 32
MOST_NUMBERS = 2**23
"""Inputs of a probe: a convolution's outputs, all kept for the way back, are many times as large."""

PIECEWISE_LINEAR = frozenset({"hinge", "binary_hinge"})

SEED = 20100  # fixed, so that every run of a sweep is probed on the same rows


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
        collect = ProbeCollector(network.parameters_by_layer(), activity, draw)
        result = network.probe(self._inputs, self._targets, shown_to_both(collect, also), step=step)
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

    def _look_back(self, step: int, collected: ProbeCollector) -> tuple[Note, ...]:
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
    def straightness(self, step: int) -> Straightness | None:
        """Tell whether a network without activations is linear; None of others, and of inputs that are names."""
        return None if self._data.discrete else measure_straightness(self._network, self._inputs, step=step)

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
