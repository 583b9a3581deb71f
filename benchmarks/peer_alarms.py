"""What a peer says of a trace: an alarm by the name of its rule, the layer where it names one, and the step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm.

    Attributes:
        rule: As the peer names it.
        layer: As our traces name it; None for the whole run.
        step: The update after which the peer looked.
    """

    rule: str
    layer: str | None
    step: int


def first_of_each(alarms: Iterator[Alarm]) -> list[Alarm]:
    """Keep the first alarm of every rule and layer."""
    found: dict[tuple[str, str | None], Alarm] = {}
    for alarm in alarms:
        found.setdefault((alarm.rule, alarm.layer), alarm)
    return list(found.values())


def smoothness(values: Array) -> float:
    """Give 1 − the share of points `(n,)` at which a curve turns from rising to falling or back."""
    if len(values) < 1:
        return 1.0
    with np.errstate(all="ignore"):
        rises = values[1:] / values[:-1] > 1.0
    return 1.0 - float(np.count_nonzero(np.diff(rises))) / len(values)
