"""The recurrent network against plain loops and central differences; its parameters, and the run axis."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.events import Array, LayerForward, LayerInfo, Observable
from gradvitals.engine.gradient_check import check_gradients
from gradvitals.engine.initializers import glorot_uniform, identity, normal, orthogonal, zeros
from gradvitals.engine.network import Network, loss_gate
from gradvitals.engine.recurrent import CELLS, recurrent
from gradvitals.engine.regularizers import mark_weights

MakeRecurrent = Callable[..., Any]
SHAPES = [
    pytest.param((2, 3, 1), 1, 4, id="one step"),
    pytest.param((2, 3, 2), 2, 1, id="batch of 1"),
    pytest.param((1, 1, 1), 3, 2, id="all of width 1"),
    pytest.param((3, 5, 2), 7, 6, id="one layer"),
    pytest.param((3, 5, 4, 2), 4, 6, id="two layers"),
]
EVERY_CELL = pytest.mark.parametrize("cell", sorted(CELLS))
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def run_by_hand(network: Network, inputs: Array, length: int) -> tuple[list[Array], Array]:
    """Loop over layers, samples and time steps; give each layer's states `(samples, T, units)`, and the outputs."""
    *hidden, output = network.layers
    sequence = inputs.reshape(len(inputs), length, -1)
    layers = []
    for info in hidden:
        arrays = network.parameters_by_layer()[info.name]
        states = np.zeros((len(inputs), length, info.fan_out))
        for sample in range(len(inputs)):
            state = np.zeros(info.fan_out)
            for t in range(length):
                total = sequence[sample, t] @ arrays["weight"] + arrays["bias"] + state @ arrays["recurrent_weight"]
                state = np.tanh(total) if info.activation == "tanh" else np.maximum(total, 0.0)
                states[sample, t] = state
        layers.append(states)
        sequence = states
    arrays = network.parameters_by_layer()[output.name]
    return layers, sequence[:, -1] @ arrays["weight"] + arrays["bias"]


def test_layers_and_parameters_are_those_of_one_time_step(make_recurrent: MakeRecurrent) -> None:
    network = make_recurrent((3, 5, 4, 2), "relu", length=6).network
    assert network.layers == (
        LayerInfo("hidden_1", "relu", 3, 5),
        LayerInfo("hidden_2", "relu", 5, 4),
        LayerInfo("output", "linear", 4, 2),
    )
    shapes = {
        layer: {name: array.shape for name, array in group.items()}
        for layer, group in network.parameters_by_layer().items()
    }
    assert shapes == {
        "hidden_1": {"weight": (3, 5), "bias": (5,), "recurrent_weight": (5, 5)},
        "hidden_2": {"weight": (5, 4), "bias": (4,), "recurrent_weight": (4, 4)},
        "output": {"weight": (4, 2), "bias": (2,)},
    }
    assert network.parameters.size == (4 * 5 + 25) + (6 * 4 + 16) + (5 * 2)
    assert isinstance(network, Observable)
    assert not network.layerwise


def test_weights_are_drawn_layer_by_layer_recurrent_ones_second() -> None:
    network = recurrent(
        (3, 4, 2),
        "tanh",
        "mse",
        sequence_length=5,
        initializers=[normal(0.5), glorot_uniform],
        recurrent_initializers=[orthogonal],
        generator=np.random.default_rng(9),
        biases=[0.25, np.array([1.0, 2.0])],
        dtype=np.float64,
    )
    generator = np.random.default_rng(9)
    hidden, output = network.parameters_by_layer().values()
    np.testing.assert_array_equal(hidden["weight"], normal(0.5)(3, 4, generator))
    np.testing.assert_array_equal(hidden["recurrent_weight"], orthogonal(4, 4, generator))
    np.testing.assert_array_equal(output["weight"], glorot_uniform(4, 2, generator))
    assert hidden["bias"].tolist() == [0.25] * 4
    assert output["bias"].tolist() == [1.0, 2.0]


