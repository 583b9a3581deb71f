"""The circuit of a run in the Graphs tab: every value has a node, and TensorBoard takes it."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradvitals.diagnostics.tensorboard.graph import graph_def
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.load import load_config, loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.network_graph import network_nodes
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

MODELS = {
    "perceptron": ("iris", "hidden = [5, 4]\ndropout = 0.1"),
    "learned slope": ("iris", 'hidden = [5]\nactivation = "prelu"'),
    "no hidden layer": ("iris", "hidden = []"),
    "unrolled": ("digits", 'kind = "rnn"\nhidden = [5, 3]\nsequence_length = 8'),
}


@pytest.mark.parametrize(("source", "model"), MODELS.values(), ids=MODELS.keys())
def test_every_value_of_the_circuit_has_a_node_below_those_it_is_computed_from(source: str, model: str) -> None:
    config = loads(f'[data]\nsource = "{source}"\n[model]\n{model}')
    dataset = load_data(config.data, 0, Path())
    circuit = assemble(config, dataset, check_fit(config, dataset)).network.circuit
    nodes = network_nodes(circuit)
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names) == len(circuit.inputs) + len(circuit.parameters) + len(circuit.gates)
    for index, node in enumerate(nodes):
        assert set(node.inputs) <= set(names[:index])
        assert not any(other.startswith(f"{node.name}/") for other in names)  # a name is a node or a box
    assert names[-1] == "loss/cross_entropy"
    assert len(graph_def(nodes).node) == len(nodes)


def test_a_thicket_is_left_out() -> None:
    config = loads('[data]\nsource = "delayed_copy"\n[model]\nkind = "rnn"\nhidden = [3]\nsequence_length = 300')
    dataset = load_data(config.data, 0, Path(), sequence_length=300)
    assert network_nodes(assemble(config, dataset, check_fit(config, dataset)).network.circuit) == []


def test_a_run_writes_its_graph(tmp_path: Path) -> None:
    config = '[data]\nsource = "iris"\n[model]\nhidden = [4]\n[training]\nepochs = 1'
    (tmp_path / "x.toml").write_text(config, encoding="utf-8")
    ((planned, place),), _ = place_runs(make_plan(load_config(tmp_path / "x.toml"), tmp_path / "logs"), "refuse")
    run_one(planned, place)
    events = EventAccumulator(str(place.folder))
    events.Reload()
    assert {node.name for node in events.Graph().node} >= {"inputs", "hidden_1/relu", "output/weight_and_bias"}
