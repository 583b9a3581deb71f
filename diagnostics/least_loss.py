"""The least loss of outputs that an activation keeps within bounds: what no training can get below."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_QUANTITIES, OF_YES_OR_NO, residual_losses
from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where outputs can lie, as a closed interval.

    Attributes:
        low: The least value of each.
        high: The largest.
        sum_to_one: Whether those of a sample sum to 1.
    """

    low: float = -math.inf
    high: float = math.inf
    sum_to_one: bool = False


ANYWHERE = Bounds()

BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "sigmoid": Bounds(0.0, 1.0),
        "softmax": Bounds(0.0, 1.0, sum_to_one=True),
        "tanh": Bounds(-1.0, 1.0),
        "relu": Bounds(0.0),
        "gelu": Bounds(-0.17),  # its least value is −.16997…
    }
)
"""The bounds of activations; the outputs of others may lie anywhere."""


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def least_losses(
    loss: str, targets: Array, outputs: int, bounds: Bounds, class_weight: Array | None = None
) -> Array | None:
    """Give a lower bound on the loss of every sample, reached at the edge of the bounds but for sums to 1.

    Args:
        loss: Its name, as in configs; the cross-entropies are those on logits.
        targets: `(samples, columns)`.
        outputs: How many outputs a sample has.
        bounds: Where they can lie.
        class_weight: The loss's factor for each class, `(classes,)`, or for the labels 0 and 1, `(2, …)`.

    Returns:
        The bound, `(samples,)`; None for other losses, for soft targets of one class out of several, for labels that
        are none, and where outputs and targets do not pair up.
    """
    targets = np.asarray(targets, np.float64)
    if targets.shape[1] != outputs or not outputs:
        return None
    if loss in OF_ONE_CLASS:
        return _least_of_one_class(loss, targets, bounds, class_weight) if is_one_hot(targets) else None
    if loss in OF_YES_OR_NO:
        return _least_of_yes_or_no(loss, targets, bounds, class_weight) if is_share(targets) else None
    return _least_of_quantities(loss, targets, bounds) if loss in OF_QUANTITIES else None


@np.errstate(divide="ignore", invalid="ignore")
def least_of_shares(targets: Array, outputs: int) -> float | None:
    """Give the least mean binary cross-entropy of probabilities that sum to 1 in every sample.

    Of k labels of 1, each gets 1/k; of none, every output gets 1/C. Both are the only minimum, as the loss is convex.

    Args:
        targets: `(samples, columns)`, 0 or 1.
        outputs: C.

    Returns:
        None where outputs and targets do not pair up, or targets are no labels.
    """
    labels = np.asarray(targets, np.float64)
    if labels.shape[1] != outputs or outputs < 2 or not ((labels == 0.0) | (labels == 1.0)).all():
        return None
    count = labels.sum(axis=1)
    costs = np.where(count > 0.0, count * np.log(np.maximum(count, 1.0)), -outputs * math.log1p(-1.0 / outputs))
    return float(costs.mean() / outputs)


def is_share(targets: Array) -> bool:
    """Tell whether all targets are in [0, 1]."""
    return bool(((targets >= 0.0) & (targets <= 1.0)).all())


def is_one_hot(targets: Array) -> bool:
    """Tell whether every row has a single 1, and else 0."""
    return bool(((targets == 0.0) | (targets == 1.0)).all() and (targets.sum(axis=1) == 1.0).all())


def _least_of_one_class(loss: str, targets: Array, bounds: Bounds, class_weight: Array | None) -> Array:
    """Let the right output lead the others, all equal, by as much as the bounds allow."""
    others, lead = targets.shape[1] - 1, bounds.high - bounds.low
    cost = others * max(0.0, 1.0 - lead) if loss == "hinge" else math.log1p(others * math.exp(-lead))
    return np.asarray(cost * (targets if class_weight is None else targets * class_weight).sum(axis=1))


def _least_of_yes_or_no(loss: str, targets: Array, bounds: Bounds, class_weight: Array | None) -> Array:
    negative, positive = (1.0, 1.0) if class_weight is None else class_weight
    yes, no = positive * targets, negative * (1.0 - targets)
    if loss == "binary_hinge":
        signs = 2.0 * targets - 1.0
        best = np.where(signs > 0.0, signs * bounds.high, np.where(signs < 0.0, signs * bounds.low, 0.0))
        return np.asarray(((yes + no) * np.maximum(0.0, 1.0 - best)).mean(axis=1))
    logit = np.clip(np.log(yes) - np.log(no), bounds.low, bounds.high)  # the best there is, or the bound nearest to it
    logs = [np.where(weight > 0.0, weight * np.logaddexp(0.0, x), 0.0) for weight, x in ((yes, -logit), (no, logit))]
    return np.asarray((logs[0] + logs[1]).mean(axis=1))


def _least_of_quantities(loss: str, targets: Array, bounds: Bounds) -> Array:
    costs = residual_losses(loss, np.abs(np.clip(targets, bounds.low, bounds.high) - targets)).mean(axis=1)
    if bounds.sum_to_one and loss != "clipped_delta":  # the others are convex: no less than at the mean residual
        excess = np.abs(targets.sum(axis=1) - 1.0) / targets.shape[1]
        costs = np.maximum(costs, residual_losses(loss, excess))
    return np.asarray(costs)
