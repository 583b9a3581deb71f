"""The best constant predictor: the loss H that a network must beat to have learned anything at all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array

OF_ONE_CLASS = frozenset({"cross_entropy", "hinge"})
OF_YES_OR_NO = frozenset({"binary_cross_entropy", "binary_hinge"})
OF_QUANTITIES = frozenset({"mse", "mae", "huber", "clipped_delta"})

HUBER_DELTA = CLIPPED_DELTA = 1.0
ROUNDING = 1e-6
"""Share of H that the least loss under soft targets may be off by: constant soft targets leave nothing to learn."""

FEW_CLASSES, MANY_CLASSES, VERY_MANY_CLASSES = 10, 20, 200


@dataclass(frozen=True, slots=True)
class ConstantPredictor:
    """The constant output that minimises the loss on the training targets.

    Attributes:
        loss: Name of the loss.
        best: The constant, `(outputs,)`: shares of classes or labels (cross-entropies), scores (hinges), or values.
        mean_loss: H, its mean loss over the training targets.
        class_weight: The loss's factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`.
        losses_of: Gives the loss of every sample from the constant and the targets, where no formula here does.
        floor: The least mean loss that any outputs have, where it is known not to be 0: under soft or smoothed labels.
    """

    loss: str
    best: Array
    mean_loss: float
    class_weight: Array | None = None
    losses_of: Callable[[Array, Array], Array] | None = None
    floor: float = 0.0

    @property
    def reducible(self) -> float:
        """What of H can be learned away; 0 where that is no more than rounding."""
        left = self.mean_loss - self.floor
        return left if not self.floor or left > ROUNDING * self.mean_loss else 0.0

    def sample_losses(self, targets: Array) -> Array:
        """Give its loss on every sample, `(samples,)`."""
        if self.losses_of is not None:
            return self.losses_of(self.best, targets)
        return _sample_losses(self.loss, self.best, np.asarray(targets, np.float64), self.class_weight)

    def scores(self, targets: Array) -> Array | None:
        """Give the share of each sample's answers that it gets right, `(samples,)`; None for a regression."""
        if self.loss in OF_ONE_CLASS:
            return np.asarray(targets.argmax(axis=1) == self.best.argmax(), np.float64)
        if self.loss in OF_YES_OR_NO:
            says_yes = self.best > (0.5 if self.loss == "binary_cross_entropy" else 0.0)
            return np.asarray(((targets > 0.5) == says_yes).mean(axis=1))
        return None


@np.errstate(over="ignore", invalid="ignore")  # targets of any size, also infinite ones
def fit_constant(loss: str, targets: Array, class_weight: Array | None = None) -> ConstantPredictor | None:
    """Fit the best constant to targets `(samples, outputs)`.

    Returns:
        The predictor; None for a loss whose minimiser is not known here, of classes whose targets are no shares (for
        the binary hinge, not 0 or 1) or are not as many as the weights, and where there are no targets.
    """
    targets = np.asarray(targets, np.float64)
    if loss not in OF_ONE_CLASS | OF_YES_OR_NO | OF_QUANTITIES or not targets.size:
        return None
    is_share = bool(((targets >= 0.0) & (targets <= 1.0)).all())
    if loss in OF_ONE_CLASS and not (is_share and np.allclose(targets.sum(axis=1), 1.0)):
        return None
    if loss in OF_YES_OR_NO and not is_share:
        return None
    if loss == "binary_hinge" and not np.isin(targets, (0.0, 1.0)).all():
        return None
    if class_weight is not None and loss in OF_ONE_CLASS and len(class_weight) != targets.shape[1]:
        return None
    best = _minimiser(loss, targets, class_weight)
    mean_loss = float(_sample_losses(loss, best, targets, class_weight).mean())
    return ConstantPredictor(loss, best, mean_loss, class_weight, floor=_floor(loss, targets, class_weight))


def _floor(loss: str, targets: Array, class_weight: Array | None) -> float:
    """Give the least mean loss that any outputs have: under a cross-entropy, the entropy of soft targets."""
    if loss not in {"cross_entropy", "binary_cross_entropy"} or ((targets == 0.0) | (targets == 1.0)).all():
        return 0.0
    if loss == "cross_entropy":
        parts = targets if class_weight is None else targets * class_weight
    else:
        negative, positive = (1.0, 1.0) if class_weight is None else class_weight
        parts = np.stack([negative * (1.0 - targets), positive * targets], axis=-1)
    totals = parts.sum(axis=-1, keepdims=True)
    shares = parts / np.where(totals > 0.0, totals, 1.0)
    entropies = -(parts * np.log(np.where(shares > 0.0, shares, 1.0))).sum(axis=-1)
    return float(entropies.mean())


def _minimiser(loss: str, targets: Array, class_weight: Array | None) -> Array:  # noqa: PLR0911 - a loss each
    match loss:
        case "cross_entropy":
            weighted = targets if class_weight is None else targets * class_weight
            return np.asarray(weighted.sum(axis=0) / weighted.sum())
        case "hinge":
            return _best_scores(targets, class_weight)
        case "binary_cross_entropy":
            return _weighted_share(targets, class_weight)
        case "binary_hinge":
            return np.where(_weighted_share(targets, class_weight) > 0.5, 1.0, -1.0)
        case "mae":
            return np.asarray(np.median(targets, axis=0))
        case "huber":
            return _huber_centre(targets)
        case "clipped_delta":
            return np.array([_clipped_centre(column) for column in targets.T])
        case _:
            return np.asarray(targets.mean(axis=0))


