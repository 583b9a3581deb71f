"""Linear networks on data that no line parts: told so, and no rate is blamed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.linearity import bend, is_linear, is_out_of_reach
from gradvitals.diagnostics.findings import Finding, Verdict
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
AHEAD = Shortfall(1000, 800, 0.5, 1.0, 0.5, 0.02, 0.01, 0.02)
"""Simple models are right where the network guesses, and so does the linear one of them."""


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


@pytest.mark.parametrize(
    ("activations", "linear"),
    [([], True), (["linear", "linear"], True), (["linear", "relu"], False), (["tanh"], False)],
    ids=["one layer", "linear layers", "bent once", "tanh"],
)
def test_a_network_is_linear_without_an_activation_between_its_layers(
    activations: list[str], *, linear: bool, make_context: Callable[..., Context]
) -> None:
    record = Record(make_context(activations))
    assert is_linear(record) == linear
    record.add(AHEAD)
    assert is_out_of_reach(record) == linear


def test_nothing_is_known_of_a_network_before_it_is_seen() -> None:
    assert not is_linear(Record())


@pytest.mark.parametrize(
    ("note", "out_of_reach"),
    [
        (None, False),
        (AHEAD, True),
        (replace(AHEAD, linear_excess=0.059), True),
        (replace(AHEAD, linear_excess=0.061), False),
        (replace(AHEAD, linear_excess=None, linear_excess_se=None), False),
        (replace(AHEAD, value=0.059), False),
        (replace(AHEAD, value=0.061), True),
    ],
    ids=["not asked", "a guess", "likely a guess", "more", "an early record", "likely as good", "better"],
)
def test_what_no_linear_fit_finds_is_out_of_its_reach(
    note: Shortfall | None, *, out_of_reach: bool, make_context: Callable[..., Context]
) -> None:
    record = Record(make_context([]))
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
        data, hidden=hidden, activation="linear", init=glorot_uniform, optimizer=optimizer, epochs=50, **options
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
    assert [note.linear_excess > 0.3 for note in stuck.record.notes(Shortfall)] == [True]
    assert only(stuck.verdict, "learning_rate_too_low")
