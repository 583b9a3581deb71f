"""Facts of the data, against the plainest computation of each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.column_scales import measure_columns
from gradvitals.diagnostics.data_facts import measure_data
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.start_notes import DataFacts
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network

MakeNetwork = Callable[..., Network]
Array = np.ndarray


def facts_of(make_network: MakeNetwork, data: WatchedData, loss: str = "cross_entropy") -> DataFacts:
    network = make_network(data, hidden=[4], loss=loss)
    return measure_data(network, data, measure_columns(data.inputs), step=0)


def read_back(facts: DataFacts) -> Note:
    plain: Any = decode_json(encode_json(note_to_json(facts)))
    return note_from_json("data_facts", plain)


@pytest.fixture
def data() -> WatchedData:
    """A table of five very different columns and three targets; half of the validation rows are training rows."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 5)) * [1.0, 100.0, 1e-3, 0.0, 2.0] + [0.0, 500.0, 0.0, 7.0, 0.0]
    inputs[:, 4] = inputs[:, 4] > 0.0
    targets = np.eye(3)[np.sort(rng.integers(0, 3, 300))]
    held_out = np.concatenate([inputs[:20], inputs[:20] + 0.5]), np.concatenate([targets[:20], targets[:20]])
    return WatchedData(inputs, targets, *held_out)


def test_columns_and_sets_are_described(data: WatchedData, make_network: MakeNetwork) -> None:
    facts = facts_of(make_network, data)
    assert (facts.rows, facts.columns, facts.validation_rows) == (300, 5, 40)
    assert (facts.constant_count, facts.constant_columns) == (1, (3,))
    compared = data.inputs[:, :3]
    assert facts.rms == pytest.approx(np.sqrt((compared**2).mean()))
    assert (facts.widest_column, facts.narrowest_column) == (1, 2)
    assert (facts.widest, facts.narrowest) == pytest.approx((compared[:, 1].std(), compared[:, 2].std()))
    assert (facts.widest_mean, facts.narrowest_mean) == pytest.approx((compared[:, 1].mean(), compared[:, 2].mean()))
    assert (facts.runs, facts.shared_rows) == (3, 20)
    assert facts.target_means == pytest.approx(data.targets.mean(axis=0))
    assert facts.target_deviations == pytest.approx(data.targets.std(axis=0))
    assert (facts.not_finite, facts.spoils) == ({}, None)


def test_a_validation_set_of_another_dtype_is_compared_in_the_training_sets(
    data: WatchedData, make_network: MakeNetwork
) -> None:
    narrow = replace(data, inputs=data.inputs.astype(np.float32), targets=data.targets.astype(np.float32))
    assert facts_of(make_network, narrow).shared_rows == 20


def test_examples_with_other_targets_are_not_the_same(data: WatchedData, make_network: MakeNetwork) -> None:
    turned = replace(data, validation_targets=np.roll(data.targets[:40], 1, axis=1))
    assert facts_of(make_network, turned).shared_rows == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("inputs", "training inputs"),
        ("targets", "training targets"),
        ("validation_inputs", "validation inputs"),
        ("validation_targets", "validation targets"),
    ],
)
def test_what_is_not_finite_is_found_in_its_place(
    part: str, name: str, value: float, data: WatchedData, make_network: MakeNetwork
) -> None:
    array = getattr(data, part).copy()
    array[[17, 31], 2] = value
    array[31, 0] = -value
    facts = facts_of(make_network, replace(data, **{part: array}))
    assert facts.not_finite == {name: (2, 17, 2)}
    assert facts.spoils == (True if name.startswith("training") else None)
    assert str(read_back(facts)) == str(facts)


def test_large_numbers_are_no_gaps(data: WatchedData, make_network: MakeNetwork) -> None:
    inputs = data.inputs.astype(np.float32)
    inputs[:, :3] = 3e38  # their sum overflows
    assert facts_of(make_network, replace(data, inputs=inputs)).not_finite == {}


def test_quantities_are_ordered_by_their_median(make_network: MakeNetwork) -> None:
    targets = np.sort(np.random.default_rng(0).normal(size=(100, 1)), axis=0)
    facts = facts_of(make_network, WatchedData(np.random.default_rng(1).normal(size=(100, 2)), targets), "mse")
    assert facts.runs == 2
    assert facts.runs_expected == pytest.approx(51.0)
    assert facts.shared_rows is None


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_few_rows_are_enough(rows: int, data: WatchedData, make_network: MakeNetwork) -> None:
    few = WatchedData(data.inputs[:rows], data.targets[:rows], data.inputs[:rows], data.targets[:rows])
    facts = facts_of(make_network, few)
    assert facts.rows == facts.shared_rows == rows
    assert str(read_back(facts)) == str(facts)


def test_monitors_of_the_same_data_measure_it_once(data: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(data, hidden=[4], loss="cross_entropy")
    first, again = (measure_data(network, data, measure_columns(data.inputs), step=step) for step in (0, 7))
    assert (first.step, again.step) == (0, 7)
    assert again.target_means is first.target_means
    assert replace(data).known is not data.known
