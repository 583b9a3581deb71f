"""The layers of a run in the Graphs tab, where nobody knows its circuit: a box each, as the forward pass meets them."""

from collections.abc import Iterator, Sequence
from itertools import chain, count

from gradvitals.diagnostics.tensorboard.graph import GraphNode
from gradvitals.engine.events import LayerInfo

ORDER = "layers follow one another as the forward pass comes by them; where it forks or adds, that is not shown"


def layer_nodes(layers: Sequence[LayerInfo], loss: str) -> list[GraphNode]:
    """Give the nodes of a chain of layers, from the inputs to the loss; none without layers.

    Every layer is a box with its weight, its operation and its activation.
    """
    if not layers:
        return []
    taken: set[str] = set()
    boxes = [_free(layer.name.replace("/", "."), taken) for layer in layers]
    nodes = [GraphNode(_free("inputs", taken), "inputs", (), (None, layers[0].fan_in), {"order": ORDER})]
    for layer, box in zip(layers, boxes, strict=True):
        nodes += _in_box(layer, box, nodes[-1].name)
    return [*nodes, GraphNode(_free("loss", taken), loss, (nodes[-1].name,), ())]


def _in_box(layer: LayerInfo, box: str, below: str) -> Iterator[GraphNode]:
    outputs = (None, layer.fan_out)
    sizes = {"fan_in": f"{layer.fan_in}", "fan_out": f"{layer.fan_out}", "activation": layer.activation}
    yield GraphNode(f"{box}/weight", "parameter", (), (layer.fan_in, layer.fan_out))
    yield GraphNode(f"{box}/op", "op", (below, f"{box}/weight"), outputs, sizes)
    yield GraphNode(f"{box}/activation", layer.activation, (f"{box}/op",), outputs)


def _free(name: str, taken: set[str]) -> str:
    """Give a name that is not taken, and take it."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    free = next(each for each in candidates if each not in taken)
    taken.add(free)
    return free
