"""Builder of the layout of the Custom Scalars tab: every metric over all layers, and every layer by itself."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2, metadata

from gradvitals.diagnostics.metrics import RECTIFIED, SLOPED

Charts: TypeAlias = dict[str, list[str]]
"""Title of a chart → expressions for its tags, which TensorBoard holds against their starts."""

LAYER = "Layer "
"""Begins the titles of categories that are closed at first."""

MOST_LAYERS = 32
"""With charts of their own."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run records, as far as that is known at its start.

    Attributes:
        layers: Name and activation of each.
        data: Whether there are training data to look at.
        epochs: Whether there are scores of epochs.
        recurrent: Whether gradients go back through time, step by step.
    """

    layers: tuple[tuple[str, str], ...]
    data: bool
    epochs: bool
    recurrent: bool


@lru_cache(maxsize=32)  # the runs of a sweep are alike
def layout(recorded: Recorded) -> Summary.Value:
    """Build the layout, which a run writes once; TensorBoard joins those of all runs, so that equal ones are one."""
    content = layout_pb2.Layout(category=[_category(*each) for each in _categories(recorded)]).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME)
    return Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_TENSOR),
        tensor=TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[content]),
    )


def _categories(recorded: Recorded) -> Iterator[tuple[str, Charts]]:
    """Give what has anything to show; no expression but those of single layers names one, so that any layer fits."""
    scores: Charts = {}
    if recorded.epochs:
        scores["loss, training and validation"] = ["epoch_loss$"]
        scores["accuracy, training and validation"] = ["epoch_accuracy$"]
        scores["learning rate"] = ["learning_rate$"]
    if recorded.data:
        scores["loss / loss of the best constant"] = ["loss_ratio$"]
    scores["errors and warnings that stand"] = ["verdict/(errors|warnings)$"]
    yield "Loss and verdict", scores
    gradients = {"gradient norm, by layer": ["gradient_norm/(?!global$).+$"]}
    yield "Gradients", {**gradients, "gradient norm, all layers": ["gradient_norm/global$"]}
    yield "Weights", {"update / weight, by layer": ["update_ratio/.+$"], "weight norm, by layer": ["weight_norm/.+$"]}
    activations = {activation for _, activation in recorded.layers}
    if shares := _shares(activations, recorded):
        yield "Units", {f"{title}, by layer": [f"{metric}/.+$"] for metric, title in shares.items()}
    if recorded.recurrent:
        yield (
            "Recurrence",
            {
                "gain of the gradient per time step back, by layer": ["recurrent_gain/.+$"],
                "spectral radius, by layer": ["spectral_radius/.+$"],
            },
        )
    if len(recorded.layers) <= MOST_LAYERS:
        for layer, activation in recorded.layers:
            name = f"/{re.escape(layer)}$"
            charts = {"gradient norm": [f"gradient_norm{name}"], "update / weight": [f"update_ratio{name}"]}
            if own := _shares({activation}, recorded):
                charts["shares of its units"] = [f"{metric}{name}" for metric in own]
            yield f"{LAYER}{layer}", charts


def _shares(activations: AbstractSet[str], recorded: Recorded) -> dict[str, str]:
    """Give what is recorded of units with these activations: title by metric."""
    found = {}
    if activations & RECTIFIED:
        found["inactive_fraction"] = "silent on a batch, share of units"
        if recorded.data:
            found["dead_fraction"] = "dead over the training set, share of units"
    if activations & SLOPED and recorded.data:
        found["saturated_fraction"] = "saturated, share of units"
    if activations & SLOPED:
        found["sigmoid_slope"] = "mean slope, z(1−z) on the scale of a sigmoid whose output is z"
    return found


def _category(title: str, charts: Charts) -> layout_pb2.Category:
    return layout_pb2.Category(
        title=title,
        chart=[
            layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=tags))
            for name, tags in charts.items()
        ],
        closed=title.startswith(LAYER),
    )
