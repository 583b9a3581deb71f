"""Dropout: its masks against theory, the gradient through them, who draws and who must not, and the run axis."""

import math

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.dropout import Dropout, held_masks
from gradvitals.engine.events import Array

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def connect(
    shape: tuple[int, ...], rate: float, *seeds: int, training: bool = True, dtype: DTypeLike = np.float64
) -> Dropout:
    """Connect a gate to inputs of ones, and gradients of ones."""
    gate = Dropout(rate, [np.random.default_rng(seed) for seed in seeds or (0,)])
    gate = gate.connect(
        (np.ones(shape, dtype),), np.empty(shape, dtype), np.ones(shape, dtype), (np.empty(shape, dtype),)
    )
    gate.training = training
    return gate


def backward(gate: Dropout) -> Array:
    gate.backward()
    gradient = gate.grad_inputs[0]
    assert gradient is not None
    return gradient


@DTYPES
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_share_kept_is_that_of_the_rate_and_the_mean_stays(rate: float, dtype: DTypeLike) -> None:
    gate = connect((500, 400), rate, dtype=dtype)
    gate.forward()
    count = gate.output.size
    kept = np.count_nonzero(gate.output)
    sigma = math.sqrt(count * rate * (1.0 - rate))
    assert abs(kept - count * (1.0 - rate)) < 5.0 * sigma
    np.testing.assert_array_equal(np.unique(gate.output), np.array([0.0, 1.0 / (1.0 - rate)], dtype))
    assert abs(gate.output.mean(dtype=np.float64) - 1.0) < 5.0 * sigma / (count * (1.0 - rate))


def test_what_is_dropped_differs_from_pass_to_pass_unit_to_unit_and_sample_to_sample() -> None:
    gate = connect((200, 200), 0.5)
    masks = []
    for _ in range(2):
        gate.forward()
        masks.append(gate.output.copy() - 1.0)  # ±1, independent
    sigma = 1.0 / math.sqrt(masks[0].size)
    assert abs((masks[0] * masks[1]).mean()) < 5.0 * sigma
    assert abs((masks[0][1:] * masks[0][:-1]).mean()) < 5.0 * sigma
    assert abs((masks[0][:, 1:] * masks[0][:, :-1]).mean()) < 5.0 * sigma


@DTYPES
def test_the_gradient_is_zero_exactly_where_the_input_was_dropped_and_scaled_elsewhere(dtype: DTypeLike) -> None:
    gate = connect((30, 20), 0.3, dtype=dtype)
    generator = np.random.default_rng(1)
    gate.inputs[0][...] = generator.normal(size=(30, 20))
    gate.grad_output[...] = generator.normal(size=(30, 20))
    for _ in range(3):
        gate.forward()
        gradient = backward(gate)
        dropped = gate.output == 0.0
        assert 0 < np.count_nonzero(dropped) < 600
        assert ((gradient == 0.0) == dropped).all()
        scale = np.array(1.0 / (1.0 - 0.3), dtype)
        np.testing.assert_array_equal(gradient[~dropped], gate.grad_output[~dropped] * scale)
        np.testing.assert_array_equal(gate.output[~dropped], gate.inputs[0][~dropped] * scale)


@pytest.fixture
def circuit() -> ConnectedCircuit:
    """A circuit of inputs and dropout alone, in training."""
    drawn = Circuit()
    drawn.gate("dropped", Dropout(0.4, [np.random.default_rng(3)]), drawn.input("inputs", None, 6))
    connected = ConnectedCircuit(drawn, {}, {"inputs": np.empty((4, 6))}, batch=4, dtype=np.float64)
    gate = connected.gates["dropped"]
    assert isinstance(gate, Dropout)
    gate.training = True
    connected.values["inputs"][...] = np.random.default_rng(4).normal(size=(4, 6))
    return connected


def test_the_gradient_equals_central_differences_with_the_masks_held(circuit: ConnectedCircuit) -> None:
    inputs, outputs = circuit.values["inputs"], circuit.values["dropped"]
    weights = np.random.default_rng(5).normal(size=(4, 6))
    circuit.forward()
    circuit.gradients["dropped"][...] = weights
    circuit.backward()
    with held_masks(circuit):
        for index in np.ndindex(4, 6):
            sides = []
            for h in (1e-4, -1e-4):
                inputs[index] += h
                circuit.forward()
                sides.append(float((outputs * weights).sum()))
                inputs[index] -= h
            expected = circuit.gradients["inputs"][index]
            assert (sides[0] - sides[1]) / 2e-4 == pytest.approx(expected, rel=1e-8, abs=1e-11)


