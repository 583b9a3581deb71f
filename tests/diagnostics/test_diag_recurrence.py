"""How a gradient changes on its way back through time, against brute force; and which time step tells anything."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.recurrence import (
    VANISHED,
    Recurrence,
    last_informative_step,
    measure_recurrence,
    unseen_recurrence,
    way_back,
)
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import RecurrentBackward
from gradvitals.engine.initializers import glorot_uniform, normal
from gradvitals.engine.network import Network
from gradvitals.engine.recurrent import recurrent


def make(length: int, *units: int, cell: str = "tanh", scale: float = 0.5) -> Network:
    return recurrent(
        (3, *units, 2),
        cell,
        "mse",
        sequence_length=length,
        initializers=[glorot_uniform] * (len(units) + 1),
        recurrent_initializers=[normal(scale)] * len(units),
        generator=np.random.default_rng(0),
        dtype=np.float64,
    )


def early(rows: int, length: int, step: int) -> tuple[Any, Any]:
    """Make sequences of three numbers a step, and targets that follow from those of one time step alone."""
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(rows, length, 3))
    return inputs.reshape(rows, -1), inputs[:, step - 1, :2].copy()


def event(gains: list[float], norms: list[float]) -> RecurrentBackward:
    return RecurrentBackward("hidden_1", 0, np.array(gains), np.array(norms), "probe")


def recurrence_of(network: Network, inputs: Any, targets: Any) -> Recurrence:
    (note,) = [note for note in Prober(network, WatchedData(inputs, targets)).take(0).notes if is_recurrence(note)]
    assert isinstance(note, Recurrence)
    return note


def is_recurrence(note: object) -> bool:
    return isinstance(note, Recurrence)


@pytest.mark.parametrize("scale", [0.1, 3.0], ids=["fading", "growing"])
def test_the_note_of_a_probe_is_what_the_states_gradients_say(scale: float) -> None:
    """Of a single layer, read at the end, Σ log γ back to a step is the ratio of the gradients on its states."""
    inputs, targets = early(200, 7, 2)
    network = make(7, 5, scale=scale)
    seen: list[RecurrentBackward] = []
    network.probe(inputs, targets, lambda each: seen.append(each) if isinstance(each, RecurrentBackward) else None)
    ratios = np.log(seen[0].norms[:-1] / seen[0].norms[-1])
    note = recurrence_of(network, inputs, targets)
    assert (note.time_steps, note.informative) == (7, 2)
    assert note.reached == pytest.approx(ratios[1], rel=1e-9)
    assert note.growth["hidden_1"] == pytest.approx(max(ratios.max(), 0.0), rel=1e-9)
    assert note.steps_back["hidden_1"] == (6 - ratios.argmax() if ratios.max() > 0.0 else 0)
    assert (note.growth["hidden_1"] > 1.0) is (scale > 1.0)


def test_every_layer_has_its_growth_and_the_first_one_says_what_arrives() -> None:
    inputs, targets = early(200, 6, 1)
    network = make(6, 5, 4)
    events: dict[str, RecurrentBackward] = {}

    def keep(each: object) -> None:
        if isinstance(each, RecurrentBackward):
            events[each.layer] = each

    network.probe(inputs, targets, keep)
    note = recurrence_of(network, inputs, targets)
    assert list(note.growth) == ["hidden_1", "hidden_2"]
    for layer, each in events.items():
        sums = [float(np.log(each.gains[start:]).sum()) for start in range(5)]
        assert note.growth[layer] == pytest.approx(max(*sums, 0.0), rel=1e-9)
    norms = events["hidden_1"].norms
    assert note.reached == pytest.approx(math.log(norms[0] / norms[-1]), rel=1e-9)


def test_a_gradient_that_ends_on_the_way_has_vanished_and_one_that_never_came_says_nothing() -> None:
    way = way_back(event([math.nan, 0.0, 2.0], [0.0, 0.0, 2.0, 1.0]))
    assert way is not None
    assert way.grown[:2] == pytest.approx(VANISHED + math.log(2.0))
    assert way.grown[2] == pytest.approx(math.log(2.0))
    assert way.arrived[0] == VANISHED
    note = measure_recurrence([way], 1, step=0)
    assert (note.reached, note.steps_back) == (VANISHED, {"hidden_1": 1})
    assert note.growth["hidden_1"] == pytest.approx(math.log(2.0))
    for gain, last in ((1.0, 0.0), (1.0, math.nan), (1.0, math.inf), (0.0, 1.0), (math.nan, 1.0)):
        assert way_back(event([gain], [1.0, last])) is None


def test_a_dead_layer_and_a_perceptron_leave_no_note(digits: WatchedData, make_network: Any) -> None:
    inputs, targets = early(100, 5, 1)
    network = make(5, 4, cell="relu")
    network.views(network.parameters)["hidden_1"]["bias"][...] = -50.0
    for watched, data in ((network, WatchedData(inputs, targets)), (make_network(digits, [8]), digits)):
        assert [note for note in Prober(watched, data).take(0).notes if is_recurrence(note)] == []


@pytest.mark.parametrize("step", [1, 4, 9])
def test_the_last_time_step_that_tells_is_found_and_later_noise_is_not(step: int) -> None:
    inputs, targets = early(3_000, 9, step)
    generator = np.random.default_rng(0)
    assert last_informative_step(inputs, targets, 9, generator) == step
    assert last_informative_step(inputs, np.random.default_rng(3).permutation(targets), 9, generator) is None


def test_noise_is_seldom_taken_for_what_tells() -> None:
    generator = np.random.default_rng(5)
    drawn = (generator.normal(size=(100, 26)) for _ in range(500))
    found = [last_informative_step(x[:, :24], x[:, 24:], 8, generator) for x in drawn]
    assert sum(step is not None for step in found) <= 10


def test_what_cannot_be_compared_tells_nothing() -> None:
    inputs, targets = early(100, 4, 2)
    generator = np.random.default_rng(0)
    assert last_informative_step(inputs[:29], targets[:29], 4, generator) is None
    assert last_informative_step(inputs, targets, 5, generator) is None
    assert last_informative_step(np.ones_like(inputs), targets, 4, generator) is None
    inputs[0, 0] = math.inf
    assert last_informative_step(inputs, targets, 4, generator) == 2


def test_a_note_survives_json() -> None:
    inputs, targets = early(100, 4, 2)
    note = recurrence_of(make(4, 5), inputs, targets)
    assert asdict(note_from_json("recurrence", note_to_json(note))) == asdict(note)  # type: ignore[call-overload]


def test_weights_that_lead_back_out_of_sight_are_told_by_their_names() -> None:
    weight = np.ones((2, 2))
    assert unseen_recurrence({"rnn": {"weight": weight, "weight_hh_l0": weight}})
    assert unseen_recurrence({"lstm": {"weight": weight, "recurrent_kernel": weight}})
    assert unseen_recurrence({"hidden_1": {"weight": weight, "recurrent_weight": weight}}) == {}
