"""Recurrent networks and others that are not layerwise, under watch: dead units, gains, and data that do not fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.dead_unit_scan import CHUNK, DeadUnitScanner
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.notes import Scan
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.watch import watch
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import LayerBackward, RecurrentBackward
from gradvitals.engine.initializers import glorot_uniform, identity, normal, orthogonal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.q_network import q_network, with_actions
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.training import Samples, train


def make(
    sizes: Sequence[int], cell: str = "relu", *, length: int, seed: int = 0, bias: float = 0.0, dtype: Any = np.float64
) -> Network:
    layers = len(sizes) - 1
    return recurrent(
        sizes,
        cell,
        "cross_entropy",
        sequence_length=length,
        initializers=[glorot_uniform] * layers,
        recurrent_initializers=[identity() if cell == "relu" else orthogonal] * (layers - 1),
        generator=np.random.default_rng(seed),
        biases=[bias] * (layers - 1) + [0.0],
        dtype=dtype,
    )


def dead_by_force(network: Network, inputs: Any) -> dict[str, tuple[int, ...]]:
    """Loop over every sample and time step and see which units ever fire."""
    *hidden, _ = network.layers
    sequences = [list(row.reshape(-1, hidden[0].fan_in)) for row in np.asarray(inputs, network.dtype)]
    dead = {}
    for info in hidden:
        arrays, fired = network.parameters_by_layer()[info.name], np.zeros(info.fan_out, bool)
        for number, steps in enumerate(sequences):
            state, states = np.zeros(info.fan_out), []
            for step in steps:
                state = np.maximum(
                    step @ arrays["weight"] + arrays["bias"] + state @ arrays["recurrent_weight"],
                    0.0,
                )
                fired |= ~(state <= 0.0)
                states.append(state)
            sequences[number] = states
        dead[info.name] = tuple(np.flatnonzero(~fired).tolist())
    return dead


@pytest.mark.parametrize("seed", range(20))
def test_the_scan_finds_what_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth, length = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    sizes = [int(rng.integers(1, 4)), *rng.integers(1, 9, depth).tolist(), 2]
    network = make(sizes, length=length, seed=seed)
    for info in network.layers[:-1]:
        arrays = network.views(network.parameters)[info.name]
        arrays["recurrent_weight"][...] = rng.normal(0.0, 0.5, arrays["recurrent_weight"].shape)
        arrays["bias"][...] = rng.normal(-0.5, 1.0, info.fan_out)
        arrays["bias"][rng.random(info.fan_out) < 0.3] = -30.0
    inputs = rng.normal(size=(int(rng.integers(1, 1_200)), length * sizes[0]))
    result = DeadUnitScanner(network, inputs).scan()
    assert result.dead == dead_by_force(network, inputs)
    assert result.rows == len(inputs)
    assert 0.0 < result.cost <= len(inputs)
    some = dead_by_force(network, inputs[:3])
    silent = {i.name: np.isin(np.arange(i.fan_out), some[i.name]) for i in network.layers if i.name in some}
    assert DeadUnitScanner(network, inputs).scan(silent).dead == result.dead


def test_some_of_these_networks_have_dead_units_and_units_that_fire() -> None:
    network = make((2, 6, 5, 2), length=4)
    network.views(network.parameters)["hidden_2"]["bias"][1:3] = -30.0
    inputs = np.random.default_rng(0).normal(size=(300, 8))
    assert DeadUnitScanner(network, inputs).scan().dead == dead_by_force(network, inputs)
    assert dead_by_force(network, inputs)["hidden_2"] == (1, 2)


@pytest.mark.parametrize("row", [0, CHUNK - 1, CHUNK, 1_233])
@pytest.mark.parametrize("step", [0, 3, 5], ids=["first step", "fourth step", "last step"])
def test_a_unit_that_fires_once_at_one_time_step_is_not_dead(row: int, step: int) -> None:
    network = make((1, 3, 2), length=6)
    arrays = network.views(network.parameters)["hidden_1"]
    arrays["weight"][...], arrays["recurrent_weight"][...], arrays["bias"][...] = 1.0, 0.0, -5.0
    inputs = np.zeros((1_234, 6))
    assert DeadUnitScanner(network, inputs).scan().dead == {"hidden_1": (0, 1, 2)}
    arrays["weight"][0, 2] = 0.5
    inputs[row, step] = 7.0
    result = DeadUnitScanner(network, inputs).scan()
    assert result.dead == {"hidden_1": (2,)}
    assert result.cost == len(inputs)


def test_a_healthy_network_is_through_after_the_first_chunk() -> None:
    network = make((4, 12, 4), length=5)
    inputs = np.random.default_rng(0).normal(size=(5_000, 20))
    assert DeadUnitScanner(network, inputs).scan().cost == CHUNK


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
def test_a_unit_of_nan_is_not_dead_and_nothing_warns(bad: float) -> None:
    network = make((2, 4, 2), length=5, bias=-30.0)
    network.views(network.parameters)["hidden_1"]["weight"][0, 1] = bad
    inputs = np.random.default_rng(1).normal(size=(600, 10))
    inputs[0, 0] = 0.0  # 0 · ∞
    assert 1 not in DeadUnitScanner(network, inputs).scan().dead["hidden_1"]


def test_tanh_cells_have_nothing_to_scan() -> None:
    result = DeadUnitScanner(make((2, 4, 2), "tanh", length=5), np.zeros((9, 10))).scan()
    assert (result.dead, result.cost) == ({}, 0.0)


def test_the_scan_changes_nothing_of_a_training() -> None:
    network = make((2, 4, 2), length=3)
    before = network.parameters.tobytes(), network.gradients.tobytes()
    told: list[Any] = []
    network.hooks.on(LayerBackward, told.append)
    DeadUnitScanner(network, np.random.default_rng(0).normal(size=(700, 6))).scan()
    assert (network.parameters.tobytes(), network.gradients.tobytes()) == before
    assert told == []


def test_dead_units_of_a_network_of_action_values_are_found() -> None:
    network = q_network(
        (3, 8, 2), ["relu"], "huber", initializers=[glorot_uniform] * 2, generator=np.random.default_rng(0)
    )
    network.views(network.parameters)["hidden_1"]["bias"][2:5] = -50.0
    generator = np.random.default_rng(1)
    inputs = with_actions(generator.normal(size=(900, 3)), generator.integers(0, 2, 900), 2)
    assert DeadUnitScanner(network, inputs).scan().dead == {"hidden_1": (2, 3, 4)}
    with watch(network, data=(inputs, np.zeros(900))) as monitor:
        train(
            network,
            Samples(inputs, np.ones((900, 1))),
            Adam(1e-3),
            epochs=1,
            batch_size=64,
            generator=np.random.default_rng(0),
        )
    assert monitor.record.notes(Scan)[0].dead == {"hidden_1": (2, 3, 4)}


def remembering(count: int, length: int) -> tuple[Any, Any]:
    """Which of four features was 1 at the first step, before the noise?"""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, count)
    steps = generator.normal(0.0, 0.1, (count, length, 4))
    steps[:, 0] += np.eye(4)[labels]
    return steps.reshape(count, -1), labels


def run_watched(network: Network, length: int, logdir: Path | None = None) -> Any:
    inputs, labels = remembering(600, length)
    with watch(network, data=(inputs, labels), logdir=logdir) as monitor:
        train(
            network,
            Samples(inputs, np.eye(4)[labels]),
            Adam(0.003),
            epochs=8,
            batch_size=32,
            generator=np.random.default_rng(0),
        )
    return monitor


def test_a_relu_rnn_born_dead_is_found_dead_and_named() -> None:
    monitor = run_watched(make((4, 16, 4), length=8, bias=-20.0, dtype=np.float32), 8)
    finding = next(finding for finding in monitor.verdict.standing if finding.id == "dead_units")
    assert (finding.key, finding.severity, finding.value) == ("dead_units@hidden_1", Severity.ERROR, 1.0)
    assert "16 of 16 units of hidden_1 are silent on all 600 training examples" in finding.evidence
    assert monitor.record.series("dead_fraction/hidden_1").values.tolist()[-1] == 1.0


def test_units_of_a_relu_rnn_that_are_dead_are_named_one_by_one() -> None:
    network = make((4, 16, 4), length=8, dtype=np.float32)
    dead = (0, 3, 4, 5, 7, 11, 12, 13, 15)
    network.views(network.parameters)["hidden_1"]["bias"][list(dead)] = -20.0
    monitor = run_watched(network, 8)
    assert monitor.record.notes(Scan)[-1].dead == dead_by_force(network, remembering(600, 8)[0]) == {"hidden_1": dead}
    (finding,) = [finding for finding in monitor.verdict.standing if finding.id == "dead_units"]
    assert finding.layer == "hidden_1"
    assert "(units 0, 3, 4, 5, 7, 11, 12, 13, …)" in finding.evidence


@pytest.mark.parametrize("cell", ["relu", "tanh"])
def test_a_healthy_rnn_is_found_healthy(cell: str) -> None:
    network = make((4, 16, 4), cell, length=8, dtype=np.float32)
    monitor = run_watched(network, 8)
    inputs, labels = remembering(600, 8)
    right = network.evaluate(inputs, np.eye(4)[labels])[1]
    assert right is not None
    assert right / 600 > 0.95
    assert monitor.verdict.outcome == "healthy"
    assert [finding for finding in monitor.verdict.standing if finding.id == "dead_units"] == []


def test_gain_and_spectral_radius_are_recorded_and_written(tmp_path: Path) -> None:
    network = make((4, 16, 12, 4), "tanh", length=8, dtype=np.float32)
    monitor = run_watched(network, 8, tmp_path)
    record = read_record(tmp_path).record
    for layer in ("hidden_1", "hidden_2"):
        weight = network.parameters_by_layer()[layer]["recurrent_weight"]
        series = monitor.record.series(f"spectral_radius/{layer}")
        assert series.values[0] == pytest.approx(1.0, rel=1e-5)  # orthogonal
        assert series.values[-1] == pytest.approx(np.abs(np.linalg.eigvals(weight)).max(), rel=1e-5)
        for tag in (f"spectral_radius/{layer}", f"recurrent_gain/{layer}"):
            np.testing.assert_array_equal(record.series(tag).values, monitor.record.series(tag).values)
            assert len(record.series(tag).values) >= 5
    assert not any("output" in tag for tag in record.tags() if tag.startswith(("spectral", "recurrent")))


def test_the_gain_of_a_probe_is_that_of_its_events() -> None:
    network = make((4, 6, 4), "tanh", length=5)
    inputs, labels = remembering(100, 5)
    data = WatchedData(inputs, np.eye(4)[labels])
    look = Prober(network, data).take(0)
    seen: list[RecurrentBackward] = []
    network.probe(
        inputs, data.targets, lambda event: seen.append(event) if isinstance(event, RecurrentBackward) else None
    )
    total = look.scalars["recurrent_gain/hidden_1"] ** 4
    assert total == pytest.approx(seen[0].norms[0] / seen[0].norms[-1], rel=1e-9)


def test_a_perceptron_has_no_recurrent_scalars(digits: WatchedData, make_network: Any) -> None:
    look = Prober(make_network(digits, [8], "tanh", normal(0.1)), digits).take(0)
    assert [tag for tag in look.scalars if tag.startswith(("spectral", "recurrent"))] == []


@pytest.mark.parametrize(
    ("inputs", "targets", "sentence"),
    [
        ((9, 19), (9, 4), r"takes inputs of shape \(samples, 20\)"),
        ((9, 4), (9, 4), r"takes inputs of shape \(samples, 20\)"),
        ((9, 20), (9, 3), r"takes targets of shape \(samples, 4\)"),
        ((9, 20), (8, 4), "a row per sample"),
        ((0, 20), (0, 4), "a row per sample"),
    ],
    ids=str,
)
def test_data_that_do_not_fit_are_refused_at_the_start(
    inputs: tuple[int, int], targets: tuple[int, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        watch(make((4, 6, 4), length=5), data=(np.zeros(inputs), np.zeros(targets)))
