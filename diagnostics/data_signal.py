"""Is there any signal in the data at all? Two simple models, judged out of sample, before a network is blamed."""

import math

import numpy as np

from gradvitals.diagnostics.metrics import mean_and_error
from gradvitals.diagnostics.notes import Signal
from gradvitals.diagnostics.target_copies import ROUNDING
from gradvitals.engine.events import Array

LEAST_ROWS, MOST_ROWS = 10, 2000
MOST_NUMBERS = 2**24
"""Inputs of all rows together that simple models are fitted to: 128 MiB."""

FOLDS = 5
NEIGHBOURS = 5
SAME = 1e-9
"""Squared distance, in units of the squared length, of what rounding alone parts."""

RIDGE = 1e-2
"""Penalty per sample on standardised inputs: enough for a stable solution, no more."""


@np.errstate(over="ignore", invalid="ignore")
def measure_signal(inputs: Array, targets: Array, generator: np.random.Generator, *, step: int) -> Signal:
    """Compare a ridge regression and nearest neighbours with the mean, on squared error, by cross-validation.

    Linear regression on one-hot targets is a classifier; neighbours see what no line can (XOR, circles, spirals). Of
    fewer than ten rows, as the four of XOR, none can be held out, and all that is asked of a network is to learn them
    by heart: the gain is then that of a table of them, 1 where no input has two answers.

    Args:
        inputs: `(samples, features)`.
        targets: `(samples, outputs)`.
        generator: Draws the sample and the folds.
        step: The step the note carries.
    """
    if not len(inputs):
        return Signal(step, 0.0, math.inf, 0.0, math.inf)
    if len(inputs) < LEAST_ROWS:  # two a fold
        return _signal_of_few(*_drawn(inputs, targets, generator), step)
    x, y = _drawn(inputs, targets, generator)
    deviation = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0)
    folds = np.arange(len(x)) % FOLDS
    errors = {name: np.empty(len(x)) for name in ("mean", "ridge", "neighbours")}
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        predictions = {
            "mean": y[train].mean(axis=0),
            "ridge": _ridge(x[train], y[train], x[test]),
            "neighbours": _neighbours(x[train], y[train], x[test]),
        }
        for name, predicted in predictions.items():
            errors[name][test] = ((predicted - y[test]) ** 2).sum(axis=1)
    scale = float(errors["mean"].mean()) or 1.0
    gains = [(errors["mean"] - errors[name]) / scale for name in ("ridge", "neighbours")]
    best = max(gains, key=lambda gain: float(gain.mean() - 3.0 * gain.std() / np.sqrt(len(gain))))
    return Signal(step, *mean_and_error(best), *mean_and_error(gains[0]))


@np.errstate(over="ignore", invalid="ignore")
def predict_simply(inputs: Array, targets: Array, unseen: Array, generator: np.random.Generator) -> tuple[Array, ...]:
    """Predict the targets of unseen inputs by ridge regression and by nearest neighbours, both on standardised inputs.

    Args:
        inputs: `(samples, …)`; of more than 2,000, or of long ones, as many are drawn.
        targets: `(samples, outputs)`.
        unseen: `(others, …)`.
        generator: Draws the samples.

    Returns:
        A prediction `(others, outputs)` per model; none where there are too few samples, or what is not finite, or
        where the targets are the inputs: a linear model has nothing to do but to copy what a network must compress.
    """
    x, y = _drawn(inputs, targets, generator)
    if are_inputs(x, y):
        return ()
    unseen = unseen.reshape(len(unseen), -1)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 0.0, deviation, 1.0)
    x, others = (x - mean) / deviation, (np.asarray(unseen, np.float64) - mean) / deviation
    if len(x) < LEAST_ROWS or not all(np.isfinite(array).all() for array in (x, y, others)):
        return ()
    return _ridge(x, y, others), _neighbours(x, y, others)


