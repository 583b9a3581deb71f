"""The exact scan against brute force, and its certificate against what it must never claim."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.dead_unit_scan import CHUNK, DeadUnitScanner, certify
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.activations import Activation, Elu
from gradvitals.engine.catalogue import ACTIVATIONS
from gradvitals.engine.compound_activations import PRelu
from gradvitals.engine.events import LayerForward
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron

KINDS = ["relu", "relu", "relu", "leaky_relu", "sigmoid", "tanh", "linear"]


def make(
    sizes: Sequence[int], activations: Sequence[str], rng: np.random.Generator, dtype: Any = np.float64
) -> Network:
    return perceptron(
        sizes,
        activations,
        "mse",
        initializers=[normal(0.7)] * (len(sizes) - 1),
        generator=rng,
        biases=[rng.normal(-0.5, 1.5, size) for size in sizes[1:]],
        dtype=dtype,
    )


def activate(name: str, x: Any) -> Any:
    match name:
        case "relu":
            return np.maximum(x, 0.0)
        case "leaky_relu":
            return np.where(x > 0.0, x, 0.01 * x)
        case "sigmoid":
            return 1.0 / (1.0 + np.exp(-x))
        case "tanh":
            return np.tanh(x)
        case _:
            return x


def dead_by_force(network: Network, inputs: Any) -> dict[str, tuple[int, ...]]:
    """Pass every row through every layer and look at every unit."""
    hidden, dead = np.asarray(inputs, network.dtype), {}
    for info in network.layers:
        arrays = network.parameters_by_layer()[info.name]
        hidden = activate(info.activation, hidden @ arrays["weight"] + arrays["bias"])
        if info.activation == "relu":
            dead[info.name] = tuple(
                unit for unit in range(info.fan_out) if all(not value > 0.0 for value in hidden[:, unit])
            )
    return dead


@pytest.mark.parametrize("seed", range(60))
def test_the_scan_finds_what_brute_force_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 6))
    sizes = [int(rng.integers(1, 6)), *rng.integers(1, 12, depth).tolist(), 2]
    network = make(sizes, rng.choice(KINDS, depth).tolist(), rng)
    for info in network.layers[:-1]:  # certified dead, dead by weights, or alive, at any depth
        arrays = network.views(network.parameters)[info.name]
        arrays["bias"][rng.random(info.fan_out) < 0.2] = -40.0
        if rng.random() < 0.1:
            arrays["bias"][:] = -100.0
    inputs = rng.normal(size=(int(rng.integers(1, 1300)), sizes[0]))
    result = DeadUnitScanner(network, inputs).scan()
    assert result.dead == dead_by_force(network, inputs)
    assert result.rows == len(inputs)
    assert result.cost <= len(inputs) * (1 + 1e-9)
    sample = inputs[rng.choice(len(inputs), min(len(inputs), 20), replace=False)]
    silent = {layer: np.isin(np.arange(99), units) for layer, units in dead_by_force(network, sample).items()}
    silent = {info.name: silent[info.name][: info.fan_out] for info in network.layers if info.name in silent}
    seeded = DeadUnitScanner(network, inputs).scan(silent)
    assert seeded.dead == result.dead
    assert seeded.cost <= result.cost * (1 + 1e-9)


def test_a_scan_of_what_a_sample_has_all_seen_fire_costs_nothing() -> None:
    network = make([4, 6, 6, 2], ["relu", "relu"], np.random.default_rng(0))
    inputs = np.random.default_rng(1).normal(size=(2000, 4))
    silent = {name: np.zeros(6, np.bool_) for name in ("hidden_1", "hidden_2")}
    assert DeadUnitScanner(network, inputs).scan(silent).cost == 0.0
    unseen = DeadUnitScanner(network, inputs).scan({"hidden_2": silent["hidden_2"]})
    assert unseen.dead == DeadUnitScanner(network, inputs).scan().dead


def test_some_of_these_networks_have_dead_units_below_the_bound_and_some_beyond_it() -> None:
    certified = found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        network = make([3, 8, 8, 2], ["relu", "relu"], rng)
        inputs = rng.normal(size=(200, 3))
        shown = list(certify(network, inputs.min(axis=0), inputs.max(axis=0)))
        certified += int(sum(units.sum() for units in shown[:2]))
        found += sum(map(len, DeadUnitScanner(network, inputs).scan().dead.values()))
    assert 0 < certified < found


@pytest.mark.parametrize("row", [0, CHUNK - 1, CHUNK, 2345, 4999])
@pytest.mark.parametrize("layer", [0, 2], ids=["first layer", "third layer"])
def test_a_unit_that_fires_on_one_of_5000_rows_is_alive(row: int, layer: int) -> None:
    rng = np.random.default_rng(row)
    network = make([4, 6, 6, 6, 2], ["relu"] * 3, rng)
    inputs = rng.normal(size=(5000, 4))
    hidden = inputs
    for index in range(layer):
        hidden = network.layer_outputs(index, hidden)
    arrays = network.views(network.parameters)[network.layers[layer].name]
    arrays["bias"][3] = 0.0
    firing = hidden @ arrays["weight"][:, 3]
    order = np.argsort(firing)
    inputs[[row, order[-1]]] = inputs[[order[-1], row]]
    arrays["bias"][3] = -0.5 * (firing[order[-1]] + firing[order[-2]])
    name = network.layers[layer].name
    outputs = network.layer_outputs(layer, hidden)[:, 3]
    assert np.count_nonzero(outputs > 0) == 1
    assert 3 not in DeadUnitScanner(network, inputs).scan().dead[name]
    assert 3 in DeadUnitScanner(network, np.delete(inputs, row, axis=0)).scan().dead[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_certificate_never_covers_a_unit_that_fires(dtype: Any) -> None:
    """Units are tuned to fire on their best row by the least amount that the precision can hold."""
    tight = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        network = make(
            [5, 7, 7, 2], rng.choice(["relu", "leaky_relu", "tanh", "sigmoid", "linear"], 2).tolist(), rng, dtype
        )
        inputs = rng.normal(size=(30, 5)).astype(dtype)
        hidden = inputs
        for info in network.layers[:2]:
            arrays = network.views(network.parameters)[info.name]
            best = (hidden @ arrays["weight"]).max(axis=0)
            arrays["bias"][...] = np.nextafter(-best, dtype(np.inf))
            pre_activations = hidden @ arrays["weight"] + arrays["bias"]
            fires = (pre_activations > 0).any(axis=0)
            bounds = list(certify(network, inputs.min(axis=0), inputs.max(axis=0)))
            index = network.layers.index(info)
            assert not (bounds[index] & fires).any()
            tight += int(fires.sum())
            hidden = network.layer_outputs(index, hidden)
    assert tight > 100


def test_a_single_row_makes_the_bound_exact_in_the_first_layer() -> None:
    network = make([4, 50, 2], ["relu"], np.random.default_rng(0))
    row = np.random.default_rng(1).normal(size=(1, 4))
    first = next(iter(certify(network, row[0], row[0])))
    assert tuple(np.flatnonzero(first)) == dead_by_force(network, row)["hidden_1"]


def test_certified_units_cost_one_chunk() -> None:
    network = make([4, 8, 8, 2], ["relu", "relu"], np.random.default_rng(0))
    for name in ("hidden_1", "hidden_2"):
        network.views(network.parameters)[name]["bias"][...] = -100.0
    result = DeadUnitScanner(network, np.random.default_rng(1).normal(size=(2000, 4))).scan()
    assert result.dead == {"hidden_1": tuple(range(8)), "hidden_2": tuple(range(8))}
    assert 0.0 < result.cost <= CHUNK


def test_a_healthy_network_is_through_after_the_first_chunk(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits)
    result = DeadUnitScanner(network, digits.inputs).scan()
    assert result.dead == dead_by_force(network, digits.inputs)
    assert result.cost <= CHUNK


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_a_unit_of_nan_is_not_dead_and_nothing_warns(bad: float) -> None:
    network = make([3, 5, 5, 2], ["relu", "relu"], np.random.default_rng(2))
    network.views(network.parameters)["hidden_1"]["weight"][1, 2] = bad
    inputs = np.random.default_rng(3).normal(size=(700, 3))
    inputs[0] = 1.0, 0.0, -1.0  # 0 · ∞
    dead = DeadUnitScanner(network, inputs).scan().dead
    assert 2 not in dead["hidden_1"]
    if np.isnan(bad):
        assert dead["hidden_2"] == ()


def test_units_that_fire_only_beyond_the_networks_precision_are_dead() -> None:
    network = make([1, 1, 1], ["relu"], np.random.default_rng(0), np.float32)
    arrays = network.views(network.parameters)["hidden_1"]
    arrays["weight"][...], arrays["bias"][...] = 1.0, -1.0
    just_above = np.array([[1.0 + 1e-12], [0.5]])  # rounds to 1 in float32
    assert DeadUnitScanner(network, just_above).scan().dead == {"hidden_1": (0,)}


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_inputs_of_any_number_type_are_read_as_the_network_reads_them(dtype: Any) -> None:
    network = make([6, 20, 10, 2], ["relu", "relu"], np.random.default_rng(4), np.float32)
    pixels = np.random.default_rng(5).integers(0, 256, (900, 6)).astype(dtype)
    assert DeadUnitScanner(network, pixels).scan().dead == dead_by_force(network, pixels)


def test_networks_without_relu_have_nothing_to_scan() -> None:
    network = make([3, 5, 2], ["tanh"], np.random.default_rng(0))
    result = DeadUnitScanner(network, np.zeros((10, 3))).scan()
    assert result.dead == {}
    assert result.cost == 0.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "below", [*sorted(ACTIVATIONS), PRelu(-3.0), Elu(8.0)], ids=lambda one: getattr(one, "name", one)
)
def test_a_relu_above_any_activation_is_scanned_as_by_force(below: str | Activation, seed: int) -> None:
    """Units that fire on one late row only are what a wrong bound would certify dead."""
    rng = np.random.default_rng(seed)
    network = perceptron(
        [3, 6, 12, 2],
        [below, "relu"],
        "mse",
        initializers=[normal(0.7)] * 3,
        generator=rng,
        biases=[rng.normal(0.0, 1.0, 6), rng.normal(-1.0, 1.0, 12), 0.0],
        dtype=np.float64,
    )
    inputs = rng.normal(0.0, 0.05, (CHUNK + 200, 3))
    inputs[CHUNK + rng.integers(0, 200, 2)] = rng.normal(0.0, 4.0, (2, 3))
    silent = np.ones(12, np.bool_)

    def look(event: LayerForward) -> None:
        if event.layer == "hidden_2":
            np.logical_and(silent, (event.outputs <= 0.0).all(axis=0), out=silent)

    network.observe(inputs, look)
    assert DeadUnitScanner(network, inputs).scan().dead["hidden_2"] == tuple(np.flatnonzero(silent))
