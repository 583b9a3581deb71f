"""The training loop: forward, backward, averaging, clipping, update; events where somebody wants them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.clipping import Clip
from gradvitals.engine.events import (
    Array,
    EpochEnded,
    GradientsReady,
    LayerBackward,
    LayerForward,
    Scores,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)
from gradvitals.engine.hooks import Due
from gradvitals.engine.network import Network, loss_gate
from gradvitals.engine.optimizers import Optimizer

Average: TypeAlias = Callable[[Array], None]
"""Averages a gradient vector over data-parallel workers, in place."""

Reason: TypeAlias = Literal["completed", "early_stopping", "non_finite", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs `(samples, features)` and targets `(samples, outputs)`."""

    inputs: Array
    targets: Array

    def __post_init__(self) -> None:
        if self.inputs.ndim != 2 or self.targets.ndim != 2 or len(self.inputs) != len(self.targets):
            shapes = f"{self.inputs.shape} and {self.targets.shape}"
            msg = f"inputs and targets must be two matrices with a row per sample, got {shapes}"
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop when the validation loss (without validation: the training loss) has not fallen for `patience` epochs."""

    patience: int
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.patience < 1:
            msg = f"the patience of early stopping must be a positive number of epochs, got {self.patience}"
            raise ValueError(msg)


@dataclass(slots=True)
class History:
    """What a training did: scores after every epoch, the number of steps, and why it ended.

    `reason` is `failed` where an observer or a gate raised, `interrupted` after Ctrl-C or a signal to end.
    """

    training: list[Scores] = field(default_factory=list)
    validation: list[Scores] = field(default_factory=list)
    steps: int = 0
    reason: Reason = "completed"

    def should_stop(self, rule: EarlyStopping | None) -> bool:
        """Tell whether the last `patience` epochs brought no improvement of at least `min_delta`."""
        losses = [scores.loss for scores in self.validation or self.training]
        if rule is None or len(losses) <= rule.patience:
            return False
        return not min(losses[-rule.patience :]) < min(losses[: -rule.patience]) - rule.min_delta


class Trainer:
    """Takes training steps: the five things in order, and their events."""

    def __init__(
        self, network: Network, optimizer: Optimizer, *, average: Average | None = None, clip: Clip | None = None
    ) -> None:
        self.network, self.optimizer, self.average, self.clip = network, optimizer, average, clip
        self.steps = 0
        self._update = np.zeros_like(network.parameters)
        self._seen_update = network.readonly_views(self._update)
        self.correct: int | None = None
        """Samples of the last batch that were classified rightly before its update; None for a regression."""

    def step(self, samples: Samples, rows: Array) -> float:
        """Train on the batch of these rows and give its mean loss before the update."""
        network = self.network
        circuit = network.training_circuit(len(rows))
        circuit.feed("inputs", samples.inputs, rows)
        circuit.feed("targets", samples.targets, rows)
        circuit.forward()
        loss = float(circuit.values["loss"])
        self.correct = loss_gate(circuit).count_correct()
        circuit.backward()
        self.steps += 1
        if self.average is not None:
            self.average(network.gradients)

        due = network.hooks.due(self.steps, loss)
        if due is not None:
            self._emit_before_update(due, circuit)
        clip_factor = 1.0 if self.clip is None else self.clip(network.gradients)
        self.optimizer.step(network.parameters, network.gradients)
        if due is not None and due.wants(StepEnded):
            self._emit_after_update(due, loss, clip_factor)
        return loss

    @np.errstate(over="ignore", invalid="ignore")  # observers measure what overflows
    def _emit_before_update(self, due: Due, circuit: ConnectedCircuit) -> None:
        """Show what was computed, and keep the parameters to tell the update afterwards."""
        if due.wants(LayerForward):
            self.network.emit_forward(circuit, due.emit, self.steps, "training")
        if due.wants(LayerBackward):
            self.network.emit_backward(circuit, due.emit, self.steps, "training")
        if due.wants(GradientsReady):
            due.emit(GradientsReady(self.steps, self.network.gradients_by_layer()))
        if due.wants(StepEnded):
            np.copyto(self._update, self.network.parameters)

    @np.errstate(over="ignore", invalid="ignore")  # observers measure what overflows
    def _emit_after_update(self, due: Due, loss: float, clip_factor: float) -> None:
        """Show the update really taken."""
        np.subtract(self.network.parameters, self._update, out=self._update)
        rate, parameters = self.optimizer.learning_rate, self.network.parameters_by_layer()
        due.emit(StepEnded(self.steps, loss, clip_factor, rate, self._seen_update, parameters))


def train(
    network: Network,
    samples: Samples,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int,
    generator: np.random.Generator,
    validation: Samples | None = None,
    early_stopping: EarlyStopping | None = None,
    average: Average | None = None,
    clip: Clip | None = None,
    history: History | None = None,
) -> History:
    """Train for some epochs of mini-batches, each epoch a fresh permutation of the rows; the last batch may be smaller.

    Stops before the plan's end when early stopping says so, or after the first step whose loss is not finite:
    nothing that follows it could be.

    Args:
        network: What to train, in place.
        samples: The training set, of the network's dtype or converted to it.
        optimizer: Changes the parameters.
        epochs: Passes over the training set.
        batch_size: Samples per step; more than there are means all of them.
        generator: Draws the permutations, and nothing else does.
        validation: Scored at the end of every epoch.
        early_stopping: When to stop early.
        average: Averages the gradient over data-parallel workers.
        clip: Clips the averaged gradient.
        history: Is filled and returned; hand one in to keep it should the training be interrupted.

    Returns:
        The scores of every epoch, the number of steps, and why the training ended.
    """
    samples = _as_dtype(samples, network.dtype)
    validation = None if validation is None else _as_dtype(validation, network.dtype)
    batch_size = min(batch_size, len(samples))
    trainer = Trainer(network, optimizer, average=average, clip=clip)
    history = History() if history is None else history
    hooks = network.hooks
    try:
        if hooks.wants(TrainingStarted):
            hooks.emit(TrainingStarted(0, epochs * math.ceil(len(samples) / batch_size), batch_size))
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # the loop itself reports what is not finite
            for epoch in range(1, epochs + 1):
                scores = _train_epoch(trainer, samples, generator.permutation(len(samples)), batch_size)
                history.training.append(scores)
                validated = None if validation is None else _score(network, validation)
                if validated is not None:
                    history.validation.append(validated)
                if hooks.wants(EpochEnded):
                    hooks.emit(EpochEnded(epoch, trainer.steps, optimizer.learning_rate, scores, validated))
                if not math.isfinite(scores.loss):
                    history.reason = "non_finite"
                    break
                if history.should_stop(early_stopping):
                    history.reason = "early_stopping"
                    break
    except BaseException as error:
        history.reason = "failed" if isinstance(error, Exception) else "interrupted"
        raise
    finally:
        history.steps = trainer.steps
        if hooks.wants(TrainingEnded):
            hooks.emit(TrainingEnded(trainer.steps, history.reason))
    return history


def _train_epoch(trainer: Trainer, samples: Samples, order: Array, batch_size: int) -> Scores:
    """Take an epoch's steps; the scores are the means over its batches, each scored before its update."""
    loss_sum, correct, seen = 0.0, 0, 0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        loss = trainer.step(samples, rows)
        loss_sum += loss * len(rows)
        seen += len(rows)
        correct += trainer.correct or 0
        if not math.isfinite(loss):
            break
    return _scores(trainer.network, loss_sum, None if trainer.correct is None else correct, seen)


def _score(network: Network, samples: Samples) -> Scores:
    losses, correct = network.evaluate(samples.inputs, samples.targets)
    return _scores(network, float(losses.sum(dtype=np.float64)), correct, len(samples))


def _scores(network: Network, loss_sum: float, correct: int | None, seen: int) -> Scores:
    """Divide by the samples; a multilabel sample has several labels to be right about."""
    labels = network.layers[-1].fan_out if network.loss_name == "binary_cross_entropy" else 1
    return Scores(loss_sum / seen, None if correct is None else correct / (seen * labels))


def _as_dtype(samples: Samples, dtype: np.dtype[Any]) -> Samples:
    """Make both matrices contiguous and of one dtype: mixed operands fall off BLAS."""
    return Samples(np.ascontiguousarray(samples.inputs, dtype), np.ascontiguousarray(samples.targets, dtype))
