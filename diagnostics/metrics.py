"""Metrics: pure functions from one moment's arrays to one number.

Definitions are those of the logged tags; fractions are in [0, 1]. Arrays of activations are `(samples, units)`.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from gradvitals.engine.events import Array

SLOPED = frozenset({"sigmoid", "tanh"})
"""Activations that saturate on both sides, so that their slope tells how far they are from it."""

RECTIFIED = frozenset({"relu"})
"""Activations whose output is exactly 0 where they are silent. A leaky unit is inactive, never dead."""

SAFE = (1e-18, 1e30)
"""Sums of squares between these bounds are exact enough in float32; outside they under- or overflow."""


def flatten(array: Array) -> Array:
    """Give all entries as a vector, in the order in which they lie in memory: mostly a view."""
    return array if array.ndim == 1 else array.ravel(order="K")


def sum_of_squares(array: Array) -> float:
    """Sum of squares, in float64 where the array's own precision would under- or overflow; NumPy may warn of that."""
    flat = flatten(array)
    total = float(flat.dot(flat))
    if SAFE[0] < total < SAFE[1]:
        return total
    wide = flat.astype(np.float64)
    return float(wide.dot(wide))


def sums_of_squares(vectors: Sequence[Array]) -> list[float]:
    """Sum of squares of each vector, as `sum_of_squares` gives it; quick where none needs a closer look."""
    totals = [float(vector.dot(vector)) for vector in vectors]
    if SAFE[0] < min(totals, default=1.0) and max(totals, default=1.0) < SAFE[1]:
        return totals
    return [sum_of_squares(vector) for vector in vectors]


def sums_of_squares_by_run(matrix: Array) -> Array:
    """Sum of squares of every row of `(R, n)`, to the bit as `sum_of_squares` gives it, `(R,)` float64."""
    totals: Array = np.vecdot(matrix, matrix).astype(np.float64)
    for run in np.flatnonzero(~((totals > SAFE[0]) & (totals < SAFE[1]))):
        totals[run] = sum_of_squares(matrix[run])
    return totals


@np.errstate(over="ignore", invalid="ignore")  # what overflows is measured, not warned about
def norm(*arrays: Array) -> float:
    """‖·‖₂ of all entries of all arrays taken together."""
    return math.sqrt(sum(map(sum_of_squares, arrays)))


@np.errstate(over="ignore", invalid="ignore")
def rms(array: Array) -> float:
    """Root of the mean square of the entries."""
    return math.sqrt(sum_of_squares(array) / array.size)


def update_ratio(update: Array, weight: Array) -> float:
    """‖ΔW‖ / max(‖W‖, ‖he_normal of that shape‖), both weights `(fan_in, fan_out)`.

    The second norm keeps zero-initialised layers from looking wild.

    References:
        cs231n, "Learning and evaluation" (neural-networks-3), "Ratio of weights:updates": healthy near 1e-3.
    """
    return norm(update) / max(norm(weight), he_norm(weight))


def he_norm(weight: Array) -> float:
    """√(2 fan_out): the norm to expect of weights `(fan_in, fan_out)` drawn by he_normal."""
    return math.sqrt(2.0 * weight.shape[-1])


def sigmoid_slope(outputs: Array) -> float:
    """Mean of z(1−z) over units and samples, z the sigmoid's output: .25 none saturated, 0 all.

    References:
        Karpathy 2016, "Yes you should understand backprop", "Vanishing gradients on sigmoids".
    """
    flat = outputs.reshape(-1)
    return float(flat.dot(1.0 - flat)) / flat.size  # no Σz − Σz²: they cancel where all are saturated


def tanh_slope(outputs: Array) -> float:
    """Mean of (1−z²)/4, the slope of the sigmoid that the tanh is made of (tanh x = 2σ(2x) − 1); range [0, .25]."""
    flat = outputs.reshape(-1)
    return 0.25 * float((1.0 - flat).dot(1.0 + flat)) / flat.size


