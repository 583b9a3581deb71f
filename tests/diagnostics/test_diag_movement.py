"""Movement: what has not changed by a bit, and whether it should have."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.movement import LARGEST_GRADIENT, MovementWatcher, should_move
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Movement
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.events import GradientsReady, StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, RmsProp, Sgd

MakeNetwork = Callable[..., Network]

OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "sgd": Sgd,
    "momentum": lambda rate: Sgd(rate, momentum=0.9),
    "nesterov": lambda rate: Sgd(rate, momentum=0.9, nesterov=True),
    "rmsprop": RmsProp,
    "adam": Adam,
    "adamw": AdamW,
    "adamax": Adamax,
    "nadam": Nadam,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whatever_should_move_is_moved_by_every_optimizer(kind: str, *, dtype: Any) -> None:
    """Single parameters of all sizes, with gradients of all sizes, at rates of all sizes, ten steps of one gradient."""
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(300):
        size, slope, rate = 10.0 ** rng.uniform([-6, -12, -9], [4, 4, 1])
        parameter = np.array([size * rng.choice([-1.0, 1.0])], dtype)
        gradient = np.array([slope * rng.choice([-1.0, 1.0])], dtype)
        if not should_move(parameter, gradient, rate, rate):
            continue
        claimed += 1
        optimizer, before = OPTIMIZERS[kind](rate), parameter.copy()
        for _ in range(10):
            optimizer.step(parameter, gradient)
        assert parameter[0] != before[0], (size, slope, rate)
    assert claimed > 50


@pytest.mark.parametrize("rate", [1e-8, 1e-4, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_descent_moves_what_should_move_and_small_gradients_are_judged_to_the_bit(
    rate: float, *, dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        parameter = np.array([rng.normal() * 10.0 ** rng.uniform(-3, 2)], dtype)
        gradient = np.array([LARGEST_GRADIENT * 10.0 ** rng.uniform(-10, -0.01)], dtype)
        step = rate * float(gradient[0])
        should = should_move(parameter, gradient, rate, rate)
        assert should == (step > abs(float(np.spacing(parameter[0]))))
        moved = parameter - np.asarray(rate, dtype) * gradient
        assert moved[0] != parameter[0] or not should


@pytest.mark.parametrize(
    ("gradient", "rate", "clipped", "expected"),
    [
        ([0.0, 0.0], 0.1, 0.1, False),
        ([0.0, 1e-4], 0.1, 0.1, True),
        ([1.0, 1.0], 0.0, 0.0, False),
        ([1.0, 1.0], 0.1, 0.0, False),
        ([1e-30, 0.0], 0.1, 0.1, False),
        ([1.0, math.nan], 0.1, 0.1, False),
        ([1.0, math.inf], 0.1, 0.1, False),
        ([1.0, 1.0], math.nan, math.nan, False),
        ([1.0, 1.0], -0.1, -0.1, False),
    ],
    ids=["no gradient", "one entry", "rate 0", "clipped to 0", "too small", "NaN", "inf", "rate NaN", "ascent"],
)
def test_what_cannot_be_told_should_not_move(
    gradient: list[float], rate: float, clipped: float, *, expected: bool
) -> None:
    assert should_move(np.ones(2, np.float32), np.array(gradient, np.float32), rate, clipped) == expected


def test_a_gradient_whose_square_overflows_may_be_divided_away() -> None:
    assert should_move(np.ones(1), np.array([1e150]), 0.1, 0.1)
    assert not should_move(np.ones(1), np.array([1e160]), 0.1, 0.1)
    assert not should_move(np.ones(1, np.float32), np.array([1e20], np.float32), 0.1, 0.1)


def test_at_zero_any_gradient_moves_a_parameter_and_an_empty_array_never() -> None:
    assert should_move(np.zeros(3), np.array([0.0, 1e-20, 0.0]), 1e-3, 1e-3)
    assert not should_move(np.zeros(0), np.zeros(0), 1e-3, 1e-3)


class Trainee:
    """Steps a real network's parameters by hand, and tells a watcher as the training loop does."""

    def __init__(self, network: Network) -> None:
        self.network, self.watcher, self.step = network, MovementWatcher(network), 0
        self.views = network.views(network.parameters)

    def take(
        self,
        moved: Mapping[str, tuple[str, ...]],
        *,
        rate: float = 0.1,
        clip: float = 1.0,
        held: tuple[str, ...] = ("hidden_1", "hidden_2", "output"),
    ) -> None:
        """Move these arrays; all that the optimizer holds have a gradient of 1."""
        self.step += 1
        before = self.network.parameters.copy()
        gradients = {layer: self.network.views(np.ones_like(before))[layer] for layer in held}
        self.watcher.gradients(GradientsReady(self.step, gradients))
        for layer, names in moved.items():
            for name in names:
                self.views[layer][name][...] -= 0.01
        updates = {layer: self.network.views(self.network.parameters - before)[layer] for layer in held}
        parameters = {layer: self.network.parameters_by_layer()[layer] for layer in held}
        self.watcher.ended(StepEnded(self.step, 1.0, clip, rate, updates, parameters))