def test_identity_is_a_scaled_diagonal_and_draws_nothing() -> None:
    generator = np.random.default_rng(3)
    np.testing.assert_array_equal(identity(0.5)(3, 3, generator), np.diag([0.5, 0.5, 0.5]))
    np.testing.assert_array_equal(identity()(2, 3, generator), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert generator.normal() == np.random.default_rng(3).normal()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizes": (3, 2), "initializers": [zeros], "recurrent_initializers": []}, "got 2 sizes, 1 .1. and 0"),
        ({"initializers": [zeros]}, r"got 3 sizes, 1 \(2\) and 1"),
        ({"recurrent_initializers": []}, r"got 3 sizes, 2 \(2\) and 0"),
        ({"biases": [0.0]}, r"got 3 sizes, 2 \(1\) and 1"),
        ({"sequence_length": 0}, "positive number of time steps, got 0"),
        ({"cell": "lstm"}, "cell 'lstm' is not one of relu, tanh"),
        ({"loss": "l2"}, "loss 'l2' is not one of"),
    ],
    ids=["no recurrent layer", "initialisers", "recurrent initialisers", "biases", "length", "cell", "loss"],
)
def test_a_network_that_does_not_fit_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    settings: dict[str, Any] = {
        "sizes": (3, 4, 2),
        "cell": "tanh",
        "loss": "mse",
        "sequence_length": 5,
        "initializers": [zeros] * 2,
        "recurrent_initializers": [zeros],
        "generator": np.random.default_rng(0),
    }
    with pytest.raises(ValueError, match=sentence):
        recurrent(**(settings | changes))


@pytest.mark.parametrize(("sizes", "length", "count"), SHAPES)
@EVERY_CELL
def test_it_computes_what_a_loop_over_time_computes(
    cell: str, sizes: tuple[int, ...], length: int, count: int, make_recurrent: MakeRecurrent
) -> None:
    both = make_recurrent(sizes, cell, length=length, count=count)
    network, samples = both.network, both.samples
    states, outputs = run_by_hand(network, samples.inputs, length)
    np.testing.assert_allclose(network.predict(samples.inputs), outputs, rtol=1e-12, atol=1e-14)
    losses, correct = network.evaluate(samples.inputs, samples.targets)
    np.testing.assert_allclose(losses, ((outputs - samples.targets) ** 2).mean(axis=1), rtol=1e-11)
    assert correct is None

    events: list[LayerForward] = []
    network.observe(samples.inputs, events.append, step=3)
    assert [(event.layer, event.step, event.source) for event in events] == [
        (info.name, 3, "probe") for info in network.layers
    ]
    for event, expected in zip(events, states, strict=False):
        by_time = expected.swapaxes(0, 1).reshape(length * count, -1)  # all samples' first step, then their second
        np.testing.assert_allclose(event.outputs, by_time, rtol=1e-12, atol=1e-14)
        assert event.pre_activations is not None
        assert event.pre_activations.shape == event.outputs.shape
        assert event.inputs.shape == (length * count, next(i for i in network.layers if i.name == event.layer).fan_in)
    by_time = samples.inputs.reshape(count, length, -1).swapaxes(0, 1).reshape(length * count, -1)
    np.testing.assert_array_equal(events[0].inputs, by_time)
    np.testing.assert_allclose(events[-1].outputs, outputs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("sizes", "length", "count"), SHAPES)
@EVERY_CELL
def test_gradients_equal_central_differences(
    cell: str, sizes: tuple[int, ...], length: int, count: int, make_recurrent: MakeRecurrent
) -> None:
    both = make_recurrent(sizes, cell, length=length, count=count)
    network, samples = both.network, both.samples
    checks = check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0))
    assert {check.name for check in checks} >= {"hidden_1/recurrent_weight", "output/bias"}
    assert sum(check.checked for check in checks) > 0.8 * network.parameters.size
    for check in checks:
        assert check.relative_error < 1e-6 or not check.checked, check


