"""How a network does on samples it was not trained on, and how simple models do on the same ones.

A network that learns its training set and not what is in it does much worse on new samples than on its own. So does
every large network on a small or noisy set, and it may still be the best there is: only where a linear model or nearest
neighbours, fitted to the same training set, do surely better on the same new samples has it missed what was there.
"""

import math

import numpy as np

from gradvitals.diagnostics.constant_predictor import ConstantPredictor
from gradvitals.diagnostics.data_signal import predict_simply
from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.notes import Generalisation
from gradvitals.diagnostics.scoring import SURE, Scorer
from gradvitals.diagnostics.validation_course import CourseWatcher, ValidationCourse
from gradvitals.engine.events import Array, ProbeResult

LEAST_GAP = 0.1
"""By how much a score must be worse on new samples before simple models are asked: they are not free."""


class Comparer:
    """Holds a sample of the training and of the validation set, and what simple models say on the latter.

    A score is what a `Scorer` gives.
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
        self._training = training
        self._seen, self._unseen = Scorer(constant, seen), Scorer(constant, unseen)
        self._simple: Array | None = None
        self._course = CourseWatcher(constant.floor, constant.reducible)

    def course(self, step: int, unseen: ProbeResult) -> ValidationCourse | None:
        """Say how far loss and score on the validation sample are from their best; None without finite losses."""
        return self._course.see(step, unseen.losses, self._unseen.of(unseen))

    def compare(self, step: int, seen: ProbeResult, unseen: ProbeResult, unseen_inputs: Array) -> Generalisation:
        """Score the network on both samples; if it has learned the one and not the other, simple models too.

        Args:
            step: That the note carries.
            seen: What the network gave on the training sample.
            unseen: What it gave on the validation sample.
            unseen_inputs: Of the validation sample, `(samples, features)`.
        """
        own, new = self._seen.of(seen), self._unseen.of(unseen)
        note = Generalisation(step, len(new), *mean_and_error(own), *mean_and_error(new))
        if not is_gap(note):
            return note
        if self._simple is None:
            self._simple = self._score_simple_models(unseen, unseen_inputs)
        excess, shortfall = self._simple - self._unseen.of_constant(unseen), self._simple - new
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
        constant = self._unseen.of_constant(unseen)
        if not self._unseen.can_score_others(unseen):
            return constant
        predictions = predict_simply(*self._training, inputs, self._generator)
        return self._unseen.best_of(predictions, unseen)


def compare_on_more(
    own: Array, scorer: Scorer, result: ProbeResult, predictions: tuple[Array, ...], *, step: int
) -> Generalisation | None:
    """Compare on larger samples than the probe's; None where no simple model could be fitted, or scored.

    Args:
        own: Scores of the network on training samples, `(samples,)`.
        scorer: Of the new samples.
        result: What the network gave on them.
        predictions: What simple models that were fitted to the training set predict, `(samples, outputs)` each.
        step: That the note carries.
    """
    if not (predictions and scorer.can_score_others(result)):
        return None
    new, simple = scorer.of(result), scorer.best_of(predictions, result)
    excess, shortfall = simple - scorer.of_constant(result), simple - new
    return Generalisation(
        step,
        len(new),
        *mean_and_error(own),
        *mean_and_error(new),
        *mean_and_error(excess),
        *mean_and_error(shortfall),
    )


def is_gap(note: Generalisation) -> bool:
    """Tell whether the network is surely and clearly worse on new samples than on its own."""
    gap = note.training_score - note.score
    return gap >= LEAST_GAP and gap > SURE * math.hypot(note.training_score_se, note.score_se)
