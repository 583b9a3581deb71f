"""How near a measured value is to where its rule speaks: signed, in units of the threshold."""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Worse: TypeAlias = Literal["above", "below", "beyond"]
"""Where a value is bad: above its threshold, below it, or on whichever side of it a finding of the rule lies."""

WORSE: MappingProxyType[str, Worse] = MappingProxyType(
    {
        "dead_units": "above",
        "saturated_units": "below",
        "vanishing_gradient": "below",
        "exploding_gradient": "above",
        "no_learning": "above",
        "memorising": "above",
        "underfitting": "above",
        "symmetric_units": "above",
        "clipped_delta": "above",
        "collapsed_output": "beyond",
        "numerics": "above",
        "saturated_output": "above",
        "unscaled_inputs": "beyond",
        "unscaled_targets": "beyond",
        "initialization_scale": "beyond",
        "gradient_check": "above",
        "cannot_overfit": "above",
        "max_dead": "above",
        "max_saturated": "above",
        "max_update_ratio": "above",
        "max_loss_ratio": "above",
        "min_accuracy": "below",
    }
)
"""The diagnoses and limits that go by a single value; all others say yes or no, or weigh several things at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule measured last, where it came nearest to speaking.

    Attributes:
        value: What was measured.
        threshold: What it is held against, the mildest that is more than info.
        layer: Where; None for the whole run.
    """

    value: float
    threshold: float
    layer: str | None = None


def margin(rule: str, value: float, threshold: float) -> float | None:
    """Give (value − threshold) / |threshold|, counted towards worse.

    0 is the threshold itself, −1 as far from it as 0 is, where larger is worse; what is positive is past it.

    Args:
        rule: Id of the diagnosis or the limit.
        value: What was measured.
        threshold: What it was held against.

    Returns:
        The margin; None where the rule goes by no single value, the value is no number, or the threshold is 0.

    >>> margin("dead_units", 0.25, 0.5), margin("min_accuracy", 0.45, 0.9)
    (-0.5, 0.5)
    """
    worse = WORSE.get(rule)
    if worse is None or math.isnan(value) or not math.isfinite(threshold) or threshold == 0.0:
        return None
    excess = (value - threshold) / abs(threshold)
    match worse:
        case "above":
            return excess
        case "below":
            return 0.0 - excess
        case "beyond":
            return abs(excess)


def nearest(rule: str, readings: tuple[Reading, ...]) -> Reading | None:
    """Give the reading with the largest margin; None where none has one."""
    known = [(there, reading) for reading in readings if (there := _margin_of(rule, reading)) is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _margin_of(rule: str, reading: Reading) -> float | None:
    return margin(rule, reading.value, reading.threshold)