def test_held_masks_stay_and_are_let_go_also_after_an_error(circuit: ConnectedCircuit) -> None:
    circuit.forward()
    first = circuit.values["dropped"].copy()

    def hold_and_fail() -> None:
        with held_masks(circuit):
            circuit.forward()
            np.testing.assert_array_equal(circuit.values["dropped"], first)
            raise KeyError

    with pytest.raises(KeyError):
        hold_and_fail()
    circuit.forward()
    assert (circuit.values["dropped"] != first).any()


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True)], ids=["not training", "rate of 0"])
def test_where_nothing_is_dropped_nothing_is_drawn_and_everything_passes(rate: float, *, training: bool) -> None:
    gate = connect((7, 5), rate, training=training)
    state = gate.generators[0].bit_generator.state
    gate.inputs[0][...] = [1.0, -2.0, np.inf, np.nan, 0.0]
    gate.grad_output[...] = np.arange(5.0)
    gate.forward()
    np.testing.assert_array_equal(gate.output, gate.inputs[0])
    np.testing.assert_array_equal(backward(gate), gate.grad_output)
    assert gate.generators[0].bit_generator.state == state


def test_a_gate_is_off_until_somebody_sets_it_to_training() -> None:
    gate = Dropout(0.5, [np.random.default_rng(0)])
    assert not gate.training
    assert not gate.connect((np.ones((2, 2)),), np.empty((2, 2)), np.ones((2, 2)), (None,)).training


def test_looking_in_between_changes_no_mask() -> None:
    outputs = []
    for looks in (0, 3):
        template = Dropout(0.5, [np.random.default_rng(0)])
        gates = [
            template.connect((np.ones((20, 9)),), np.empty((20, 9)), np.ones((20, 9)), (np.empty((20, 9)),))
            for _ in range(2)
        ]
        gates[0].training = True
        for _ in range(4):
            gates[0].forward()
            for _ in range(looks):
                gates[1].forward()
                gates[1].backward()
            outputs.append((gates[0].output.tobytes(), backward(gates[0]).tobytes()))
    assert outputs[:4] == outputs[4:]
    assert len(set(outputs)) == 4


def test_a_smaller_last_batch_goes_on_in_the_same_stream() -> None:
    template, twin = Dropout(0.5, [np.random.default_rng(0)]), np.random.default_rng(0)
    gates = {
        rows: template.connect((np.ones((rows, 3)),), np.empty((rows, 3)), np.ones((rows, 3)), (None,))
        for rows in (6, 2)
    }
    for rows in (6, 2, 6, 2):
        gates[rows].training = True
        gates[rows].forward()
        gates[rows].backward()  # nobody wants it: nothing happens
        np.testing.assert_array_equal(gates[rows].output != 0.0, twin.random((rows, 3), dtype=np.float32) >= 0.5)


@DTYPES
def test_runs_stacked_with_a_generator_each_are_bit_identical_to_each_alone(dtype: DTypeLike) -> None:
    stacked = connect((3, 13, 7), 0.3, 5, 6, 7, dtype=dtype)
    inputs = np.random.default_rng(0).normal(size=(3, 13, 7)).astype(dtype)
    alone = [connect((13, 7), 0.3, seed, dtype=dtype) for seed in (5, 6, 7)]
    stacked.inputs[0][...] = inputs
    for run, gate in enumerate(alone):
        gate.inputs[0][...] = inputs[run]
    for _ in range(4):
        stacked.forward()
        gradient = backward(stacked)
        for run, gate in enumerate(alone):
            gate.forward()
            assert stacked.output[run].tobytes() == gate.output.tobytes()
            assert gradient[run].tobytes() == backward(gate).tobytes()
    for generator, gate in zip(stacked.generators, alone, strict=True):
        assert generator.bit_generator.state == gate.generators[0].bit_generator.state


def test_arrays_with_gaps_are_written_like_others() -> None:
    gate = Dropout(0.5, [np.random.default_rng(0)])
    wide = np.full((6, 4), 9.0)
    gate = gate.connect((np.ones((6, 3)),), wide[:, :-1], np.ones((6, 3)), (None,))
    gate.training = True
    gate.forward()
    plain = connect((6, 3), 0.5)
    plain.forward()
    np.testing.assert_array_equal(wide, np.column_stack([plain.output, np.full(6, 9.0)]))


def test_too_few_generators_for_a_stack_are_refused() -> None:
    with pytest.raises(ValueError, match="dropout in a stack of 3 runs needs a generator each, got 1"):
        connect((3, 4, 5), 0.5).forward()


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (2, 0, 5)], ids=str)
def test_batches_of_nothing_and_of_one_pass(shape: tuple[int, ...]) -> None:
    gate = connect(shape, 0.5, *range(math.prod(shape[:-2])))
    gate.forward()
    assert backward(gate).shape == shape


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, math.nan])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"the rate of dropout must be in \[0, 1\), got {rate}"):
        Dropout(rate, [np.random.default_rng(0)])
