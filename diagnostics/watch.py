"""`watch`: the one entry point of the diagnostics, whoever trains."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradvitals.diagnostics.call_site import find_call_site
from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.schedule import Every
from gradvitals.diagnostics.sink import Sink
from gradvitals.diagnostics.validation_set import of_validation_set
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, Observable


def watch(
    model: object,
    *,
    data: object = None,
    validation: object = None,
    loss: Any = None,  # noqa: ANN401 - any callable
    optimizer: object = None,
    total_steps: int | None = None,
    every: Every = "auto",
    logdir: str | Path | None = None,
) -> Monitor:
    """Watch a model's training; use the monitor in a `with` block around it.

    Args:
        model: A `gradvitals.Network`, a `torch.nn.Module`, a `keras.Model` (the monitor is then the callback that its
            `fit` takes), or anything else that is `Observable`.
        data: The training set, for probes and exact scans. For a module what it is trained on: a DataLoader, a Dataset,
            or (inputs, targets); inputs may be several, as a tuple or by the names of the module's arguments. Else
            (inputs, targets): inputs `(samples, features)`; targets `(samples, outputs)`, or class indices `(samples,)`
            under cross_entropy and hinge. Without it a module is judged at the end of its training, by a sample of what
            its loop showed, if that was always the same; a Keras model by the arrays that `fit` was given.
        validation: A validation set, of the same forms, for `memorising`.
        loss: For models that do not carry their loss, as no module does: a function of (outputs, targets) that gives a
            scalar tensor. It is computed on the probe, as loss(model(inputs), targets) with targets as the data give
            them. Not needed without data: the gradients tell the usual ones. Of a Keras model it is the compiled one.
        optimizer: The one, or the list of those, whose steps are the model's; by default every optimizer that holds any
            parameter of the module. Not needed for a `Network`.
        total_steps: Planned updates, where the training loop does not say.
        every: Rhythm of the step scalars: "auto", or every n steps.
        logdir: Where to write TensorBoard event files; nowhere by default.

    Raises:
        TypeError: If the model is of a kind that cannot be watched, or the data or the optimizer of one nobody knows.
        ValueError: If a loss or an optimizer is given for a model that has its own, if data or loss do not fit it, or
            if a loss or a validation set is given without data.
    """
    monitor = watch_with_sinks(
        model,
        data=data,
        validation=validation,
        loss=loss,
        optimizer=optimizer,
        total_steps=total_steps,
        every=every,
        open_sinks=lambda: open_folder(None if logdir is None else Path(logdir)),
    )
    monitor.call_site = find_call_site()
    return monitor


def watch_with_sinks(
    model: object,
    *,
    data: object,
    validation: object,
    loss: Any,  # noqa: ANN401 - any callable
    optimizer: object,
    total_steps: int | None,
    every: Every,
    open_sinks: Callable[[], Sequence[Sink]],
) -> Monitor:
    """Do what `watch` does, whose arguments these are, with sinks of the caller's.

    Args:
        model: What to watch.
        data: The training set.
        validation: A validation set.
        loss: What it is trained with.
        optimizer: One, or several.
        total_steps: Planned updates.
        every: Rhythm of the step scalars.
        open_sinks: Is called once everything has been found in order, so that no mistake leaves a file.

    Raises:
        TypeError: As `watch` does.
        ValueError: As `watch` does.
    """
    if data is None and (validation is not None or (loss is not None and _is_module(model))):
        what = "the validation set is compared with" if loss is None else "the loss is computed on"
        msg = f"{what} a sample of the training set: give that too, as watch(model, data=…)"
        raise ValueError(msg)
    if _is_keras(model):
        from gradvitals.diagnostics.adapters.keras_watch import watch_model

        if optimizer is not None:
            msg = "a Keras model carries its optimizer: leave it out"
            raise ValueError(msg)
        return watch_model(
            model,
            data=data,
            validation=validation,
            loss=loss,
            total_steps=total_steps,
            every=every,
            open_sinks=open_sinks,
        )
    if _is_module(model):
        from gradvitals.diagnostics.adapters.torch_watch import watch_module

        return watch_module(
            model,
            data=data,
            validation=validation,
            loss=loss,
            optimizer=optimizer,
            total_steps=total_steps,
            every=every,
            open_sinks=open_sinks,
        )
    if not isinstance(model, Observable):
        msg = f"cannot watch a {type(model).__name__}: it is no gradvitals.Network and does not offer hooks as one does"
        raise TypeError(msg)
    if loss is not None or optimizer is not None:
        msg = "this model carries its loss, and its steps are seen through its hooks: leave out loss and optimizer"
        raise ValueError(msg)
    watched = None if data is None else _as_watched(model, data)
    if watched is not None and validation is not None:
        with of_validation_set():
            unseen = _as_watched(model, validation)
        watched = replace(watched, validation_inputs=unseen.inputs, validation_targets=unseen.targets)
    return Monitor(model, watched, total_steps=total_steps, every=every, sinks=open_sinks())


def open_folder(folder: Path | None) -> list[Sink]:
    """Open a run's event files in a folder; none without one."""
    if folder is None:
        return []
    from gradvitals.diagnostics.tensorboard.run_writer import RunWriter

    return [RunWriter(folder)]


