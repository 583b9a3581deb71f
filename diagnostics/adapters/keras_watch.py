"""Watching a Keras model: the monitor that `watch` gives is the callback that `fit` takes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Literal

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import as_array, kept_generators
from gradvitals.diagnostics.adapters.keras_data import read_data
from gradvitals.diagnostics.adapters.keras_fit import settings_of_fit
from gradvitals.diagnostics.adapters.keras_loss import KerasLoss
from gradvitals.diagnostics.adapters.keras_network import KerasNetwork
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.probing import Prober, WatchedData
from gradvitals.diagnostics.schedule import Every
from gradvitals.diagnostics.sink import Sink
from gradvitals.engine.events import (
    Array,
    EpochEnded,
    LayerArrays,
    Scores,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)

Reason = Literal["completed", "early_stopping", "non_finite", "interrupted", "failed"]

FEW = 8
"""Samples from whose outputs it is told how outputs, targets and loss belong together."""

USUAL_BATCH = 32
"""What `fit` takes where nobody says."""

UNOBSERVED: Mapping[str, str] = MappingProxyType(
    {"gradients": "not observable in Keras: the gradients of its training steps"}
)


class KerasMonitor(Monitor, keras.callbacks.Callback):  # type: ignore[misc]
    """Watches a `fit`: it is the callback. A `with` block also notes how a training ended that failed.

    Only the beginning of a batch is listened to: it shows what the batch before has done, and leaves Keras free to
    go on while numbers are still being computed.
    """

    def __init__(
        self,
        network: KerasNetwork,
        data: WatchedData | None = None,
        *,
        total_steps: int | None = None,
        every: Every = "auto",
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Subscribe to the network's hooks; everything else comes from `fit`."""
        keras.callbacks.Callback.__init__(self)
        Monitor.__init__(self, network, data, total_steps=total_steps, every=every, sinks=sinks)
        self._keras, self._loop = network, _Loop(network)

    def detach(self) -> None:
        """End the training, as far as it is watched, and every subscription, and close the sinks."""
        try:
            self._loop.end("completed")
        finally:
            super().detach()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._loop.end("failed" if issubclass(kind, Exception) else "interrupted")
        super().__exit__(kind, error, at)

    def set_model(self, model: Any) -> None:  # noqa: ANN401 - Keras has no types for us
        """Take the model from `fit`.

        Raises:
            ValueError: If it is another than the one watched.
        """
        if model is not self._keras.model:
            msg = "this callback watches another model than the one that is trained: give it that model"
            raise ValueError(msg)
        super().set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """Refuse a second training.

        Raises:
            RuntimeError: If it has watched one.
        """
        if self._loop.started:
            msg = "a monitor watches one training: make another for the next call of fit"
            raise RuntimeError(msg)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """Start with the first epoch: only here it is known which one `fit` begins with."""
        if self._loop.started:
            self._loop.epoch_begins()
            return
        params = self.params or {}
        steps, epochs = params.get("steps"), params.get("epochs")
        total = None if not steps or not epochs else int(steps) * (int(epochs) - epoch)
        settings = settings_of_fit(self._keras.model)
        if self._keras.loss is not None and self._data is not None:
            self._keras.loss.weigh(settings.class_weight, by_sample=settings.has_sample_weight)
            self._prober = Prober(self._keras, self._data)
        size = settings.batch_size or self._batch_size(steps)
        self._loop.start(TrainingStarted(0, total, size, unobserved=dict(UNOBSERVED)))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """See what the batch before has done, and look at the weights if this one is wanted."""
        self._loop.batch_begins(batch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take the scores; the steps of the epoch are complete."""
        self._loop.epoch_ends(epoch, logs or {}, (self.params or {}).get("steps"))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the last look, judge, and close the log."""
        loss = _number((logs or {}).get("loss"))
        stopped = bool(getattr(self._keras.model, "stop_training", False))
        failed = loss is not None and not math.isfinite(loss)
        self._loop.end("non_finite" if failed and stopped else "early_stopping" if stopped else "completed")
        Monitor.detach(self)

    def _batch_size(self, steps: int | None) -> int:
        """Tell the batch size from the steps of an epoch, where `fit` was not given it."""
        samples = 0 if self._data is None else len(self._data.inputs)
        if not steps or not samples or int(steps) == -(-samples // USUAL_BATCH):
            return USUAL_BATCH
        return -(-samples // int(steps))


def watch_model(
    model: Any,  # noqa: ANN401 - whatever looks like a Keras model
    *,
    data: object = None,
    validation: object = None,
    loss: Any = None,  # noqa: ANN401 - all that `compile` takes
    total_steps: int | None = None,
    every: Every = "auto",
    open_sinks: Callable[[], Sequence[Sink]] = tuple,
) -> KerasMonitor:
    """Watch a model; see `watch`.

    Args:
        model: The model.
        data: Its training set.
        validation: Its validation set.
        loss: What it is trained with, if it is not compiled.
        total_steps: Planned steps.
        every: Rhythm of the step scalars.
        open_sinks: Is called once everything has been found in order, so that no mistake leaves a file.

    Raises:
        TypeError: If the model has no layer with a weight, or gives several outputs.
        ValueError: If it cannot be run on the data, or the loss on what it gives; if it is not built or compiled.
    """
    kind = type(model).__name__
    if loss is None and not getattr(model, "compiled", False):
        msg = f"this {kind} is not compiled: compile it before watching, or give the loss, as watch(model, loss=…)"
        raise ValueError(msg)
    given = None if data is None else _read(data, validation)
    if not model.built:
        if given is None:
            msg = f"this {kind} has no weights yet: build it before watching, as with model.build(input_shape)"
            raise ValueError(msg)
        with kept_generators():
            model(keras.ops.convert_to_tensor(_in_keras_precision(given.inputs[:FEW])), training=False)
    network = KerasNetwork(model)
    watched = None if given is None else _prepare(network, given, model.loss if loss is None else loss)
    if not network.layers:
        msg = f"cannot watch this {kind}: it has no dense, convolutional, recurrent or embedding layer"
        raise TypeError(msg)
    return KerasMonitor(network, watched, total_steps=total_steps, every=every, sinks=open_sinks())


def _read(data: object, validation: object) -> WatchedData:
    """Read the data; targets as they are."""
    if isinstance(data, WatchedData):
        return data
    inputs, targets, complete = read_data(data)
    unseen, labels = (None, None) if validation is None else read_data(validation)[:2]
    return WatchedData(inputs, targets, unseen, labels, complete=complete)


def _prepare(network: KerasNetwork, given: WatchedData, loss: object) -> WatchedData:
    """Look at the model on a few of the data, and adapt the loss.

    Raises:
        ValueError: If the loss cannot be computed.
    """
    discrete = given.discrete or network.reads_names
    inputs = given.inputs if discrete else _in_keras_precision(given.inputs)
    few = given.targets[:FEW]
    outputs = network.look(inputs[:FEW])
    rows, unseen = given.targets.reshape(len(given.targets), -1), given.validation_targets
    if loss is not None:
        network.loss = adapted = KerasLoss(loss, outputs.shape, given.targets)
        try:
            rows = adapted.coding.encode(given.targets)
            unseen = None if unseen is None else adapted.coding.encode(unseen)
            network.probe(inputs[:FEW], rows[:FEW])
        except Exception as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            msg = (
                f"the loss fails on outputs of shape {outputs.shape} and targets of shape {few.shape} ({first}):"
                " give data as fit takes them"
            )
            raise ValueError(msg) from error
    validation = given.validation_inputs
    if validation is not None and not discrete:
        validation = _in_keras_precision(validation)
    return replace(
        given,
        inputs=inputs,
        targets=rows,
        validation_inputs=validation,
        validation_targets=unseen,
        discrete=discrete,
    )


def _in_keras_precision(inputs: Array) -> Array:
    """Give quantities as floats, in the precision that Keras computes in."""
    return np.asarray(inputs, keras.config.floatx())


class _Loop:
    """Counts the steps of a `fit`, and sends its events to the subscribers of a network.

    A step is one of the optimizer. Where Keras runs several before it calls back, `steps_per_execution`, the update of
    each is taken for their mean.

    Attributes:
        started: Whether a training has begun.
    """

    def __init__(self, network: KerasNetwork) -> None:
        self.started = self._ended = False
        self._network, self._hooks = network, network.hooks
        self._steps = self._base = self._batch = 0
        self._before: LayerArrays | None = None
        self._rate = math.nan

    def start(self, event: TrainingStarted) -> None:
        """Say that a training starts."""
        self.started = True
        _sync(self._network.model)
        self._hooks.emit(event)

    def end(self, reason: Reason) -> None:
        """Say that it ended; a second call does nothing."""
        if self._ended or not self.started:
            return
        self._ended = True
        self._before = None
        _sync(self._network.model)
        self._hooks.emit(TrainingEnded(self._steps, reason))

    def epoch_begins(self) -> None:
        """Count the batches of the new epoch from where the last has ended."""
        self._base = self._steps

    def batch_begins(self, batch: int) -> None:
        """See the steps before, and keep the weights if one of those to come is wanted."""
        if self._ended or not self.started:
            return
        self._batch = batch
        self._passed(self._base + batch)
        if self._hooks.wanted <= self._steps + self._steps_at_once:
            _sync(self._network.model)
            now = self._network.trained_parameters()
            self._before = {
                layer: {name: array.copy() for name, array in arrays.items()} for layer, arrays in now.items()
            }
            self._rate = _learning_rate(self._network.model)

    def epoch_ends(self, epoch: int, logs: Mapping[str, Any], batches: int | None) -> None:
        """See the last steps of an epoch, and send its scores."""
        if self._ended or not self.started:
            return
        last = self._batch + self._steps_at_once
        self._passed(self._base + (last if batches is None else min(last, batches)))
        loss, unseen = _number(logs.get("loss")), _number(logs.get("val_loss"))
        if loss is None:
            return
        training = Scores(loss, _accuracy(logs, ""))
        validation = None if unseen is None else Scores(unseen, _accuracy(logs, "val_"))
        rate = _learning_rate(self._network.model)
        self._hooks.emit(EpochEnded(epoch + 1, self._steps, rate, training, validation))

    @property
    def _steps_at_once(self) -> int:
        return int(getattr(self._network.model, "steps_per_execution", 1) or 1)

    def _passed(self, steps: int) -> None:
        """Count steps, and show the updates of those that are wanted."""
        count, before = steps - self._steps, self._before
        self._steps, self._before = steps, None
        if before is None or not count:
            return
        _sync(self._network.model)
        after = self._network.trained_parameters()
        with np.errstate(over="ignore", invalid="ignore"):  # of a diverged network
            for layer, arrays in before.items():
                for name, array in arrays.items():
                    np.subtract(after[layer][name], array, out=array)
                    np.divide(array, count, out=array)
        while self._hooks.wanted <= steps:
            wanted = int(self._hooks.wanted)
            due = self._hooks.due(wanted)
            if due is not None:
                with np.errstate(over="ignore", invalid="ignore"):  # of a diverged network
                    due.emit(StepEnded(wanted, None, 1.0, self._rate, before, after))
            self._hooks.passed(wanted)


def _sync(model: Any) -> None:  # noqa: ANN401 - Keras has no types for us
    """Bring the variables up to date: on JAX, `fit` keeps the state elsewhere."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def _learning_rate(model: Any) -> float:  # noqa: ANN401 - as above
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    return math.nan if rate is None else float(as_array(keras.ops.convert_to_tensor(rate)))


def _accuracy(logs: Mapping[str, Any], prefix: str) -> float | None:
    """Give the accuracy among an epoch's scores; None where it was not asked for."""
    names = [f"{prefix}accuracy", f"{prefix}acc"]
    names += [name for name in logs if name.endswith("_accuracy") and name.startswith("val_") == bool(prefix)]
    return next((_number(logs[name]) for name in names if name in logs), None)


def _number(value: Any) -> float | None:  # noqa: ANN401 - whatever a metric gives
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
