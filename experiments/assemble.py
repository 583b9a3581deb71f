"""From plain config to the engine's objects: the one place that knows both."""

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from gradvitals.engine import clipping, initializers, optimizers, training
from gradvitals.engine.events import Array
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Optimizer
from gradvitals.engine.training import Samples
from gradvitals.experiments.config import initialization, optimizer
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset, Targets
from gradvitals.experiments.fit import Fit

RARE = 1e-6
"""Least share of a class in a prior: a class that never occurs would get a bias of −∞."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything a training needs, ready to run.

    Attributes:
        network: With its initial weights.
        optimizer: Without state yet.
        samples: The training set, targets encoded for the loss.
        validation: The validation set, likewise.
        generator: Draws the mini-batches.
        clip: How gradients are clipped.
        early_stopping: When to stop early.
    """

    network: Network
    optimizer: Optimizer
    samples: Samples
    validation: Samples
    generator: np.random.Generator
    clip: clipping.Clip | None
    early_stopping: training.EarlyStopping | None


def assemble(config: Config, dataset: Dataset, fit: Fit) -> Experiment:
    """Build the experiment; initial weights and batches are drawn from separate streams of the config's seed."""
    weights, batches = (np.random.default_rng(stream) for stream in np.random.SeedSequence(config.seed).spawn(2))
    dtype = np.dtype(config.training.dtype)
    samples = _samples(dataset.inputs, dataset.targets, dataset, fit, dtype)
    validation = _samples(dataset.validation_inputs, dataset.validation_targets, dataset, fit, dtype)
    network = Network(
        fit.widths,
        config.model.activation_per_layer,
        fit.loss,
        initializers=[_initializer(init) for init in config.model.init_per_layer],
        generator=weights,
        biases=_biases(config, fit, samples.targets),
        dtype=dtype,
    )
    stopping = config.training.early_stopping
    return Experiment(
        network,
        _optimizer(config.training.optimizer),
        samples,
        validation,
        batches,
        _clip(config),
        None if stopping is None else training.EarlyStopping(stopping.patience, stopping.min_delta),
    )


def _samples(inputs: Array, targets: Targets, dataset: Dataset, fit: Fit, dtype: np.dtype[np.floating]) -> Samples:
    """Encode the targets for the loss: one-hot rows, one column of 0 and 1, or the values as they are."""
    if dataset.task != "classification":
        encoded: Array = targets
    elif fit.loss == "binary_cross_entropy":
        encoded = targets[:, np.newaxis]
    else:
        encoded = np.eye(dataset.outputs)[targets]
    return Samples(np.ascontiguousarray(inputs, dtype), np.ascontiguousarray(encoded, dtype))


def _initializer(init: initialization.Initializer) -> Initializer:
    match init:
        case initialization.Zeros():
            return initializers.zeros
        case initialization.Scheme():
            return initializers.INITIALIZERS[init.kind]
        case initialization.Constant():
            return initializers.constant(init.value)
        case initialization.Normal():
            return initializers.normal(init.std)
        case initialization.Uniform():
            return initializers.uniform(init.limit)
        case _:
            assert_never(init)


def _biases(config: Config, fit: Fit, targets: Array) -> list[float | Array]:
    """Give the initial biases of every layer; a prior makes the first prediction the best constant one."""
    bias = config.model.bias_init
    hidden = bias.value if isinstance(bias, initialization.Constant) else 0.0
    output: float | Array = 0.0
    if config.model.output_bias == "prior":
        mean = targets.mean(axis=0, dtype=np.float64)
        share = np.clip(mean, RARE, 1.0 - RARE)
        output = {"mse": mean, "cross_entropy": np.log(share), "binary_cross_entropy": np.log(share / (1.0 - share))}[
            fit.loss
        ]
    return [*[hidden] * len(config.model.hidden), output]


def _optimizer(settings: optimizer.Optimizer) -> Optimizer:
    match settings:
        case optimizer.Sgd():
            return optimizers.Sgd(settings.learning_rate, momentum=settings.momentum, nesterov=settings.nesterov)
        case optimizer.RmsProp():
            return optimizers.RmsProp(
                settings.learning_rate, alpha=settings.alpha, epsilon=settings.epsilon, momentum=settings.momentum
            )
        case optimizer.Adam():
            return optimizers.Adam(
                settings.learning_rate, beta1=settings.beta1, beta2=settings.beta2, epsilon=settings.epsilon
            )
        case _:
            assert_never(settings)


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
