"""Graphs: what is built, what is refused, and that TensorBoard serves what was written."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef

from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.graph import GraphNode, graph_def

PATIENCE = 30.0
"""Seconds; a server starts within two on an idle machine."""

NODES = [
    GraphNode("x = 3|−8/input", "input", attributes={"value": "3", "gradient": "-8"}),
    GraphNode("weight", "parameter", shape=(3, 4)),
    GraphNode("q1 × −12|2/multiply", "multiply", ("x = 3|−8/input", "weight"), (None, 4)),
]


def test_a_node_has_its_op_its_inputs_its_shape_and_its_attributes() -> None:
    x, weight, product = graph_def(NODES).node
    assert (x.name, x.op, list(x.input)) == ("x = 3|−8/input", "input", [])
    assert {name: value.s.decode() for name, value in x.attr.items() if name != "_output_shapes"} == {
        "value": "3",
        "gradient": "-8",
    }
    assert [dim.size for dim in x.attr["_output_shapes"].list.shape[0].dim] == []
    assert [dim.size for dim in weight.attr["_output_shapes"].list.shape[0].dim] == [3, 4]
    assert list(product.input) == [x.name, "weight"]
    assert [dim.size for dim in product.attr["_output_shapes"].list.shape[0].dim] == [-1, 4]


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([GraphNode("a", "x"), GraphNode("b", "x"), GraphNode("a", "y")], "graph: 'a' names 2 nodes"),
        ([GraphNode("a", "x", ("b",))], "graph: 'a' computes from 'b', which is no node"),
        ([GraphNode("", "x")], "graph: '' is no name for a node"),
        ([GraphNode("a:0", "x")], "graph: 'a:0' is no name for a node; it must begin with a letter or digit"),
        ([GraphNode("^a", "x")], r"graph: '\^a' is no name for a node"),
        ([GraphNode("/a", "x")], "graph: '/a' is no name for a node"),
    ],
    ids=["twice", "unknown input", "empty", "colon", "caret", "slash"],
)
def test_what_tensorboard_would_misread_is_refused(nodes: list[GraphNode], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        graph_def(nodes)


def test_a_text_that_is_no_unicode_does_no_harm() -> None:
    (node,) = graph_def([GraphNode("a", "x", attributes={"value": "\ud800"})]).node
    assert node.attr["value"].s == b"?"


def test_an_event_file_gives_the_graph_back(tmp_path: Path) -> None:
    graph = graph_def(NODES)
    with EventFile(tmp_path) as file:
        file.graph(graph)
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    assert accumulator.Graph() == graph


@pytest.fixture(params=["fast", "slow"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the graph as TensorBoard's own server sends it to the Graphs tab."""
    with EventFile(tmp_path / "logs" / "run0") as file:
        file.graph(graph_def(NODES))
    said = tmp_path / "said.txt"
    flags = ["--load_fast=false"] if request.param == "slow" else []
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "logs", "--host", "127.0.0.1", "--port", "0"]
    with said.open("wb") as output:
        server = subprocess.Popen([*command, *flags], cwd=tmp_path, stdout=output, stderr=output)
    try:
        opener = build_opener(ProxyHandler({}))  # a proxy has no business with localhost
        deadline = time.monotonic() + PATIENCE
        graph = b""
        while not graph and time.monotonic() < deadline:
            time.sleep(0.05)
            if (found := re.search(r"at (http://[^/\s]+)/", said.read_text())) is None:
                continue
            with opener.open(f"{found[1]}/data/plugin/graphs/info", timeout=PATIENCE) as answer:
                known = b"run0" in answer.read()
            if known:
                query = urlencode({"run": "run0", "conceptual": "false"})
                with opener.open(f"{found[1]}/data/plugin/graphs/graph?{query}", timeout=PATIENCE) as answer:
                    graph = answer.read()
        yield graph.decode()
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)


def test_the_graphs_tab_gets_every_node(served: str) -> None:
    assert text_format.Parse(served, GraphDef()) == graph_def(NODES)
