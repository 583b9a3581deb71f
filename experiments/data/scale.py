"""Scaling with statistics of the training set alone: the validation set must not leak into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from gradvitals.experiments.config.data import ScaleValue
from gradvitals.experiments.data.dataset import Floats
from gradvitals.experiments.errors import UserError


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """Subtracts and multiplies, column by column.

    Attributes:
        shift: Subtracted first, `(columns,)`.
        factor: Multiplied by afterwards, `(columns,)`.
    """

    shift: Floats
    factor: Floats

    def __call__(self, values: Floats) -> Floats:
        """Return scaled values `(n, columns)`."""
        scaled: Floats = values - self.shift
        scaled *= self.factor  # in place: a large set need not be there once more
        return scaled


def fit_scaler(kind: ScaleValue, training: Floats) -> Scaler:
    """Return the scaler for training values `(n, columns)`.

    Args:
        kind: `standard` for mean 0 and standard deviation 1, `center` for mean 0 alone, `minmax` for [0, 1], `none`, or
            a factor.
        training: The training rows only. A column that is constant in them is shifted and not stretched.

    References:
        Stanford cs231n, "Neural Networks Part 2: Setting up the Data and the Loss", section "Data Preprocessing".
    """
    zeros, ones = np.zeros(training.shape[1]), np.ones(training.shape[1])
    match kind:
        case "standard":
            return Scaler(training.mean(axis=0), 1.0 / _spread(training.std(axis=0), training))
        case "center":
            return Scaler(training.mean(axis=0), ones)
        case "minmax":
            return Scaler(training.min(axis=0), 1.0 / _spread(np.ptp(training, axis=0), training))
        case "none":
            return Scaler(zeros, ones)
        case float() | int():
            return Scaler(zeros, ones * kind)
        case _:
            assert_never(kind)


def fit_scaler_by_column(kind: ScaleValue, columns: Mapping[int, ScaleValue], training: Floats) -> Scaler:
    """Return the scaler for training values `(n, columns)` of which some columns are scaled in a way of their own.

    Args:
        kind: How all other columns are scaled.
        columns: How a column is scaled, by its index; it is as if `kind` were this for the whole table.
        training: The training rows only.
    """
    scaler = fit_scaler(kind, training)
    shift, factor = scaler.shift.copy(), scaler.factor.copy()
    # once per kind over all columns, not per column: sums in another order would differ in the last bit
    for own in set(columns.values()):
        fitted = fit_scaler(own, training)
        chosen = [index for index, wanted in columns.items() if wanted == own]
        shift[chosen], factor[chosen] = fitted.shift[chosen], fitted.factor[chosen]
    return Scaler(shift, factor)


def scale_held_out(scaler: Scaler, values: Floats, where: str) -> Floats:
    """Return scaled values `(n, columns)` of rows that the scaler was not fitted to.

    Args:
        scaler: Fitted to the training rows.
        values: The validation rows.
        where: The file and what the values are, for errors.

    Raises:
        UserError: If one becomes larger than float32 holds, next to training values that hardly differ.
    """
    with np.errstate(over="ignore"):
        scaled = scaler(values)
    beyond = ~(np.abs(scaled) <= np.finfo(np.float32).max)
    if beyond.any():
        row, column = (int(index) for index in np.argwhere(beyond)[0])
        sentence = (
            f"{where}: column {column} (counted from 0) hardly varies in the training set, and once that is scaled to 1"
            f" the validation set's {values[row, column]:g} is too large to train on; scale it otherwise"
        )
        raise UserError(sentence)
    return scaled


def _spread(spread: Floats, training: Floats) -> Floats:
    """Return the spread of each column, and 1 where it is nothing but rounding or has no reciprocal."""
    rounding = 100.0 * np.finfo(np.float64).eps * np.abs(training).max(axis=0)
    return np.where(spread > np.maximum(rounding, np.finfo(np.float64).tiny), spread, 1.0)
