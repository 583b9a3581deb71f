"""Many trainings at once, each to the bit what `train` makes of it alone.

Those that end early, diverge or whose observers fail leave the stack, and neither disturb nor slow the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradvitals.engine.events import EpochEnded, Scores, TrainingEnded, TrainingStarted
from gradvitals.engine.history import History, Reason
from gradvitals.engine.optimizers import describe_optimizer
from gradvitals.engine.stack import Stack, Training
from gradvitals.engine.stacked_optimizer import NotStackableError
from gradvitals.engine.training import Samples, as_dtype, require_fit, score, scores_over


def train_many(trainings: Sequence[Training]) -> list[History]:
    """Train networks that differ in their numbers only: weights, data, learning rates, seeds, penalties, lengths.

    What an observer raises ends its own training alone; the history says so (`reason` failed, `error`). Ctrl-C ends
    all of them, as it does in `train`.

    Args:
        trainings: With networks of one circuit and dtype, training sets of one size, one batch size, and optimizers of
            one kind with the same settings, save the learning rate.

    Returns:
        The histories of the trainings, in their order.

    Raises:
        NotStackableError: If they differ in anything else.
        ValueError: If a set of samples is empty or does not fit its network, or the batch size
            is not positive.
    """
    if not trainings:
        return []
    fitted = _fitted(trainings)
    if len({(len(one.samples), one.batch_size) for one in fitted}) > 1:
        msg = "trainings can be stacked where their training sets are of one size, and their batches too"
        raise NotStackableError(msg)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the loop itself reports what is not finite
        _Loop(fitted).run()
    return [training.history for training in trainings]


class _Run:
    """One training of many: its events besides those of the steps, its scores, and its end."""

    def __init__(self, training: Training) -> None:
        self.training, self.ended = training, False
        self._hooks = training.network.hooks
        self._total_steps = training.epochs * math.ceil(len(training.samples) / training.batch_size)

    @property
    def rate_factor(self) -> Callable[[int], float] | None:
        """What a step's learning rate is multiplied by."""
        schedule = self.training.schedule
        return None if schedule is None else partial(schedule, total_steps=self._total_steps)

    def start(self) -> None:
        """Tell that it starts."""
        if self._hooks.wants(TrainingStarted):
            clips = self.training.clip is not None
            told = describe_optimizer(self.training.optimizer, self.rate_factor, clips=clips)
            self._hooks.emit(TrainingStarted(0, self._total_steps, self.training.batch_size, optimizer=told))
        if not self.training.epochs:
            self.end("completed", 0)

    def end_epoch(self, epoch: int, step: int, scores: Scores, validated: Scores | None) -> None:
        """Note the epoch's scores, and end the training if it was the last one."""
        training, history = self.training, self.training.history
        history.training.append(scores)
        if validated is not None:
            history.validation.append(validated)
        if self._hooks.wants(EpochEnded):
            factor = 1.0 if self.rate_factor is None else self.rate_factor(step)
            rate = training.optimizer.learning_rate * factor
            self._hooks.emit(EpochEnded(epoch, step, rate, scores, validated))
        if not math.isfinite(scores.loss):
            self.end("non_finite", step)
        elif history.should_stop(training.early_stopping):
            self.end("early_stopping", step)
        elif epoch == training.epochs:
            self.end("completed", step)

    def end(self, reason: Reason, step: int, error: Exception | None = None) -> None:
        """Tell that it is over."""
        history, self.ended = self.training.history, True
        history.reason, history.steps, history.forward_passes, history.error = reason, step, step, error
        if self._hooks.wants(TrainingEnded):
            try:
                self._hooks.emit(TrainingEnded(step, reason))
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is told of this run
                history.error = error or problem
                history.reason = "failed"


class _Loop:
    """The epochs of all runs that are still in training."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self._samples, self._batch = len(trainings[0].samples), trainings[0].batch_size
        self._runs = [_Run(training) for training in trainings]
        self._stack = Stack(trainings, [run.rate_factor for run in self._runs])
        count = len(trainings)
        self._orders, self._loss_sums = np.zeros((count, 0), np.int64), np.zeros(count)
        self._correct = np.zeros(count, np.int64)

    def run(self) -> None:
        """Train until nobody is left."""
        try:
            for run in self._runs:
                self._attempt(run, run.start)
            self._drop_ended()
            epoch = 1
            while self._runs:
                self._take_epoch(epoch)
                epoch += 1
        except BaseException:
            for run in self._runs:
                if not run.ended:
                    run.end("interrupted", self._stack.steps)
            raise

    def _take_epoch(self, epoch: int) -> None:
        """Take an epoch's steps; a run whose loss is not finite ends it with that step."""
        self._orders = np.stack([run.training.generator.permutation(self._samples) for run in self._runs])
        self._loss_sums[:], self._correct[:], seen = 0.0, 0, 0
        for start in range(0, self._samples, self._batch):
            rows = self._orders[:, start : start + self._batch]
            step = self._stack.step(rows)
            seen += rows.shape[1]
            self._loss_sums += step.mean_losses * rows.shape[1]
            if step.correct is not None:
                self._correct += step.correct
            for place, error in step.errors.items():
                self._runs[place].end("failed", self._stack.steps, error)
            if step.errors or not step.finite:
                for place in np.flatnonzero(~np.isfinite(step.losses)).tolist():
                    training = self._runs[place].training
                    validated = None if training.validation is None else score(training.network, training.validation)
                    self._end_epoch(place, epoch, seen, validated, classified=step.correct is not None)
                self._drop_ended()
            if not self._runs:
                return
        for place, validated in enumerate(self._stack.validate()):
            self._end_epoch(place, epoch, seen, validated, classified=step.correct is not None)
        self._drop_ended()

    def _end_epoch(self, place: int, epoch: int, seen: int, validated: Scores | None, *, classified: bool) -> None:
        run = self._runs[place]
        if not run.ended:
            correct = int(self._correct[place]) if classified and run.training.accuracy else None
            scores = scores_over(run.training.network, float(self._loss_sums[place]), correct, seen)
            self._attempt(run, partial(run.end_epoch, epoch, self._stack.steps, scores, validated))

    def _attempt(self, run: _Run, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told of this run
            run.end("failed", self._stack.steps, error)

    def _drop_ended(self) -> None:
        """Let those go that have ended."""
        stay = [place for place, run in enumerate(self._runs) if not run.ended]
        if len(stay) < len(self._runs):
            self._stack.leave([place for place, run in enumerate(self._runs) if run.ended])
            self._runs = [self._runs[place] for place in stay]
            self._orders, self._loss_sums = self._orders[stay], self._loss_sums[stay]
            self._correct = self._correct[stay]


def _fitted(trainings: Sequence[Training]) -> list[Training]:
    """Give the trainings with sets of their network's dtype, converted once where they share them.

    Raises:
        ValueError: If a set is empty or does not fit its network, or a batch size is not positive.
    """
    known: dict[tuple[int, int, np.dtype[Any]], Samples] = {}

    def convert(samples: Samples, dtype: np.dtype[Any]) -> Samples:
        return known.setdefault((id(samples.inputs), id(samples.targets), dtype), as_dtype(samples, dtype))

    fitted = []
    for one in trainings:
        dtype, validation = one.network.dtype, one.validation
        require_fit(one.network, {"training": one.samples, "validation": validation}, one.batch_size)
        fitted.append(
            replace(
                one,
                samples=convert(one.samples, dtype),
                validation=None if validation is None else convert(validation, dtype),
                batch_size=min(one.batch_size, len(one.samples)),
            )
        )
    return fitted
