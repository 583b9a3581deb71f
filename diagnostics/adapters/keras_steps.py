"""The steps of a Keras `fit`, told from the beginnings of its batches: the events of a loop that shows nothing else."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import as_array
from gradvitals.diagnostics.adapters.keras_network import KerasNetwork
from gradvitals.engine.events import (
    EpochEnded,
    LayerArrays,
    OptimizerInfo,
    Scores,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)

Reason = Literal["completed", "early_stopping", "non_finite", "interrupted", "failed"]


class StepCount:
    """How many steps an optimizer has taken: one in several batches where it accumulates gradients.

    A loss scaler leaves out batches whose gradients are not finite; how many is known only when its state is read.

    Attributes:
        batches_a_step: Batches whose gradients make a step.
    """

    def __init__(self, optimizer: Any) -> None:  # noqa: ANN401 - Keras has no types for us
        """Count from here on; None for an optimizer that nobody knows, of which every batch is a step."""
        self._skips = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        self._optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self.batches_a_step = int(getattr(self._optimizer, "gradient_accumulation_steps", None) or 1)
        self._start = self._taken = self._read()
        self._batches = 0

    def after(self, batches: int) -> int:
        """Count the steps after so many batches, if none is left out from the last look on."""
        return self._steps_of(self._taken + batches - self._batches)

    def correct(self, batches: int) -> int:
        """Count the steps that the batches until now have been; the optimizer's variables must be up to date."""
        if self._skips:
            self._taken, self._batches = self._read(), batches
        return self.after(batches)

    def _steps_of(self, taken: int) -> int:
        return taken // self.batches_a_step - self._start // self.batches_a_step

    def _read(self) -> int:
        """Read how many batches it has taken, of all trainings."""
        taken = getattr(self._optimizer, "_iterations", None)  # `iterations` counts steps, which forgets begun ones
        return 0 if taken is None else int(as_array(taken))


class KerasSteps:
    """Counts the steps of a `fit`, and sends its events to the subscribers of a network.

    Where Keras runs several before it calls back, `steps_per_execution`, the update of each is taken for their mean.

    Attributes:
        started: Whether a training has begun.
    """

    def __init__(self, network: KerasNetwork) -> None:
        """Take the network that is trained."""
        self.started = self._ended = False
        self._network, self._hooks = network, network.hooks
        self._count = StepCount(None)
        self._batches = self._epoch_start = self._steps = 0
        self._before: LayerArrays | None = None
        self._rate = math.nan

    def start(self, batches: int | None, batch_size: int, unobserved: Mapping[str, str]) -> None:
        """Say that a training starts, of so many batches in all, if that is known."""
        self.started = True
        _sync(self._network.model)
        self._count = StepCount(getattr(self._network.model, "optimizer", None))
        total = None if batches is None else self._count.after(batches)
        size = batch_size * self._count.batches_a_step
        never_called = self._network.never_called
        optimizer = _describe(self._network.model)
        self._hooks.emit(
            TrainingStarted(0, total, size, unobserved=unobserved, never_called=never_called, optimizer=optimizer)
        )

    def end(self, reason: Reason) -> None:
        """Say that it ended; a second call does nothing."""
        if self._ended or not self.started:
            return
        self._ended = True
        self._before = None
        _sync(self._network.model)
        self._hooks.emit(TrainingEnded(self._count.correct(self._batches), reason))

    def stop(self) -> None:
        """Look at nothing any more, and say nothing."""
        self._ended, self._before = True, None

    def epoch_begins(self) -> None:
        """Count the batches of the new epoch from where the last has ended."""
        self._epoch_start = self._batches

    def batch_begins(self, batch: int) -> None:
        """See the steps before, and keep the weights if one of those to come is wanted."""
        if self._ended or not self.started:
            return
        self._passed(self._epoch_start + batch)
        coming = self._batches + self._at_once
        if self._hooks.wanted > self._count.after(coming):
            return
        _sync(self._network.model)
        self._steps = self._count.correct(self._batches)
        if self._hooks.wanted > self._count.after(coming):
            return
        now = self._network.trained_parameters()
        self._before = {layer: {name: array.copy() for name, array in arrays.items()} for layer, arrays in now.items()}
        self._rate = _learning_rate(self._network.model)

    def epoch_ends(self, epoch: int, logs: Mapping[str, Any], batches: int | None) -> None:
        """See the last steps of an epoch, and send its scores; `batches` is how many one has, if that is known."""
        if self._ended or not self.started:
            return
        last = self._batches + self._at_once
        self._passed(last if batches is None else min(last, self._epoch_start + batches))
        loss, unseen = number(logs.get("loss")), number(logs.get("val_loss"))
        if loss is None:
            return
        training = Scores(loss, _accuracy(logs, ""))
        validation = None if unseen is None else Scores(unseen, _accuracy(logs, "val_"))
        rate, steps = _learning_rate(self._network.model), self._count.correct(self._batches)
        self._hooks.emit(EpochEnded(epoch + 1, steps, rate, training, validation))

    @property
    def _at_once(self) -> int:
        return int(getattr(self._network.model, "steps_per_execution", 1) or 1)

    def _passed(self, batches: int) -> None:
        """Count batches, and show the updates of those steps that are wanted."""
        self._batches = batches
        before, self._before = self._before, None
        if before is None:
            return
        _sync(self._network.model)
        first, steps = self._steps, self._count.correct(batches)
        if steps <= first:
            return
        after = self._network.trained_parameters()
        with np.errstate(over="ignore", invalid="ignore"):  # of a diverged network
            for layer, arrays in before.items():
                for name, array in arrays.items():
                    np.subtract(after[layer][name], array, out=array)
                    np.divide(array, steps - first, out=array)
        while self._hooks.wanted <= steps:
            wanted = int(self._hooks.wanted)
            due = self._hooks.due(wanted)
            if due is not None:
                with np.errstate(over="ignore", invalid="ignore"):  # as above
                    due.emit(StepEnded(wanted, None, 1.0, self._rate, before, after))
            self._hooks.passed(wanted)


def number(value: Any) -> float | None:  # noqa: ANN401 - whatever a metric gives
    """Give a score as a number; None where it is none."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _sync(model: Any) -> None:  # noqa: ANN401 - Keras has no types for us
    """Bring the variables up to date: on JAX, `fit` keeps the state elsewhere."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def _describe(model: Any) -> OptimizerInfo | None:  # noqa: ANN401 - as above
    """Give what is known of a model's optimizer; None of one that has no rate."""
    optimizer, rate = getattr(model, "optimizer", None), _learning_rate(model)
    if optimizer is None or math.isnan(rate):
        return None
    kind, momentum = type(optimizer).__name__.lower(), float(getattr(optimizer, "momentum", 0.0) or 0.0)
    clips = any(getattr(optimizer, bound, None) for bound in ("clipnorm", "clipvalue", "global_clipnorm"))
    return OptimizerInfo(kind, rate, momentum, bool(getattr(optimizer, "nesterov", False)), clips)


def _learning_rate(model: Any) -> float:  # noqa: ANN401 - as above
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return math.nan if rate is None else float(f"{float(as_array(keras.ops.convert_to_tensor(rate))):.7g}")


def _accuracy(logs: Mapping[str, Any], prefix: str) -> float | None:
    """Give the accuracy among an epoch's scores; None where it was not asked for."""
    names = [f"{prefix}accuracy", f"{prefix}acc"]
    names += [name for name in logs if name.endswith("_accuracy") and name.startswith("val_") == bool(prefix)]
    return next((number(logs[name]) for name in names if name in logs), None)
