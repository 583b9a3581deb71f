"""The chain of layers in the Graphs tab: a box each, their shapes, and names that TensorBoard can take."""

import pytest

from gradvitals.diagnostics.tensorboard.graph import graph_def
from gradvitals.diagnostics.tensorboard.layer_graph import layer_nodes
from gradvitals.engine.events import LayerInfo


def test_layers_follow_one_another_from_the_inputs_to_the_loss() -> None:
    layers = [LayerInfo("hidden_1", "relu", 4, 3), LayerInfo("output", "linear", 3, 2)]
    nodes = {node.name: node for node in layer_nodes(layers, "cross_entropy")}
    assert nodes["inputs"].shape == (None, 4)
    assert nodes["hidden_1/weight"].shape == (4, 3)
    assert nodes["hidden_1/op"].inputs == ("inputs", "hidden_1/weight")
    assert nodes["hidden_1/activation"].op == "relu"
    assert nodes["output/op"].inputs == ("hidden_1/activation", "output/weight")
    assert nodes["output/activation"].shape == (None, 2)
    assert (nodes["loss"].op, nodes["loss"].inputs) == ("cross_entropy", ("output/activation",))


@pytest.mark.parametrize(
    "names",
    [
        ["inputs", "loss"],
        ["a", "a/weight", "a/op"],
        ["a/b", "a.b"],
        ["weight", "op", "activation"],
        ["x", "x_2", "x/2"],
    ],
    ids=",".join,
)
def test_any_names_make_a_graph_whose_nodes_and_boxes_are_apart(names: list[str]) -> None:
    nodes = layer_nodes([LayerInfo(name, "relu", 2, 2) for name in names], "mse")
    graph_def(nodes)  # raises on a name given twice, and on an input that is no node
    boxes = {node.name.rpartition("/")[0] for node in nodes} - {""}
    assert len(boxes) == len(names)
    assert boxes.isdisjoint(node.name for node in nodes)


def test_no_layers_make_no_graph() -> None:
    assert layer_nodes([], "unknown") == []
