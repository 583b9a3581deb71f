"""Scores, sample by sample, that a network, the best constant and simple models can be compared by."""

import numpy as np

from gradvitals.diagnostics.constant_predictor import (
    OF_ONE_CLASS,
    OF_QUANTITIES,
    OF_YES_OR_NO,
    ConstantPredictor,
    residual_losses,
)
from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.engine.events import Array, ProbeResult

SURE = 3.0
"""Standard errors that make a difference sure."""

SMALL_SAMPLE = 30
"""Below this many samples a standard error means little."""

LARGEST_LOSS = -10.0
"""Floor of a sample's gain, in units of H."""


class Scorer:
    """Scores answers on a sample, whoever gives them.

    A score is the share of answers that are right, weighted as the loss weights classes; for a regression the gain over
    the best constant's loss, 1 − L/H, which is R² under a squared error.
    """

    def __init__(self, constant: ConstantPredictor, targets: Array) -> None:
        """Take the best constant output, with H above 0, and the targets of the sample."""
        self._constant, self._targets = constant, targets

    def can_score_others(self, result: ProbeResult) -> bool:
        """Tell whether predicted targets can be scored: not where there are classes and nobody says what is right."""
        return self._is_classification(result) or self._constant.loss in OF_QUANTITIES

    def of(self, result: ProbeResult) -> Array:
        """Give the network's, `(samples,)`."""
        if result.scores is not None and self._is_classification(result):
            return np.asarray(result.scores * self._weights(), np.float64)
        return gains_over(self._constant, self._targets, result.losses)

    def of_constant(self, result: ProbeResult) -> Array:
        """Give the best constant's."""
        scores = self._constant.scores(self._targets) if self._is_classification(result) else None
        return np.zeros(len(self._targets)) if scores is None else np.asarray(scores * self._weights())

    def of_predictions(self, predictions: Array, result: ProbeResult) -> Array:
        """Give those of predicted targets `(samples, outputs)`."""
        targets = self._targets
        if not self._is_classification(result):
            losses = residual_losses(self._constant.loss, np.abs(predictions - targets)).mean(axis=1)
            return gains_over(self._constant, targets, losses)
        if self._constant.loss in OF_ONE_CLASS:
            right: Array = predictions.argmax(axis=1) == targets.argmax(axis=1)
        else:
            right = ((predictions > 0.5) == (targets > 0.5)).mean(axis=1)
        return np.asarray(right * self._weights())

    def best_of(self, predictions: tuple[Array, ...], result: ProbeResult) -> Array:
        """Give those of the predictions that are most surely better than the constant; its own without any."""
        constant = self.of_constant(result)
        candidates = [self.of_predictions(predicted, result) for predicted in predictions]
        return max(candidates, key=lambda scores: _lower_bound(scores - constant), default=constant)

    def _is_classification(self, result: ProbeResult) -> bool:
        return result.scores is not None and self._constant.loss in OF_ONE_CLASS | OF_YES_OR_NO

    def _weights(self) -> Array:
        """Give the weight of every sample, 1 on average, as its classes have them."""
        weights, targets = self._constant.class_weight, self._targets
        if weights is None:
            return np.ones(len(targets))
        if self._constant.loss in OF_ONE_CLASS:
            of_samples = weights[targets.argmax(axis=1)]
        else:
            of_samples = np.where(targets > 0.5, weights[1], weights[0]).mean(axis=1)
        return np.asarray(of_samples / max(float(of_samples.mean()), np.finfo(np.float64).tiny))


def gains_over(constant: ConstantPredictor, targets: Array, losses: Array) -> Array:
    """Give (the constant's loss − the loss) / H of every sample, `(samples,)`, floored at `LARGEST_LOSS`.

    H is counted from the floor, where there is one: under labels that are nearly uniform, there is little to gain.
    Without a floor a few monstrous losses would widen the error until nothing could be said. It can only make a network
    look better.
    """
    gains = (constant.sample_losses(targets) - losses.astype(np.float64)) / constant.reducible
    return np.maximum(np.nan_to_num(gains, nan=LARGEST_LOSS), LARGEST_LOSS)


def _lower_bound(values: Array) -> float:
    mean, error = mean_and_error(values)
    return mean - SURE * error
