"""Losses on probabilities, apart from the softmax or sigmoid that makes them: what programs have that do not fuse.

They are also what a loss computes that is given something else for probabilities. `clip` is a choice between two
conventions: Keras's, which clips probabilities to [ε, 1 − ε] with ε = 1e-7, so that no gradient passes beyond; and, for
None, PyTorch's, whose logarithms go to −∞.
"""

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.engine.classification_losses import BinaryLoss, CategoricalLoss, LabelsBeyond
from gradvitals.engine.events import Array
from gradvitals.engine.losses import Reduction

KERAS_EPSILON = 1e-7


class CrossEntropyOnProbs(CategoricalLoss):
    """−Σ targets · log probs.

    Args:
        clip: ε of the clipping to [ε, 1 − ε], as Keras's `CategoricalCrossentropy` does; None does not clip, as
            PyTorch's `NLLLoss` of a logarithm does not. Then a probability of 0 costs ∞, and its gradient is NaN even
            where it is not the target's.
        normalize: Whether to divide by the sum over the classes first, as Keras does (NaN where all are 0); by default
            whether it clips.
        reduction: As for every loss.
        class_weight: As for every loss of one class.
        sums_to_one: As for every loss of one class; it makes no difference here.
        labels_beyond: As for every loss of one class.
    """

    name = "cross_entropy"
    takes = "probabilities"

    def __init__(
        self,
        *,
        clip: float | None = KERAS_EPSILON,
        normalize: bool | None = None,
        reduction: Reduction = "mean",
        class_weight: ArrayLike | None = None,
        sums_to_one: bool = True,
        labels_beyond: LabelsBeyond = "refuse",
    ) -> None:
        super().__init__(
            reduction=reduction, class_weight=class_weight, sums_to_one=sums_to_one, labels_beyond=labels_beyond
        )
        self.clip = _checked_clip(self.name, clip)
        self.normalize = clip is not None if normalize is None else normalize
        self.infinite_costs = clip is None

    def prepare(self) -> None:
        """Add scratch space."""
        super().prepare()
        self._probs = np.empty_like(self._costs)
        self._clipped = np.empty_like(self._costs)
        self._products = np.empty_like(self._costs)
        self._sums = np.empty_like(self._costs[..., :1, :], order="C")

    def compute_costs(self) -> None:
        """Write −log probs, normalised and clipped where that is wanted."""
        np.copyto(self._probs, self._outputs_by_class)
        if self.normalize:
            np.add.reduce(self._probs, axis=-2, keepdims=True, out=self._sums)
            np.divide(self._probs, self._sums, out=self._probs)
        _clip(self._probs, self.clip, self._clipped)
        np.log(self._clipped, out=self._costs)
        np.negative(self._costs, out=self._costs)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write −targets / probs, 0 where they were clipped, through the division by their sum if there was one."""
        np.divide(self._weighted, self._clipped, out=self._terms)
        np.multiply(self._terms, -self._gradient_scale, out=self._terms)
        np.copyto(self._terms, 0.0, where=self._probs != self._clipped)
        if self.normalize:
            np.multiply(self._terms, self._probs, out=self._products)
            np.subtract(self._terms, np.add.reduce(self._products, axis=-2, keepdims=True), out=self._terms)
            np.divide(self._terms, self._sums, out=self._terms)
        np.copyto(self._grad_by_class, self._terms)
        if self._spoils:
            self._spoil(grad_outputs)

    def sides(self) -> Array:
        """Tell which probabilities were clipped."""
        return np.asarray(self._probs != self._clipped)


class NegativeLogLikelihood(CategoricalLoss):
    """−Σ targets · x, for outputs x that are log-probabilities; given probabilities, a loss of −1 is the best there is.

    It is PyTorch's `NLLLoss`.
    """

    name = "nll"
    takes = "log_probabilities"
    infinite_costs = True

    def compute_costs(self) -> None:
        """Write −x."""
        np.negative(self._outputs_by_class, out=self._costs)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write −targets / batch."""
        np.multiply(self._weighted, -self._gradient_scale, out=self._grad_by_class)
        if self._spoils:
            self._spoil(grad_outputs)


class BinaryCrossEntropyOnProbs(BinaryLoss):
    """−t log p − (1−t) log(1−p).

    Args:
        clip: ε of the clipping to [ε, 1 − ε], as Keras's `BinaryCrossentropy` does; None bounds both logarithms at −100
            and the gradient's denominator p (1−p) at 1e-12, as PyTorch's `BCELoss` does. There a p outside [0, 1],
            which PyTorch refuses, gives NaN.
        reduction: As for every loss.
        class_weight: As for every loss of yes or no.
    """

    name = "binary_cross_entropy"
    takes = "probabilities"
    threshold = 0.5

    def __init__(
        self,
        *,
        clip: float | None = KERAS_EPSILON,
        reduction: Reduction = "mean",
        class_weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(reduction=reduction, class_weight=class_weight)
        self.clip = _checked_clip(self.name, clip)

    def prepare(self) -> None:
        """Add scratch space."""
        super().prepare()
        self._clipped = np.empty_like(self._terms)
        self._costs = np.empty_like(self._terms)
        self._costs_of_absence = np.empty_like(self._terms)

    def compute_terms(self) -> None:
        """Write positive · −log p + (total − positive) · −log(1−p)."""
        if self._weights is not None:
            self._weigh_targets(*self._weights)
        _clip(self._outputs, self.clip, self._clipped)
        np.log(self._clipped, out=self._costs)
        np.subtract(1.0, self._clipped, out=self._costs_of_absence)
        np.log(self._costs_of_absence, out=self._costs_of_absence)
        for costs in (self._costs, self._costs_of_absence):
            if self.clip is None:
                np.maximum(costs, -100.0, out=costs)
            np.negative(costs, out=costs)
        np.subtract(1.0 if self._weights is None else self._total, self._positive, out=self._terms)
        np.multiply(self._terms, self._costs_of_absence, out=self._terms)
        np.multiply(self._positive, self._costs, out=self._slopes)
        np.add(self._terms, self._slopes, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give (total · p − positive) / (p (1−p)), 0 where p was clipped."""
        p, slopes = self._clipped, self._slopes
        np.copyto(slopes, p) if self._weights is None else np.multiply(p, self._total, out=slopes)
        np.subtract(slopes, self._positive, out=slopes)
        np.divide(slopes, np.maximum(p * (1.0 - p), 1e-12), out=slopes)
        np.copyto(slopes, 0.0, where=self._outputs != p)
        return slopes

    def compute_target_slopes(self) -> Array:
        """Give the loss with label 1 less that with label 0."""
        negative, positive = self._weights or (1.0, 1.0)
        np.multiply(self._costs, positive, out=self._slopes)
        return np.subtract(self._slopes, self._costs_of_absence * negative, out=self._slopes)

    def sides(self) -> Array:
        """Tell which probabilities were clipped."""
        return np.asarray(self._outputs != self._clipped)


def _clip(probs: Array, epsilon: float | None, out: Array) -> None:
    if epsilon is None:
        np.copyto(out, probs)
    else:
        np.clip(probs, epsilon, 1.0 - epsilon, out=out)


def _checked_clip(loss: str, clip: float | None) -> float | None:
    if clip is not None and not 0.0 < clip < 0.5:
        msg = f"{loss}: clip must be above 0 and below .5, got {clip}; None does not clip"
        raise ValueError(msg)
    return clip
