"""`watch`: the one entry point of the diagnostics, whoever trains."""

from pathlib import Path
from typing import Any

import numpy as np

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.probing import WatchedData
from gradvitals.diagnostics.schedule import Every
from gradvitals.engine.events import Array, Observable


def watch(
    model: object,
    *,
    data: tuple[Any, Any] | WatchedData | None = None,
    loss: object = None,
    optimizer: object = None,
    total_steps: int | None = None,
    every: Every = "auto",
    logdir: str | Path | None = None,
) -> Monitor:
    """Watch a model's training; use the monitor in a `with` block around it.

    Args:
        model: A `gradvitals.Network`, or anything else that is `Observable`.
        data: The training set as (inputs, targets), for probes and exact scans. Inputs `(samples, features)`; targets
            `(samples, outputs)`, or class indices `(samples,)` under cross_entropy and hinge.
        loss: For models that do not carry their loss; a `Network` does, so leave it out.
        optimizer: For models whose steps must be read from their optimizer; not needed for a `Network`.
        total_steps: Planned updates, where the training loop does not say.
        every: Rhythm of the step scalars: "auto", or every n steps.
        logdir: Where to write TensorBoard event files; nowhere by default.

    Raises:
        TypeError: If the model is of a kind that cannot be watched.
        ValueError: If a loss or an optimizer is given for a model that has its own, or if the data do not fit it.
    """
    if not isinstance(model, Observable):
        msg = f"cannot watch a {type(model).__name__}: it is no gradvitals.Network and does not offer hooks as one does"
        raise TypeError(msg)
    if loss is not None or optimizer is not None:
        msg = "this model carries its loss, and its steps are seen through its hooks: leave out loss and optimizer"
        raise ValueError(msg)
    watched = data if data is None or isinstance(data, WatchedData) else _watched(model, *data)
    if watched is not None:
        _require_fit(model, watched)
    sinks = []
    if logdir is not None:
        from gradvitals.diagnostics.tensorboard.run_writer import RunWriter

        sinks.append(RunWriter(Path(logdir)))
    return Monitor(model, watched, total_steps=total_steps, every=every, sinks=sinks)


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
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not len(inputs):
        msg = f"data must be (inputs, targets) with a row per sample, got shapes {inputs.shape} and {targets.shape}"
        raise ValueError(msg)
    try:
        model.probe(inputs[:1], targets[:1])  # a model's inputs and targets need not be as wide as its layers
    except ValueError as error:
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
