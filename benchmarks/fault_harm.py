"""Harm: what an injected fault costs, measured against its healthy twins; never by what any tool says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from campaign import Finished
from fault_injections import Injection

LEAST = {"accuracy": 0.05, "r2": 0.1}
"""Points of validation accuracy, or of R², below which a loss is no harm, however sure."""

STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class HarmDone:
    """What a fault costs.

    Attributes:
        value: Mean score of the twins less the run's own; infinite where the run has none.
        error: Standard deviation of the twins over the seeds, of one run.
        harmful: Whether it is at least what counts, and 3 standard errors.
    """

    value: float
    error: float
    harmful: bool


def measure_harm(one: Injection, lines: Mapping[str, Finished]) -> HarmDone | None:
    """Compare a run's score on its validation set with its twins'; None where no twin has one.

    Args:
        one: The injection.
        lines: Finished runs by key; that of the injection and of the twin of every seed.
    """
    healthy = [lines[twin.key].scores.get(one.base.yardstick) for twin in one.twins]
    known = [value for value in healthy if value is not None]
    if not known:
        return None
    own = lines[one.key].scores.get(one.base.yardstick)
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    value = math.inf if own is None else float(np.mean(known)) - own
    enough = max(LEAST[one.base.yardstick], STANDARD_ERRORS * spread * math.sqrt(1.0 + 1.0 / len(known)))
    return HarmDone(value, spread, value > enough)
