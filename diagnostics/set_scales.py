"""Whether training and validation inputs are of one scale: told by the largest number that a row of each holds."""

import numpy as np

from gradvitals.engine.events import Array

LEAST_ROWS = 10
"""Of each set: if its rows were drawn from the same ones, half of ten beyond all others have a chance below 1e-4."""


@np.errstate(over="ignore", invalid="ignore")
def compare_scales(training: Array, validation: Array) -> float | None:
    """Give by how much one set's rows lie beyond the other's: above 1 the validation rows do, below 1 the others.

    Half of the rows of the one have a number that is larger, in absolute value, than so many times any number of the
    other; the inverse where it is the training set's rows that have. 1 where neither is so.

    A random split of the same rows hardly ever has it, whatever their distribution: the half with the largest numbers
    would all have to be on one side.

    Args:
        training: `(samples, …)`.
        validation: `(others, …)`.

    Returns:
        None where there are too few rows, numbers that are not finite, or nothing but zeros.
    """
    if min(len(training), len(validation)) < LEAST_ROWS:
        return None
    ours, theirs = (_largest(rows) for rows in (training, validation))
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    if not (ours.max() > 0.0 and theirs.max() > 0.0):
        return None
    beyond, behind = _half_of(theirs) / ours.max(), _half_of(ours) / theirs.max()
    return float(beyond if beyond > 1.0 else 1.0 / max(behind, 1.0))


def _largest(rows: Array) -> Array:
    """Give the largest absolute value of every row; of unsigned numbers the negative would be none."""
    flat = rows.reshape(len(rows), -1)
    highest, lowest = (np.asarray(ends, np.float64) for ends in (flat.max(axis=1), flat.min(axis=1)))
    return np.maximum(np.abs(highest), np.abs(lowest))


def _half_of(largest: Array) -> float:
    """Give what half of the rows, or more, reach."""
    return float(np.sort(largest)[len(largest) // 2])