@np.errstate(over="ignore", invalid="ignore")
def predict_held_out(inputs: Array, targets: Array, rows: Array, generator: np.random.Generator) -> tuple[Array, ...]:
    """Predict the targets of some rows by ridge regression and by nearest neighbours, neither fitted to the row itself.

    A copy of a row is no neighbour of it: in a table that has rows twice, it would give the answer away.

    Args:
        inputs: `(samples, …)`; besides the rows as many are drawn as make 2,000, or fewer of long ones.
        targets: `(samples, outputs)`.
        rows: Indices of those asked for.
        generator: Draws the others.

    Returns:
        A prediction `(rows, outputs)` per model; none in the cases in which `predict_simply` makes none.
    """
    others = generator.permutation(np.setdiff1d(np.arange(len(inputs)), rows))
    drawn = np.concatenate((rows, others[: max(_affordable(inputs) - len(rows), 0)]))
    x, y = (np.asarray(part[drawn], np.float64).reshape(len(drawn), -1) for part in (inputs, targets))
    if len(x) < LEAST_ROWS or not (np.isfinite(x).all() and np.isfinite(y).all()) or are_inputs(x, y):
        return ()
    folds = max(-(-FOLDS * len(rows) // len(x)), 1)  # one, where the rows are few among all
    fold_of = np.where(np.arange(len(x)) < len(rows), np.arange(len(x)) % folds, -1)
    linear, near = np.empty((len(rows), y.shape[1])), np.empty((len(rows), y.shape[1]))
    for fold in range(folds):
        train, test = fold_of != fold, np.flatnonzero(fold_of == fold)
        mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
        scaled = (x - mean) / np.where(deviation > 0.0, deviation, 1.0)
        linear[test] = _ridge(scaled[train], y[train], scaled[test])
        near[test] = _neighbours(scaled[train], y[train], scaled[test], copies=False)
    return linear, near


def are_inputs(inputs: Array, targets: Array) -> bool:
    """Tell whether several targets are the inputs themselves, column by column, but for scale and shift.

    Args:
        inputs: `(samples, features)`, finite.
        targets: `(samples, outputs)`, finite.
    """
    if inputs.shape != targets.shape or inputs.shape[1] < 2:
        return False
    x, y = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
    sizes = (x * x).sum(axis=0)
    slopes = np.divide((x * y).sum(axis=0), sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    return bool((np.abs(y - slopes * x).max(axis=0) <= ROUNDING * np.ptp(y, axis=0)).all())


def _signal_of_few(x: Array, y: Array, step: int) -> Signal:
    """Give the gains of a table of all rows, and of a plane through them, over their mean; 0 of what is not finite."""
    total = float(((y - y.mean(axis=0)) ** 2).sum())
    if not (np.isfinite(x).all() and 0.0 < total < math.inf):
        return Signal(step, 0.0, math.inf, 0.0, math.inf)
    same = (x[:, None] == x[None]).all(axis=2)
    table = same @ y / same.sum(axis=1, keepdims=True)
    ones = np.column_stack((x, np.ones(len(x))))
    plane = ones @ np.linalg.lstsq(ones, y, rcond=None)[0]
    gains = (1.0 - float(((y - fitted) ** 2).sum()) / total for fitted in (table, plane))
    table_gain, plane_gain = (gain if gain > SAME else 0.0 for gain in gains)
    return Signal(step, table_gain, 0.0, plane_gain, 0.0)


def _affordable(inputs: Array) -> int:
    """Give how many samples simple models may be fitted to: fewer where inputs are long."""
    width = max(inputs.size // max(len(inputs), 1), 1)
    return max(min(MOST_ROWS, MOST_NUMBERS // width), LEAST_ROWS)


def _drawn(inputs: Array, targets: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    """Draw samples, fewer where inputs are long, as matrices."""
    rows = generator.permutation(len(inputs))[: _affordable(inputs)]
    x, y = (np.asarray(part[rows], np.float64) for part in (inputs, targets))
    return x.reshape(len(rows), -1), y


def _ridge(x: Array, y: Array, test: Array) -> Array:
    """Predict by ridge regression, in the smaller of the primal and the dual form."""
    centre = y.mean(axis=0)
    penalty = RIDGE * len(x)
    if x.shape[1] <= len(x):
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (y - centre))
    else:
        weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), y - centre)
    return np.asarray(test @ weights + centre)


def _neighbours(x: Array, y: Array, test: Array, *, copies: bool = True) -> Array:
    """Predict by the mean of the nearest neighbours' targets; without `copies`, of those that differ from the point."""
    distances = (x * x).sum(axis=1) - 2.0 * test @ x.T  # the test point's own square moves no order
    if not copies:
        own = (test * test).sum(axis=1)[:, None]
        distances[distances + own <= SAME * (own + 1.0)] = np.inf
    count = min(NEIGHBOURS, len(x))
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    return np.asarray(y[nearest].mean(axis=1))
