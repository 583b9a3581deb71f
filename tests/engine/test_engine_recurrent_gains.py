"""Gains: by how much the gradient grows or shrinks a step back through time, and who is told."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.events import Array, LayerBackward, LayerForward, RecurrentBackward
from gradvitals.engine.initializers import identity, normal, zeros
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.recurrent import CELLS, recurrent
from gradvitals.engine.recurrent_gains import gradient_norms, recurrent_gains
from gradvitals.engine.training import train

MakeRecurrent = Callable[..., Any]
EVERY_CELL = pytest.mark.parametrize("cell", sorted(CELLS))


def numeric_state_gradients(network: Network, circuit: ConnectedCircuit, count: int, units: int, length: int) -> Array:
    """Differentiate the loss by every state of the last layer, run on from there by hand: `(T, samples, units)`."""
    arrays, output = network.parameters_by_layer()["hidden_1"], network.parameters_by_layer()["output"]
    phi: Callable[[Array], Array] = np.tanh if network.layers[0].activation == "tanh" else lambda x: np.maximum(x, 0.0)
    steps = [circuit.values[f"inputs/t{t + 1}"] for t in range(length)]
    targets = circuit.values["targets"]

    def loss_from(t: int, state: Array) -> float:
        for later in range(t + 1, length):
            state = phi(steps[later] @ arrays["weight"] + arrays["bias"] + state @ arrays["recurrent_weight"])
        return float(((state @ output["weight"] + output["bias"] - targets) ** 2).mean())

    gradients = np.zeros((length, count, units))
    for t in range(length):
        state = circuit.values[f"hidden_1/t{t + 1}"].copy()
        for index in np.ndindex(state.shape):
            losses = []
            for offset in (-1e-5, 1e-5):
                moved = state.copy()
                moved[index] += offset
                losses.append(loss_from(t, moved))
            gradients[t][index] = (losses[1] - losses[0]) / 2e-5
    return gradients


@EVERY_CELL
def test_gains_of_a_layer_read_at_its_last_step_are_ratios_of_numeric_gradients(
    cell: str, make_recurrent: MakeRecurrent
) -> None:
    sizes, length, count = (2, 4, 3), 6, 5
    both = make_recurrent(sizes, cell, length=length, count=count)
    network, samples = both.network, both.samples
    events: list[RecurrentBackward] = []
    network.probe(
        samples.inputs,
        samples.targets,
        lambda event: events.append(event) if isinstance(event, RecurrentBackward) else None,
        step=8,
    )
    circuit = both.run()
    numeric = numeric_state_gradients(network, circuit, count, 4, length)
    norms = np.sqrt((numeric**2).sum(axis=(1, 2)))
    (event,) = events
    assert (event.layer, event.step, event.source) == ("hidden_1", 8, "probe")
    np.testing.assert_allclose(event.norms, norms, rtol=1e-6)
    np.testing.assert_allclose(event.gains, norms[:-1] / norms[1:], rtol=1e-6)
    assert not event.gains.flags.writeable
    assert not event.norms.flags.writeable


def test_gains_below_another_recurrent_layer_leave_out_what_comes_from_above(make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((2, 4, 3, 2), length=5, count=6)
    network, samples = both.network, both.samples
    seen: dict[str, RecurrentBackward] = {}
    network.probe(
        samples.inputs,
        samples.targets,
        lambda event: seen.update({event.layer: event}) if isinstance(event, RecurrentBackward) else None,
    )
    circuit = both.run()
    recurrent_weight = network.parameters_by_layer()["hidden_1"]["recurrent_weight"]
    for t in range(1, 5):
        arriving = circuit.gradients[f"hidden_1/t{t + 1}"]
        slopes = 1.0 - circuit.values[f"hidden_1/t{t + 1}"] ** 2
        passed = (arriving * slopes) @ recurrent_weight.T
        expected = np.linalg.norm(passed) / np.linalg.norm(arriving)
        assert seen["hidden_1"].gains[t - 1] == pytest.approx(expected, rel=1e-12)
    top = seen["hidden_2"]
    np.testing.assert_allclose(top.gains, top.norms[:-1] / top.norms[1:], rtol=1e-12)
    assert not np.allclose(seen["hidden_1"].gains, seen["hidden_1"].norms[:-1] / seen["hidden_1"].norms[1:], rtol=1e-3)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5], ids=str)
def test_gains_of_a_linear_stretch_are_the_scale_of_the_identity(scale: float) -> None:
    network = recurrent(
        (1, 4, 1),
        "relu",  # far on its open side
        "mse",
        sequence_length=30,
        initializers=[zeros, normal(1.0)],
        recurrent_initializers=[identity(scale)],
        generator=np.random.default_rng(0),
        biases=[1.0, 0.0],
        dtype=np.float64,
    )
    events: list[Any] = []
    network.probe(np.zeros((3, 30)), np.ones((3, 1)), events.append)
    np.testing.assert_allclose(events[-1].gains, scale, rtol=1e-12)
    assert events[-1].gains.shape == (29,)


def test_gains_are_zero_where_the_gradient_ends_and_nan_where_none_arrives() -> None:
    ones, nothing = np.ones((2, 3)), np.zeros((2, 3))
    gains = recurrent_gains([nothing, nothing, nothing, ones], [nothing, nothing, ones, ones], 2.0 * np.eye(3))
    assert math.isnan(gains[0])
    assert gains[1:].tolist() == [0.0, 2.0]


def test_norms_hold_where_float32_squares_would_vanish_or_overflow() -> None:
    tiny, huge = np.full((2, 2), 1e-30, np.float32), np.full((2, 2), 1e30, np.float32)
    np.testing.assert_allclose(gradient_norms([tiny, huge]), [2e-30, 2e30], rtol=1e-6)
    gains = recurrent_gains([tiny, tiny], [tiny, tiny], np.eye(2, dtype=np.float32))
    assert gains == pytest.approx([1.0])


def test_one_time_step_has_nothing_to_go_back_through(make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((2, 3, 1), length=1, count=4)
    network, samples = both.network, both.samples
    events: list[Any] = []
    network.probe(samples.inputs, samples.targets, events.append)
    assert [type(event) for event in events] == [LayerForward, LayerForward, LayerBackward, LayerBackward]


def test_training_tells_gains_only_to_those_who_want_them_and_when(make_recurrent: MakeRecurrent) -> None:
    sizes, length = (2, 4, 3, 1), 5
    both = make_recurrent(sizes, length=length, count=12)
    network, samples = both.network, both.samples
    plain = make_recurrent(sizes, length=length).network
    told: list[RecurrentBackward] = []
    handle = network.hooks.on(RecurrentBackward, told.append, every=2)
    for each in (network, plain):
        train(each, samples, Adam(0.01), epochs=3, batch_size=6, generator=np.random.default_rng(0))
    assert [(event.step, event.layer, event.source) for event in told] == [
        (step, layer, "training") for step in (2, 4, 6) for layer in ("hidden_2", "hidden_1")
    ]
    assert {(event.gains.shape, event.norms.shape) for event in told} == {((4,), (5,))}
    np.testing.assert_array_equal(network.parameters, plain.parameters)  # watching changes nothing
    handle.remove()
    train(network, samples, Sgd(0.01), epochs=1, batch_size=6, generator=np.random.default_rng(0))
    assert len(told) == 6


def test_events_of_a_diverged_network_come_without_warnings(make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((2, 4, 1), "relu", length=5, count=4)
    network, samples = both.network, both.samples
    network.views(network.parameters)["hidden_1"]["recurrent_weight"][...] = 1e200
    events: list[Any] = []
    result = network.probe(samples.inputs, samples.targets, events.append)
    assert not np.isfinite(result.losses).all()
    assert [type(event) for event in events][-1] is RecurrentBackward


def test_layer_events_through_time_are_read_only(make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((2, 3, 1), length=4, count=3)
    network, samples = both.network, both.samples
    events: list[Any] = []
    network.probe(samples.inputs, samples.targets, events.append)
    arrays = [getattr(event, name) for event in events for name in ("outputs", "grad_outputs") if hasattr(event, name)]
    assert len(arrays) == 4
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
