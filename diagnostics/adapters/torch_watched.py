"""What a PyTorch user hands to `watch`, put together: data and loss as a model's outputs show them to belong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gradvitals.diagnostics.adapters.random_states import kept_states
from gradvitals.diagnostics.adapters.torch_constant import best_constant
from gradvitals.diagnostics.adapters.torch_data import MOST_BYTES, DataArrays, read_data
from gradvitals.diagnostics.adapters.torch_given import InputForm
from gradvitals.diagnostics.adapters.torch_loss import TorchLoss, adapt_loss
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, is_behind_one
from gradvitals.diagnostics.adapters.torch_rows import sample_of
from gradvitals.diagnostics.target_copies import holds_targets
from gradvitals.diagnostics.validation_set import of_validation_set
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array

FEW = 8
"""Samples from whose outputs it is told how outputs, targets and loss belong together."""

OVERHEAD = 4.0 / 3.0
"""A look, of a network of MNIST's size, takes a third longer than training on its rows: functions are followed."""


def prepare(
    data: object,
    loss: Callable[..., Any] | None,
    forward: Callable[[Array, InputForm | None], Any],
    *,
    form: InputForm | None = None,
    validation: object = None,
    most_bytes: int = MOST_BYTES,
) -> tuple[WatchedData, TorchLoss | None]:
    """Read the data and adapt the loss; nothing that the training sees is changed, its random states included.

    Args:
        data: As `read_data` takes them.
        loss: A loss module or a function of (outputs, targets); None where there is none.
        forward: Runs the model, frozen, on inputs `(samples, …)` of a form, and gives what it returns.
        form: Of inputs that are several and side by side already.
        validation: A validation set, of the same forms as the data.
        most_bytes: Memory for the data.

    Raises:
        TypeError: If the data are of a form that is not understood.
        ValueError: If there are none, or if data, model and loss do not fit together.
    """
    arrays = read_data(data, most_bytes=most_bytes)
    arrays = arrays if form is None else replace(arrays, form=form)
    with of_validation_set():
        unseen = None if validation is None else read_data(validation, most_bytes=most_bytes)
    with kept_states():
        inputs, targets = arrays.inputs[:FEW], arrays.targets[:FEW]
        outputs = forward(inputs, arrays.form)
        if is_behind_one(outputs, len(inputs)):
            outputs = outputs[0]
            loss = None if loss is None else _behind_one(loss, outputs, targets)
        adapted = None if loss is None else adapt_loss(loss, outputs, targets)
        watched = watch_arrays(arrays, adapted, outputs, most_bytes=most_bytes)
        if unseen is not None:
            if unseen.form != arrays.form:
                msg = "validation must have the same inputs as data, of the same types and shapes"
                raise ValueError(msg)
            with of_validation_set():
                other, rows, _ = _with_rows(unseen, adapted, most_bytes)
            watched = replace(watched, validation_inputs=other, validation_targets=rows)
        return watched, adapted


def _behind_one(loss: Callable[..., Any], outputs: torch.Tensor, targets: Array) -> Callable[..., Any]:
    """Give a loss of outputs without their first axis, of one; itself if it is what wants them so.

    A loop often takes that axis away before it calls a loss, and hands over the bare loss here.
    """

    def of_whole(outputs: Outputs, targets: torch.Tensor) -> Any:  # noqa: ANN401 - whatever a loss gives
        return loss(outputs[None], targets)

    try:
        adapt_loss(of_whole, outputs, targets)
    except ValueError:
        return loss
    return of_whole


def watch_arrays(
    arrays: DataArrays,
    loss: TorchLoss | None,
    outputs: Outputs,
    *,
    most_bytes: int = MOST_BYTES,
) -> WatchedData:
    """Give a training set as rules read it: without samples that have no label, with targets as rows.

    Args:
        arrays: The data.
        loss: The adapted loss; None where there is none.
        outputs: What the model gives for some samples.
        most_bytes: Memory for the rows of targets, which are long where there are many classes.

    Raises:
        ValueError: If no sample has a label.
    """
    inputs, rows, whole = _with_rows(arrays, loss, most_bytes)
    complete, form = arrays.complete and whole, arrays.form
    return WatchedData(
        inputs,
        rows,
        complete=complete,
        total=None if complete else arrays.total,
        discrete=inputs.dtype.kind != "f" if form is None else not form.are_quantities,
        several=form is not None,
        comparable=form is None or (arrays.targets[0].size == 1 and not _holds_answers(inputs, rows, form)),
        constant=None if loss is None else best_constant(loss, rows, outputs),
        overhead=OVERHEAD,
    )


def _holds_answers(inputs: Array, rows: Array, form: InputForm) -> bool:
    return any(holds_targets(inputs[:, columns], rows) for columns in form.columns().values())


def _with_rows(arrays: DataArrays, loss: TorchLoss | None, most_bytes: int) -> tuple[Array, Array, bool]:
    """Give inputs, targets as rows, and whether these are all samples that there were."""
    inputs, targets = arrays.inputs, arrays.targets
    if loss is None:
        return inputs, targets.reshape(len(targets), -1), True
    chosen = np.flatnonzero(loss.labelled(targets))
    if not len(chosen):
        msg = "data have no sample with a label that the loss does not ignore"
        raise ValueError(msg)
    width = (loss.coding.classes or 0) * np.dtype(np.float32).itemsize
    if width * len(chosen) > most_bytes:
        chosen = sample_of(chosen, max(most_bytes // width, 1))
    whole = len(chosen) == len(inputs)
    if not whole:
        inputs, targets = inputs[chosen], targets[chosen]
    return inputs, loss.coding.encode(targets), whole
