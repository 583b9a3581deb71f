"""Parameters kept at some moments, and what is computed of them anew."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.past_parameters import (
    LARGEST,
    MOST_MOMENTS,
    PastParameters,
    past_pre_activations,
    replayable_layers,
    work_per_row,
)
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network

MakeNetwork = Callable[..., Network]


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        (["relu", "relu"], 2),
        (["relu", "linear", "relu", "linear"], 3),
        (["relu", "tanh", "relu"], 1),
        (["leaky_relu", "relu"], 0),
        (["linear", "linear"], 0),
    ],
    ids=str,
)
def test_layers_can_be_replayed_up_to_the_last_relu_before_anything_else(
    activations: Sequence[str], expected: int, digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits, hidden=[4] * len(activations), activation=activations)
    assert replayable_layers(network) == tuple(network.layers[:expected])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_past_pre_activations_are_those_the_network_had(
    depth: int, dtype: Any, digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits, hidden=[12] * 3, activation=["relu", "linear", "relu"], bias=-0.1, dtype=dtype)
    seen: dict[str, Any] = {}
    network.observe(digits.inputs, lambda event: seen.update({event.layer: event.pre_activations.copy()}))
    layers = network.layers[:depth]
    past = PastParameters(layers)
    past.keep(0, network.parameters_by_layer())
    network.parameters[:] = 7.0
    kept, units = past.moments[0].parameters, np.array([1, 4, 9])
    found = past_pre_activations(layers, kept, kept[layers[-1].name], digits.inputs, units)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, seen[layers[-1].name][:, units], rtol=1e-4, atol=1e-5)


def test_of_many_moments_the_first_and_the_last_stay_and_early_ones_lie_close(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits, hidden=(8,))
    past = PastParameters(replayable_layers(network))
    for step in [*range(1, 40), *range(40, 9000, 20), 9000]:
        past.keep(step, network.parameters_by_layer())
    steps = [moment.step for moment in past.moments]
    assert MOST_MOMENTS // 2 < len(steps) <= MOST_MOMENTS
    assert (steps[0], steps[1], steps[-1]) == (1, 2, 9000)
    assert all(after - before <= max(40, 0.25 * before) for before, after in pairwise(steps))


def test_what_is_kept_of_a_step_is_what_was_there_last(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits, hidden=(8,))
    past = PastParameters(replayable_layers(network))
    for value in (1.0, 2.0):
        network.parameters[:] = value
        past.keep(3, network.parameters_by_layer())
    assert [(moment.step, float(moment.parameters["hidden_1"]["bias"][0])) for moment in past.moments] == [(3, 2.0)]


def test_a_large_network_is_not_copied_between_scans(make_network: MakeNetwork, digits: WatchedData) -> None:
    assert PastParameters(replayable_layers(make_network(digits, hidden=(64, 32)))).keeps_steps
    large = make_network(digits, hidden=(1000, 1000))
    past = PastParameters(replayable_layers(large))
    assert not past.keeps_steps
    for step in (0, 10, 20):
        past.keep(step, large.parameters_by_layer())
    assert [moment.step for moment in past.moments] == [0, 20]


def test_a_network_too_large_to_copy_is_not_replayed(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits, hidden=(4000, 4200))
    assert sum(info.fan_in * info.fan_out for info in network.layers[:2]) > LARGEST
    assert replayable_layers(network) == ()
    assert replayable_layers(make_network(digits, hidden=(4000, 4000)))


def test_the_work_is_that_of_the_layers_below_and_the_units_asked_for(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    layers = replayable_layers(make_network(digits, hidden=(12, 6)))
    assert work_per_row(layers, 3) == 64 * 12 + 12 * 3
    assert work_per_row(layers[:1], 3) == 64 * 3
