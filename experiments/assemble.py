"""From plain config to the engine's objects: the one place that knows both."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

import numpy as np

from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine import adaptive_optimizers, clipping, optimizers, schedules
from gradvitals.engine.events import Array
from gradvitals.engine.history import EarlyStopping
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Optimizer
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.regularizers import L2, Penalty, mark_weights
from gradvitals.engine.schedules import Schedule
from gradvitals.engine.strategies import NumericGradient, RandomSearch, Strategy
from gradvitals.engine.training import Samples
from gradvitals.experiments.architecture import build_network
from gradvitals.experiments.config import optimizer, schedule
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset, Targets
from gradvitals.experiments.fit import Encoding, Fit


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything a training needs, ready to run.

    Attributes:
        network: With its initial weights.
        optimizer: Without state yet.
        samples: The training set, targets encoded for the loss.
        validation: The validation set, likewise.
        data: Both, as a monitor takes them; runs that share their data share what is measured of it.
        generator: Draws the mini-batches.
        clip: How gradients are clipped.
        schedule: How the learning rate changes.
        penalty: What is added to the loss.
        strategy: How it is found where to step; None for backpropagation.
        early_stopping: When to stop early.
    """

    network: Network
    optimizer: Optimizer
    samples: Samples
    validation: Samples
    data: WatchedData
    generator: np.random.Generator
    clip: clipping.Clip | None
    schedule: Schedule | None
    penalty: Penalty | None
    strategy: Strategy | None
    early_stopping: EarlyStopping | None


def assemble(config: Config, dataset: Dataset, fit: Fit) -> Experiment:
    """Build the experiment; weights, batches, searches and dropout have separate streams of the config's seed."""
    streams = np.random.SeedSequence(config.seed).spawn(4)
    weights, batches, searches, drops = (np.random.default_rng(stream) for stream in streams)
    samples, validation, data = _sets(dataset, fit.encoding, fit.widths[-1], config.training.dtype)
    network = build_network(config, dataset, fit, samples.targets, weights=weights, drops=drops)
    stopping = config.training.early_stopping
    strategy = _strategy(config, searches)
    chosen = strategy if isinstance(strategy, RandomSearch) else _optimizer(config.training.optimizer)
    return Experiment(
        network,
        PartialOptimizer(chosen, network, config.training.frozen) if config.training.frozen else chosen,
        samples,
        validation,
        data,
        batches,
        _clip(config),
        _schedule(config.training.schedule, math.ceil(len(samples) / fit.batch_size)),
        L2(config.training.l2, mark_weights(network)) if config.training.l2 else None,
        strategy,
        None if stopping is None else EarlyStopping(stopping.patience, stopping.min_delta),
    )


@lru_cache(maxsize=2)
def _sets(dataset: Dataset, encoding: Encoding, outputs: int, dtype: str) -> tuple[Samples, Samples, WatchedData]:
    """Give training and validation set, and both to watch; runs that share their data share these arrays too."""
    training = dataset.inputs, _encode(dataset.targets, encoding, max(dataset.outputs, outputs))
    validation = dataset.validation_inputs, _encode(dataset.validation_targets, encoding, training[1].shape[1])
    training, validation = _as_dtype(training, dtype), _as_dtype(validation, dtype)
    return Samples(*training), Samples(*validation), WatchedData(*training, *validation)


def _encode(targets: Targets, encoding: Encoding, width: int) -> Array:
    """Encode the targets for the loss: one-hot rows, one column of labels, or the values as they are."""
    match encoding:
        case "values":
            return targets
        case "labels":
            return targets[:, np.newaxis]
        case "one_hot":
            return np.eye(width)[targets]


def _as_dtype(arrays: tuple[Array, Array], dtype: str) -> tuple[Array, Array]:
    inputs, targets = (np.ascontiguousarray(array, dtype) for array in arrays)
    return inputs, targets


def _optimizer(settings: optimizer.Optimizer) -> Optimizer:  # noqa: PLR0911 - a kind each
    match settings:
        case optimizer.Sgd():
            return optimizers.Sgd(settings.learning_rate, momentum=settings.momentum, nesterov=settings.nesterov)
        case optimizer.Adagrad():
            return adaptive_optimizers.Adagrad(
                settings.learning_rate,
                learning_rate_decay=settings.learning_rate_decay,
                initial_accumulator=settings.initial_accumulator,
                epsilon=settings.epsilon,
            )
        case optimizer.Adadelta():
            return adaptive_optimizers.Adadelta(settings.learning_rate, rho=settings.rho, epsilon=settings.epsilon)
        case optimizer.RmsProp():
            return optimizers.RmsProp(
                settings.learning_rate, alpha=settings.alpha, epsilon=settings.epsilon, momentum=settings.momentum
            )
        case optimizer.Adam():
            return optimizers.Adam(
                settings.learning_rate, beta1=settings.beta1, beta2=settings.beta2, epsilon=settings.epsilon
            )
        case optimizer.AdamW():
            return adaptive_optimizers.AdamW(
                settings.learning_rate,
                beta1=settings.beta1,
                beta2=settings.beta2,
                epsilon=settings.epsilon,
                weight_decay=settings.weight_decay,
            )
        case optimizer.Adamax():
            return adaptive_optimizers.Adamax(
                settings.learning_rate, beta1=settings.beta1, beta2=settings.beta2, epsilon=settings.epsilon
            )
        case optimizer.Nadam():
            return adaptive_optimizers.Nadam(
                settings.learning_rate,
                beta1=settings.beta1,
                beta2=settings.beta2,
                epsilon=settings.epsilon,
                momentum_decay=settings.momentum_decay,
            )
        case _:
            assert_never(settings)


def _schedule(settings: schedule.Schedule | None, steps_per_epoch: int) -> Schedule | None:
    """Translate epochs into steps, and put the warm-up first."""
    main: Schedule
    match settings:
        case None:
            return None
        case schedule.Constant():
            main = schedules.Constant()
        case schedule.StepDecay():
            every = settings.every * (steps_per_epoch if settings.unit == "epochs" else 1)
            main = schedules.StepDecay(every, settings.factor)
        case schedule.Cosine():
            main = schedules.Cosine(settings.minimum)
        case _:
            assert_never(settings)
    return schedules.WarmUp(settings.warm_up, main) if settings.warm_up else main


def _strategy(config: Config, generator: np.random.Generator) -> Strategy | None:
    match config.training.gradient:
        case "backprop":
            return None
        case "numeric":
            return NumericGradient()
        case "random_search":
            return RandomSearch(config.training.optimizer.learning_rate, generator)
        case _:
            assert_never(config.training.gradient)


def _clip(config: Config) -> clipping.Clip | None:
    """Compose the clippings asked for: by value first, then by norm."""
    steps = []
    if config.training.clip_value is not None:
        steps.append(clipping.clip_value(config.training.clip_value))
    if config.training.clip_norm is not None:
        steps.append(clipping.clip_norm(config.training.clip_norm))
    if not steps:
        return None
    return lambda gradients: math.prod([step(gradients) for step in steps])