@np.errstate(over="ignore", invalid="ignore")
def _sample_losses(loss: str, best: Array, targets: Array, class_weight: Array | None) -> Array:
    if loss in OF_QUANTITIES:
        return np.asarray(residual_losses(loss, np.abs(targets - best)).mean(axis=1))
    if loss == "hinge":
        labels = targets.argmax(axis=1)
        margins = np.maximum(best - best[labels, np.newaxis] + 1.0, 0.0)
        weights = 1.0 if class_weight is None else class_weight[labels]
        return np.asarray(weights * (margins.sum(axis=1) - 1.0))  # a class has a margin of 1 to itself
    with np.errstate(divide="ignore"):
        yes, no = (
            (np.maximum(1.0 - best, 0.0), np.maximum(1.0 + best, 0.0))
            if loss == "binary_hinge"
            else (-np.log(best), -np.log1p(-best))
        )
    if loss == "cross_entropy":
        weighted = targets if class_weight is None else targets * class_weight
        return np.asarray(_expected(weighted, yes).sum(axis=1))
    negative, positive = (1.0, 1.0) if class_weight is None else class_weight
    return np.asarray((_expected(positive * targets, yes) + _expected(negative * (1.0 - targets), no)).mean(axis=1))


def residual_losses(loss: str, residuals: Array) -> Array:
    """Give the loss in `OF_QUANTITIES` of every residual, all ≥ 0."""
    match loss:
        case "mse":
            return np.square(residuals)
        case "mae":
            return residuals
        case "huber":
            clipped = np.minimum(residuals, HUBER_DELTA)
            return clipped * (residuals - 0.5 * clipped)
        case _:
            return np.square(np.minimum(residuals, CLIPPED_DELTA))


def _expected(weights: Array, costs: Array) -> Array:
    """Give weight · cost, with 0 · ∞ = 0: what never happens costs nothing."""
    return np.where(weights > 0.0, weights * np.where(weights > 0.0, costs, 0.0), 0.0)


def _weighted_share(targets: Array, class_weight: Array | None) -> Array:
    """Give the share of yes in every column, each answer counted by its weight."""
    negative, positive = (1.0, 1.0) if class_weight is None else class_weight
    share = targets.mean(axis=0)
    return np.asarray(positive * share / (positive * share + negative * (1.0 - share)))


def _huber_centre(targets: Array) -> Array:
    """Find where the clipped residuals of every column add up to 0, by bisection: their sum falls monotonically."""
    low, high = targets.min(axis=0), targets.max(axis=0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = np.clip(targets - middle, -HUBER_DELTA, HUBER_DELTA).sum(axis=0) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(0.5 * (low + high))


def _clipped_centre(values: Array) -> float:
    """Find the centre with the least Σ min(|y − c|, δ)², among the means of what lies within δ of some centre.

    The best centre is the mean of the values within δ of it: moving to their mean could only help. As c goes up, the
    set changes only where c ± δ passes a value, so one centre between any two such places shows every set.
    """
    ordered = np.sort(values - values.mean())  # squares of what is far from 0 would lose the differences
    passings = np.sort(np.concatenate([ordered - CLIPPED_DELTA, ordered + CLIPPED_DELTA]))
    centres = 0.5 * (passings[1:] + passings[:-1])
    first = np.searchsorted(ordered, centres - CLIPPED_DELTA, "left")
    behind = np.searchsorted(ordered, centres + CLIPPED_DELTA, "right")
    sums, squares = (np.concatenate([[0.0], np.cumsum(ordered**power)]) for power in (1, 2))
    count, total = behind - first, sums[behind] - sums[first]
    means = total / np.maximum(count, 1)  # there may be nothing between two clusters
    within = squares[behind] - squares[first] - total * means
    return float(means[(within - CLIPPED_DELTA**2 * count).argmin()] + values.mean())


def _best_scores(targets: Array, class_weight: Array | None) -> Array:
    """Find the scores with the least hinge loss, from all equal, by raising some classes by 1 as long as that helps.

    The loss is piecewise linear with its kinks where scores differ by whole numbers, and where raising no set of
    classes helps it is least (it is L♮-convex; Murota 2003, section 10.3.1). Among many classes only sets of neighbours
    by share are tried, among very many none; a minimum missed makes the network look better, never worse.
    """
    count = targets.shape[1]
    shares = np.bincount(targets.argmax(axis=1), minlength=count) / len(targets)
    shares = shares if class_weight is None else shares * class_weight
    if count == 1 or count > VERY_MANY_CLASSES:
        return np.zeros(count)
    sets = _all_sets(count) if count <= FEW_CLASSES else _sets_of_neighbours(np.argsort(-shares, kind="stable"))

    def cost(scores: Array) -> float:
        margins = np.maximum(scores[np.newaxis, :] - scores[:, np.newaxis] + 1.0, 0.0).sum(axis=1) - 1.0
        return float(shares @ margins)

    scores = np.zeros(count)
    while True:
        best = min((scores + raised for raised in sets), key=cost)
        if not cost(best) < cost(scores) - 1e-12:
            return scores
        scores = best


def _all_sets(count: int) -> Array:
    """List the sets of so many classes, as 0 and 1, but for the empty and the full one."""
    return np.arange(1, 2**count - 1)[:, np.newaxis] >> np.arange(count) & 1


def _sets_of_neighbours(order: Array) -> Array:
    """List the sets of the first k of an order, and in the first few of all that lie between two places."""
    places = np.argsort(order)
    starts = [0] * len(order) + [start for start in range(1, MANY_CLASSES) for _ in range(start, MANY_CLASSES)]
    ends = [
        *range(1, len(order) + 1),
        *(end + 1 for start in range(1, MANY_CLASSES) for end in range(start, MANY_CLASSES)),
    ]
    bounds = np.array([starts, ends])[:, :, np.newaxis]
    return np.asarray((places >= bounds[0]) & (places < bounds[1]), np.int64)
