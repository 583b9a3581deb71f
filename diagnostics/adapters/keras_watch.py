"""Watching a Keras model: the monitor that `watch` gives is the callback that `fit` takes."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any

import keras

from gradvitals.diagnostics.adapters.keras_backend import as_array, in_keras_precision
from gradvitals.diagnostics.adapters.keras_data import read_data
from gradvitals.diagnostics.adapters.keras_fit import settings_of_fit
from gradvitals.diagnostics.adapters.keras_loss import KerasLoss
from gradvitals.diagnostics.adapters.keras_network import KerasNetwork
from gradvitals.diagnostics.adapters.keras_steps import KerasSteps, number
from gradvitals.diagnostics.guard import WatchingFailed, place_in_loop
from gradvitals.diagnostics.looker import Looker
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.schedule import Every
from gradvitals.diagnostics.sink import Sink
from gradvitals.diagnostics.start_notes import OddLoss
from gradvitals.diagnostics.validation_set import of_validation_set
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.diagnostics.wording import telling_line
from gradvitals.engine.events import Array

FEW = 8
"""Samples from whose outputs it is told how outputs, targets and loss belong together."""

USUAL_BATCH = 32
"""What `fit` takes where nobody says."""

UNOBSERVED: Mapping[str, str] = MappingProxyType(
    {"gradients": "not observable in Keras: the gradients of its training steps"}
)

ONE_FIT = (
    "a monitor watches one fit, and this is another: it goes on unwatched, and the first alone is judged;"
    " train in one call of fit, with callbacks for what is done between epochs, or make a monitor for each call"
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
        Monitor.__init__(self, network, data, total_steps=total_steps, every=every, sinks=sinks, guarded=False)
        self._keras, self._steps = network, KerasSteps(network)
        self._has_told = False
        self._mixing = None if data is None else network.mixing(data.inputs)

    def _stop(self, why: str) -> None:
        self._steps.stop()
        super()._stop(why)

    def detach(self) -> None:
        """End the training, as far as it is watched, and every subscription, and close the sinks."""
        try:
            with self._guard:
                self._steps.end("completed")
        finally:
            super().detach()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            with self._guard:
                self._steps.end("failed" if issubclass(kind, Exception) else "interrupted")
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
        """Say that a second training is not watched: to refuse it would end a loop of the user's."""
        if self._steps.started and not self._has_told:
            self._has_told = True
            warnings.warn_explicit(ONE_FIT, WatchingFailed, *place_in_loop())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """Start with the first epoch: only here it is known which one `fit` begins with."""
        if self._steps.started:
            self._steps.epoch_begins()
            return
        params = self.params or {}
        steps, epochs = params.get("steps"), params.get("epochs")
        batches = None if not steps or not epochs else int(steps) * (int(epochs) - epoch)
        settings = settings_of_fit(self._keras.model)
        if self._looker is None and settings.data is not None:
            self._take_from_fit(settings.data, settings.validation)
        if self._keras.loss is not None and self._looker is not None:
            self._keras.loss.weigh(settings.class_weight, by_sample=settings.has_sample_weight)
            self._looker = Looker(self._keras, self._looker.data, self._recorder, self._drawer)  # of the weighed loss
        size = settings.batch_size or self._batch_size(steps)
        with self._guard:
            self._steps.start(batches, size, dict(UNOBSERVED))
        if self._mixing is not None:
            self._recorder.add(self._mixing)
        loss = self._keras.loss
        if loss is not None and (loss.ignores or loss.prefers_wrong):
            self._recorder.add(OddLoss(0, loss.ignores, loss.prefers_wrong))

    def _take_from_fit(self, data: tuple[Any, ...], validation: tuple[Any, ...] | None) -> None:
        """Take the data that `fit` was given, if the model can be probed on them."""
        network = self._keras
        try:
            given, weighted = _read(data, validation)
            watched = _prepare(network, given, network.model.loss)
            if weighted and network.loss is not None:
                network.loss.weigh(None, by_sample=True)
            self._mixing = network.mixing(watched.inputs)
            self._take_data(watched)
        except Exception:  # noqa: BLE001 - whatever a model raises on data that nobody gave us
            network.take_loss(None)
            self._mixing = None
            return
        self._guard.arm()  # nor may a look at them end the training

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """See what the batch before has done, and look at the weights if this one is wanted."""
        with self._guard:
            self._steps.batch_begins(batch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take the scores; the steps of the epoch are complete."""
        with self._guard:
            self._steps.epoch_ends(epoch, logs or {}, (self.params or {}).get("steps"))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the last look, judge, and close the log."""
        loss = number((logs or {}).get("loss"))
        stopped = bool(getattr(self._keras.model, "stop_training", False))
        failed = loss is not None and not math.isfinite(loss)
        with self._guard:
            self._steps.end("non_finite" if failed and stopped else "early_stopping" if stopped else "completed")
        Monitor.detach(self)

    def _batch_size(self, steps: int | None) -> int:
        """Tell the batch size from the steps of an epoch, where `fit` was not given it."""
        samples = 0 if self._looker is None else len(self._looker.data.inputs)
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
        msg = (
            f"this {kind} is not compiled: compile it before watching, or give the loss, as watch(model, loss=…);"
            " for a loop of PyTorch's, without fit, watch a torch.nn.Module that has it as a part"
        )
        raise ValueError(msg)
    given, weighted = (None, False) if data is None else _read(data, validation)
    if not model.built:
        if given is None:
            msg = (
                f"this {kind} has no weights yet: give data, or build it before watching, as with"
                " model.build(input_shape)"
            )
            raise ValueError(msg)
        _build(model, given.inputs[:FEW])
    network = KerasNetwork(model)
    watched = None if given is None else _prepare(network, given, model.loss if loss is None else loss)
    if weighted and network.loss is not None:
        network.loss.weigh(None, by_sample=True)
    if not network.layers:
        msg = f"cannot watch this {kind}: it has no dense, convolutional, recurrent or embedding layer"
        raise TypeError(msg)
    return KerasMonitor(network, watched, total_steps=total_steps, every=every, sinks=open_sinks())


def _build(model: Any, examples: Array) -> None:  # noqa: ANN401 - as above
    """Draw a model's weights, as `fit` would have: the generators go on, and what the model has already stays."""
    before = [(variable, as_array(variable).copy()) for variable in model.variables]
    model(keras.ops.convert_to_tensor(in_keras_precision(examples)), training=False)
    for variable, value in before:
        variable.assign(value)


def _read(data: object, validation: object) -> tuple[WatchedData, bool]:
    """Read the data, targets as they are; also tell whether samples have weights of their own."""
    if isinstance(data, WatchedData):
        return data, False
    read, unseen = read_data(data), None
    if validation is not None:
        with of_validation_set():
            unseen = read_data(validation)
    inputs, targets = (None, None) if unseen is None else (unseen.inputs, unseen.targets)
    return WatchedData(read.inputs, read.targets, inputs, targets, complete=read.complete), read.weighted


def _prepare(network: KerasNetwork, given: WatchedData, loss: object) -> WatchedData:
    """Look at the model on a few of the data, and adapt the loss.

    Raises:
        ValueError: If the loss cannot be computed.
    """
    discrete = given.discrete or network.reads_names
    inputs = given.inputs if discrete else in_keras_precision(given.inputs)
    few = given.targets[:FEW]
    outputs = network.look(inputs[:FEW])
    rows, unseen = given.targets.reshape(len(given.targets), -1), given.validation_targets
    if loss is not None:
        adapted = KerasLoss(loss, outputs, given.targets)
        if network.is_masked:
            adapted.mask()
        try:
            rows = adapted.coding.encode(given.targets)
            network.take_loss(adapted)
            network.check(inputs[:FEW], rows[:FEW])
        except Exception as error:
            msg = (
                f"the loss fails on outputs of shape {outputs} and targets of shape {few.shape}"
                f" ({telling_line(error)}): give data as fit takes them; if these are, fit fails on them as well"
            )
            raise ValueError(msg) from error
    validation = given.validation_inputs
    if validation is not None and unseen is not None:
        with of_validation_set():
            validation = validation if discrete else in_keras_precision(validation)
            unseen = unseen.reshape(len(unseen), -1) if network.loss is None else network.loss.coding.encode(unseen)
            network.check(validation[:FEW], unseen[:FEW])
    return replace(
        given,
        inputs=inputs,
        targets=rows,
        validation_inputs=validation,
        validation_targets=unseen,
        discrete=discrete,
    )
