"""How large the updates were that a training took: what the rules about its learning rate share."""

import math
from dataclasses import dataclass

import numpy as np

from gradvitals.diagnostics.findings import NOT_RECORDED
from gradvitals.diagnostics.gate import WARM_UP_STEPS
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.engine.events import Array

SCALE_FREE = frozenset({"adam", "adamw", "adamax", "nadam", "rmsprop", "adagrad", "adadelta"})
"""Optimizers whose steps do not grow with the loss: under them a sum in place of a mean changes next to nothing."""

THROWN = 0.15
"""Ratio beyond which an update may have thrown a layer out: one healthy network of twelve had such a one."""

STILL = 0.05
"""Sum of update ratios below which no layer has moved: of 1,064 healthy networks (tuning half) the least was .17."""

SETTLED = 20
"""Updates before which ratios say little of the rest: zero-initialised layers start with large ones."""


@dataclass(frozen=True, slots=True)
class Update:
    """One layer's update at one step.

    Attributes:
        layer: The layer.
        step: The step.
        ratio: ‖ΔW‖ / max(‖W‖, ‖he_normal of that shape‖), W the weights after it.
    """

    layer: str
    step: int
    ratio: float


def first_beyond(record: Record, limit: float) -> Update | None:
    """Give the first update looked at whose ratio is beyond a limit; of several layers the one of the largest."""
    found = []
    for layer in _layers(record):
        series = record.series(f"update_ratio/{layer}")
        beyond = np.flatnonzero(series.values > limit)  # NaN is not
        if len(beyond):
            place = int(beyond[0])
            found.append(Update(layer, int(series.steps[place]), float(series.values[place])))
    return min(found, key=lambda update: (update.step, -update.ratio), default=None)


def largest_ratio(record: Record, after: int, until: int) -> float:
    """Give the largest ratio of any layer at steps in (after, until]; 0 where none was looked at, NaN left out."""
    values = [record.series(f"update_ratio/{layer}").between(after, until) for layer in _layers(record)]
    return max((float(np.nanmax(of_layer)) for of_layer in values if _has_number(of_layer)), default=0.0)


def longest_path(record: Record, until: int) -> float:
    """Give the sum of a layer's ratios up to a step, the largest of any layer's: further it cannot have moved.

    Between two steps looked at, all are taken for as large as the larger one. NaN where a ratio is none.
    """
    paths = [0.0]
    for layer in _layers(record):
        series = record.series(f"update_ratio/{layer}")
        if len(series.steps):
            lengths = np.diff(series.steps, prepend=0, append=until)
            sizes = np.append(series.values, series.values[-1])
            paths.append(float((lengths * np.maximum(sizes, np.append(series.values[:1], series.values))).sum()))
    return float(np.max(paths))


def has_stood_still(record: Record) -> bool:
    """Tell whether all updates of a training together, did they point the same way, moved no layer."""
    return record.last_step >= WARM_UP_STEPS and has_updates(record) and longest_path(record, record.last_step) < STILL


def median_ratios(record: Record, after: int = SETTLED) -> dict[str, float]:
    """Give every layer's median ratio over the steps after one; layers without any are left out."""
    values = {layer: record.series(f"update_ratio/{layer}") for layer in _layers(record)}
    late = {layer: series.between(after, series.steps[-1]) for layer, series in values.items() if len(series.steps)}
    return {layer: float(np.nanmedian(ratios)) for layer, ratios in late.items() if _has_number(ratios)}


def first_growth(record: Record) -> float:
    """Give the first update looked at, in units of he_normal's norm √(2 · fan_out); the largest of any layer's.

    After a huge update the weights are as large as it, so that its ratio is 1 however huge it was.
    """
    sizes = [0.0]
    for info in record.context.layers if record.context is not None else ():
        ratios = record.series(f"update_ratio/{info.name}").values[:1]
        norms = record.series(f"weight_norm/{info.name}").values[:1]
        if len(ratios) and len(norms):
            usual = math.sqrt(2.0 * max(info.fan_out, 1))
            sizes.append(float(ratios[0]) * max(float(norms[0]) / usual, 1.0))
    return max((size for size in sizes if not math.isnan(size)), default=0.0)


def has_updates(record: Record) -> bool:
    """Tell whether any update was looked at."""
    return any(len(record.series(f"update_ratio/{layer}").steps) for layer in _layers(record))


def why_no_updates(record: Record) -> str:
    """Say why there are none to judge."""
    seen = record.context is not None and record.notes(Probe)
    return "no update was made" if seen and record.last_step == 0 else NOT_RECORDED


def _layers(record: Record) -> list[str]:
    return [] if record.context is None else record.context.layer_names()


def _has_number(values: Array) -> bool:
    return bool(len(values)) and not bool(np.isnan(values).all())
