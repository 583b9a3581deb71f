"""What the loss gets on the probe and what it makes of it: pure functions of outputs, targets and ∂L/∂ŷ.

Outputs and targets are `(samples, outputs)`; shares are of samples, in [0, 1]: those with any such output, or, where a
sample has several targets of its own, those of the worst output.
"""

import math

import numpy as np

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_YES_OR_NO
from gradvitals.diagnostics.least_loss import is_one_hot
from gradvitals.diagnostics.metrics import SLOPED, relative_slope
from gradvitals.diagnostics.notes import Outputs
from gradvitals.engine.events import Array, LossInfo, ProbeResult

FLAT = 0.05
"""φ′/φ′max below which an activation counts as flat."""

WRONG = 0.5
"""Error of an output, half the range of a sigmoid, beyond which it is wrong."""


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def measure_outputs(
    result: ProbeResult, targets: Array, *, loss: str, info: LossInfo | None, activation: str, step: int
) -> Outputs:
    """Measure everything that has a meaning for this loss.

    Args:
        result: Of a probe with gradients.
        targets: Of its samples.
        loss: The loss's name.
        info: What it takes; None where that is not known.
        activation: What the outputs come from.
        step: The step the note carries.
    """
    outputs = result.outputs
    if info is None or not outputs.size:
        return Outputs(step)
    lowest, highest = float(outputs.min()), float(outputs.max())
    if not math.isfinite(lowest + highest):  # a NaN is both
        return Outputs(step)
    by_class = loss in OF_ONE_CLASS or info.takes == "log_probabilities"
    favourite, favourite_label = _favourite(outputs, targets, loss, info) if result.scores is not None else (None, None)
    pairs_up = info.takes == "values" and outputs.shape == targets.shape and not info.across_samples
    return Outputs(
        step=step,
        lowest=lowest,
        highest=highest,
        sum_error=sum_error(np.exp(outputs) if info.takes == "log_probabilities" else outputs)
        if by_class and info.takes in {"probabilities", "log_probabilities"}
        else None,
        spread=spread(outputs, targets if info.takes == "values" else None, centred=by_class),
        stuck=stuck_share(outputs, targets, activation) if pairs_up and activation in {*SLOPED, "softmax"} else None,
        untaught=untaught_share(outputs, targets, result.grad_outputs)
        if pairs_up and result.grad_outputs is not None
        else None,
        impossible=impossible_share(outputs, targets, loss, info.clip) if info.takes == "probabilities" else None,
        favourite=favourite,
        favourite_label=favourite_label,
    )


def sum_error(probs: Array) -> float:
    """Largest distance from 1 of a sample's sum."""
    return float(np.abs(probs.sum(axis=1, dtype=np.float64) - 1.0).max())


def spread(outputs: Array, targets: Array | None, *, centred: bool) -> float | None:
    """Largest standard deviation of an output over the samples: 0 where the network says the same of all of them.

    Args:
        outputs: `(samples, outputs)`.
        targets: Give the unit of each output, their own standard deviation; None where the loss has a unit of its own.
        centred: Whether only the differences between a sample's outputs matter, as to a softmax.

    Returns:
        None where the targets themselves never change.
    """
    values = outputs.astype(np.float64)
    if centred and values.shape[1] > 1:
        values -= values.mean(axis=1, keepdims=True)
    if targets is None:
        return float(values.std(axis=0).max())
    units = targets.std(axis=0, dtype=np.float64)
    ratios = (values.std(axis=0) / np.where(units > 0.0, units, np.nan)).ravel()
    known = ratios[~np.isnan(ratios)]
    return float(known.max()) if known.size else None


def stuck_share(outputs: Array, targets: Array, activation: str) -> float:
    """Share with an output that is wrong by more than ½ where the activation, and so the gradient, is flat.

    Outputs whose mean target lies on the flat part too are left out: a rare label's share is nearly 0, and a network
    that knows no more than that share is not stuck.
    """
    curve = "tanh" if activation == "tanh" else "sigmoid"  # a softmax has the sigmoid's slope by its own logit
    flat = relative_slope(outputs, curve) < FLAT
    wrong = np.abs(outputs - targets) > WRONG
    steep_at_mean = relative_slope(targets.mean(axis=0, dtype=np.float64), curve) >= FLAT
    return _share(flat & wrong & steep_at_mean, targets)


def untaught_share(outputs: Array, targets: Array, grad_outputs: Array) -> float:
    """Share with an output whose residual is not 0, beyond rounding, while the gradient on it is exactly 0."""
    limits = np.finfo(outputs.dtype)
    rounding = limits.eps * (np.abs(outputs) + np.abs(targets)) + limits.tiny * outputs.size
    return _share((grad_outputs == 0.0) & (np.abs(outputs - targets) > rounding), targets)


def impossible_share(probs: Array, targets: Array, loss: str, clip: float | None) -> float:
    """Share whose true answer, or one of them, has a probability of 0 or of no more than where it is clipped.

    A clipped probability passes no gradient on, and 0 has no logarithm.
    """
    least, wide = clip or 0.0, probs.astype(np.float64)
    if loss not in OF_YES_OR_NO:
        if clip is not None:
            wide = wide / wide.sum(axis=1, keepdims=True)  # as Keras, which clips, does first
        return _share((targets[:, : probs.shape[1]] > 0.0) & (wide <= least), targets)
    return _share(((targets > 0.0) & (wide <= least)) | ((targets < 1.0) & (1.0 - wide <= least)), targets)


def _favourite(outputs: Array, targets: Array, loss: str, info: LossInfo) -> tuple[float | None, float | None]:
    """Give the share of samples given the commonest answer, and of those of which it is the label."""
    if outputs.shape[1] > 1 and outputs.shape[1] == targets.shape[1] and loss not in OF_YES_OR_NO:
        said, labels = outputs.argmax(axis=1), targets.argmax(axis=1)
    elif outputs.shape == targets.shape == (len(outputs), 1) and loss in OF_YES_OR_NO:
        said, labels = (
            (values[:, 0] > limit).astype(np.int64)
            for values, limit in ((outputs, 0.5 if info.takes == "probabilities" else 0.0), (targets, 0.5))
        )
    else:
        return None, None
    answer = np.bincount(said).argmax()
    return float((said == answer).mean()), float((labels == answer).mean())


def _share(entries: Array, targets: Array) -> float:
    """Share of samples with any such entry; where a sample has several targets, of the worst output by itself.

    Of forty labels one is wrong far more often than each: that many outputs are many tries.
    """
    has_one_target = targets.shape[1] == 1 or is_one_hot(targets)
    return float(entries.any(axis=1).mean() if has_one_target else entries.mean(axis=0).max())