def _is_keras(model: object) -> bool:
    """Tell a `keras.Model` as `_is_module` does a module; on the PyTorch backend it is one of these too."""
    return any(
        base.__name__ == "Model"
        and base.__module__.split(".")[0] == "keras"
        and base.__module__.endswith("models.model")
        for base in type(model).__mro__
    )


def _is_module(model: object) -> bool:
    """Tell a `torch.nn.Module` by its bases' names, so that PyTorch is loaded only by those who use it."""
    return any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module" for base in type(model).__mro__
    )


def _as_watched(model: Observable, data: object) -> WatchedData:
    """Take (inputs, targets) apart.

    Raises:
        TypeError: If it is anything else.
        ValueError: If inputs or targets do not fit the model.
    """
    if not isinstance(data, WatchedData):
        if not isinstance(data, tuple | list) or len(data) != 2:
            msg = f"data must be (inputs, targets), got a {type(data).__name__}"
            raise TypeError(msg)
        data = _watched(model, *data)
    _require_fit(model, data)
    return data


def _watched(model: Observable, inputs: Any, targets: Any) -> WatchedData:  # noqa: ANN401 - any array-like
    """Take array-likes as matrices; class indices become one-hot rows."""
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if targets.ndim == 1:
        targets = _one_hot(targets, model.layers[-1].fan_out) if model.loss_name in OF_ONE_CLASS else targets[:, None]
    return WatchedData(inputs, targets)


def _require_fit(model: Observable, data: WatchedData) -> None:
    """Say now what would otherwise stop the training later.

    Raises:
        ValueError: If inputs or targets do not fit the model.
    """
    inputs, targets = data.inputs, data.targets
    misshapen = inputs.ndim < 2 or (inputs.ndim > 2 and model.layerwise) or targets.ndim != 2
    if misshapen or len(inputs) != len(targets) or not len(inputs):
        msg = f"data must be (inputs, targets) with a row per sample, got shapes {inputs.shape} and {targets.shape}"
        raise ValueError(msg)
    try:
        model.probe(inputs[:1], targets[:1])  # a model's inputs and targets need not be as wide as its layers
    except (TypeError, ValueError) as error:
        if not model.layerwise:
            raise
        width, outputs = model.layers[0].fan_in, model.layers[-1].fan_out
        found = f"{inputs.shape[1]} features and {targets.shape[1]} targets"
        msg = f"data have {found} per sample, the model takes {width} and gives {outputs}"
        raise ValueError(msg) from error


def _one_hot(classes: Array, count: int) -> Array:
    if not np.isin(classes, np.arange(count)).all():
        msg = f"class indices must be whole numbers from 0 to {count - 1}, got {classes.min()} to {classes.max()}"
        raise ValueError(msg)
    return np.asarray(np.eye(count)[classes.astype(np.int64)])
