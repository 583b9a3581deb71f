"""The layout of Custom Scalars: charts of what a run records, and curves of these layers only."""

import re

from tensorboard.plugins.custom_scalar import layout_pb2

from gradvitals.diagnostics.tensorboard.charts import MOST_LAYERS, Recorded, layout


def charts(recorded: Recorded) -> dict[str, dict[str, list[str]]]:
    parsed = layout_pb2.Layout.FromString(layout(recorded).tensor.string_val[0])
    return {
        category.title: {chart.title: list(chart.multiline.tag) for chart in category.chart}
        for category in parsed.category
    }


RELU = Recorded((("hidden_1", "relu"), ("output", "linear")), data=True, epochs=True, recurrent=False)


def curves(tags: list[str], of: list[str]) -> list[str]:
    """Give what TensorBoard draws: it holds each expression against the start of every tag."""
    return [tag for tag in of if any(re.match(expression, tag) for expression in tags)]


def test_charts_follow_what_is_recorded() -> None:
    assert list(charts(RELU)) == ["Loss and verdict", "Gradients", "Weights", "Units", "Layer hidden_1", "Layer output"]
    units = charts(RELU)["Units"]
    assert [tags[0].partition("/")[0] for tags in units.values()] == ["inactive_fraction", "dead_fraction"]
    tanh = Recorded((("a", "tanh"),), data=True, epochs=False, recurrent=True)
    assert "Recurrence" in charts(tanh)
    assert [tags[0].partition("/")[0] for tags in charts(tanh)["Units"].values()] == [
        "saturated_fraction",
        "sigmoid_slope",
    ]
    assert not any("epoch" in tag for tags in charts(tanh)["Loss and verdict"].values() for tag in tags)
    bare = Recorded((("a", "linear"),), data=False, epochs=False, recurrent=False)
    assert list(charts(bare)) == ["Loss and verdict", "Gradients", "Weights", "Layer a"]
    assert list(charts(bare)["Loss and verdict"]) == ["errors and warnings that stand"]


def test_a_chart_of_a_layer_has_no_curve_of_another_whose_name_begins_alike() -> None:
    names = ["encoder.0", "encoder.00", "encoder.0.relu", "encoderx0", "sum/encoder.0", "a+b"]
    recorded = Recorded(tuple((name, "relu") for name in names), data=True, epochs=True, recurrent=False)
    tags = [f"gradient_norm/{name}" for name in names]
    for name in names:
        assert curves(charts(recorded)[f"Layer {name}"]["gradient norm"], tags) == [f"gradient_norm/{name}"]


def test_the_norm_over_all_layers_is_no_layers_own_even_of_one_named_global_something() -> None:
    tags = ["gradient_norm/global", "gradient_norm/global_pool", "gradient_norm/hidden_1", "gradient_norms/x"]
    found = charts(RELU)["Gradients"]
    assert curves(found["gradient norm, by layer"], tags) == ["gradient_norm/global_pool", "gradient_norm/hidden_1"]
    assert curves(found["gradient norm, all layers"], tags) == ["gradient_norm/global"]


def test_of_very_many_layers_none_has_charts_of_its_own() -> None:
    layers = tuple((f"layer_{n}", "relu") for n in range(MOST_LAYERS + 1))
    found = charts(Recorded(layers, data=True, epochs=True, recurrent=False))
    assert not any(title.startswith("Layer") for title in found)