def slope(outputs: Array, activation: str) -> float:
    """Slope on the sigmoid's scale, [0, .25], of a layer whose activation is in `SLOPED`."""
    return sigmoid_slope(outputs) if activation == "sigmoid" else tanh_slope(outputs)


def slope_by_run(outputs: Array, activation: str) -> Array:
    """`slope` of the outputs `(R, samples, units)` of many runs, to the bit, `(R,)` float64."""
    flat = outputs.reshape(len(outputs), -1)
    if activation == "sigmoid":
        sums: Array = np.vecdot(flat, 1.0 - flat).astype(np.float64)
        return sums / flat.shape[1]
    sums = np.vecdot(1.0 - flat, 1.0 + flat).astype(np.float64)
    return 0.25 * sums / flat.shape[1]


def relative_slope(outputs: Array, activation: str) -> Array:
    """φ′/φ′max of every entry: 4z(1−z) for a sigmoid, 1−z² for a tanh."""
    slopes = 4.0 * outputs * (1.0 - outputs) if activation == "sigmoid" else 1.0 - outputs * outputs
    return np.asarray(slopes)


def saturated_fraction(outputs: Array, activation: str) -> float:
    """Share of units whose φ′/φ′max is below .05 on at least 95 % of the samples."""
    return share_of_flat_units(relative_slope(outputs, activation))


def share_of_flat_units(relative_slopes: Array, *, limit: float = 0.05, share: float = 0.95) -> float:
    """Share of units whose relative slope, `(samples, units)`, is below the limit on at least this share of samples."""
    return float(((relative_slopes < limit).mean(axis=0) >= share).mean())


@np.errstate(over="ignore", invalid="ignore")
def inactive_fraction(outputs: Array) -> float:
    """Share of ReLU units that are silent on every sample of this batch. They need not be dead."""
    return share_of_silent_units(unit_sums(outputs))


def unit_sums(outputs: Array) -> Array:
    """Sum of every unit's outputs over the samples, `(units,)`, inside BLAS; NumPy may warn of an overflow."""
    return np.ones(len(outputs), outputs.dtype) @ outputs


def share_of_silent_units(sums: Array) -> float:
    """Share of ReLU units whose outputs, all ≥ 0, add up to 0: those that were silent on every sample."""
    return 1.0 - int(np.count_nonzero(sums)) / sums.size


def spectral_radius(weight: Array) -> float:
    """Largest |eigenvalue| of a recurrent weight U `(units, units)`: by what factor h U grows a step in the long run.

    It is NaN where U is not finite. In a linear network the gradient vanishes over many steps where it is below 1, and
    may explode where it is above.

    References:
        Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", §2.1.
    """
    if not np.isfinite(weight).all():
        return math.nan
    return float(np.abs(np.linalg.eigvals(weight.astype(np.float64))).max())


def recurrent_gain(gains: Array) -> float:
    """Geometric mean of the gains `(T − 1,)` of all steps back through time: 1 keeps the gradient, .9 forgets a tenth.

    So (T − 1) · log of it is Σ log γ, what happens to the gradient over the whole sequence. It is 0 where the gradient
    ends on the way; steps that none arrives at, with γ = NaN, are left out, and NaN is given if there is no other.
    """
    known = gains[~np.isnan(gains)]
    if not known.size:
        return math.nan
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return float(np.exp(np.log(known).mean()))


def mean_and_error(values: Array) -> tuple[float, float]:
    """Give the mean of one value per sample, and its standard error; infinite for a single one."""
    count, mean = len(values), float(values.mean())
    if count < 2:
        return mean, math.inf
    deviations = values - mean
    return mean, math.sqrt(float(deviations.dot(deviations)) / (count - 1) / count)


def all_finite(arrays: Iterable[Array]) -> bool:
    """Tell whether no entry of any array is NaN or infinite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)
