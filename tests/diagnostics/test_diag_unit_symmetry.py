"""Symmetry between units: found where exchanging two units changes no weight, and nowhere else."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.notes import Symmetry
from gradvitals.diagnostics.unit_symmetry import SymmetryWatcher, find_equal_units, split_groups
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.compound_activations import PRelu
from gradvitals.engine.events import LayerInfo
from gradvitals.engine.initializers import constant, glorot_uniform, he_normal, identity, normal, orthogonal, zeros
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.recurrent import recurrent

Arrays = dict[str, dict[str, np.ndarray]]


def exchanged(layers: Sequence[LayerInfo], parameters: Arrays, index: int, one: int, other: int) -> Arrays:
    """Exchange two units of a layer by hand: all that leads to them, and all that leads from them."""
    info, following = layers[index], layers[index + 1]
    result = {layer: {name: array.copy() for name, array in arrays.items()} for layer, arrays in parameters.items()}
    order = np.arange(info.fan_out)
    order[[one, other]] = other, one
    for name, array in result[info.name].items():
        if name == "recurrent_weight":
            array[...] = array[np.ix_(order, order)]
        elif array.shape[-1] != 1:
            pieces = array.shape[-1] // info.fan_out
            columns = (order[:, np.newaxis] * pieces + np.arange(pieces)).ravel()
            array[...] = array[..., columns]
    result[following.name]["weight"] = result[following.name]["weight"][order]
    return result


def by_hand(layers: Sequence[LayerInfo], parameters: Arrays) -> dict[str, set[tuple[int, int]]]:
    """Give all pairs of units that can be exchanged without any weight changing."""
    pairs: dict[str, set[tuple[int, int]]] = {}
    for index, info in enumerate(layers[:-1]):
        for pair in combinations(range(info.fan_out), 2):
            other = exchanged(layers, parameters, index, *pair)
            if all(
                np.array_equal(other[layer][name], array)
                for layer, arrays in parameters.items()
                for name, array in arrays.items()
            ):
                pairs.setdefault(info.name, set()).add(pair)
    return pairs


def pairs_of(groups: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, set[tuple[int, int]]]:
    return {
        layer: {pair for group in found for pair in combinations(sorted(group), 2)} for layer, found in groups.items()
    }


def build(init: Any, hidden: Sequence[int] = (7, 5), activation: Any = "tanh", bias: float = 0.0) -> Network:
    layers = len(hidden) + 1
    return perceptron(
        [4, *hidden, 3],
        [activation] * len(hidden),
        "cross_entropy",
        initializers=init if isinstance(init, list) else [init] * layers,
        generator=np.random.default_rng(0),
        biases=[bias] * len(hidden) + [0.0],
    )


def build_recurrent(init: Any, recurrent_init: Any) -> Network:
    return recurrent(
        [3, 6, 2],
        "tanh",
        "cross_entropy",
        sequence_length=4,
        initializers=[init, init],
        recurrent_initializers=[recurrent_init],
        generator=np.random.default_rng(0),
    )


NETWORKS: dict[str, Callable[[], Network]] = {
    "random": lambda: build(he_normal),
    "zeros": lambda: build(zeros),
    "constant": lambda: build(constant(0.3)),
    "equal biases": lambda: build(he_normal, bias=1.0),
    "a zero head": lambda: build([he_normal, he_normal, zeros]),
    "a zero head behind one layer": lambda: build([he_normal, zeros], hidden=[6]),
    "a zero layer before random ones": lambda: build([zeros, he_normal, he_normal]),
    "a random layer before zero ones": lambda: build([he_normal, zeros, zeros]),
    "a layer of one unit": lambda: build(constant(0.3), hidden=[1, 4]),
    "maxout": lambda: build(zeros, activation="maxout"),
    "prelu with a slope for all": lambda: build(constant(0.2), activation="prelu"),
    "prelu with a slope each": lambda: build(constant(0.2), activation=PRelu(per_unit=True)),
    "no hidden layer": lambda: build(zeros, hidden=[]),
    "recurrent, random": lambda: build_recurrent(glorot_uniform, orthogonal),
    "recurrent, zeros": lambda: build_recurrent(zeros, zeros),
    "recurrent, identity between equal units": lambda: build_recurrent(constant(0.5), identity(0.9)),
    "recurrent, random between equal units": lambda: build_recurrent(constant(0.5), orthogonal),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_units_are_equal_where_exchanging_them_changes_no_weight(make: Callable[[], Network]) -> None:
    network = make()
    parameters = network.views(network.parameters)
    assert pairs_of(find_equal_units(network.layers, parameters)) == by_hand(network.layers, parameters)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["perceptron", "recurrent"])
def test_units_made_equal_among_random_ones_are_found(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = build(normal(1.0)) if kind == "perceptron" else build_recurrent(normal(1.0), orthogonal)
    views = network.views(network.parameters)
    first, second = network.layers[0].name, network.layers[1].name
    groups = rng.permutation(6).reshape(2, 3)[:, : rng.integers(2, 4)]
    for group in groups:
        one, others = group[0], group[1:]
        views[first]["weight"][:, others] = views[first]["weight"][:, [one]]
        views[second]["weight"][others] = views[second]["weight"][[one]]
    if kind == "recurrent":
        views[first]["recurrent_weight"][...] = 0.5
        views[first]["recurrent_weight"][np.arange(6), np.arange(6)] = rng.integers(0, 2, 6)
    expected = by_hand(network.layers, views)
    assert pairs_of(find_equal_units(network.layers, views)) == expected
    assert kind == "recurrent" or len(expected[first]) >= 2


@pytest.mark.parametrize("entry", [(0, 0), (0, 1), (1, 0), (2, 5), (5, 2)], ids=str)
@pytest.mark.parametrize("others", ["zeros", "identity", "constant"])
def test_one_recurrent_weight_tells_the_units_at_its_ends_from_the_others(others: str, entry: tuple[int, int]) -> None:
    network = build_recurrent(constant(0.5), zeros)
    views = network.views(network.parameters)
    weight = views["hidden_1"]["recurrent_weight"]
    weight[...] = {"zeros": np.zeros((6, 6)), "identity": np.eye(6), "constant": np.full((6, 6), 0.3)}[others]
    weight[entry] = 2.0
    expected = by_hand(network.layers, views)
    alone = set(entry)
    assert all(not alone & set(pair) for pair in expected["hidden_1"])
    assert pairs_of(find_equal_units(network.layers, views)) == expected


@pytest.mark.parametrize("array", ["weight", "bias", "slope", "outgoing"])
def test_a_single_bit_tells_a_unit_from_the_others(array: str) -> None:
    network = build(constant(0.3), hidden=[5], activation=PRelu(per_unit=True))
    views = network.views(network.parameters)
    changed = views["output"]["weight"][2] if array == "outgoing" else views["hidden_1"][array][..., 2]
    changed[...] = np.nextafter(changed, np.float32(1.0))
    assert find_equal_units(network.layers, views) == {"hidden_1": ((0, 1, 3, 4),)}


def test_minus_zero_is_zero_and_nan_equals_nothing() -> None:
    network = build(zeros, hidden=[5])
    views = network.views(network.parameters)
    views["hidden_1"]["weight"][:, 1] = -0.0
    views["hidden_1"]["weight"][2, 3:] = np.nan
    assert find_equal_units(network.layers, views) == {"hidden_1": ((0, 1, 2),)}
    views["hidden_1"]["weight"][2, 3:] = np.inf
    assert find_equal_units(network.layers, views) == {"hidden_1": ((0, 1, 2),)}


@pytest.mark.parametrize(("tolerance", "group"), [(1e-6, (0, 1)), (1e-4, (0, 1, 2)), (1e-2, (0, 1, 2, 3))])
def test_the_tolerance_is_relative_to_the_norm_of_a_units_weights(tolerance: float, group: tuple[int, ...]) -> None:
    for scale in (1e-20, 1.0, 1e20):
        network = build(constant(scale), hidden=[5])
        views = network.views(network.parameters)
        for unit, difference in enumerate((0.0, 5e-7, 5e-5, 5e-3, 5e-1)):
            views["hidden_1"]["weight"][:, unit] *= 1.0 + difference
        groups = split_groups({"hidden_1": ((0, 1, 2, 3, 4),)}, network.layers, views, tolerance)
        assert groups == {"hidden_1": (group,)}


def test_a_group_falls_apart_into_those_that_are_still_equal() -> None:
    network = build(constant(0.3), hidden=[6])
    views = network.views(network.parameters)
    views["output"]["weight"][[1, 4]] = 0.5
    views["output"]["weight"][5] = 0.7
    groups = split_groups({"hidden_1": ((0, 1, 2, 3, 4, 5),)}, network.layers, views, 1e-5)
    assert groups == {"hidden_1": ((0, 2, 3), (1, 4))}


def test_a_network_without_equal_units_is_looked_at_once(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits)
    watcher = SymmetryWatcher(network)
    assert watcher.look(0) == Symmetry(0, {}, {})
    network.parameters[...] = 0.0
    assert watcher.look(50) is None


def test_units_that_become_equal_later_are_not_the_claim(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits, [6], init=[constant(0.1), zeros])
    views = network.views(network.parameters)
    views["hidden_1"]["weight"][:, :3] *= np.arange(1.0, 4.0)
    watcher = SymmetryWatcher(network)
    assert watcher.look(0) == Symmetry(0, {"hidden_1": ((0, 3, 4, 5),)}, {"hidden_1": ((0, 3, 4, 5),)})
    network.parameters[...] = 0.0
    assert watcher.look(50) == Symmetry(50, {"hidden_1": ((0, 3, 4, 5),)}, {"hidden_1": ((0, 3, 4, 5),)})


def test_units_that_share_a_weight_or_two_are_not_equal() -> None:
    network = build(normal(1.0), hidden=[1000])
    views = network.views(network.parameters)
    views["hidden_1"]["weight"][0] = 0.25
    views["output"]["weight"][:, 0] = 0.25
    assert find_equal_units(network.layers, views) == {}
