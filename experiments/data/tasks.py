"""What the labels are: classes, quantities or several yes-or-no answers; and their encoding as targets."""

from dataclasses import dataclass

import numpy as np

from gradvitals.experiments.config.data import Task
from gradvitals.experiments.data.dataset import Labels, Table, Targets
from gradvitals.experiments.data.finite import as_floats
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.show import show

MOST_OBVIOUS_CLASSES = 50
LEAST_ROWS_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class Encoded:
    """Labels as targets.

    Attributes:
        task: What they are.
        targets: Class indices `(n,)`, or floats `(n, outputs)`.
        validation_targets: The same for the split that the source fixes, or None.
        class_names: The classes in the order of their indices; empty for a regression.
    """

    task: Task
    targets: Targets
    validation_targets: Targets | None
    class_names: tuple[str, ...]


def infer_task(labels: Labels) -> Task | None:
    """Return what labels are, or None where that is in doubt.

    Text, booleans, two whole numbers, or whole numbers counted from 0 or 1 with several rows each are classes; so are
    rows with a single 1. Fractions and more than 50 different numbers are quantities. Several 0/1 columns are
    multilabel. A few whole numbers such as 3 to 8 could be grades as well as classes, and whole floats could be either.
    """
    if labels.ndim == 2:
        return _infer_columns(labels)
    if labels.dtype.kind in "Ub":
        return "classification"
    values, counts = np.unique(labels, return_counts=True)
    if len(values) > MOST_OBVIOUS_CLASSES or (values != np.round(values)).any():
        return "regression"
    counted = values[0] in {0, 1} and values[-1] - values[0] == len(values) - 1
    obvious = len(values) <= 2 or (counted and counts.mean() >= LEAST_ROWS_PER_CLASS)
    return "classification" if obvious and labels.dtype.kind != "f" else None


def _infer_columns(labels: Labels) -> Task | None:
    """Return what several columns of labels are: text has no meaning here."""
    if labels.dtype.kind == "U":
        return None
    if not np.isin(labels, (0, 1)).all():
        return "regression"
    return "classification" if (labels.sum(axis=1) == 1).all() else "multilabel"


def encode(table: Table, task: Task | None, where: str) -> Encoded:
    """Return the labels of a table as targets.

    Args:
        table: The examples as read.
        task: What the config says they are, or None to infer it.
        where: The file or data set, for errors.

    Raises:
        UserError: If the task is in doubt, or the labels do not suit it.
    """
    held_out = None if table.validation is None else table.validation[1]
    if held_out is not None and (held_out.dtype.kind == "U") != (table.labels.dtype.kind == "U"):
        sentence = f"{where}: labels are {table.labels.dtype} for training and {held_out.dtype} for validation"
        raise UserError(sentence)
    for labels in (table.labels, held_out):
        if labels is not None and labels.dtype.kind != "U":
            as_floats(labels, f"{where}: labels")
    match task or table.task or infer_task(table.labels):
        case "classification":
            return _classes(table, held_out, where)
        case "regression":
            return _quantities(table, held_out, where)
        case "multilabel":
            return _answers(table, held_out, where)
        case None:
            return _doubt(table.labels, where)


def _doubt(labels: Labels, where: str) -> Encoded:
    """Refuse to guess."""
    values = np.unique(labels)
    few = show([value.item() for value in values])
    sentence = (
        f"{where}: data.task: the labels {few} could be classes or quantities"
        ' — set task = "classification" or task = "regression" in [data]'
    )
    raise UserError(sentence)


def _classes(table: Table, held_out: Labels | None, where: str) -> Encoded:
    """Number the classes in the order of their labels."""
    labels = _single_column(table.labels, where)
    if labels.dtype.kind == "f" and not (labels == np.round(labels)).all():
        fraction = float(labels[labels != np.round(labels)][0])
        sentence = f'{where}: data.task: {fraction:g} is no class label — set task = "regression" in [data]'
        raise UserError(sentence)
    if labels.dtype.kind in "if":
        labels = labels.astype(np.int64)
    values, targets = np.unique(labels, return_inverse=True)
    _refuse_odd_classes(values, len(labels), where)
    names = tuple(str(value) for value in values)
    if table.class_names is not None and len(table.class_names) == len(values):
        names = table.class_names
    if held_out is None:
        return Encoded("classification", targets.astype(np.int64), None, names)
    theirs = _single_column(held_out, where)
    unseen = np.setdiff1d(theirs, values)
    if len(unseen):
        sentence = f"{where}: class {show(unseen[0].item())} is in the validation set but not in the training set"
        raise UserError(sentence)
    return Encoded("classification", targets.astype(np.int64), np.searchsorted(values, theirs).astype(np.int64), names)


def _single_column(labels: Labels, where: str) -> Labels:
    """Return labels `(n,)`, taking rows with a single 1 for the index of that column."""
    if labels.ndim == 1:
        return labels
    if labels.dtype.kind == "U" or not np.isin(labels, (0, 1)).all() or not (labels.sum(axis=1) == 1).all():
        sentence = f"{where}: {labels.shape[1]} columns of labels; a classification needs one, or rows with a single 1"
        raise UserError(sentence)
    return np.asarray(np.argmax(labels, axis=1))


def _refuse_odd_classes(values: Labels, rows: int, where: str) -> None:
    """Refuse labels that cannot be classes of a training set."""
    if len(values) == 1:
        sentence = f"{where}: only one class, {show(values[0].item())}; there is nothing to tell apart"
        raise UserError(sentence)
    if values.dtype.kind == "i" and values[0] < 0 and values.tolist() != [-1, 1]:
        sentence = f"{where}: class label {values[0]} is negative; number the classes from 0"
        raise UserError(sentence)
    if len(values) * 2 > rows:
        sentence = f"{where}: {len(values)} classes in {rows} rows; is this the column of labels?"
        raise UserError(sentence)


def _quantities(table: Table, held_out: Labels | None, where: str) -> Encoded:
    """Return the labels as float columns."""
    if table.labels.dtype.kind == "U":
        text = show(str(table.labels.flat[0]))
        sentence = f"{where}: data.task: 'regression' needs numbers, but the labels are text, such as {text}"
        raise UserError(sentence)
    targets = _columns(table.labels, where)
    if (targets == targets[0]).all():
        sentence = f"{where}: all targets are {targets[0, 0]:g}; there is nothing to predict"
        raise UserError(sentence)
    return Encoded("regression", targets, None if held_out is None else _columns(held_out, where), ())


def _answers(table: Table, held_out: Labels | None, where: str) -> Encoded:
    """Return 0/1 labels as float columns."""
    for labels in (table.labels, held_out):
        if labels is not None and (labels.dtype.kind == "U" or not np.isin(labels, (0, 1)).all()):
            sentence = f"{where}: data.task: 'multilabel' needs labels of 0 and 1 only"
            raise UserError(sentence)
    targets = _columns(table.labels, where)
    names = tuple(f"y{index}" for index in range(targets.shape[1]))
    return Encoded("multilabel", targets, None if held_out is None else _columns(held_out, where), names)


def _columns(labels: Labels, where: str) -> Targets:
    floats = as_floats(labels, f"{where}: labels")
    return floats.reshape(len(floats), -1)
