"""From plain config to the network: activations, dropout, loss and initial weights."""

from typing import assert_never

import numpy as np

from gradvitals.engine import activations, compound_activations, initializers
from gradvitals.engine.activations import Activation
from gradvitals.engine.catalogue import ACTIVATIONS
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import Array
from gradvitals.engine.hinge_losses import BinaryHinge, Hinge
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs, NegativeLogLikelihood
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError
from gradvitals.experiments.config import activation, initialization
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.fit import OF_YES_OR_NO, Fit

ORTHOGONAL = initialization.Scheme(kind="orthogonal")

RARE = 1e-6
"""Least share of a class in a prior: a class that never occurs would get a bias of −∞."""


def build_network(
    config: Config,
    dataset: Dataset,
    fit: Fit,
    targets: Array,
    *,
    weights: np.random.Generator,
    drops: np.random.Generator,
) -> Network:
    """Build a config's network.

    Args:
        config: A run's config.
        dataset: Its data.
        fit: What follows from the two.
        targets: The training targets as the loss sees them, `(n, columns)`.
        weights: Draws the initial weights.
        drops: Draws the masks of dropout.
    """
    model = config.model
    output = "linear" if model.output == "auto" else ACTIVATIONS[model.output]()
    init = [_initializer(one) for one in model.init_per_layer]
    if model.kind == "rnn":
        return recurrent(
            fit.widths,
            model.cell or "tanh",
            _loss(config, fit, dataset),
            sequence_length=model.sequence_length or 1,
            initializers=init,
            recurrent_initializers=[_initializer(model.recurrent_init or ORTHOGONAL)] * len(model.hidden),
            generator=weights,
            biases=_biases(config, fit, targets),
            output=output,
            target_width=targets.shape[1],
            dtype=np.dtype(config.training.dtype),
        )
    return perceptron(
        fit.widths,
        [_activation(settings) for settings in model.activation_per_layer],
        _loss(config, fit, dataset),
        initializers=init,
        generator=weights,
        biases=_biases(config, fit, targets),
        output=output,
        dropout=[Dropout(rate, [drops]) if rate else None for rate in model.dropout_per_layer],
        target_width=targets.shape[1],
        dtype=np.dtype(config.training.dtype),
    )


def _activation(settings: activation.Activation) -> Activation:
    match settings:
        case activation.Plain():
            return ACTIVATIONS[settings.kind]()
        case activation.LeakyRelu():
            return activations.LeakyRelu(settings.slope)
        case activation.PRelu():
            return compound_activations.PRelu(settings.slope, per_unit=settings.per_unit)
        case activation.Elu():
            return activations.Elu(settings.alpha)
        case activation.Maxout():
            return compound_activations.Maxout(settings.pieces)
        case _:
            assert_never(settings)


def _loss(config: Config, fit: Fit, dataset: Dataset) -> Loss:  # noqa: PLR0911 - a loss each
    """Build the loss; outputs and targets of different widths meet as Keras and TensorFlow let them."""
    reduction, weights = config.training.reduction, _class_weight(config, dataset)
    of_classes = dataset.task == "classification"
    match fit.loss:
        case "cross_entropy":
            gate = SoftmaxCrossEntropy if fit.from_logits else CrossEntropyOnProbs
            one_hot = fit.encoding == "one_hot"
            return gate(reduction=reduction, class_weight=weights, sums_to_one=one_hot, labels_beyond="nan")
        case "nll":
            return NegativeLogLikelihood(reduction=reduction, class_weight=weights, labels_beyond="nan")
        case "binary_cross_entropy":
            binary = BinaryCrossEntropy if fit.from_logits else BinaryCrossEntropyOnProbs
            return binary(reduction=reduction, class_weight=weights)
        case "hinge":
            return Hinge(reduction=reduction, class_weight=weights)
        case "binary_hinge":
            return BinaryHinge(reduction=reduction, class_weight=weights)
        case "mse":
            return MeanSquaredError(reduction=reduction, broadcast="outputs", of_classes=of_classes)
        case "mae":
            return MeanAbsoluteError(reduction=reduction, broadcast="outputs", of_classes=of_classes)
        case "huber":
            return Huber(reduction=reduction, broadcast="outputs", of_classes=of_classes)
        case "clipped_delta":
            return ClippedDelta(reduction=reduction, broadcast="outputs", of_classes=of_classes)
        case _:
            assert_never(fit.loss)


def _class_weight(config: Config, dataset: Dataset) -> Array | None:
    """Give a factor per class; `balanced` is n / (classes · examples of the class), as scikit-learn has it."""
    weights = config.training.class_weight
    if weights is None:
        return None
    if not isinstance(weights, str):
        return np.array(weights)
    counts = np.bincount(dataset.targets, minlength=dataset.outputs)
    balanced: Array = len(dataset.targets) / (dataset.outputs * np.maximum(counts, 1))
    return balanced


def _initializer(init: initialization.RecurrentInitializer) -> Initializer:
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
        case initialization.Identity():
            return initializers.identity(init.scale)
        case _:
            assert_never(init)


def _biases(config: Config, fit: Fit, targets: Array) -> list[float | Array]:
    """Give the initial biases of every layer; a prior makes the first prediction the best constant one."""
    bias = config.model.bias_init
    hidden = bias.value if isinstance(bias, initialization.Constant) else 0.0
    output: float | Array = _prior(fit, targets) if config.model.output_bias == "prior" else 0.0
    return [*[hidden] * len(config.model.hidden), output]


def _prior(fit: Fit, targets: Array) -> Array:
    mean: Array = targets.mean(axis=0, dtype=np.float64)
    share = np.clip(mean, RARE, 1.0 - RARE)
    if fit.loss == "cross_entropy":
        return np.asarray(np.log(share))
    if fit.loss in OF_YES_OR_NO:
        return np.asarray(np.log(share / (1.0 - share)))
    return np.median(targets.astype(np.float64), axis=0) if fit.loss == "mae" else mean
