"""The death of a ReLU unit: its pre-activations before and after, and how far its bias and weights moved between."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from gradvitals.diagnostics.histogram import FLOAT32_MAX
from gradvitals.diagnostics.metrics import norm
from gradvitals.engine.events import Array

Seen: TypeAlias = Literal["pre_activations", "outputs"]

BINS = 24
"""Of both histograms together, from the least to the largest value of either."""

LEAST_BINS = 6
"""On either side of 0 that has values: where one side reaches far, the other is told apart all the same."""

TINY = 1e-6
"""Least share of the range, of the values that bins next to 0 tell apart."""


@dataclass(frozen=True, slots=True)
class UnitDeath:
    """A unit that a scan found dead, and that was not at the scan before; the note `unit_death`.

    Pre-activations and largest values are over the rows looked at. What has no meaning for a unit dead at the start, or
    is not observed, is None or empty.

    Attributes:
        step: Of the scan.
        layer: Its layer.
        unit: Its index.
        found: Units of the layer that the scan found dead, and that were not before; at most 8 of them are described.
        fired_after: After so many updates it fired on some row of the set; None where it was dead at the first scan.
        silent_after: After so many it was silent on all rows looked at.
        certain: Whether these are the whole set, and it was silent at every later step looked at, too; if not, it is
            known to be dead at `step` only.
        of: What the histograms are of: outputs, where pre-activations cannot be seen.
        rows: Values that they count; of a convolution and of a sequence, several a row.
        fired_rows: On how many of them it fired at `fired_after`; 0 where it did on others only.
        edges: Of the bins of both histograms, ascending; 0 is one of them, and not the first. A bin is without its left
            edge.
        before: Values per bin at `fired_after`; those that are not finite are left out.
        after: The same at `silent_after`.
        largest_before: Largest pre-activation at `fired_after`.
        largest_with_new_bias: The same with the bias of `silent_after`.
        largest_with_new_weights: The same with the weights of `silent_after`.
        largest_with_both: The same with bias and weights of `silent_after`.
        largest_after: At `silent_after`, where below the first layer the inputs are others, too.
        bias_before: At `fired_after`; None where it has none.
        bias_after: At `silent_after`.
        weight_norm_before: Of its incoming weights, at `fired_after`.
        weight_norm_after: At `silent_after`.
        weight_change: Norm of their difference.
    """

    step: int
    layer: str
    unit: int
    found: int
    fired_after: int | None
    silent_after: int
    certain: bool
    of: str
    rows: int
    fired_rows: int | None
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    largest_before: float | None
    largest_with_new_bias: float | None
    largest_with_new_weights: float | None
    largest_with_both: float | None
    largest_after: float | None
    bias_before: float | None
    bias_after: float | None
    weight_norm_before: float | None
    weight_norm_after: float | None
    weight_change: float | None

    @property
    def killed_by(self) -> int | None:
        """The one update that killed it; None where more than one may have."""
        known = self.certain and self.fired_after is not None and self.silent_after == self.fired_after + 1
        return self.silent_after if known else None


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit as it was after some update.

    Attributes:
        step: The update.
        values: Its pre-activations, or outputs, over the rows looked at, `(rows,)`.
        bias: None where it has none.
        weights: All incoming ones, `(fan_in,)`; empty where they cannot be told.
    """

    step: int
    values: Array
    bias: float | None = None
    weights: Array = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that a scan found dead; fields as of `UnitDeath`."""

    step: int
    layer: str
    unit: int
    found: int
    fired_after: int | None
    of: Seen


@np.errstate(over="ignore", invalid="ignore")
def describe_death(
    what: Found,
    before: UnitState | None,
    after: UnitState,
    *,
    certain: bool,
    adds_bias: bool,
    with_new_weights: float | None = None,
) -> UnitDeath:
    """Say what became of a unit.

    Args:
        what: Which one, and what found it.
        before: When it fired; None where it was dead at the start, or nobody knows.
        after: When it was silent.
        certain: Whether the rows looked at are all and it did not come back, or the state after is that of the scan.
        adds_bias: Whether the values are what the weights make of the inputs, plus the bias.
        with_new_weights: Largest pre-activation on the inputs and with the bias before, with the weights after.
    """
    shown = what.of == "pre_activations"
    largest = None if before is None or not shown else _largest(before.values)
    moved = None if before is None or before.bias is None or after.bias is None else after.bias - before.bias
    drawn, silent = None if before is None else _drawable(before.values), _drawable(after.values)
    edges = _edges_of(silent) if drawn is None else _edges_of(drawn, silent)
    return UnitDeath(
        step=what.step,
        layer=what.layer,
        unit=what.unit,
        found=what.found,
        fired_after=what.fired_after if before is None else before.step,
        silent_after=after.step,
        certain=certain,
        of=what.of,
        rows=len(after.values),
        fired_rows=None if before is None else int((before.values > 0.0).sum()),
        edges=tuple(edges.tolist()),
        before=() if drawn is None else _counts(drawn, edges),
        after=_counts(silent, edges),
        largest_before=largest,
        largest_with_new_bias=None if largest is None or moved is None or not adds_bias else largest + moved,
        largest_with_new_weights=with_new_weights,
        largest_with_both=None if with_new_weights is None else with_new_weights + (moved or 0.0),
        largest_after=_largest(after.values) if shown else None,
        bias_before=None if before is None else before.bias,
        bias_after=after.bias,
        weight_norm_before=None if before is None else _norm(before.weights),
        weight_norm_after=_norm(after.weights),
        weight_change=None if before is None else _change(before.weights, after.weights),
    )


def _largest(values: Array) -> float | None:
    return float(values.max()) if values.size else None


def _norm(weights: Array) -> float | None:
    return norm(weights) if weights.size else None


def _change(before: Array, after: Array) -> float | None:
    comparable = before.size and before.shape == after.shape
    return norm(after.astype(np.float64) - before) if comparable else None


def _edges_of(*values: Array) -> Array:
    """Give edges for all these values, each sorted; their scale is that of the first."""
    known = [each for each in values if each.size]
    if not known:
        return np.empty(0)
    low, high = min(float(each[0]) for each in known), max(float(each[-1]) for each in known)
    return shared_edges(low, high, float(np.median(np.abs(known[0].astype(np.float64)))))


def _counts(values: Array, edges: Array) -> tuple[int, ...]:
    """Count sorted values in bins that have their right edge; the first has its left edge, too."""
    if not edges.size:
        return ()
    until = np.searchsorted(values, edges, side="right")
    until[0] = 0
    return tuple(np.diff(until).tolist())


def _drawable(values: Array) -> Array:
    """Sort what is finite, within the range of float32, in which dashboards draw."""
    ordered: Array = np.sort(np.clip(values[np.isfinite(values)], -FLOAT32_MAX, FLOAT32_MAX))
    return ordered


def shared_edges(low: float, high: float, scale: float) -> Array:
    """Give the edges of at most 24 bins from `low` to `high`, narrow near 0 and wide far from it.

    0 is one of them, and never the first: what is 0 itself, and so silent, is on its left.

    Args:
        low: Least value.
        high: Largest value.
        scale: Size of value up to which bins are about equally wide; beyond it they widen in proportion.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if not high > low:
        return np.array([-1.0, 0.0])
    scale = max(scale, TINY * (high - low), np.finfo(np.float64).tiny)
    start, end = np.arcsinh(low / scale), np.arcsinh(high / scale)
    below = round(BINS * float(-start / (end - start)))
    below = min(max(below, LEAST_BINS if low < 0.0 else 1), BINS - LEAST_BINS if high > 0.0 else BINS)
    negative = scale * np.sinh(np.linspace(start, 0.0, below + 1)[:-1])
    positive = scale * np.sinh(np.linspace(0.0, end, BINS - below + 1))
    if low == 0.0:
        negative = -positive[1:2]
    edges = np.concatenate([negative, positive])
    edges[0], edges[-1] = low or edges[0], high
    return np.unique(edges)
