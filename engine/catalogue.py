"""The names by which a network is told its activations and its loss."""

from collections.abc import Mapping
from typing import TypeVar

from gradvitals.engine.activations import Activation, Elu, Gelu, LeakyRelu, Linear, Relu, Sigmoid, Tanh
from gradvitals.engine.compound_activations import Maxout, PRelu, Softmax
from gradvitals.engine.hinge_losses import BinaryHinge, Hinge
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs, NegativeLogLikelihood
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError

T = TypeVar("T")

ACTIVATIONS: dict[str, type[Activation]] = {
    gate.name: gate for gate in (Linear, Sigmoid, Tanh, Relu, LeakyRelu, PRelu, Elu, Gelu, Maxout, Softmax)
}

LOSSES: dict[str, type[Loss]] = {
    gate.name: gate
    for gate in (
        SoftmaxCrossEntropy,
        BinaryCrossEntropy,
        NegativeLogLikelihood,
        Hinge,
        BinaryHinge,
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
    )
}
"""Losses on what the output layer computes, cross-entropies on logits."""

LOSSES_ON_PROBS: dict[str, type[Loss]] = {gate.name: gate for gate in (CrossEntropyOnProbs, BinaryCrossEntropyOnProbs)}
"""The same cross-entropies on probabilities, `from_logits = false`."""


def find_activation(activation: str | Activation) -> Activation:
    """Give the gate of this name with its defaults; a gate is given back.

    Raises:
        ValueError: If the name is unknown.
    """
    return known("activation", activation, ACTIVATIONS)() if isinstance(activation, str) else activation


def find_loss(loss: str | Loss) -> Loss:
    """Give the gate of this name with its defaults; a gate is given back.

    Raises:
        ValueError: If the name is unknown.
    """
    return known("loss", loss, LOSSES)() if isinstance(loss, str) else loss


def known(kind: str, name: str, names: Mapping[str, T]) -> T:
    """Give what has this name.

    Raises:
        ValueError: If nothing has; the sentence lists the names there are.
    """
    if name not in names:
        msg = f"{kind} {name!r} is not one of {', '.join(sorted(names))}"
        raise ValueError(msg)
    return names[name]