ALL = dict.fromkeys(("hidden_1", "hidden_2", "output"), ("weight", "bias"))


@pytest.fixture
def trainee(digits: WatchedData, make_network: MakeNetwork) -> Trainee:
    return Trainee(make_network(digits, [4, 3]))


def test_where_all_moves_it_is_said_once(trainee: Trainee) -> None:
    assert trainee.watcher.look(0) is None
    trainee.take(ALL)
    assert trainee.watcher.look(1) == Movement(1, 1, 0, {})
    trainee.take({})
    assert trainee.watcher.look(2) is None


def test_what_stays_is_named_with_the_steps_that_should_have_moved_it(trainee: Trainee) -> None:
    moved = {**ALL, "hidden_2": ("weight",)}
    del moved["hidden_1"]
    for _ in range(5):
        trainee.take(moved)
    trainee.take(moved, rate=0.0)
    trainee.take(moved, clip=0.0)
    note = trainee.watcher.look(7)
    assert note == Movement(7, 1, 6, {"hidden_1": {"weight": 4, "bias": 4}, "hidden_2": {"bias": 4}})
    assert note_from_json("movement", note_to_json(note)) == note


def test_what_moved_between_the_steps_looked_at_has_moved(trainee: Trainee) -> None:
    trainee.take({"output": ("weight",)})
    trainee.views["hidden_1"]["weight"][0, 0] = np.nextafter(trainee.views["hidden_1"]["weight"][0, 0], np.float32(9))
    note = trainee.watcher.look(5)
    assert note is not None
    assert note.unmoved == {"hidden_1": {"bias": 0}, "hidden_2": {"weight": 0, "bias": 0}, "output": {"bias": 0}}


def test_there_and_back_again_is_movement_if_it_was_seen(trainee: Trainee) -> None:
    first = {layer: names for layer, names in ALL.items() if layer != "output"}
    trainee.take(first)
    trainee.take(ALL)
    trainee.views["output"]["weight"][...] += 0.01
    trainee.views["output"]["bias"][...] += 0.01
    assert trainee.watcher.look(2) == Movement(2, 1, 1, {})


def test_a_parameter_that_becomes_nan_has_moved(trainee: Trainee) -> None:
    trainee.take({layer: names for layer, names in ALL.items() if layer != "hidden_1"})
    trainee.network.parameters[:] = math.nan
    assert trainee.watcher.look(1) == Movement(1, 1, 0, {})


def test_without_gradients_nothing_should_have_moved(digits: WatchedData, make_network: MakeNetwork) -> None:
    """As in a random search."""
    network = make_network(digits, [4])
    watcher, still = MovementWatcher(network), network.views(np.zeros_like(network.parameters))
    for step in range(1, 6):
        watcher.ended(StepEnded(step, 1.0, 1.0, 0.1, still, network.parameters_by_layer()))
    note = watcher.look(5)
    assert note is not None
    assert note.unmoved == {layer: {"weight": 0, "bias": 0} for layer in ("hidden_1", "output")}


def test_layers_of_two_optimizers_are_looked_at_each_at_its_own_steps(trainee: Trainee) -> None:
    body, head = ("hidden_1", "hidden_2"), ("output",)
    for _ in range(3):
        trainee.take({"hidden_2": ("weight", "bias")}, held=body)
        trainee.take({}, held=head)
    note = trainee.watcher.look(6)
    expected = {"hidden_1": {"weight": 2, "bias": 2}, "output": {"weight": 2, "bias": 2}}
    assert note is not None
    assert note.unmoved == expected


def test_an_array_that_another_optimizer_holds_is_not_pushed_by_this_one(trainee: Trainee) -> None:
    trainee.take({})
    ones = trainee.network.views(np.ones_like(trainee.network.parameters))
    still = trainee.network.views(np.zeros_like(trainee.network.parameters))
    weights = {"hidden_1": {"weight": still["hidden_1"]["weight"]}}
    trainee.watcher.gradients(GradientsReady(2, {"hidden_1": ones["hidden_1"]}))
    trainee.watcher.ended(StepEnded(2, 1.0, 1.0, 0.1, weights, trainee.network.parameters_by_layer()))
    note = trainee.watcher.look(2)
    assert note is not None
    assert note.unmoved["hidden_1"] == {"weight": 1, "bias": 0}


def test_a_layer_whose_optimizer_joins_late_is_looked_at_from_then_on(trainee: Trainee) -> None:
    for _ in range(3):
        trainee.take(ALL, held=("hidden_1", "hidden_2"))
    assert trainee.watcher.look(3) == Movement(3, 1, 0, {})
    for _ in range(2):
        trainee.take({"hidden_1": ("weight", "bias"), "hidden_2": ("weight", "bias")})
    note = trainee.watcher.look(5)
    assert note is not None
    assert note.unmoved == {"output": {"weight": 1, "bias": 1}}
