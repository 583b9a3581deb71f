"""Builder of a graph for TensorBoard's Graphs tab: nodes, what they compute from, and attributes to read on a click."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

_ALLOWED = re.compile(r"[^\s:^/][^:^]*")
UNKNOWN = -1
"""How a shape says that a dimension varies."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of the picture.

    Attributes:
        name: Unique; a slash puts the node into a box that opens on a double click.
        op: What it computes.
        inputs: Names of the nodes it computes from, in order.
        shape: Of its output, None for a dimension that varies; the picture writes it on the edges.
        attributes: Shown beside the picture when the node is clicked; text, since numbers there are float32.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    shape: tuple[int | None, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


def graph_def(nodes: Sequence[GraphNode]) -> GraphDef:
    """Build the graph that `EventFile.graph` writes.

    Raises:
        ValueError: If a name is given twice, is empty or has `:` or `^`, which TensorBoard takes apart, or if an input
            is no node.
    """
    counts = Counter(node.name for node in nodes)
    for node in nodes:
        if counts[node.name] > 1:
            msg = f"graph: {node.name!r} names {counts[node.name]} nodes"
            raise ValueError(msg)
        if not _ALLOWED.fullmatch(node.name):
            msg = f"graph: {node.name!r} is no name for a node; it must begin with a letter or digit and have no : or ^"
            raise ValueError(msg)
        for name in node.inputs:
            if name not in counts:
                msg = f"graph: {node.name!r} computes from {name!r}, which is no node"
                raise ValueError(msg)
    return GraphDef(node=[_node(node) for node in nodes], versions=VersionDef(producer=22))


def _node(node: GraphNode) -> NodeDef:
    sizes = [TensorShapeProto.Dim(size=UNKNOWN if size is None else size) for size in node.shape]
    shape = AttrValue(list=AttrValue.ListValue(shape=[TensorShapeProto(dim=sizes)]))
    attributes = {name: AttrValue(s=text.encode(errors="replace")) for name, text in node.attributes.items()}
    return NodeDef(name=node.name, op=node.op, input=node.inputs, attr={"_output_shapes": shape, **attributes})
