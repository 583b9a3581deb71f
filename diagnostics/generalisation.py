"""How a network does on samples it was not trained on, and how simple models do on the same ones.

A network that learns its training set and not what is in it does much worse on new samples than on its own. So does
every large network on a small or noisy set, and it may still be the best there is: only where a linear model or nearest
neighbours, fitted to the same training set, do surely better on the same new samples has it missed what was there.
"""

import math

import numpy as np

from gradvitals.diagnostics.constant_predictor import (
    OF_ONE_CLASS,
    OF_QUANTITIES,
    OF_YES_OR_NO,
    ConstantPredictor,
    residual_losses,
)
from gradvitals.diagnostics.data_signal import predict_simply
from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.notes import Generalisation
from gradvitals.diagnostics.validation_course import CourseWatcher, ValidationCourse
from gradvitals.engine.events import Array, ProbeResult

LEAST_GAP = 0.1
"""By how much a score must be worse on new samples before simple models are asked: they are not free."""

SURE = 3.0
"""Standard errors that make a difference sure."""

LARGEST_LOSS = -10.0
"""Floor of a sample's gain, in units of H."""


class Comparer:
    """Holds a sample of the training and of the validation set, and what simple models say on the latter.

    A score is the share of answers that are right, weighted as the loss weights classes; for a regression the gain over
    the best constant's loss, 1 − L/H, which is R² under a squared error.
    """

    def __init__(
        self,
        constant: ConstantPredictor,
        training: tuple[Array, Array],
        seen: Array,
        unseen: Array,
        generator: np.random.Generator,
    ) -> None:
        """Keep the samples; nothing is fitted before it is needed.

        Args:
            constant: The best constant output, with H above 0.
            training: Inputs and targets that simple models may be fitted to.
            seen: Targets of the training sample that the network is probed on.
            unseen: Targets of its validation sample.
            generator: Draws what simple models are fitted to, where there is much.
        """
        self._generator = generator
        self._constant, self._training, self._seen, self._unseen = constant, training, seen, unseen
        self._simple: Array | None = None
        self._course = CourseWatcher(constant.floor, constant.reducible)

    def course(self, step: int, unseen: ProbeResult) -> ValidationCourse | None:
        """Say how far loss and score on the validation sample are from their best; None without finite losses."""
        return self._course.see(step, unseen.losses, self._scores(unseen, self._unseen))

    def compare(self, step: int, seen: ProbeResult, unseen: ProbeResult, unseen_inputs: Array) -> Generalisation:
        """Score the network on both samples; if it has learned the one and not the other, simple models too.

        Args:
            step: That the note carries.
            seen: What the network gave on the training sample.
            unseen: What it gave on the validation sample.
            unseen_inputs: Of the validation sample, `(samples, features)`.
        """
        own, new = self._scores(seen, self._seen), self._scores(unseen, self._unseen)
        note = Generalisation(step, len(new), *mean_and_error(own), *mean_and_error(new))
        if not is_gap(note):
            return note
        if self._simple is None:
            self._simple = self._score_simple_models(unseen, unseen_inputs)
        excess, shortfall = self._simple - self._scores_of_constant(unseen), self._simple - new
        return Generalisation(
            step,
            len(new),
            *mean_and_error(own),
            *mean_and_error(new),
            *mean_and_error(excess),
            *mean_and_error(shortfall),
        )

    def _score_simple_models(self, unseen: ProbeResult, inputs: Array) -> Array:
        """Give the scores `(samples,)` of the simple model that is most surely better than the constant."""
        constant = self._scores_of_constant(unseen)
        if not (self._is_classification(unseen) or self._constant.loss in OF_QUANTITIES):
            return constant  # classes, and nobody says which answers are right
        predictions = predict_simply(*self._training, inputs, self._generator)
        candidates = [self._scores_of(predicted, unseen) for predicted in predictions]
        return max(candidates, key=lambda scores: _lower_bound(scores - constant), default=constant)

    def _is_classification(self, result: ProbeResult) -> bool:
        return result.scores is not None and self._constant.loss in OF_ONE_CLASS | OF_YES_OR_NO

    def _scores(self, result: ProbeResult, targets: Array) -> Array:
        if result.scores is not None and self._is_classification(result):
            return np.asarray(result.scores * self._weights(targets), np.float64)
        return gains_over(self._constant, targets, result.losses)

    def _scores_of_constant(self, unseen: ProbeResult) -> Array:
        scores = self._constant.scores(self._unseen) if self._is_classification(unseen) else None
        return np.zeros(len(self._unseen)) if scores is None else np.asarray(scores * self._weights(self._unseen))

    def _scores_of(self, predictions: Array, unseen: ProbeResult) -> Array:
        """Give the scores of predicted targets."""
        targets = self._unseen
        if not self._is_classification(unseen):
            losses = residual_losses(self._constant.loss, np.abs(predictions - targets)).mean(axis=1)
            return gains_over(self._constant, targets, losses)
        if self._constant.loss in OF_ONE_CLASS:
            right: Array = predictions.argmax(axis=1) == targets.argmax(axis=1)
        else:
            right = ((predictions > 0.5) == (targets > 0.5)).mean(axis=1)
        return np.asarray(right * self._weights(targets))

    def _weights(self, targets: Array) -> Array:
        """Give the weight of every sample, 1 on average, as its classes have them."""
        weights = self._constant.class_weight
        if weights is None:
            return np.ones(len(targets))
        if self._constant.loss in OF_ONE_CLASS:
            of_samples = weights[targets.argmax(axis=1)]
        else:
            of_samples = np.where(targets > 0.5, weights[1], weights[0]).mean(axis=1)
        return np.asarray(of_samples / max(float(of_samples.mean()), np.finfo(np.float64).tiny))


def is_gap(note: Generalisation) -> bool:
    """Tell whether the network is surely and clearly worse on new samples than on its own."""
    gap = note.training_score - note.score
    return gap >= LEAST_GAP and gap > SURE * math.hypot(note.training_score_se, note.score_se)


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
