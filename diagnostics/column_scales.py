"""Statistics of the columns of the data: their means, their spreads, and which are worth comparing."""

from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array

ROWS_SAMPLED = 1024
"""Rows, evenly spaced, from which means and standard deviations are told: to about 3 %."""

MOST_NUMBERS, FEWEST_ROWS = 2**24, 64
"""Of the numbers in these rows, at most so many, where rows are large images; but at least so many rows."""

MOSTLY_ZERO = 0.9
"""Share of zeros above which a column is sparse: its spread says little of how large it is where it counts."""

STANDARDISED = 0.8
"""Share of the columns that must look standardised for the whole to count as that."""

RELATIVE_ROUNDING = 1e-6
"""Deviation over the largest absolute value below which a column in float32 holds nothing but rounding."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a matrix.

    Attributes:
        mean: Of every column, `(columns,)` float64.
        std: Standard deviation of every column, `(columns,)`.
        constant: Whether all rows have the same value, `(columns,)`: exact, by all rows.
        compared: Whether its spread can be compared with others': not constant, of more than two values, not sparse.
    """

    mean: Array
    std: Array
    constant: Array
    compared: Array

    @property
    def standardised(self) -> bool:
        """Whether nearly all columns that vary have mean 0 and standard deviation 1, roughly, and none far more.

        Of rare values, the sample may show any number.
        """
        mean, std = self.mean[~self.constant], self.std[~self.constant]
        near = (np.abs(mean) < 0.2) & (np.abs(std - 1.0) < 0.2)
        return bool(near.mean() >= STANDARDISED and (std < 3.0).all()) if len(near) else True

    def standardise(self, rows: Array) -> Array:
        """Scale rows `(n, columns)` to mean 0 and standard deviation 1; columns without spread are only shifted."""
        flat = self.constant | ~(self.std > RELATIVE_ROUNDING * np.abs(self.mean))
        return np.asarray((rows - self.mean) / np.where(flat, 1.0, self.std))


@np.errstate(over="ignore", invalid="ignore")
def measure_columns(matrix: Array) -> Columns:
    """Measure the columns of a matrix `(rows, columns)` with at least one row."""
    most = min(max(MOST_NUMBERS // max(matrix.shape[1], 1), FEWEST_ROWS), ROWS_SAMPLED)
    step = -(-len(matrix) // most)
    sample = np.asarray(matrix[::step], np.float64)
    size = np.abs(sample).max(axis=0)
    size = np.where(np.isfinite(size) & (size > 0.0), size, 1.0)  # squares of the largest numbers overflow
    mean, std = size * (sample / size).mean(axis=0), size * (sample / size).std(axis=0)
    lowest, highest = sample.min(axis=0), sample.max(axis=0)
    constant = lowest == highest
    if step > 1:
        suspects = np.flatnonzero(constant)
        constant[suspects] = (matrix[:, suspects] == matrix[0, suspects]).all(axis=0)
    mean = np.where(constant, lowest, mean)  # which rounds
    binary = ((sample == lowest) | (sample == highest)).all(axis=0)
    sparse = (sample == 0.0).mean(axis=0) > MOSTLY_ZERO
    return Columns(mean, std, constant, ~(constant | binary | sparse) & np.isfinite(std))
