"""Whether the answer stands among the inputs: a column that is the target itself, or names its class."""

import numpy as np

from gradvitals.diagnostics.label_order import labels_of
from gradvitals.engine.events import Array

LEAST_ROWS = 30
"""Rows of which a relation without an exception is no accident, between as many columns as data have."""

ROUNDING = 1e-5
"""Largest distance from a line, in units of the target's range, that floats of 32 bits explain."""


@np.errstate(over="ignore", invalid="ignore")
def find_copy(inputs: Array, targets: Array) -> int | None:
    """Give the column of the inputs that is a copy of the target, but for scale and shift; None where none is.

    A quantity is copied by a column that lies on one line with it, a class by one that has a value of its own for every
    class, and no others. Of sequences only the last time step is asked: to remember the first may be what is wanted.
    What has no other column that varies is no choice among inputs, and images and several targets are not asked.

    Args:
        inputs: `(samples, features)`, or `(samples, time steps, features)`; quantities.
        targets: `(samples, outputs)`.
    """
    if inputs.ndim not in {2, 3} or inputs.dtype.kind not in "fiu" or len(inputs) < LEAST_ROWS:
        return None
    rows = inputs.reshape(len(inputs), -1)
    first = 0 if inputs.ndim == 2 else rows.shape[1] - inputs.shape[2]
    labels = labels_of(targets)
    if (labels is None and targets.shape[1:] != (1,)) or not _varies(targets):
        return None
    few = slice(None, None, len(rows) // LEAST_ROWS)  # from all over, as tables come sorted
    suspects = [
        column for column in range(first, rows.shape[1]) if _is_copy(rows[few, column], _part(targets, labels, few))
    ]
    copies = [column for column in suspects if _is_copy(rows[:, column], _part(targets, labels, slice(None)))]
    if not copies or not _varies(np.delete(rows, copies, axis=1)):
        return None
    return copies[0]


def holds_targets(part: Array, targets: Array) -> bool:
    """Tell whether one of several inputs is the target: a column of it is, or its rows name the classes, as one-hot.

    Args:
        part: `(samples, columns)`.
        targets: `(samples, outputs)`.
    """
    labels = labels_of(targets)
    if labels is None and targets.shape[1:] != (1,):
        return False
    few = slice(None, None, max(len(part) // LEAST_ROWS, 1))
    for which in (few, slice(None)):
        wanted, names = _part(targets, labels, which), np.unique(part[which], axis=0, return_inverse=True)[1]
        columns = [*part[which].T, names.reshape(-1)] if labels is not None else [*part[which].T]
        if not any(_is_copy(column, wanted) for column in columns):
            return False
    return True


def _part(targets: Array, labels: Array | None, which: slice) -> tuple[Array, bool]:
    """Give some of the targets, and whether they are classes."""
    return (targets[which, 0], False) if labels is None else (labels[which], True)


def _is_copy(column: Array, wanted: tuple[Array, bool]) -> bool:
    values, are_classes = wanted
    if not (np.isfinite(column).all() and np.isfinite(values).all()):
        return False
    return _names(column, values) if are_classes else _lies_on_a_line(column, values)


def _names(column: Array, classes: Array) -> bool:
    """Tell whether a column has one value for each class, and for no other."""
    pairs = len(np.unique(np.column_stack((column, classes)), axis=0))
    return len(np.unique(column)) == pairs == len(np.unique(classes))


def _lies_on_a_line(column: Array, values: Array) -> bool:
    """Tell whether values are a column times a factor plus a constant."""
    x, y = np.asarray(column, np.float64), np.asarray(values, np.float64)
    x, y = x - x.mean(), y - y.mean()
    size = float(x @ x)
    slope = float(x @ y) / size if size > 0.0 else 0.0
    return float(np.abs(y - slope * x).max()) <= ROUNDING * float(np.ptp(y))


def _varies(rows: Array) -> bool:
    return bool((rows != rows[:1]).any())
