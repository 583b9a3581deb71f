"""What other tools look at, recorded from a training of our engine while our own monitor watches it too.

A look is taken as those tools take theirs: the first batch of the training set run through the network as it stands,
forward and backward, without touching it. Epoch looks are at every epoch's end, interval looks at step 0, 500, 1,000 …;
TheDeepChecker besides trains a fresh copy on one batch.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, softmax

from gradvitals.engine.events import (
    Array,
    EpochEnded,
    LayerBackward,
    LayerForward,
    Scores,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)
from gradvitals.engine.network import Network
from gradvitals.engine.training import Samples, Trainer
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.fit import check_fit

INTERVAL = 500
"""SageMaker Debugger's default `save_interval` (its rule configurations, `ruleConfigs.json`)."""

FUSED = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
"""Losses on logits, and the output activation that they stand for: other tools see it as the last layer."""


@dataclass(frozen=True, slots=True)
class LayerLook:
    """A dense layer and its activation, on one batch.

    Attributes:
        activation: By its Keras name; of the last layer `softmax` or `sigmoid` also where the loss has it.
        weight: `(fan_in, fan_out)`.
        bias: `(fan_out,)`.
        weight_gradient: As the weight.
        bias_gradient: As the bias.
        pre_activations: `(samples, units)`.
        outputs: `(samples, units)`.
    """

    activation: str
    weight: Array
    bias: Array
    weight_gradient: Array
    bias_gradient: Array
    pre_activations: Array
    outputs: Array


@dataclass(frozen=True, slots=True)
class Look:
    """The whole network on one batch: layers from the inputs on."""

    step: int
    layers: Mapping[str, LayerLook]


@dataclass(frozen=True, slots=True)
class EpochScores:
    """What a Keras history has of an epoch; accuracies are None in a regression."""

    step: int
    loss: float
    accuracy: float | None
    val_loss: float
    val_accuracy: float | None


