"""What is easy to do without any diagnosis: a NaN check, a rule on the loss alone, a model of final metrics."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from campaign import Finished
from fault_injections import Injection
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LEAST_FALL = 0.1
"""Share of the first epoch's training loss that must have gone by the last."""

LARGEST = 20.0
"""Bound of the logarithms that the model sees."""


def nan_check(line: Finished) -> bool:
    """Alarm where a loss of any epoch is not finite, or it ended before there was one."""
    return not line.history or any(
        not math.isfinite(float(row[name] or 0.0)) for row in line.history for name in ("loss", "val_loss")
    )


def loss_only(line: Finished) -> bool:
    """Alarm where the training loss fell by less than a tenth since the first epoch, or the validation loss rose."""
    losses = [float(row["loss"] or 0.0) for row in line.history]
    unseen = [float(row["val_loss"] or 0.0) for row in line.history]
    return not losses or not losses[-1] <= (1.0 - LEAST_FALL) * losses[0] or not unseen[-1] <= unseen[0]


def logistic(faults: Sequence[Injection], harmful: Sequence[bool], lines: Mapping[str, Finished]) -> list[bool]:
    """Alarm where a logistic model of the final metrics says harm; each base is judged by a model of all others.

    Args:
        faults: Injections and healthy twins.
        harmful: Whether each does harm: what the model learns.
        lines: Finished runs by key.
    """
    features = np.array([_features(lines[one.key], regression=one.base.yardstick == "r2") for one in faults])
    labels = np.array(harmful)
    bases = np.array([one.base.name for one in faults])
    said = np.zeros(len(faults), bool)
    for base in sorted(set(bases)):
        others = bases != base
        if len(set(labels[others])) > 1:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(features[others], labels[others])
            said[~others] = model.predict(features[~others])
    return [bool(each) for each in said]


def _features(line: Finished, *, regression: bool) -> list[float]:
    """Give what a training script prints at its end, as numbers."""
    if not line.history:  # it ended within its first epoch
        return [1.0, float(regression), LARGEST, LARGEST, LARGEST, 0.0, 0.0]
    first, last = line.history[0], line.history[-1]
    loss, start, unseen = (
        float(row[name] or 0.0) for row, name in ((last, "loss"), (first, "loss"), (last, "val_loss"))
    )
    return [
        float(nan_check(line)),
        float(regression),
        _log_ratio(loss, start),
        _log_ratio(unseen, loss),
        _log_ratio(loss, 1.0),
        float(last["accuracy"] or 0.0),
        float(last["val_accuracy"] or 0.0),
    ]


def _log_ratio(value: float, unit: float) -> float:
    if not (math.isfinite(value) and math.isfinite(unit)):
        return LARGEST
    return float(np.clip(np.log(max(value, 1e-12) / max(unit, 1e-12)), -LARGEST, LARGEST))
