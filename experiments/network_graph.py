"""A network's circuit in TensorBoard's Graphs tab: a box per layer, a node per gate and parameter, shapes on edges."""

from gradvitals.diagnostics.tensorboard.graph import GraphNode
from gradvitals.engine.circuit import Circuit
from gradvitals.experiments.circuit_view import gate_name

MOST_GATES = 1_000
"""Gates beyond which the tab would show a thicket, as of a network unrolled through very many time steps."""


def network_nodes(circuit: Circuit) -> list[GraphNode]:
    """Give the nodes of a network's circuit; none if there would be too many to look at.

    A value `layer/what` stands in the layer's box. What a gate computes under the name of the layer itself goes into
    the box under the gate's name: TensorBoard cannot have a box and a node of one name.
    """
    if len(circuit.gates) > MOST_GATES:
        return []
    names = {value.name: value.name for value in (*circuit.inputs, *circuit.parameters)}
    boxes = {name.rpartition("/")[0] for name in (*names, *(placed.output.name for placed in circuit.gates))}
    names = {name: f"{name}/value" if name in boxes else name for name in names}
    graph = [GraphNode(names[value.name], "input", (), value.shape) for value in circuit.inputs]
    graph += [GraphNode(names[value.name], "parameter", (), value.shape) for value in circuit.parameters]
    for placed in circuit.gates:
        name, gate = placed.output.name, gate_name(placed.gate)
        names[name] = f"{name}/{gate}" if name in boxes or name == "loss" else name
        graph.append(
            GraphNode(names[name], gate, tuple(names[value.name] for value in placed.inputs), placed.output.shape)
        )
    return graph
