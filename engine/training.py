"""The training loop: forward, backward, averaging, clipping, update; events where somebody wants them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.clipping import Clip
from gradvitals.engine.events import (
    Array,
    EpochEnded,
    GradientsReady,
    LayerBackward,
    LayerForward,
    RecurrentBackward,
    Scores,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)
from gradvitals.engine.history import EarlyStopping, History
from gradvitals.engine.hooks import Due
from gradvitals.engine.network import Network, loss_gate
from gradvitals.engine.optimizers import Optimizer, describe_optimizer
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.regularizers import Penalty
from gradvitals.engine.schedules import Schedule
from gradvitals.engine.strategies import Backprop, RandomSearch, Strategy

Average: TypeAlias = Callable[[Array], None]
"""Averages a gradient vector over data-parallel workers, in place."""


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


class Trainer:
    """Takes training steps: the five things in order, and their events."""

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        *,
        average: Average | None = None,
        clip: Clip | None = None,
        penalty: Penalty | None = None,
        strategy: Strategy | None = None,
        rate_factor: Callable[[int], float] | None = None,
        accuracy: bool = True,
    ) -> None:
        """Put the parts together; see `train`.

        Args:
            network: What to train, in place.
            optimizer: Changes the parameters.
            average: Averages the gradient over data-parallel workers.
            clip: Clips the averaged gradient.
            penalty: Is added to the loss that is minimised, not to the one that is reported.
            strategy: Computes the gradient; by default backpropagation.
            rate_factor: Gives, for each step, its learning rate in units of the one that the optimizer has now.
            accuracy: Whether the right answers of a batch are counted.

        Raises:
            ValueError: If there is no gradient, but something that needs one.
        """
        self.network, self.optimizer, self.average, self.clip = network, optimizer, average, clip
        self.penalty, self.rate_factor, self._accuracy = penalty, rate_factor, accuracy
        self.strategy: Strategy = Backprop() if strategy is None else strategy
        searching = isinstance(optimizer, RandomSearch) or not self.strategy.by_parameter
        if searching and (id(optimizer) != id(strategy) or average or clip):
            msg = "random search has no gradient: it must be strategy and optimizer in one, without average and clip"
            raise ValueError(msg)
        self.base_rate = optimizer.learning_rate
        self.steps = self.forward_passes = 0
        self._update = np.zeros_like(network.parameters)
        self._seen_update = network.readonly_views(self._update)
        self.correct: int | None = None
        """Samples of the last batch that were classified rightly before its update; None where that is not counted."""
        self.mean_loss = math.nan
        """Mean loss of the last batch's samples, also where the loss that is minimised is their sum."""

    def step(self, samples: Samples, rows: Array) -> float:
        """Train on the batch of these rows of samples in the network's dtype; give its loss before the update."""
        network = self.network
        circuit = network.training_circuit(len(rows))
        circuit.feed("inputs", samples.inputs, rows)
        circuit.feed("targets", samples.targets, rows)
        circuit.forward()
        loss = float(circuit.values["loss"])
        gate = loss_gate(circuit)
        correct = gate.count_correct() if self._accuracy else None
        self.correct = None if correct is None else int(correct)
        self.mean_loss = loss if gate.reduction == "mean" else float(gate.sample_losses.mean())
        if self.rate_factor is not None:
            self.optimizer.learning_rate = self.base_rate * self.rate_factor(self.steps + 1)
        self.forward_passes += self.strategy.compute(network, circuit, self.penalty)
        self.steps += 1
        if self.average is not None:
            self.average(network.gradients)

        due = network.hooks.due(self.steps, loss)
        if due is not None:
            self._emit_before_update(due, circuit)
        clip_factor = 1.0 if self.clip is None else self.clip(network.gradients)
        self.optimizer.step(network.parameters, network.gradients)
        if due is not None and due.wants(StepEnded):
            self._emit_after_update(due, loss, clip_factor, circuit.readonly_values["targets"])
        return loss

    def _emit_before_update(self, due: Due, circuit: ConnectedCircuit) -> None:
        """Show what was computed, and keep the parameters to tell the update afterwards."""
        if due.wants(LayerForward):
            self.network.emit_forward(circuit, due.emit, self.steps, "training")
        if due.wants(LayerBackward) and self.strategy.by_layer:
            self.network.emit_backward(circuit, due.emit, self.steps, "training")
        if due.wants(RecurrentBackward) and self.strategy.by_layer:
            self.network.emit_recurrent_backward(circuit, due.emit, self.steps, "training")
        if due.wants(GradientsReady) and self.strategy.by_parameter:
            due.emit(GradientsReady(self.steps, self.network.gradients_by_layer()))
        if due.wants(StepEnded):
            np.copyto(self._update, self.network.parameters)

    def _emit_after_update(self, due: Due, loss: float, clip_factor: float, targets: Array) -> None:
        """Show the update really taken."""
        np.subtract(self.network.parameters, self._update, out=self._update)
        rate, parameters = self.optimizer.learning_rate, self.network.parameters_by_layer()
        due.emit(StepEnded(self.steps, loss, clip_factor, rate, self._seen_update, parameters, targets))


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
    schedule: Schedule | None = None,
    penalty: Penalty | None = None,
    strategy: Strategy | None = None,
    history: History | None = None,
    accuracy: bool = True,
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
        schedule: Changes the learning rate from step to step; the optimizer has its own back at the end.
        penalty: Is added to the loss that is minimised, not to the one that is reported.
        strategy: Computes the gradient; by default backpropagation.
        history: Is filled and returned; hand one in to keep it should the training be interrupted.
        accuracy: Whether the right answers of every batch are counted, for the scores of the epochs.

    Returns:
        The scores of every epoch, the number of steps, and why the training ended.

    Raises:
        TypeError: If a set is no `Samples`.
        ValueError: If a set of samples is empty or does not fit the network, or the batch size is not positive.
    """
    require_fit(network, {"training": samples, "validation": validation}, batch_size)
    samples = as_dtype(samples, network.dtype)
    validation = None if validation is None else as_dtype(validation, network.dtype)
    batch_size = min(batch_size, len(samples))
    total_steps = epochs * math.ceil(len(samples) / batch_size)
    rate_factor = None if schedule is None else partial(schedule, total_steps=total_steps)
    trainer = Trainer(
        network,
        optimizer,
        average=average,
        clip=clip,
        penalty=penalty,
        strategy=strategy,
        rate_factor=rate_factor,
        accuracy=accuracy,
    )
    history = History() if history is None else history
    hooks = network.hooks
    try:
        if hooks.wants(TrainingStarted):
            unheld = optimizer.unheld if isinstance(optimizer, PartialOptimizer) else ()
            told = describe_optimizer(optimizer, rate_factor, clips=clip is not None)
            by_layer = trainer.strategy.by_layer
            hooks.emit(TrainingStarted(0, total_steps, batch_size, by_layer, unheld, optimizer=told))
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # the loop itself reports what is not finite
            for epoch in range(1, epochs + 1):
                scores = _train_epoch(trainer, samples, generator.permutation(len(samples)), batch_size)
                history.training.append(scores)
                validated = None if validation is None else score(network, validation)
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
        history.steps, history.forward_passes = trainer.steps, trainer.forward_passes
        if schedule is not None:
            optimizer.learning_rate = trainer.base_rate
        if hooks.wants(TrainingEnded):
            hooks.emit(TrainingEnded(trainer.steps, history.reason))
    return history


def require_fit(network: Network, sets: Mapping[str, Samples | None], batch_size: int) -> None:
    """Refuse what cannot be trained on.

    Raises:
        TypeError: If a set is no `Samples`.
        ValueError: If a set is empty or does not fit the network, or the batch size is not positive.
    """
    if batch_size < 1:
        msg = f"the batch size must be a positive number of samples, got {batch_size}"
        raise ValueError(msg)
    for name, samples in sets.items():
        if samples is not None:
            if not isinstance(samples, Samples):
                msg = f"the {name} set must be gradvitals.Samples(inputs, targets), got a {type(samples).__name__}"
                raise TypeError(msg)
            if not len(samples):
                msg = f"there is no sample in the {name} set"
                raise ValueError(msg)
            network.probe(samples.inputs[:1], samples.targets[:1])  # says itself what it takes


def _train_epoch(trainer: Trainer, samples: Samples, order: Array, batch_size: int) -> Scores:
    """Take an epoch's steps; the scores are the means over its batches, each scored before its update."""
    loss_sum, correct, seen = 0.0, 0, 0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        loss = trainer.step(samples, rows)
        loss_sum += trainer.mean_loss * len(rows)
        seen += len(rows)
        correct += trainer.correct or 0
        if not math.isfinite(loss):
            break
    return scores_over(trainer.network, loss_sum, None if trainer.correct is None else correct, seen)


def score(network: Network, samples: Samples) -> Scores:
    """Evaluate a network on a set of samples."""
    losses, correct = network.evaluate(samples.inputs, samples.targets)
    return scores_over(network, float(losses.sum(dtype=np.float64)), correct, len(samples))


def scores_over(network: Network, loss_sum: float, correct: int | None, seen: int) -> Scores:
    """Divide by the samples; a multilabel sample has several labels to be right about."""
    labels = network.layers[-1].fan_out if network.loss.scores_labels else 1
    return Scores(loss_sum / seen, None if correct is None else correct / (seen * labels))


def as_dtype(samples: Samples, dtype: np.dtype[Any]) -> Samples:
    """Make both matrices contiguous and of one dtype: mixed operands fall off BLAS."""
    return Samples(np.ascontiguousarray(samples.inputs, dtype), np.ascontiguousarray(samples.targets, dtype))
