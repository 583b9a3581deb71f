"""Scaling with statistics of the training set alone: the validation set must not leak into it."""

from dataclasses import dataclass

import numpy as np

from gradvitals.experiments.data.dataset import Floats


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
        scaled: Floats = (values - self.shift) * self.factor
        return scaled


def fit_scaler(kind: str | float, training: Floats) -> Scaler:
    """Return the scaler for training values `(n, columns)`.

    Args:
        kind: `standard` for mean 0 and standard deviation 1, `minmax` for [0, 1], `none`, or a factor.
        training: The training rows only. A column that is constant in them is shifted and not stretched.
    """
    zeros, ones = np.zeros(training.shape[1]), np.ones(training.shape[1])
    match kind:
        case "standard":
            return Scaler(training.mean(axis=0), 1.0 / _spread(training.std(axis=0), training))
        case "minmax":
            return Scaler(training.min(axis=0), 1.0 / _spread(np.ptp(training, axis=0), training))
        case float() | int():
            return Scaler(zeros, ones * kind)
        case _:
            return Scaler(zeros, ones)


def _spread(spread: Floats, training: Floats) -> Floats:
    """Return the spread of each column, and 1 where it is nothing but rounding."""
    rounding = 100.0 * np.finfo(np.float64).eps * np.abs(training).max(axis=0)
    return np.where(spread > rounding, spread, 1.0)
