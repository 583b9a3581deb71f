"""Layers × steps: what was measured of every layer, metric by metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradvitals.diagnostics.scales import Kind, Log, choose_scale
from gradvitals.diagnostics.tensorboard.strict_json import Json
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import Points

WHOLE = "global"
"""What stands in a layer's place for all of them together."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is recorded by layer.

    Attributes:
        tag: What comes before the layer's name in its tag.
        title: In words.
        kind: Of its scale.
        meaning: What a value says, in a sentence.
        reaches: Values that its scale always holds.
    """

    tag: str
    title: str
    kind: Kind
    meaning: str
    reaches: tuple[float, ...] = ()


METRICS = (
    Metric("gradient_norm", "Gradient norm", "log", "Norm of the gradient on the layer's weights and bias."),
    Metric("update_ratio", "Update ratio", "log", "Step over weights, as norms; about 0.001 is usual."),
    Metric("weight_norm", "Weight norm", "log", "Norm of the layer's weights."),
    Metric("dead_fraction", "Dead units", "share", "Share of units that no training example makes fire."),
    Metric("inactive_fraction", "Inactive units", "share", "Share of units that are silent on this batch."),
    Metric("saturated_fraction", "Saturated units", "share", "Share of units whose slope is all but 0 on the probe."),
    Metric(
        "sigmoid_slope",
        "Slope of the sigmoid",
        "linear",
        "Mean of z(1 − z), z the output: 0.25 free, 0 saturated.",
        reaches=(0.25,),
    ),
    Metric("recurrent_gain", "Recurrent gain", "log", "What a step back in time makes of a gradient."),
    Metric("spectral_radius", "Spectral radius", "log", "Largest eigenvalue of the recurrent weights."),
)
"""Every metric that has a heat map, in their order on the page."""


def heat_maps(scalars: Mapping[str, Points], layers: Sequence[str]) -> list[Json]:
    """Lay out the heat maps for which there are values.

    Args:
        scalars: By tag.
        layers: Names in the network's order; others that are recorded come behind.
    """
    found: dict[str, dict[str, Points]] = {}
    for tag, points in scalars.items():
        metric, slash, layer = tag.partition("/")
        if slash and len(points.steps):
            found.setdefault(metric, {})[layer] = points
    return [_heat_map(metric, found[metric.tag], layers) for metric in METRICS if metric.tag in found]


def _heat_map(metric: Metric, found: Mapping[str, Points], layers: Sequence[str]) -> Json:
    known = {layer: place for place, layer in enumerate(layers)}
    names = sorted(found, key=lambda name: (name == WHOLE, known.get(name, len(known)), name))
    steps = np.unique(np.concatenate([found[name].steps for name in names]))
    values = np.concatenate([*(found[name].values for name in names), metric.reaches]).astype(np.float64)
    return {
        "metric": metric.tag,
        "title": metric.title,
        "meaning": metric.meaning,
        "scale": describe_scale(values, metric.kind),
        "steps": steps.tolist(),
        "layers": tuple(names),
        "values": [_on(steps, found[name]) for name in names],
    }


def describe_scale(values: NDArray[np.floating], kind: Kind) -> dict[str, Json]:
    """Give the axis on which all finite values have their place, as the page draws it."""
    scale = choose_scale(values, kind)
    return {
        "kind": "log" if isinstance(scale, Log) else "linear",
        "low": scale.low,
        "high": scale.high,
        "floor": isinstance(scale, Log) and scale.floor,
    }


def _on(steps: NDArray[np.int64], points: Points) -> Json:
    """Give a layer's value at every step of the map; null where it was not measured, the last where it was twice."""
    row: list[Json] = [None] * len(steps)
    for place, value in zip(np.searchsorted(steps, points.steps).tolist(), points.values.tolist(), strict=True):
        row[place] = float(f"{value:.9g}")  # what tells float32s apart
    return row