def test_with_one_time_step_the_recurrent_weight_plays_no_part(make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((3, 5, 2), length=1, count=6)
    network, samples = both.network, both.samples
    before = network.predict(samples.inputs)
    both.run()
    assert not network.gradients_by_layer()["hidden_1"]["recurrent_weight"].any()
    assert network.gradients_by_layer()["hidden_1"]["weight"].all()
    network.views(network.parameters)["hidden_1"]["recurrent_weight"][...] = np.nan
    np.testing.assert_array_equal(network.predict(samples.inputs), before)


@EVERY_CELL
def test_gradients_on_the_inputs_equal_central_differences_where_they_are_wanted(
    cell: str, make_recurrent: MakeRecurrent
) -> None:
    both = make_recurrent((2, 4, 3), cell, length=5, count=3)
    network, samples = both.network, both.samples
    gradient = np.full_like(samples.inputs, np.nan)
    circuit = ConnectedCircuit(
        network.circuit, network.circuit_parameters(network.parameters), {"inputs": gradient}, batch=3, dtype=np.float64
    )
    circuit.values["inputs"][...], circuit.values["targets"][...] = samples.inputs, samples.targets
    for _ in range(2):  # a second pass finds the first one's numbers in its arrays
        circuit.forward()
        circuit.backward()
    for index in np.ndindex(samples.inputs.shape):
        losses = []
        for offset in (-1e-6, 1e-6):
            circuit.values["inputs"][index] = samples.inputs[index] + offset
            circuit.forward()
            losses.append(float(circuit.values["loss"]))
        circuit.values["inputs"][index] = samples.inputs[index]
        assert gradient[index] == pytest.approx((losses[1] - losses[0]) / 2e-6, rel=1e-5, abs=1e-8)


@DTYPES
@pytest.mark.parametrize(("sizes", "length", "count"), SHAPES)
@EVERY_CELL
def test_stacked_runs_are_bit_identical_to_each_run_alone(  # noqa: PLR0917 - filled by name
    cell: str, sizes: tuple[int, ...], length: int, count: int, dtype: DTypeLike, make_recurrent: MakeRecurrent
) -> None:
    several = [make_recurrent(sizes, cell, length=length, count=count, seed=seed, dtype=dtype) for seed in range(4)]
    parameters = np.stack([one.network.parameters for one in several])
    gradients = np.zeros_like(parameters)
    first = several[0].network
    stacked = ConnectedCircuit(
        first.circuit,
        first.circuit_parameters(parameters),
        first.circuit_parameters(gradients),
        batch=count,
        dtype=dtype,
        runs=(4,),
    )
    stacked.values["inputs"][...] = np.stack([one.samples.inputs for one in several])
    stacked.values["targets"][...] = np.stack([one.samples.targets for one in several])
    stacked.forward()
    stacked.backward()
    for run, one in enumerate(several):
        alone = one.run()
        assert stacked.values["loss"][run] == alone.values["loss"]
        assert gradients[run].tobytes() == one.network.gradients.tobytes()
        np.testing.assert_array_equal(loss_gate(stacked).sample_losses[run], loss_gate(alone).sample_losses)


def test_float32_is_float64_rounded(make_recurrent: MakeRecurrent) -> None:
    wide, narrow = (make_recurrent((3, 8, 2), length=9, count=20, dtype=dtype) for dtype in (np.float64, np.float32))
    wide.run()
    narrow.run()
    assert narrow.network.predict(wide.samples.inputs).dtype == narrow.network.gradients.dtype == np.float32
    np.testing.assert_allclose(narrow.network.gradients, wide.network.gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [7, 2_000], ids=["many samples a piece", "one sample a piece"])
def test_evaluation_in_pieces_equals_that_of_the_whole(length: int, make_recurrent: MakeRecurrent) -> None:
    both = make_recurrent((1, 2, 1), length=length, count=150 if length == 7 else 3)
    network, samples = both.network, both.samples
    whole = network.probe(samples.inputs, samples.targets)
    np.testing.assert_allclose(network.predict(samples.inputs), whole.outputs, rtol=1e-12)
    np.testing.assert_allclose(network.evaluate(samples.inputs, samples.targets)[0], whole.losses, rtol=1e-12)


def test_l2_counts_recurrent_weights_as_weights(make_recurrent: MakeRecurrent) -> None:
    network = make_recurrent((3, 4, 2), length=2).network
    marks = network.views(mark_weights(network))
    assert {layer: sorted(k for k, v in group.items() if v.all()) for layer, group in marks.items()} == {
        "hidden_1": ["recurrent_weight", "weight"],
        "output": ["weight"],
    }


@pytest.mark.parametrize("pair", [(0, 4), (1, 4), (5, 3)], ids=str)
def test_inputs_of_another_width_are_refused_rather_than_spread(
    pair: tuple[int, int], make_recurrent: MakeRecurrent
) -> None:
    count, width = pair
    network = make_recurrent((1, 3, 2), length=6).network
    sentence = rf"takes inputs of shape \(samples, 6\), here \({count}, 6\); got \({count}, {width}\)"
    with pytest.raises(ValueError, match=sentence):
        network.observe(np.zeros((count, width)), lambda _: None)
    with pytest.raises(ValueError, match=sentence):
        network.probe(np.zeros((count, width)), np.zeros((count, 2)))


def test_a_layer_unrolled_through_time_cannot_be_run_by_itself(make_recurrent: MakeRecurrent) -> None:
    with pytest.raises(ValueError, match="hidden_1 cannot be run by itself"):
        make_recurrent((2, 3, 1), length=4).network.layer_outputs(0, np.zeros((5, 2)))
