"""Linear networks on data that no line parts: told so, and no rate is blamed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.linearity import bend, is_linear, is_out_of_reach
from gradvitals.diagnostics.findings import Finding, Verdict
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Signal
from gradvitals.diagnostics.straightness import Straightness
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
BENT = Signal(1000, 0.9, 0.02, 0.01, 0.02)
"""Neighbours find nearly all there is, and the linear model nothing."""


def rings(count: int = 800) -> WatchedData:
    """Make two noisy circles, one inside the other."""
    rng = np.random.default_rng(0)
    outer, angle = np.arange(count) % 2, rng.uniform(0.0, 2.0 * np.pi, size=count)
    points = (1.0 + outer)[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    inputs = (points + 0.1 * rng.normal(size=points.shape)).astype(np.float32)
    return WatchedData(inputs, np.eye(2, dtype=np.float32)[outer])


def clouds(count: int = 800) -> WatchedData:
    """Make two clouds that a line parts."""
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, size=count)
    inputs = (rng.normal(size=(count, 2)) * 0.3 + 2.0 * side[:, None]).astype(np.float32)
    return WatchedData(inputs, np.eye(2, dtype=np.float32)[side])


def only(verdict: Verdict, name: str) -> Finding:
    (finding,) = [one for one in verdict.standing if one.id == name]
    return finding


@pytest.mark.parametrize("straight", [True, False, None])
def test_a_network_is_linear_if_it_was_seen_to_be(
    *, straight: bool | None, make_context: Callable[..., Context]
) -> None:
    record = Record(make_context(["linear"]))
    if straight is not None:
        record.add(Straightness(1000, straight))
    assert is_linear(record) == bool(straight)
    record.add(BENT)
    assert is_out_of_reach(record) == bool(straight)


def test_nothing_is_known_of_a_network_before_it_is_seen() -> None:
    assert not is_linear(Record())


@pytest.mark.parametrize(
    ("note", "out_of_reach"),
    [
        (None, False),
        (BENT, True),
        (replace(BENT, linear_gain=0.059), True),
        (replace(BENT, linear_gain=0.061), False),
        (replace(BENT, linear_gain=None, linear_gain_se=None), False),
        (replace(BENT, gain=0.059), False),
        (replace(BENT, gain=0.061), True),
        (Signal(1000, 1.0, 0.0, 0.0, 0.0), True),
        (Signal(1000, 1.0, 0.0, 0.1, 0.0), False),
    ],
    ids=["not asked", "nothing", "hardly", "some", "an early record", "no signal", "a signal", "a table", "a plane"],
)
def test_what_no_linear_fit_finds_is_out_of_its_reach(
    note: Signal | None, *, out_of_reach: bool, make_context: Callable[..., Context]
) -> None:
    record = Record(make_context([]))
    record.add(Straightness(1000, straight=True))
    if note is not None:
        record.add(note)
    assert is_out_of_reach(record) == out_of_reach


def test_it_is_given_a_layer_or_its_layers_an_activation(make_context: Callable[..., Context]) -> None:
    plain, deep = (Record(make_context(hidden, config={"model.kind": "mlp"})) for hidden in ([], ["linear"]))
    assert bend(plain).set == {"model.hidden": [32]}
    assert bend(deep).set == {"model.activation": "relu"}


def trained(train_watched: Train, data: WatchedData, rate: float, hidden: tuple[int, ...] = (), **options: Any) -> Any:
    optimizer = Adam(rate) if options.pop("adam", False) else Sgd(rate)
    return train_watched(
        data, hidden=hidden, activation="linear", init=glorot_uniform, optimizer=optimizer, **{"epochs": 50} | options
    ).monitor


@pytest.mark.parametrize("rate", [0.003, 0.1], ids=["slow", "usual"])
def test_one_layer_cannot_learn_circles_and_it_is_no_rates_fault(train_watched: Train, rate: float) -> None:
    monitor = trained(train_watched, rings(), rate)
    finding = only(monitor.verdict, "no_learning")
    assert finding.explained_by is None
    assert "the network is linear, and no linear fit finds anything" in finding.explanation
    assert finding.prescriptions[0].why == "add a hidden layer: without one the network is linear"
    assert not [one for one in monitor.verdict.standing if one.id == "learning_rate_too_low"]


def test_linear_layers_cannot_either(train_watched: Train) -> None:
    finding = only(trained(train_watched, rings(), 0.01, (16,), adam=True).verdict, "no_learning")
    assert finding.prescriptions[0].why.startswith("give the hidden layers an activation, as relu")


def test_what_a_line_parts_is_within_reach(train_watched: Train) -> None:
    assert not [one for one in trained(train_watched, clouds(), 0.1).verdict.standing if one.severity.name != "INFO"]
    stuck = trained(train_watched, clouds(), 1e-5)
    assert [note.linear_gain > 0.3 for note in stuck.record.notes(Signal)] == [True]
    assert only(stuck.verdict, "learning_rate_too_low")
    told = only(stuck.verdict, "no_learning")
    assert "linear" not in told.explanation
    assert not any("layer" in cure.why for cure in told.prescriptions)


def test_four_rows_of_xor_are_out_of_reach_of_one_layer_and_can_be_learned_by_two(train_watched: Train) -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    data = WatchedData(corners, np.eye(2, dtype=np.float32)[[0, 1, 1, 0]])
    finding = only(trained(train_watched, data, 0.5, epochs=400).verdict, "no_learning")
    assert "its 4 samples can be told apart" in finding.evidence
    assert finding.prescriptions[0].set is None
    assert finding.prescriptions[0].why == "add a hidden layer: without one the network is linear"
    bent = train_watched(data, hidden=(8,), activation="tanh", init=glorot_uniform, optimizer=Sgd(0.5), epochs=400)
    assert [one for one in bent.monitor.verdict.standing if one.severity.name != "INFO"] == []
