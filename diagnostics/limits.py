"""Limits that a user sets on a run's final state: `[check]` in a config, flags of `check`, `assert_healthy`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradvitals.diagnostics.findings import NO_DATA, Finding, Severity
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import RECTIFIED, SLOPED
from gradvitals.diagnostics.notes import Probe, Scan

WANTED = (
    "This is a limit of your own, not a diagnosis: it fails the check whatever the cause. Loosen it, or mend the run."
)


class Limits(Protocol):
    """The limits; None where there is none."""

    @property
    def max_dead(self) -> float | None:
        """Largest share of dead units in any layer."""
        ...

    @property
    def max_saturated(self) -> float | None:
        """Largest share of saturated units in any layer."""
        ...

    @property
    def max_update_ratio(self) -> float | None:
        """Largest ratio of an update's norm to its weights'."""
        ...

    @property
    def max_loss_ratio(self) -> float | None:
        """Largest loss relative to the best constant output's."""
        ...

    @property
    def min_accuracy(self) -> float | None:
        """Least accuracy on the validation set."""
        ...


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A limit that could not be held against anything, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The worst value of what a limit is about, and where; `value` is None where nothing was recorded."""

    value: float | None
    layer: str | None = None
    reason: str = ""


def hold_limits(record: Record, limits: Limits, accuracy: float | None) -> list[Finding | Unjudged]:
    """Hold a run against every limit that is set; a finding per limit exceeded.

    Args:
        record: The run's measurements.
        limits: What it must keep within.
        accuracy: The last on the validation set; None where there is none.
    """
    above: list[tuple[str, float | None, Callable[[Record], Measured | None]]] = [
        ("max_dead", limits.max_dead, _dead),
        ("max_saturated", limits.max_saturated, _saturated),
        ("max_update_ratio", limits.max_update_ratio, _update_ratio),
        ("max_loss_ratio", limits.max_loss_ratio, _loss_ratio),
        (
            "min_accuracy",
            limits.min_accuracy,
            lambda _: Measured(accuracy, reason="no accuracy on a validation set was recorded"),
        ),
    ]
    found: list[Finding | Unjudged] = []
    for name, limit, measure in above:
        measured = None if limit is None else measure(record)
        if limit is None or measured is None:
            continue
        if measured.value is None:
            found.append(Unjudged(name, measured.reason))
        elif not (measured.value >= limit if name == "min_accuracy" else measured.value <= limit):  # NaN keeps none
            found.append(_exceeded(name, limit, measured.value, measured.layer, record))
    return found


def _exceeded(name: str, limit: float, value: float, layer: str | None, record: Record) -> Finding:
    what = {
        "max_dead": "of the units of {layer} are dead",
        "max_saturated": "of the units of {layer} are saturated",
        "max_update_ratio": "is the median update ratio of {layer} over the last half of the run",
        "max_loss_ratio": "is the training loss relative to that of the best constant output",
        "min_accuracy": "is the accuracy on the validation set",
    }[name].format(layer=layer)

    def shown(number: float) -> str:
        return f"{100 * number:.3g} %" if name in {"max_dead", "max_saturated"} else f"{number:.3g}"

    return Finding(
        id=name,
        tier="fact",
        severity=Severity.ERROR,
        layer=layer,
        first_step=record.last_step,
        last_step=record.last_step,
        value=value,
        threshold=limit,
        evidence=f"{shown(value)} {what}; the limit is {shown(limit)}",
        explanation=WANTED,
    )


def _dead(record: Record) -> Measured | None:
    """Give the worst layer of the last scan; None without a ReLU layer, where nothing can be dead."""
    context, scans = record.context, record.notes(Scan)
    if context is None or not context.layer_names(RECTIFIED):
        return None
    if not scans or not context.samples:  # what a loop has shown is a sample, and a limit is of them all
        return _unknown(record, "no exact scan of the training set was recorded")
    units = {info.name: info.fan_out for info in context.layers}
    shares = {layer: len(dead) / units[layer] for layer, dead in scans[-1].dead.items()}
    worst = max(shares, key=lambda layer: shares[layer])
    return Measured(shares[worst], worst)


def _saturated(record: Record) -> Measured | None:
    context = record.context
    if context is None or not context.layer_names(SLOPED):
        return None
    worst = _worst(record, "saturated_fraction", context.layer_names(SLOPED), last=True)
    return worst if worst.value is not None else _unknown(record, worst.reason)


def _update_ratio(record: Record) -> Measured | None:
    context = record.context
    return None if context is None else _worst(record, "update_ratio", context.layer_names(), last=False)


def _loss_ratio(record: Record) -> Measured:
    probes = record.notes(Probe)
    ratio = probes[-1].loss_ratio if probes else None
    unknown = _unknown(record, "the loss of the best constant output is not known")
    return unknown if ratio is None else Measured(ratio)


def _unknown(record: Record, reason: str) -> Measured:
    """Say why nothing was measured; who gave no data is told so, whatever else is missing."""
    return Measured(None, reason=reason if record.context is not None and record.context.samples else NO_DATA)


def _worst(record: Record, metric: str, layers: list[str], *, last: bool) -> Measured:
    """Give the layer with the largest last value, or the largest median over the last half."""
    values = {layer: record.series(f"{metric}/{layer}").values for layer in layers}
    known = {layer: float(v[-1] if last else np.median(v[len(v) // 2 :])) for layer, v in values.items() if len(v)}
    if not known:
        return Measured(None, reason=f"no {metric} was recorded")
    worst = max(known, key=lambda layer: known[layer] if known[layer] == known[layer] else np.inf)
    return Measured(known[worst], worst)
