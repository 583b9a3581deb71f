"""Limits that a user sets on a run's final state: `[check]` in a config, or flags of `check`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import RECTIFIED, SLOPED
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.tensorboard.run_record import RunRecord
from gradvitals.experiments.config.check import CheckConfig

WANTED = (
    "This is a limit of your own, not a diagnosis: it fails the check whatever the cause. Loosen it, or mend the run."
)


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


def hold_limits(run: RunRecord, check: CheckConfig) -> list[Finding | Unjudged]:
    """Hold a run against every limit that is set; a finding per limit exceeded."""
    above: list[tuple[str, float | None, Callable[[RunRecord], Measured | None]]] = [
        ("max_dead", check.max_dead, _dead),
        ("max_saturated", check.max_saturated, _saturated),
        ("max_update_ratio", check.max_update_ratio, _update_ratio),
        ("max_loss_ratio", check.max_loss_ratio, _loss_ratio),
        ("min_accuracy", check.min_accuracy, _accuracy),
    ]
    found: list[Finding | Unjudged] = []
    for name, limit, measure in above:
        measured = None if limit is None else measure(run)
        if limit is None or measured is None:
            continue
        if measured.value is None:
            found.append(Unjudged(name, measured.reason))
        elif (measured.value < limit) if name == "min_accuracy" else not measured.value <= limit:
            found.append(_exceeded(name, limit, measured.value, measured.layer, run.record))
    return found


def _exceeded(name: str, limit: float, value: float, layer: str | None, record: Record) -> Finding:
    what = {
        "max_dead": "of the units of {layer} are dead",
        "max_saturated": "of the units of {layer} are saturated",
        "max_update_ratio": "is the median update ratio of {layer} over the last half of the run",
        "max_loss_ratio": "is the training loss relative to that of the best constant output",
        "min_accuracy": "is the accuracy on the validation set",
    }[name].format(layer=layer)
    return Finding(
        id=name,
        tier="fact",
        severity=Severity.ERROR,
        layer=layer,
        first_step=record.last_step,
        last_step=record.last_step,
        value=value,
        threshold=limit,
        evidence=f"{value:.3g} {what}; the limit is {limit:g}",
        explanation=WANTED,
    )


def _dead(run: RunRecord) -> Measured | None:
    """Give the worst layer of the last scan; None without a ReLU layer, where nothing can be dead."""
    context, scans = run.record.context, run.record.notes(Scan)
    if context is None or not context.layer_names(RECTIFIED):
        return None
    if not scans:
        return Measured(None, reason="no exact scan of the training set was recorded")
    units = {info.name: info.fan_out for info in context.layers}
    shares = {layer: len(dead) / units[layer] for layer, dead in scans[-1].dead.items()}
    worst = max(shares, key=lambda layer: shares[layer])
    return Measured(shares[worst], worst)


def _saturated(run: RunRecord) -> Measured | None:
    context = run.record.context
    if context is None or not context.layer_names(SLOPED):
        return None
    return _worst(run.record, "saturated_fraction", context.layer_names(SLOPED), last=True)


def _update_ratio(run: RunRecord) -> Measured | None:
    context = run.record.context
    return None if context is None else _worst(run.record, "update_ratio", context.layer_names(), last=False)


def _loss_ratio(run: RunRecord) -> Measured:
    probes = run.record.notes(Probe)
    ratio = probes[-1].loss_ratio if probes else None
    return Measured(ratio, reason="the loss of the best constant output is not known")


def _accuracy(run: RunRecord) -> Measured:
    series = run.validation.get("epoch_accuracy")
    if series is None or not len(series.values):
        return Measured(None, reason="no accuracy on a validation set was recorded")
    return Measured(float(series.values[-1]))


def _worst(record: Record, metric: str, layers: list[str], *, last: bool) -> Measured:
    """Give the layer with the largest last value, or the largest median over the last half."""
    values = {layer: record.series(f"{metric}/{layer}").values for layer in layers}
    known = {layer: float(v[-1] if last else np.median(v[len(v) // 2 :])) for layer, v in values.items() if len(v)}
    if not known:
        return Measured(None, reason=f"no {metric} was recorded")
    worst = max(known, key=lambda layer: known[layer] if known[layer] == known[layer] else np.inf)
    return Measured(known[worst], worst)
