"""A circuit in TensorBoard's Graphs tab: its nodes, and the folder of a run that holds them."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.diagnostics.tensorboard.graph import GraphNode, graph_def
from gradvitals.engine.circuit import Circuit
from gradvitals.engine.events import Array
from gradvitals.experiments.circuit_view import gate_name, gate_symbol
from gradvitals.experiments.paths import is_folder
from gradvitals.experiments.run_folder import GRAPHS, choose_folder

HARMLESS = str.maketrans("/:^", "∕∶ˆ")
"""Characters at which TensorBoard takes names apart, and their doubles."""

LONGEST = 60
"""Characters of an expression in a folder's name."""


def graph_nodes(circuit: Circuit, values: Mapping[str, Array], gradients: Mapping[str, Array]) -> list[GraphNode]:
    """Give the nodes of a circuit of single numbers.

    TensorBoard writes nothing on an edge but a shape, and cuts the name of a plain node after ten characters. So every
    node stands in a box of its own, which has room for name, sign, value and gradient; the full numbers are attributes.

    Args:
        circuit: The circuit.
        values: Of every input and gate, after a forward pass.
        gradients: After a backward pass, of the values that have one.
    """

    def label(name: str, sign: str) -> str:
        gradient = f"|{float(gradients[name]):.3g}" if name in gradients else ""
        return f"{name} {sign} {float(values[name]):.3g}{gradient}".translate(HARMLESS)

    def attributes(name: str) -> dict[str, str]:
        told = {"name": name, "value": f"{float(values[name]):.10g}"}
        return told | ({"gradient": f"{float(gradients[name]):.10g}"} if name in gradients else {})

    nodes = {value.name: f"{label(value.name, '=')}/input" for value in circuit.inputs}
    graph = [GraphNode(nodes[name], "input", attributes=attributes(name)) for name in nodes]
    for placed in circuit.gates:
        name, gate = placed.output.name, gate_name(placed.gate)
        nodes[name] = f"{label(name, gate_symbol(placed.gate))}/{gate.translate(HARMLESS)}"
        graph.append(
            GraphNode(nodes[name], gate, tuple(nodes[value.name] for value in placed.inputs), (), attributes(name))
        )
    return graph


def write_graph(logdir: Path, name: str, nodes: list[GraphNode]) -> Path:
    """Write a graph as a run of its own below the log folder; one that is there already is left as it is.

    Args:
        logdir: The log folder.
        name: What the run is of; its folder's name is made of it.
        nodes: The graph's.

    Returns:
        The folder.

    Raises:
        UserError: If nothing can be written there.
    """
    graph = graph_def(nodes)
    plain = re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_.")[:LONGEST]
    digest = hashlib.sha256(repr(nodes).encode(errors="replace")).hexdigest()[:6]
    folder = logdir / GRAPHS / (f"{plain}-{digest}" if plain else digest)
    if is_folder(folder) and find_event_files(folder):
        return folder
    choose_folder(folder.parent, folder.name, "resume")  # says what is in the way
    with EventFile(folder) as file:
        file.graph(graph)
    return folder
