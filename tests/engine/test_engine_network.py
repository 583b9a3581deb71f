"""The network: its flat vector and layers, evaluation in pieces, and a probe that disturbs nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation
from gradvitals.engine.catalogue import ACTIVATIONS
from gradvitals.engine.compound_activations import Maxout, PRelu
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import Array, LayerBackward, LayerForward, LayerInfo, Observable
from gradvitals.engine.gradient_check import check_gradients
from gradvitals.engine.initializers import constant, he_normal, normal, zeros
from gradvitals.engine.network import EVALUATION_ROWS, Network
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, Trainer

TEXTBOOK_LOSSES = ["binary_cross_entropy", "cross_entropy", "mse"]


def test_layers_are_named_hidden_one_to_output(make_network: Callable[..., Network]) -> None:
    network = make_network("relu", "mse", (3, 5, 4, 2))
    assert network.layers == (
        LayerInfo("hidden_1", "relu", 3, 5),
        LayerInfo("hidden_2", "relu", 5, 4),
        LayerInfo("output", "linear", 4, 2),
    )
    assert isinstance(network, Observable)
    assert network.loss_name == "mse"


def test_a_network_without_hidden_layers_is_an_output(make_network: Callable[..., Network]) -> None:
    assert [info.name for info in make_network("relu", "mse", (3, 2)).layers] == ["output"]


def test_parameters_are_one_vector_layer_by_layer_weight_before_bias() -> None:
    network = perceptron(
        (2, 3, 1),
        ["relu"],
        "mse",
        initializers=[constant(2.0), constant(5.0)],
        generator=np.random.default_rng(0),
        biases=[np.array([3.0, 4.0, 4.5]), 6.0],
    )
    assert network.parameters.tolist() == [2.0] * 6 + [3.0, 4.0, 4.5] + [5.0] * 3 + [6.0]
    assert network.parameters.dtype == np.float32
    assert network.parameters.flags.c_contiguous
    views = network.views(network.parameters)
    views["output"]["weight"][1, 0] = 7.0
    assert network.parameters[10] == 7.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_weights_are_drawn_in_order_and_rounded_to_the_dtype(dtype: DTypeLike) -> None:
    network = perceptron(
        (4, 3, 2),
        ["relu"],
        "mse",
        initializers=[normal(0.5)] * 2,
        generator=np.random.default_rng(9),
        dtype=dtype,
    )
    generator = np.random.default_rng(9)
    expected = [generator.normal(0.0, 0.5, (4, 3)), generator.normal(0.0, 0.5, (3, 2))]
    for layer, drawn in zip(network.parameters_by_layer().values(), expected, strict=True):
        np.testing.assert_array_equal(layer["weight"], drawn.astype(dtype))
        assert not layer["bias"].any()


@pytest.mark.parametrize(
    ("activations", "loss", "initializers", "sentence"),
    [
        (["relu"], "mse", 2, r"4 sizes make 3 layers, which need 2 activations .* got 1 \(2\) and 2 \(3\)"),
        (["relu", "swish"], "mse", 3, "activation 'swish' is not one of elu, gelu, leaky_relu, linear, maxout,"),
        (["relu", "relu"], "l2", 3, "loss 'l2' is not one of binary_cross_entropy, binary_hinge, cross_entropy,"),
    ],
    ids=["counts", "activation", "loss"],
)
def test_a_network_that_does_not_fit_is_refused_in_a_sentence(
    activations: list[str], loss: str, initializers: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        perceptron(
            (3, 4, 4, 2), activations, loss, initializers=[zeros] * initializers, generator=np.random.default_rng(0)
        )


@pytest.mark.parametrize("sizes", [(3, 0, 2), (0, 4, 2), (3, 4, -1)], ids=str)
def test_a_layer_without_inputs_or_units_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs inputs and units, at least one of each"):
        perceptron(sizes, ["relu"], "mse", initializers=[he_normal] * 2, generator=np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_a_network_of_another_dtype_is_refused(dtype: DTypeLike, make_network: Callable[..., Network]) -> None:
    with pytest.raises(ValueError, match="a network computes in float32 or float64"):
        make_network(dtype=dtype)


@pytest.mark.parametrize("loss", TEXTBOOK_LOSSES)
@pytest.mark.parametrize("count", [1, EVALUATION_ROWS, 2 * EVALUATION_ROWS + 7], ids=str)
def test_evaluation_in_pieces_equals_the_loss_of_each_sample(
    loss: str, count: int, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", loss), make_samples(loss, 3, 4, count)
    losses, correct = network.evaluate(samples.inputs, samples.targets)
    logits, targets = network.predict(samples.inputs), samples.targets
    expected, right = oracle(loss, logits, targets)
    np.testing.assert_allclose(losses, expected, rtol=1e-11)
    assert correct == right


@pytest.mark.parametrize(("loss", "correct"), [("cross_entropy", 0), ("mse", None)])
def test_evaluation_of_no_samples_still_tells_classes_from_quantities(
    loss: str, correct: int | None, make_network: Callable[..., Network]
) -> None:
    losses, counted = make_network("tanh", loss).evaluate(np.zeros((0, 3)), np.zeros((0, 4)))
    assert losses.shape == (0,)
    assert counted == correct


def oracle(loss: str, logits: Array, targets: Array) -> tuple[Array, int | None]:
    """Compute losses as a textbook would, for logits that are tame."""
    if loss == "cross_entropy":
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return -np.log((probs * targets).sum(1)), int((logits.argmax(1) == targets.argmax(1)).sum())
    if loss == "binary_cross_entropy":
        probs = 1.0 / (1.0 + np.exp(-logits))
        losses = -(targets * np.log(probs) + (1.0 - targets) * np.log(1.0 - probs)).mean(1)
        return losses, int(((probs > 0.5) == (targets > 0.5)).sum())
    return ((logits - targets) ** 2).mean(1), None


def test_prediction_is_the_layers_one_after_the_other(make_network: Callable[..., Network]) -> None:
    network = make_network("sigmoid", "mse", (3, 5, 2))
    inputs = np.random.default_rng(0).normal(size=(6, 3))
    hidden, output = network.parameters_by_layer().values()
    activated = 1.0 / (1.0 + np.exp(-(inputs @ hidden["weight"] + hidden["bias"])))
    np.testing.assert_allclose(network.layer_outputs(0, inputs), activated, rtol=1e-14)
    np.testing.assert_allclose(network.predict(inputs), activated @ output["weight"] + output["bias"], rtol=1e-13)


@pytest.mark.parametrize(
    "activation",
    [*sorted(ACTIVATIONS), PRelu(0.3, per_unit=True), Maxout(5)],
    ids=lambda one: one if isinstance(one, str) else f"{one.name} set",
)
def test_some_units_of_a_layer_equal_those_of_the_whole(
    activation: str | Activation, make_network: Callable[..., Network]
) -> None:
    network = make_network(activation, "mse", (3, 9, 2))
    for array in network.views(network.parameters)["hidden_1"].values():
        np.add(array, np.random.default_rng(1).uniform(0.0, 0.1, array.shape), out=array)
    inputs, units = np.random.default_rng(0).normal(size=(6, 3)), np.array([7, 0, 3])
    seen: list[Array] = []
    observer = lambda event: seen.append(event.outputs.copy()) if isinstance(event, LayerForward) else None  # noqa: E731
    network.probe(inputs, np.zeros((6, 2)), observer)
    whole = network.layer_outputs(0, inputs)
    np.testing.assert_allclose(whole, seen[0], rtol=1e-13)
    np.testing.assert_allclose(network.layer_outputs(0, inputs, units), whole[:, units], rtol=1e-13)


@pytest.mark.parametrize("output", sorted(ACTIVATIONS))
def test_a_network_may_end_in_any_activation(output: str) -> None:
    network = perceptron(
        (3, 5, 4),
        ["tanh"],
        "mse",
        initializers=[he_normal] * 2,
        generator=np.random.default_rng(0),
        output=output,
        dtype=np.float64,
    )
    assert network.layers[-1].activation == output
    generator = np.random.default_rng(1)
    inputs, targets = generator.normal(size=(7, 3)), generator.normal(size=(7, 4))
    np.testing.assert_allclose(
        network.evaluate(inputs, targets)[0], ((network.predict(inputs) - targets) ** 2).mean(1), rtol=1e-12
    )
    hidden = network.layer_outputs(0, inputs)
    np.testing.assert_allclose(network.layer_outputs(1, hidden), network.predict(inputs), rtol=1e-12)
    for check in check_gradients(network, inputs, targets, generator=generator):
        assert check.relative_error < 1e-6, check


def test_without_hidden_layers_it_is_one_affine_map() -> None:
    network = perceptron((3, 2), [], "mse", initializers=[he_normal], generator=np.random.default_rng(0))
    (output,) = network.parameters_by_layer().values()
    inputs = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    assert [info.name for info in network.layers] == ["output"]
    np.testing.assert_allclose(network.predict(inputs), inputs @ output["weight"] + output["bias"], rtol=1e-6)


def test_dropout_acts_in_training_only_and_behind_the_activation() -> None:
    network = perceptron(
        (3, 200, 2),
        ["sigmoid"],
        "mse",
        initializers=[he_normal] * 2,
        generator=np.random.default_rng(0),
        dropout=[Dropout(0.5, [np.random.default_rng(1)])],
    )
    inputs, targets = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    first, again = network.predict(inputs), network.predict(inputs)
    np.testing.assert_array_equal(first, again)
    circuit = network.training_circuit(4)
    circuit.values["inputs"][...] = inputs
    circuit.values["targets"][...] = targets
    circuit.forward()
    events: list[LayerForward] = []
    network.emit_forward(circuit, events.append, 1, "training")
    assert (events[0].outputs > 0).all()  # a dropped unit is not a dead one
    dropped = events[1].inputs == 0
    assert 300 < int(dropped.sum()) < 500
    np.testing.assert_allclose(events[1].inputs[~dropped], 2.0 * events[0].outputs[~dropped], rtol=1e-6)
    circuit.backward()
    weight = network.gradients_by_layer()["output"]["weight"]
    assert not weight[dropped.all(axis=0)].any()


def test_prediction_takes_inputs_of_another_dtype(make_network: Callable[..., Network]) -> None:
    network = make_network("relu", "mse", (3, 9, 2), dtype=np.float32)
    inputs = np.arange(12).reshape(4, 3)
    outputs = network.predict(inputs)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, network.predict(inputs.astype(np.float32)))


@pytest.mark.parametrize("loss", TEXTBOOK_LOSSES)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "linear"])
def test_probe_emits_layer_events_that_match_an_oracle(
    activation: str, loss: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(activation, loss, (3, 5, 4)), make_samples(loss, 3, 4, 6)
    events: list[Any] = []
    arrays: list[list[Array]] = []

    def observer(event: LayerForward | LayerBackward) -> None:
        events.append(event)
        if isinstance(event, LayerForward):
            assert event.pre_activations is not None
            arrays.append([event.inputs.copy(), event.pre_activations.copy(), event.outputs.copy()])
        else:
            arrays.append([event.grad_pre_activations.copy(), event.grad_outputs.copy()])

    result = network.probe(samples.inputs, samples.targets, observer, step=42)

    assert [(type(event), event.layer) for event in events] == [
        (LayerForward, "hidden_1"),
        (LayerForward, "output"),
        (LayerBackward, "output"),
        (LayerBackward, "hidden_1"),
    ]
    assert {(event.source, event.step) for event in events} == {("probe", 42)}

    hidden, output = network.parameters_by_layer().values()
    pre_activations = samples.inputs @ hidden["weight"] + hidden["bias"]
    sigmoid = 1.0 / (1.0 + np.exp(-pre_activations))
    outputs, slopes = {
        "relu": (np.maximum(pre_activations, 0.0), pre_activations > 0.0),
        "sigmoid": (sigmoid, sigmoid * (1.0 - sigmoid)),
        "linear": (pre_activations, np.ones_like(pre_activations)),
    }[activation]
    logits = outputs @ output["weight"] + output["bias"]
    per_sample = {
        "cross_entropy": lambda: np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - samples.targets,
        "binary_cross_entropy": lambda: (1.0 / (1.0 + np.exp(-logits)) - samples.targets) / 4,
        "mse": lambda: 2.0 * (logits - samples.targets) / 4,
    }[loss]()
    grad_logits = per_sample / 6
    grad_hidden = grad_logits @ output["weight"].T
    expected = [
        [samples.inputs, pre_activations, outputs],
        [outputs, logits, logits],
        [grad_logits, grad_logits],
        [grad_hidden * slopes, grad_hidden],
    ]
    for got, wanted in zip(arrays, expected, strict=True):
        for array, want in zip(got, wanted, strict=True):
            np.testing.assert_allclose(array, want, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(result.losses, oracle(loss, logits, samples.targets)[0], rtol=1e-11)
    np.testing.assert_allclose(result.outputs, logits, rtol=1e-13)


@pytest.mark.parametrize("watched", [False, True], ids=["losses only", "with an observer"])
def test_probe_leaves_parameters_gradients_and_hooks_alone(
    watched: bool,  # noqa: FBT001 - a parameter of the test
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 8)
    Trainer(network, Adam(0.1)).step(samples, np.arange(8))
    told: list[Any] = []
    network.hooks.on(LayerForward, told.append)
    circuit = network.training_circuit(8)
    named = [("parameters", network.parameters), ("gradients", network.gradients)]
    named += [*circuit.values.items(), *circuit.gradients.items()]
    before = {name: array.tobytes() for name, array in named}
    other = make_samples("cross_entropy", 3, 4, 8, seed=2)
    network.probe(other.inputs, other.targets, (lambda _: None) if watched else None)
    assert {name: array.tobytes() for name, array in named} == before
    assert told == []


def test_probe_gives_copies_that_the_next_probe_does_not_change(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network = make_network()
    samples, other = (make_samples("cross_entropy", 3, 4, 8, seed=seed) for seed in (1, 2))
    first = network.probe(samples.inputs, samples.targets)
    losses, outputs = first.losses.copy(), first.outputs.copy()
    network.probe(other.inputs, other.targets)
    np.testing.assert_array_equal(first.losses, losses)
    np.testing.assert_array_equal(first.outputs, outputs)


def test_probe_survives_what_is_not_finite(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("relu"), make_samples("cross_entropy", 3, 4, 8)
    network.parameters[:] = np.inf
    assert np.isnan(network.probe(samples.inputs, samples.targets, lambda _: None).losses).all()


def test_an_observer_cannot_put_another_array_in_the_place_of_one(make_network: Callable[..., Network]) -> None:
    seen: Any = make_network().gradients_by_layer()
    with pytest.raises(TypeError, match="does not support item assignment"):
        seen["output"]["weight"] = np.zeros(3)
    with pytest.raises(TypeError, match="does not support item assignment"):
        seen["output"] = {}