@dataclass(frozen=True, slots=True)
class BatchFit:
    """A training on one batch.

    Attributes:
        losses: At every iteration, `(iterations,)`.
        performance: Accuracy at every iteration; in a regression the mean absolute error.
        looks: Every ten iterations, from the tenth on.
        recent_outputs: At each of these, every layer's outputs over the last ten iterations.
        weight_means: By layer, mean |w| at every iteration.
        gradient_means: By layer, mean |gradient| at every iteration.
        update_ratios: By layer, mean |update| over mean |w| before it, at every iteration.
    """

    losses: list[float] = field(default_factory=list)
    performance: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    recent_outputs: list[dict[str, Array]] = field(default_factory=list)
    weight_means: dict[str, list[float]] = field(default_factory=dict)
    gradient_means: dict[str, list[float]] = field(default_factory=dict)
    update_ratios: dict[str, list[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Trace:
    """All that the peers' rules read of one run.

    Attributes:
        classification: Whether there are classes; else it is a regression.
        from_logits: Whether the loss, as Keras would be told, takes logits.
        learning_rate: Of the optimizer.
        epochs: Planned.
        dropout: The largest rate.
        inputs: The training set's, `(n, features)`, as the network gets them.
        targets: Likewise, one-hot or values.
        initial_loss: On the first batch, before any update.
        history: Of every epoch.
        epoch_looks: At every epoch's end.
        interval_looks: At step 0 and every 500th.
        overfit: A fresh copy on 50 rows for 200 iterations.
        capacity: Losses and performance of a fresh copy on 16 rows for 1,000 iterations.
    """

    classification: bool
    from_logits: bool
    learning_rate: float
    epochs: int
    dropout: float
    inputs: Array
    targets: Array
    initial_loss: float = float("nan")
    history: list[EpochScores] = field(default_factory=list)
    epoch_looks: list[Look] = field(default_factory=list)
    interval_looks: list[Look] = field(default_factory=list)
    overfit: BatchFit = field(default_factory=BatchFit)
    capacity: BatchFit = field(default_factory=BatchFit)


def record_trace(config: Config, experiment: Experiment) -> Trace:
    """Put the recorder on an experiment whose training has not begun; the trace fills as it is trained."""
    network, samples = experiment.network, experiment.samples
    fused = network.loss_name in FUSED and network.layers[-1].activation == "linear"
    dropout = config.model.dropout
    trace = Trace(
        classification=network.probe(samples.inputs[:1], samples.targets[:1]).scores is not None,
        from_logits=not fused and network.loss_name in FUSED,
        learning_rate=config.training.optimizer.learning_rate,
        epochs=config.training.epochs,
        dropout=max(dropout) if isinstance(dropout, Sequence) else dropout,
        inputs=samples.inputs,
        targets=samples.targets,
    )
    batch = slice(0, config.training.batch_size)
    inputs, targets = samples.inputs[batch], samples.targets[batch]

    planned: list[int] = []

    def at_start(event: TrainingStarted) -> None:
        planned.append(event.total_steps or 0)
        trace.initial_loss = float(network.probe(inputs, targets).losses.mean())
        trace.interval_looks.append(take_look(network, inputs, targets, event.step))

    def at_step(event: StepEnded) -> None:
        if event.step % INTERVAL == 0:  # a loss that is no number is told at every step
            trace.interval_looks.append(take_look(network, inputs, targets, event.step))

    def at_epoch(event: EpochEnded) -> None:
        unseen: Scores = event.validation or event.training
        scores = event.training.loss, event.training.accuracy, unseen.loss, unseen.accuracy
        trace.history.append(EpochScores(event.step, *scores))
        trace.epoch_looks.append(take_look(network, inputs, targets, event.step))

    def at_end(event: TrainingEnded) -> None:
        if event.reason == "non_finite" and trace.history:
            _go_on(trace, planned[0])

    network.hooks.on(TrainingStarted, at_start)
    network.hooks.on(TrainingEnded, at_end)
    network.hooks.on(StepEnded, at_step, every=INTERVAL)
    network.hooks.on(EpochEnded, at_epoch)
    return trace


def _go_on(trace: Trace, planned: int) -> None:
    """Let looks go on as planned after a loss that is no number: our engine stops there, other trainings do not."""
    last, look = trace.history[-1], trace.epoch_looks[-1]
    following = (last.step // INTERVAL + 1) * INTERVAL
    if following <= planned:
        trace.interval_looks.append(replace(look, step=following))
    steps_per_epoch = planned // trace.epochs
    for epoch in range(len(trace.history) + 1, trace.epochs + 1):
        trace.history.append(replace(last, step=epoch * steps_per_epoch))
        trace.epoch_looks.append(replace(look, step=epoch * steps_per_epoch))


def take_look(network: Network, inputs: Array, targets: Array, step: int) -> Look:
    """Run a batch through the network as it is, forward and backward."""
    forward: dict[str, LayerForward] = {}
    gradients: dict[str, Array] = {}

    def collect(event: object) -> None:
        if isinstance(event, LayerForward):
            forward[event.layer] = event
        elif isinstance(event, LayerBackward):
            gradients[event.layer] = event.grad_pre_activations

    network.probe(inputs, targets, collect, step=step)
    parameters = network.parameters_by_layer()
    layers = {}
    with np.errstate(all="ignore"):
        for name, event in forward.items():
            own, grad = parameters[name], gradients[name]
            before = event.outputs if event.pre_activations is None else event.pre_activations
            activation, outputs = event.activation, event.outputs.copy()
            if name == network.layers[-1].name and activation == "linear" and network.loss_name in FUSED:
                activation = FUSED[network.loss_name]
                outputs = softmax(outputs, axis=1) if activation == "softmax" else expit(outputs)
            layers[name] = LayerLook(
                activation,
                own["weight"].copy(),
                own["bias"].copy(),
                event.inputs.T @ grad,
                grad.sum(axis=0),
                before.copy(),
                outputs,
            )
    return Look(step, layers)


def record_batch_fits(config: Config, dataset: Dataset, trace: Trace) -> None:
    """Train two fresh copies on one batch each, as TheDeepChecker does before and in its overfit check."""
    _fit(_fresh(config, dataset), 16, 1000, trace.capacity, watched=False)
    _fit(_fresh(config, dataset), 50, 200, trace.overfit, watched=True)


def _fresh(config: Config, dataset: Dataset) -> Experiment:
    return assemble(config, dataset, check_fit(config, dataset))


def _fit(experiment: Experiment, rows: int, iterations: int, fit: BatchFit, *, watched: bool) -> None:
    network = experiment.network
    batch = Samples(experiment.samples.inputs[:rows], experiment.samples.targets[:rows])
    order = np.arange(len(batch))
    trainer = Trainer(network, experiment.optimizer, clip=experiment.clip, penalty=experiment.penalty)
    recent: deque[dict[str, Array]] = deque(maxlen=10)
    with np.errstate(all="ignore"):
        for iteration in range(iterations):
            look = take_look(network, batch.inputs, batch.targets, iteration) if watched else None
            before = {name: group["weight"].copy() for name, group in network.parameters_by_layer().items()}
            loss = trainer.step(batch, order)
            fit.losses.append(loss)
            fit.performance.append(_performance(trainer, network, batch))
            if look is not None:
                recent.append({name: layer.outputs for name, layer in look.layers.items()})
                _follow(fit, look, network, before)
                if iteration and iteration % 10 == 0:
                    fit.looks.append(look)
                    joined = {name: np.concatenate([outputs[name] for outputs in recent]) for name in recent[0]}
                    fit.recent_outputs.append(joined)
            if not np.isfinite(loss):
                return


def _performance(trainer: Trainer, network: Network, batch: Samples) -> float:
    if trainer.correct is not None:
        return trainer.correct / len(batch)
    return float(np.abs(network.predict(batch.inputs) - batch.targets).mean())


def _follow(fit: BatchFit, look: Look, network: Network, before: Mapping[str, Array]) -> None:
    """Note what the update just made did to every layer."""
    for name, layer in look.layers.items():
        size = float(np.abs(before[name]).mean())
        moved = float(np.abs(network.parameters_by_layer()[name]["weight"] - before[name]).mean())
        fit.weight_means.setdefault(name, []).append(size)
        fit.gradient_means.setdefault(name, []).append(float(np.abs(layer.weight_gradient).mean()))
        fit.update_ratios.setdefault(name, []).append(moved / size if size else 0.0)
