"""What `watch` must do with Keras models, on the backend that KERAS_BACKEND names: `test_diag_keras.py` runs it."""

import dataclasses
import os
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals import NotJudged, WatchingFailed
from gradvitals.diagnostics import watch as watching
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.note_kinds import NOTES
from gradvitals.diagnostics.notes import Ending, Generalisation, Movement, Rounding
from gradvitals.diagnostics.start_notes import BatchLabels
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.unit_death import UnitDeath
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, LayerBackward, LayerForward, OptimizerInfo, RecurrentBackward
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train
from gradvitals.experiments.cli.main import run_command

keras: Any = pytest.importorskip("keras", reason="Keras is not installed")
layers: Any = keras.layers
watch: Any = watching.watch

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own

sparse: Any = keras.losses.SparseCategoricalCrossentropy

TOLERANCE = 1e-5
EPOCHS, BATCH = 3, 50

LOSSES: Mapping[str, Callable[[], Any]] = {
    "cross_entropy": lambda: keras.losses.CategoricalCrossentropy(from_logits=True),
    "binary_cross_entropy": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "mse": lambda: "mse",
    "mae": lambda: keras.losses.mean_absolute_error,
    "huber": keras.losses.Huber,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.clear_session(free_memory=False)  # so that layers are named anew
    keras.utils.set_random_seed(7)


def make_data(loss: str, rows: int = 300) -> WatchedData:
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((2 * rows, 7)).astype(np.float32)
    hidden = inputs @ generator.standard_normal((7, 3)) + 0.3 * generator.standard_normal((2 * rows, 3))
    targets = {"cross_entropy": np.eye(3)[hidden.argmax(axis=1)], "binary_cross_entropy": hidden > 0.0}.get(
        loss, hidden
    )
    targets = targets.astype(np.float32)
    return WatchedData(inputs[:rows], targets[:rows], inputs[rows:], targets[rows:])


def make_classes(rows: int = 400, shape: tuple[int, ...] = (7,)) -> tuple[Array, Array]:
    generator = np.random.default_rng(5)
    inputs = generator.standard_normal((rows, *shape)).astype(np.float32)
    labels = (inputs.reshape(rows, -1) @ generator.standard_normal((int(np.prod(shape)), 3))).argmax(axis=1)
    return inputs, labels


def make_classifier(*, hidden: Sequence[Any] = (16, 12), rate: float = 0.05, **settings: Any) -> Any:
    parts = [part if isinstance(part, keras.Layer) else layers.Dense(part, activation="relu") for part in hidden]
    model = keras.Sequential([layers.Input((7,)), *parts, layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"], **settings)
    return model


def fit(model: Any, data: tuple[Any, Any], *callbacks: Any, **settings: Any) -> Any:
    return model.fit(*data, verbose=0, callbacks=list(callbacks), **settings)


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:  # noqa: PLR0911 - a kind each
    """List where two notes, or parts of notes, differ by more than the tolerance."""
    if dataclasses.is_dataclass(ours) and not isinstance(ours, type):
        pairs = [
            (field.name, getattr(ours, field.name), getattr(theirs, field.name)) for field in dataclasses.fields(ours)
        ]
        return [line for name, one, other in pairs for line in differences(one, other, f"{path}.{name}")]
    if isinstance(ours, Mapping):
        if ours.keys() != theirs.keys():
            return [f"{path}: {list(ours)} against {list(theirs)}"]
        return [line for key in ours for line in differences(ours[key], theirs[key], f"{path}[{key}]")]
    if isinstance(ours, tuple | list):
        if len(ours) != len(theirs):
            return [f"{path}: {ours} against {theirs}"]
        return [line for place, one in enumerate(ours) for line in differences(one, theirs[place], f"{path}[{place}]")]
    if isinstance(ours, float) and isinstance(theirs, float):
        near = np.isclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        return [] if near else [f"{path}: {ours} against {theirs}"]
    return [] if ours == theirs else [f"{path}: {ours!r} against {theirs!r}"]


def train_ours(data: WatchedData, activations: Sequence[str], loss: str) -> tuple[Record, Any]:
    network = perceptron(
        [7, 12, 9, 3], activations, loss, initializers=[he_normal] * 3, generator=np.random.default_rng(2)
    )
    start = {
        layer: {name: array.copy() for name, array in own.items()}
        for layer, own in network.parameters_by_layer().items()
    }
    samples, generator = Samples(data.inputs, data.targets), np.random.default_rng(3)
    with Monitor(network, data) as monitor:
        train(network, samples, Sgd(0.05), epochs=EPOCHS, batch_size=BATCH, generator=generator)
    return monitor.record, start


def activation_named(name: str) -> Any:
    return layers.LeakyReLU(negative_slope=0.01) if name == "leaky_relu" else name  # by its name it has .2


def train_theirs(data: WatchedData, activations: Sequence[str], loss: str, start: Any) -> Record:
    model = keras.Sequential([layers.Input((7,))])
    for name, activation in zip(start, [*map(activation_named, activations), None], strict=True):
        model.add(layers.Dense(len(start[name]["bias"]), activation=activation, name=name))
        model.layers[-1].set_weights([start[name]["weight"], start[name]["bias"]])
    model.compile(keras.optimizers.SGD(0.05), LOSSES[loss]())
    generator = np.random.default_rng(3)
    order = np.concatenate([generator.permutation(len(data.inputs)) for _ in range(EPOCHS)])
    monitor = watch(model, data=data)
    fit(model, (data.inputs[order], data.targets[order]), monitor, batch_size=BATCH, shuffle=False)
    record: Record = monitor.record
    return record


@pytest.mark.parametrize(
    ("activations", "loss"),
    [
        *((pair, "cross_entropy") for pair in (["relu"] * 2, ["sigmoid"] * 2, ["tanh", "relu"])),
        *((pair, "mse") for pair in (["leaky_relu", "elu"], ["gelu", "relu"])),
        *((["relu", "tanh"], loss) for loss in ("binary_cross_entropy", "mae", "huber")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value,
)
def test_keras_and_our_engine_give_the_same_record(activations: list[str], loss: str) -> None:
    data = make_data(loss)
    ours, start = train_ours(data, activations, loss)
    theirs = train_theirs(data, activations, loss, start)

    unseen = {"gradient_norm", "sigmoid_slope", "inactive_fraction"}  # of the true batch
    of_batches = {tag for tag in ours.tags() if tag.split("/")[0] in unseen}
    assert set(theirs.tags()) == set(ours.tags()) - of_batches
    for tag in theirs.tags():
        assert np.array_equal(ours.series(tag).steps, theirs.series(tag).steps), tag
        np.testing.assert_allclose(
            theirs.series(tag).values, ours.series(tag).values, TOLERANCE, TOLERANCE, err_msg=tag
        )
    assert ours.context is not None
    assert theirs.context is not None
    assert differences(ours.context, dataclasses.replace(theirs.context, unobserved={}, call_site=None)) == []
    kinds = [kind for kind in NOTES.values() if kind not in {BatchLabels, Rounding}]  # of the true batch
    found = [line for kind in kinds for line in differences(ours.notes(kind), theirs.notes(kind), kind.__name__)]
    assert found == []


def state_of(model: Any) -> list[Array]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(each.value)) for each in variables]


def make_random(*, built: bool) -> Any:
    keras.utils.set_random_seed(11)
    parts = [layers.Dense(12), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.3)]
    parts.append(layers.GaussianNoise(0.1))
    model = keras.Sequential([*([layers.Input((7,))] if built else []), *parts, layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("built", [True, False], ids=["built", "not built"])
def test_a_watched_training_is_bit_identical(*, built: bool) -> None:
    data = make_classes()
    alone = make_random(built=built)
    history = fit(alone, data, epochs=3, validation_data=data)
    own = random.getstate()
    state: Any = np.random.get_state()  # noqa: NPY002 - users draw from it
    watched = make_random(built=built)
    again = fit(watched, data, watch(watched, data=data, every=1), epochs=3, validation_data=data)
    now: Any = np.random.get_state()  # noqa: NPY002 - as above
    assert random.getstate() == own
    np.testing.assert_array_equal(now[1], state[1])
    assert again.history == history.history
    for one, other in zip(state_of(alone), state_of(watched), strict=True):
        np.testing.assert_array_equal(one, other)


def watched_to_its_end(model: Any, data: tuple[Array, Array], loss: str) -> Monitor:
    model.compile("adam", loss)
    monitor: Monitor = watch(model, data=data)
    fit(model, data, monitor)
    return monitor


def mismatch_of(monitor: Monitor) -> tuple[Severity, str]:
    """Give severity and words of what is said of the loss; of a pair that fits nothing."""
    said = [finding for finding in monitor.verdict.standing if finding.id == "loss_mismatch"]
    return (said[0].severity, said[0].evidence) if said else (Severity.INFO, "")


def ending_in(units: int, activation: str, shape: tuple[int, ...] = (7,)) -> Any:
    return keras.Sequential([layers.Input(shape), layers.Dense(16, "relu"), layers.Dense(units, activation)])


def test_labels_that_are_no_whole_numbers_are_told_and_the_training_goes_on() -> None:
    inputs, labels = make_classes()
    severity, evidence = mismatch_of(
        watched_to_its_end(ending_in(3, "softmax"), (inputs, labels / 255), "sparse_categorical_crossentropy")
    )
    assert severity is Severity.ERROR
    share = 100 * (labels != 0).mean()
    assert f"{share:.3g} % of the class labels are no whole numbers; cut to such, they name 1 of the 3" in evidence
    whole = watched_to_its_end(
        ending_in(3, "softmax"), (inputs, labels.astype(np.float32)), "sparse_categorical_crossentropy"
    )
    assert mismatch_of(whole) == (Severity.INFO, "")


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")  # Keras's own word
def test_a_softmax_over_one_unit_at_every_position_is_told_and_a_sigmoid_is_not() -> None:
    generator = np.random.default_rng(4)
    inputs = generator.random((400, 5, 1)).astype(np.float32)
    data = inputs, (inputs > 0.5).astype(np.float32)
    told = mismatch_of(watched_to_its_end(ending_in(1, "softmax", (5, 1)), data, "binary_crossentropy"))
    assert told == (Severity.ERROR, "a softmax over a single output")
    fitting = watched_to_its_end(ending_in(1, "sigmoid", (5, 1)), data, "binary_crossentropy")
    assert mismatch_of(fitting) == (Severity.INFO, "")


def test_a_sigmoid_for_each_of_several_classes_is_told_as_info_where_it_learns() -> None:
    inputs, labels = make_classes()
    monitor = watched_to_its_end(ending_in(3, "sigmoid"), (inputs, labels), "sparse_categorical_crossentropy")
    severity, evidence = mismatch_of(monitor)
    assert severity is Severity.INFO
    assert "outputs of a sigmoid, each by itself, taken for the probabilities of 3 classes" in evidence


def test_a_healthy_fit_has_no_finding_worse_than_info() -> None:
    data, model = make_classes(), make_classifier()
    with watch(model, data=data) as monitor:
        fit(model, data, monitor, epochs=12)
    assert [finding.key for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []
    reasons = {judgement.id: judgement.reason for judgement in monitor.verdict.not_judged}
    assert reasons["frozen_parameters"] == "not observable in Keras: the gradients of its training steps"
    assert {"dead_units", "vanishing_gradient", "no_learning", "loss_mismatch"}.isdisjoint(reasons)


@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("apart", [False, True], ids=["activation", "layer"])
def test_a_dying_relu_is_named_in_its_layer(place: int, *, apart: bool) -> None:
    data = make_classes()
    bias = keras.initializers.Constant(-30.0)
    dying = layers.Dense(10, activation=None if apart else "relu", bias_initializer=bias, name="dying")
    model = make_classifier(hidden=[*[16] * place, dying, *([layers.ReLU()] if apart else [])])
    monitor = watch(model, data=data)
    fit(model, data, monitor, epochs=8)
    found = {finding.key: finding for finding in monitor.verdict.standing}
    assert found["dead_units@dying"].severity is Severity.ERROR
    with pytest.raises(AssertionError, match="dead_units"):
        monitor.assert_healthy()


class Strike(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no types
    """Sets a layer's first bias so low, at the end of a batch, that the unit is dead."""

    def __init__(self, layer: str, step: int) -> None:
        super().__init__()
        self._layer, self._left = layer, step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's own
        """Strike, if it is time."""
        self._left -= 1
        if self._left == 0:
            part = self.model.get_layer(self._layer)
            bias = np.array(keras.ops.convert_to_numpy(part.bias))
            bias[0] = -90.0
            part.bias.assign(bias)


@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
def test_the_update_that_kills_a_unit_of_a_chain_is_known(place: int) -> None:
    data = make_classes()
    struck = layers.Dense(10, activation="relu", name="struck")
    model = make_classifier(hidden=[*[16] * place, struck], rate=0.01)
    monitor = watch(model, data=data)
    fit(model, data, Strike("struck", 30), monitor, epochs=5, batch_size=40)
    (note,) = [note for note in monitor.record.notes(UnitDeath) if note.layer == "struck" and note.unit == 0]
    assert (note.killed_by, note.of, note.rows, note.bias_after) == (30, "pre_activations", 400, -90.0)
    assert (note.largest_before or 0.0) > 0.0 > (note.largest_after or 0.0)
    (finding,) = [each for each in monitor.verdict.findings if each.key == "dead_units@struck"]
    assert "update 30 killed unit 0: its bias went from" in finding.evidence


@pytest.mark.parametrize("normalised", [False, True], ids=["plain", "normalised"])
def test_a_dead_channel_is_described_as_far_as_it_is_seen(*, normalised: bool) -> None:
    data = make_classes(200, (8, 8, 1))
    parts = [layers.BatchNormalization(name="norm")] if normalised else []
    parts = [layers.Conv2D(4, 3, name="conv"), *parts, layers.Activation("relu"), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([layers.Input((8, 8, 1)), *parts])
    model.compile(keras.optimizers.SGD(0.01), sparse(from_logits=True))
    struck = "conv"
    if normalised:  # whose shift is the bias
        model.get_layer("norm").bias = model.get_layer("norm").beta
        struck = "norm"
    monitor = watch(model, data=data)
    fit(model, data, Strike(struck, 9), monitor, epochs=5, batch_size=40)
    (note,) = [note for note in monitor.record.notes(UnitDeath) if note.layer == "conv" and note.unit == 0]
    assert note.fired_after is not None
    assert note.fired_after < 9 <= note.silent_after == note.step
    assert 0 < (note.fired_rows or 0) == sum(note.before[note.edges.index(0.0) :])
    assert sum(note.after[note.edges.index(0.0) :]) == 0
    assert note.of == ("outputs" if normalised else "pre_activations")
    assert (note.largest_before is None) == (note.largest_with_new_bias is None) == normalised


def test_updates_are_those_of_single_steps() -> None:
    data, model = make_classes(), make_classifier(hidden=[layers.Dense(16, activation="relu", name="hidden")])
    kernel = model.layers[0].kernel
    kept: list[Array] = []

    class Keep(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's own
            assert self.model is model  # which syncs on JAX
            kept.append(np.array(keras.ops.convert_to_numpy(kernel.value)))

    monitor = watch(model, data=data, every=1)
    fit(model, data, monitor, Keep(), epochs=2, batch_size=64)
    kept.append(np.array(keras.ops.convert_to_numpy(kernel.value)))
    moved = [np.linalg.norm(after - before) for before, after in pairwise(kept)]
    ratios, norms = (monitor.record.series(f"{name}/hidden") for name in ("update_ratio", "weight_norm"))
    assert ratios.steps.tolist() == list(range(1, 15))
    np.testing.assert_allclose(norms.values, [np.linalg.norm(after) for after in kept[1:]], 1e-6)
    spread = np.sqrt(2.0 / 7.0) * np.sqrt(kept[0].size)
    np.testing.assert_allclose(ratios.values, moved / np.maximum(norms.values, spread), 1e-5)


def probe_events(model: Any, data: tuple[Array, Array]) -> tuple[Any, list[Any], Any]:
    monitor = watch(model, data=data)
    network: Any = monitor._keras
    rows = network.loss.coding.encode(data[1])
    events: list[Any] = []
    result = network.probe(data[0], rows, events.append)
    return network, events, result


def bias_gradients(model: Any, data: tuple[Array, Array], biases: Sequence[Any]) -> list[Array]:
    """Differentiate the mean loss by biases with the backend itself."""
    inputs, targets = keras.ops.convert_to_tensor(data[0]), keras.ops.convert_to_tensor(data[1])
    criterion = keras.losses.get(model.loss)
    if keras.backend.backend() == "torch":
        import torch

        loss = criterion(targets, model(inputs, training=False))
        return [each.detach().numpy() for each in torch.autograd.grad(loss, [bias.value for bias in biases])]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = criterion(targets, model(inputs, training=False))
        return [np.asarray(each) for each in tape.gradient(loss, [bias.value for bias in biases])]
    import jax

    trainable = [each.value for each in model.trainable_variables]
    places = [next(i for i, each in enumerate(model.trainable_variables) if each is bias) for bias in biases]
    fixed = [each.value for each in model.non_trainable_variables]

    def loss_of(values: list[Any]) -> Any:
        outputs, _ = model.stateless_call(values, fixed, inputs, training=False)
        return criterion(targets, outputs)

    found = jax.grad(loss_of)(trainable)
    return [np.asarray(found[place]) for place in places]


def make_cnn() -> Any:
    inputs = layers.Input((10, 10, 2))
    hidden = layers.Conv2D(5, 3, name="conv")(inputs)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.MaxPooling2D()(layers.Activation("relu")(hidden))
    hidden = layers.Conv2D(4, 2, strides=2, activation="tanh", name="second")(hidden)
    hidden = layers.Dense(6, name="dense")(layers.Flatten()(hidden))
    outputs = layers.Dense(3, activation="softmax", name="last")(keras.ops.relu(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
    return model


def test_a_cnn_is_seen_layer_by_layer() -> None:
    data, model = make_classes(24, (10, 10, 2)), make_cnn()
    for part in model.layers:
        if "batch_norm" in part.name:
            part.moving_variance.assign(np.linspace(0.5, 2.0, 5))
            part.beta.assign(np.linspace(-1.0, 1.0, 5))
    network, events, result = probe_events(model, data)
    forward: dict[str, Any] = {event.layer: event for event in events if isinstance(event, LayerForward)}
    backward = {event.layer: event for event in events if isinstance(event, LayerBackward)}
    assert [info.name for info in network.layers] == list(forward) == ["conv", "second", "dense", "last"]
    assert [info.activation for info in network.layers] == ["relu", "tanh", "relu", "softmax"]
    assert [(info.fan_in, info.fan_out) for info in network.layers] == [(18, 5), (20, 4), (16, 6), (6, 3)]
    assert network.loss_info.takes == "probabilities"
    assert network.loss_info.clip == 1e-7
    assert not network.layerwise

    names = ("activation", "second", "dense")
    inner = keras.Model(model.input, [model.get_layer(name).output for name in names])
    seen = inner(data[0], training=False)
    rectified, second, dense = (np.asarray(keras.ops.convert_to_numpy(each)) for each in seen)
    assert forward["conv"].pre_activations is None  # a normalisation stands between the two
    np.testing.assert_allclose(forward["conv"].outputs, rectified.reshape(-1, 5), 1e-5, 1e-6)
    np.testing.assert_allclose(forward["second"].outputs, second.reshape(-1, 4), 1e-5, 1e-6)
    np.testing.assert_allclose(np.tanh(forward["second"].pre_activations), second.reshape(-1, 4), 1e-5, 1e-6)
    np.testing.assert_allclose(forward["dense"].pre_activations, dense, 1e-5, 1e-6)
    np.testing.assert_allclose(forward["dense"].outputs, np.maximum(dense, 0.0), 1e-5, 1e-6)

    biases = bias_gradients(model, data, [model.get_layer(name).bias for name in forward])
    for name, bias in zip(forward, biases, strict=True):
        np.testing.assert_allclose(backward[name].grad_pre_activations.sum(axis=0), bias, 1e-4, 1e-6, err_msg=name)
    answers = np.asarray(keras.ops.convert_to_numpy(model(data[0], training=False)))
    np.testing.assert_allclose(result.outputs, answers, 1e-5)
    np.testing.assert_allclose(result.losses, -np.log(answers[np.arange(24), data[1]]), 1e-4)
    np.testing.assert_array_equal(result.scores, answers.argmax(axis=1) == data[1])


def test_recurrent_layers_are_layers_with_outputs_only() -> None:
    data = make_classes(20, (6, 4))
    lstm, gru = layers.LSTM(5, return_sequences=True, name="lstm"), layers.GRU(3)
    both = layers.Bidirectional(gru, name="both")
    model = keras.Sequential([layers.Input((6, 4)), lstm, both, layers.Dense(3, name="last")])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network, events, _ = probe_events(model, data)
    assert [(info.name, info.activation) for info in network.layers] == [
        ("lstm", "lstm"),
        ("both/forward_gru", "gru"),
        ("both/backward_gru", "gru"),
        ("last", "linear"),
    ]
    forward: dict[str, Any] = {event.layer: event for event in events if isinstance(event, LayerForward)}
    sequence = keras.ops.convert_to_numpy(model.layers[0](data[0], training=False))
    np.testing.assert_allclose(forward["lstm"].outputs, sequence.reshape(-1, 5), 1e-5, 1e-6)
    assert forward["lstm"].pre_activations is None
    assert [event.layer for event in events if isinstance(event, LayerBackward | RecurrentBackward)] == ["last"]
    monitor = watch(model, data=data)
    fit(model, data, monitor, epochs=3)
    assert not [finding for finding in monitor.verdict.standing if finding.severity is Severity.ERROR]
    reasons = {judgement.id: judgement.reason for judgement in monitor.verdict.not_judged}
    assert "fused" in reasons["recurrent_gain"]


class Block(layers.Layer):  # type: ignore[misc]
    """Two dense layers in a layer of a user's own."""

    def __init__(self) -> None:
        super().__init__(name="block")
        self.first, self.second = layers.Dense(8, name="first"), layers.Dense(7, name="second")
        self.act = layers.ReLU()

    def call(self, inputs: Any) -> Any:  # noqa: D102 - Keras's own
        return inputs + self.second(self.act(self.first(inputs)))


class Subclassed(keras.Model):  # type: ignore[misc]
    """A model without a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.unused = Block(), layers.Dense(4, name="unused")
        self.dropout, self.last = layers.Dropout(0.2), layers.Dense(3, name="last")

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: D102 - Keras's own
        return self.last(self.dropout(self.block(inputs), training=training))


@pytest.mark.filterwarnings("ignore:.build..:UserWarning")  # Keras's own, of layers that are never called
def test_a_subclassed_model_is_watched_and_left_as_it_was() -> None:
    data, model = make_classes(), Subclassed()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    monitor = watch(model, data=data)
    attributes = {id(part): set(vars(part)) for part in model._flatten_layers()}
    fit(model, data, monitor, epochs=2)
    assert monitor.verdict.never_called == ("unused",)
    assert [(info.name, info.activation) for info in monitor.record.context.layers] == [
        ("block/first", "relu"),
        ("block/second", "linear"),
        ("last", "linear"),
    ]
    for part in model._flatten_layers():
        assert {"call", "activation"}.isdisjoint(set(vars(part)) - attributes[id(part)])


class Forgetful(keras.Model):  # type: ignore[misc]
    """Builds all its parts, calls one of them in training only and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.training_only = layers.Dense(3, name="last"), layers.Dense(3, name="training_only")
        self.spare, self.norm = layers.GRU(4, name="spare"), layers.BatchNormalization(name="norm")

    def build(self, shape: Any) -> None:  # noqa: D102 - Keras's own
        for part in (self.last, self.training_only, self.norm):
            part.build(shape)
        self.spare.build((None, *shape))
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: D102 - Keras's own
        return self.last(inputs) + (self.training_only(inputs) if training else 0.0)


class SelfTrained(Forgetful):
    """Overrides the training step, which may call anything."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 - Keras's own
        return super().compute_loss(*args, **kwargs)


@pytest.mark.parametrize(("kind", "parts"), [(Forgetful, ("norm", "spare")), (SelfTrained, ())])
def test_parts_that_no_pass_comes_by_are_told(kind: Any, parts: tuple[str, ...], tmp_path: Path) -> None:
    data, model = make_classes(), kind()
    model.compile(keras.optimizers.SGD(0.1), sparse(from_logits=True), run_eagerly=True)
    monitor = watch(model, data=data, logdir=tmp_path)
    monitor.set_model(model)
    monitor.on_epoch_begin(0)
    monitor.detach()
    assert tuple(sorted(monitor.verdict.never_called)) == parts
    assert judge(read_record(tmp_path).record).never_called == monitor.verdict.never_called


def test_layers_are_put_back_when_the_pass_fails() -> None:
    data, model = make_classes(), make_classifier()
    network: Any = watch(model, data=data)._keras
    activation = model.layers[0].activation
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the backend raises
        network.probe(np.zeros((4, 9), np.float32), np.zeros((4, 3), np.float32))
    assert model.layers[0].activation is activation
    assert "call" not in vars(model.layers[0])


def test_layers_that_are_not_trained_send_no_updates() -> None:
    data = make_classes()
    model = make_classifier(hidden=[layers.Dense(9, activation="relu", name="fixed", trainable=False), 8])
    monitor = watch(model, data=data, every=1)
    fit(model, data, monitor, epochs=2)
    assert len(monitor.record.series("update_ratio/fixed").steps) == 0
    assert all(not note.unmoved for note in monitor.record.notes(Movement))
    assert "fixed" in [info.name for info in monitor.record.context.layers]


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "torch", reason="PyTorch runs one step at a time")
def test_several_steps_in_one_execution_are_counted() -> None:
    data, model = make_classes(), make_classifier(steps_per_execution=4)
    monitor = watch(model, data=data)
    fit(model, data, monitor, epochs=3)
    assert monitor.record.notes(Ending)[0].step == 3 * 13
    assert monitor.record.series("update_ratio/dense").steps.tolist() == list(range(1, 40))
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations.value)) == 3 * 13


@pytest.mark.parametrize("fits", [1, 2], ids=["fresh", "in the middle of a step"])
def test_gradients_accumulated_over_batches_are_one_step(fits: int) -> None:
    data, model = make_classes(200), make_classifier()
    model.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=4), model.loss)
    for _ in range(fits - 1):
        fit(model, data)  # 7 batches, three of which wait for a fourth
    kernel = np.array(keras.ops.convert_to_numpy(model.layers[0].kernel.value))
    monitor = watch(model, data=data, every=1)
    fit(model, data, monitor, epochs=4)
    steps = 7 * (fits + 3) // 4 - 7 * (fits - 1) // 4
    assert (monitor.record.context.total_steps, monitor.record.context.batch_size) == (steps, 4 * 32)
    assert monitor.record.notes(Ending)[0].step == steps
    ratios = monitor.record.series("update_ratio/dense")
    assert ratios.steps.tolist() == list(range(1, steps + 1))
    assert (ratios.values > 0.0).all()
    assert not np.array_equal(kernel, keras.ops.convert_to_numpy(model.layers[0].kernel.value))


def test_batches_that_a_loss_scaler_leaves_out_are_no_steps() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        data, model = make_classes(320), make_classifier()
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), initial_scale=2.0**24)
    model.compile(optimizer, model.loss)
    monitor = watch(model, data=data, every=1)
    fit(model, data, monitor, epochs=6)
    taken = int(keras.ops.convert_to_numpy(optimizer.inner_optimizer.iterations))
    assert 30 < taken < 60
    assert monitor.record.notes(Ending)[0].step == taken
    ratios = monitor.record.series("update_ratio/dense")
    assert ratios.steps.tolist() == list(range(1, taken + 1))
    assert (ratios.values > 0.0).all()
    assert [finding for finding in monitor.verdict.standing if finding.severity > Severity.INFO] == []


def test_gradients_too_small_for_half_precision_are_not_taken_for_vanished() -> None:
    inputs, labels = make_classes(256)
    small = keras.initializers.RandomNormal(stddev=1e-4, seed=1)
    found: list[dict[str, Array]] = []
    weights: list[Array] | None = None
    for policy in ("float32", "mixed_float16"):
        hidden = [layers.Dense(8, activation="tanh", name=f"hidden_{place}", dtype=policy) for place in range(3)]
        last = layers.Dense(1, kernel_initializer=small, name="last", dtype=policy)
        model = keras.Sequential([layers.Input((7,)), *hidden, last])
        model.compile("sgd", "mse")
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        _, events, _ = probe_events(model, (inputs, labels.astype(np.float32)[:, np.newaxis]))
        found.append({each.layer: each.grad_pre_activations for each in events if isinstance(each, LayerBackward)})
    for name, gradient in found[0].items():
        assert found[1][name].dtype == np.float32
        np.testing.assert_allclose(found[1][name], gradient, atol=0.02 * np.abs(gradient).max(), err_msg=name)


def test_class_weights_count_and_weights_of_samples_leave_the_loss_unjudged() -> None:
    inputs, labels = make_classes()
    weighted = make_classifier()
    monitor = watch(weighted, data=(inputs, labels))
    fit(weighted, (inputs, labels), monitor, class_weight={0: 3.0, 1: 1.0, 2: 0.5})
    counts = np.bincount(labels) * [3.0, 1.0, 0.5]
    expected = -(counts * np.log(counts / counts.sum())).sum() / len(labels)
    assert monitor.record.context.constant_loss == pytest.approx(expected)

    by_sample = make_classifier()
    monitor = watch(by_sample, data=(inputs, labels))
    fit(by_sample, (inputs, labels), monitor, sample_weight=np.ones(len(labels)))
    assert monitor.record.context.loss == "weighted cross_entropy"
    assert monitor.record.context.constant_loss is None


@pytest.mark.parametrize(
    ("loss", "name", "takes"),
    [
        ("sparse_categorical_crossentropy", "cross_entropy", "probabilities"),
        ("crossentropy", "cross_entropy", "probabilities"),
        (lambda: sparse(from_logits=True, reduction="sum"), "cross_entropy", "logits"),
        (lambda: sparse(ignore_class=2), "cross_entropy that ignores a class", "probabilities"),
        (lambda: lambda targets, outputs: keras.ops.mean((outputs - targets) ** 2, axis=-1), "mse", "values"),
        (lambda: lambda targets, outputs: keras.ops.mean((outputs - targets) ** 4, axis=-1), "custom", None),
        (lambda: lambda targets, outputs: keras.ops.mean(keras.ops.abs(outputs - targets)), "mae", "values"),
        (lambda: lambda *given: keras.ops.mean(sparse(from_logits=True)(*given)), "cross_entropy", "logits"),
        (lambda: "poisson", "custom", None),
        (lambda: keras.losses.Huber(2.0), "huber of delta 2", "values"),
    ],
)  # fmt: skip
def test_losses_are_known_by_name_and_class(loss: Any, name: str, takes: str | None) -> None:
    data, model = make_classes(), keras.Sequential([layers.Input((7,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss if isinstance(loss, str) else loss())
    if takes in {None, "values"}:
        data = data[0], np.eye(3)[data[1]]
    monitor: Any = watch(model, data=data)
    network = monitor._keras
    assert network.loss_name == name
    assert (network.loss_info.takes if network.loss_info else None) == takes
    by_sample = network.probe(data[0], network.loss.coding.encode(data[1])).losses
    target = keras.ops.convert_to_tensor(data[1])
    if takes in {None, "values"}:
        criterion = keras.losses.get(model.loss)
        expected = keras.ops.convert_to_numpy(criterion(keras.ops.cast(target, "float32"), model(data[0])))
        np.testing.assert_allclose(by_sample.mean(), expected.mean(), 1e-5)
        return
    answers = network.probe(data[0], network.loss.coding.encode(data[1])).outputs
    if takes == "probabilities" and name == "cross_entropy":
        np.testing.assert_allclose(by_sample, -np.log(answers[np.arange(len(answers)), data[1]]), 1e-4)


@pytest.mark.parametrize("is_masked", [True, False])
def test_a_loss_under_a_mask_is_taken_for_an_unknown_one(*, is_masked: bool) -> None:
    inputs = np.random.default_rng(0).normal(size=(40, 6, 3)).astype("float32")
    inputs[:, 2:] = 0.0
    targets = (inputs[..., :1] > 0.0).astype("float32")
    first = [layers.Masking(0.0)] if is_masked else []
    model = keras.Sequential(
        [
            layers.Input((6, 3)),
            *first,
            layers.SimpleRNN(4, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    monitor: Any = watch(model, data=(inputs, targets))
    assert monitor._keras.loss_name == ("masked binary_cross_entropy" if is_masked else "binary_cross_entropy")
    model.fit(inputs, targets, epochs=2, verbose=0, callbacks=[monitor])
    assert (monitor.record.context.constant_loss is None) is is_masked


def test_a_model_made_for_batches_of_one_size_says_how_it_can_be_watched() -> None:
    model = keras.Sequential([layers.Input((6, 3), batch_size=5), layers.SimpleRNN(4, stateful=True), layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"made for batches of one size: watch it without data"):
        watch(model, data=(np.ones((20, 6, 3)), np.ones((20, 1))))


@pytest.mark.parametrize("is_sick", [True, False], ids=["sick", "healthy"])
def test_a_softmax_in_a_lambda_before_a_loss_of_logits_is_told(*, is_sick: bool) -> None:
    inputs, labels = make_classes()
    behind = [layers.Lambda(keras.ops.softmax)] if is_sick else []
    model = keras.Sequential([layers.Input((7,)), layers.Dense(8, activation="relu"), layers.Dense(3), *behind])
    model.compile("adam", lambda *given: keras.ops.mean(sparse(from_logits=True)(*given)))
    monitor: Any = watch(model, data=(inputs, labels))
    model.fit(inputs, labels, epochs=2, verbose=0, callbacks=[monitor])
    found = [finding for finding in monitor.verdict.standing if finding.id == "loss_mismatch"]
    assert [str(finding.severity) for finding in found] == (["error"] if is_sick else [])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="what is compiled is not asked twice")
@pytest.mark.parametrize("axis", [0, -1], ids=["over the samples", "over the classes"])
def test_a_softmax_over_the_samples_of_a_batch_is_told(axis: int) -> None:
    inputs, labels = make_classes()
    model = keras.Sequential(
        [layers.Input((7,)), layers.Dense(8, activation="relu"), layers.Dense(3), layers.Softmax(axis=axis)]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    monitor: Any = watch(model, data=(inputs, labels))
    model.fit(inputs, labels, epochs=8, verbose=0, callbacks=[monitor])
    found = [each for each in monitor.verdict.standing if each.id == "loss_mismatch" and each.severity > 1]
    assert ["every other one was replaced" in each.evidence for each in found] == ([True] if axis == 0 else [])


@pytest.mark.parametrize("is_scaled", [True, False])
def test_inputs_that_a_rescaling_layer_scales_are_not_called_unscaled(*, is_scaled: bool) -> None:
    inputs, labels = make_classes()
    first = [layers.Rescaling(1 / 300)] if is_scaled else []
    model = keras.Sequential([layers.Input((7,)), *first, layers.Dense(8, activation="relu"), layers.Dense(3)])
    model.compile("adam", sparse(from_logits=True))
    monitor: Any = watch(model, data=(300 * inputs, labels))
    model.fit(300 * inputs, labels, epochs=2, verbose=0, callbacks=[monitor])
    assert any(finding.id == "unscaled_inputs" for finding in monitor.verdict.standing) is not is_scaled


def test_a_label_without_an_output_has_no_loss() -> None:
    inputs, labels = make_classes()
    model = keras.Sequential([layers.Input((7,)), layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels[:8] = 0
    network: Any = watch(model, data=(inputs, labels))._keras
    losses = network.probe(inputs, network.loss.coding.encode(labels)).losses
    np.testing.assert_array_equal(np.isnan(losses), labels == 2)


@pytest.mark.parametrize("signs", [True, False], ids=["-1 and 1", "0 and 1"])
def test_a_hinge_takes_signs_and_labels(*, signs: bool) -> None:
    inputs, labels = make_classes()
    targets = (labels == 1).astype(np.float32)
    model = keras.Sequential([layers.Input((7,)), layers.Dense(1)])
    model.compile("sgd", "hinge")
    monitor: Any = watch(model, data=(inputs, 2 * targets - 1 if signs else targets))
    fit(model, (inputs, 2 * targets - 1 if signs else targets), monitor)
    assert monitor.record.context.loss == "binary_hinge"
    assert monitor.record.context.constant_loss == pytest.approx(2.0 * min(targets.mean(), 1 - targets.mean()))


def test_the_log_is_judged_like_any_other(tmp_path: Path) -> None:
    data, model = make_classes(), make_classifier()
    monitor = watch(model, data=data, logdir=tmp_path)
    history = fit(model, data, monitor, epochs=8, validation_data=data).history
    run = read_record(tmp_path)
    assert run.record.notes(Ending)
    np.testing.assert_allclose(run.training["epoch_loss"].values, history["loss"], 1e-6)
    np.testing.assert_allclose(run.validation["epoch_accuracy"].values, history["val_accuracy"], 1e-6)
    assert run_command(["check", str(tmp_path)]) == 0
    live = [(judgement.id, judgement.status, judgement.reason) for judgement in monitor.verdict.judgements]
    assert [(judgement.id, judgement.status, judgement.reason) for judgement in judge(run.record).judgements] == live


def test_a_training_that_fails_is_noted_in_a_with_block() -> None:
    data, model = make_classes(), make_classifier()

    class Fail(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's own
            raise KeyError

    with pytest.raises(KeyError), watch(model, data=data) as monitor:
        fit(model, data, monitor, Fail(), epochs=3)
    assert [ending.reason for ending in monitor.record.notes(Ending)] == ["failed"]


def test_a_training_stopped_early_is_noted() -> None:
    data, model = make_classes(), make_classifier()
    monitor = watch(model, data=data)
    fit(model, data, monitor, keras.callbacks.EarlyStopping("loss", min_delta=100.0, patience=1), epochs=9)
    assert [ending.reason for ending in monitor.record.notes(Ending)] == ["early_stopping"]


def test_an_exploding_training_is_named() -> None:
    data, model = make_classes(), make_classifier(rate=1e12)
    monitor = watch(model, data=data)
    fit(model, data, monitor, epochs=6)
    assert [finding.id for finding in monitor.verdict.standing if finding.severity is Severity.ERROR]


def test_a_data_set_of_batches_is_read() -> None:
    inputs, labels = make_classes()

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> tuple[Array, Array]:
            return inputs[100 * index : 100 * index + 100], labels[100 * index : 100 * index + 100]

    model = make_classifier()
    monitor = watch(model, data=Batches())
    model.fit(Batches(), epochs=2, verbose=0, callbacks=[monitor])
    context = monitor.record.context
    assert (context.samples, context.batch_size, context.total_steps) == (400, 100, 8)


def test_samples_with_weights_of_their_own_leave_the_loss_unjudged() -> None:
    inputs, labels = make_classes()
    weights = np.ones(len(labels))
    monitor = watch(make_classifier(), data=(inputs, labels, weights))
    assert monitor._keras.loss_name == "weighted cross_entropy"


def test_a_validation_set_is_scored_with_every_probe() -> None:
    (inputs, labels), model = make_classes(360), make_classifier()
    unseen = inputs[200:], labels[200:]
    monitor = watch(model, data=(inputs[:200], labels[:200]), validation=unseen)
    fit(model, (inputs[:200], labels[:200]), monitor, epochs=2)
    notes = monitor.record.notes(Generalisation)
    right = model.predict(unseen[0], verbose=0).argmax(axis=1) == unseen[1]
    assert (notes[-1].samples, notes[-1].score) == (160, pytest.approx(right.mean()))
    assert notes[0].score != notes[-1].score
    with pytest.raises(ValueError, match="the validation set does not fit"):
        watch(model, data=(inputs, labels), validation=(inputs[:, :5], labels))


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="only JAX compiles passes")
def test_a_pass_is_compiled_once() -> None:
    import jax

    compiled: list[str] = []
    data = make_classes(20, (6, 4))
    model = keras.Sequential([layers.Input((6, 4)), layers.LSTM(5), layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network, _, first = probe_events(model, data)
    rows = network.loss.coding.encode(data[1])
    model.layers[-1].bias.assign([50.0, 0.0, 0.0])
    jax.monitoring.register_event_duration_secs_listener(lambda event, _, **_unused: compiled.append(event))
    again = network.probe(data[0], rows, lambda _event: None)
    assert [event for event in compiled if "backend_compile" in event] == []
    assert again.losses.mean() > first.losses.mean() + 1.0  # of the weights as they are now


def test_a_pass_compiled_once_is_not_mixed_up_when_a_part_is_frozen() -> None:
    """The variables then come in another order; here all have the same shapes."""
    data = make_classes(20, (5,))
    model = keras.Sequential([layers.Input((5,)), layers.Dense(5, "relu"), layers.Dense(5, "tanh"), layers.Dense(5)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network, _, before = probe_events(model, data)
    model.layers[0].trainable = False
    after = network.probe(data[0], network.loss.coding.encode(data[1]), lambda _event: None)
    np.testing.assert_allclose(after.outputs, before.outputs, rtol=1e-5)


def test_another_model_is_refused() -> None:
    data = make_classes()
    with pytest.raises(ValueError, match="another model"):
        fit(make_classifier(), data, watch(make_classifier(), data=data))


def fit_twice(model: Any, data: tuple[Any, Any], monitor: Monitor) -> None:
    for _ in range(2):
        fit(model, data, monitor, shuffle=False)


def test_a_second_fit_is_trained_unwatched_and_told_once() -> None:
    data, alone, model = make_classes(), make_classifier(), make_classifier()
    model.set_weights(alone.get_weights())
    monitor = watch(model, data=data)
    fit(model, data, monitor, shuffle=False)
    judged = monitor.verdict
    with pytest.warns(WatchingFailed, match="watches one fit, and this is another: it goes on unwatched") as told:
        fit_twice(model, data, monitor)
    for _ in range(3):
        fit(alone, data, shuffle=False)
    ours = [Path(each.filename) for each in told if each.category is WatchingFailed]
    assert ours == [Path(__file__)], {str(each.message)[:80] for each in told}
    assert monitor.verdict == judged
    for one, other in zip(state_of(alone), state_of(model), strict=True):
        np.testing.assert_array_equal(one, other)


@keras.saving.register_keras_serializable("tests")
class AlwaysDraws(layers.Layer):  # type: ignore[misc]
    """A dropout of somebody's own: it draws in evaluation, too, and its weights are drawn only when it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(5)

    def build(self, shape: Any) -> None:
        """Draw a weight."""
        self.scale = self.add_weight(shape=shape[-1:], initializer=keras.initializers.RandomUniform(0.5, 1.5))

    def call(self, inputs: Any) -> Any:
        """Drop, whatever the mode."""
        return keras.random.dropout(inputs * self.scale, 0.5, seed=self.seeds)


def test_a_model_that_always_draws_is_built_and_trained_as_if_unwatched() -> None:
    data = make_classes()
    states = []
    for is_watched in (False, True):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([layers.Dense(8, "relu"), AlwaysDraws(), layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        callbacks = [watch(model, data=data)] if is_watched else []
        history = fit(model, data, *callbacks, epochs=2).history
        states.append((history, random.random(), [each.tolist() for each in state_of(model)]))  # noqa: S311 - no secret
    assert states[0] == states[1]


def test_what_cannot_be_watched_is_said_in_a_sentence() -> None:
    inputs, labels = make_classes()
    bare = keras.Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match="is not compiled: compile it"):
        watch(bare)
    bare.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has no weights yet: give data, or build it"):
        watch(bare)
    with pytest.raises(ValueError, match="leave it out"):
        watch(bare, optimizer="sgd")
    with pytest.raises(ValueError, match="a target for every input"):
        watch(make_classifier(), data=(inputs, labels[:5]))
    for validation, said in (
        ((inputs, labels[:5]), "data must have a target for every input"),
        ((inputs[:, :5], labels), r"\S"),  # the first line of what Keras says
        ((inputs, labels + 0.5), "class indices must be whole numbers"),
    ):
        with pytest.raises(ValueError, match=f"^the validation set does not fit: (?!Exception encountered){said}"):
            watch(make_classifier(), data=(inputs, labels), validation=validation)
    with pytest.raises(ValueError, match=r"fails on the data's inputs, of shape \(8, 5\): (?!Exception encountered)\S"):
        watch(make_classifier(), data=(inputs[:, :5], labels))
    with pytest.raises(ValueError, match="the loss fails on outputs"):
        watch(make_classifier(), data=(inputs, np.zeros((400, 2, 2))))
    with pytest.raises(TypeError, match="got a generator"):
        watch(make_classifier(), data=(pair for pair in [(inputs, labels)]))
    with pytest.raises(TypeError, match="several inputs"):
        watch(make_classifier(), data=([inputs, inputs], labels))
    entry = layers.Input((7,))
    double = keras.Model(entry, [layers.Dense(2)(entry), layers.Dense(2)(entry)])
    double.compile("sgd", ["mse", "mse"])
    with pytest.raises(TypeError, match="several outputs cannot be probed"):
        watch(double, data=(inputs, labels))
    fit(double, (inputs, [np.zeros((400, 2))] * 2), watch(double))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
            OptimizerInfo("sgd", 0.05, 0.9, nesterov=True),
        ),
        (lambda: keras.optimizers.SGD(0.05, clipnorm=1.0), OptimizerInfo("sgd", 0.05, clips=True)),
        (lambda: keras.optimizers.SGD(0.05, global_clipnorm=1.0), OptimizerInfo("sgd", 0.05, clips=True)),
        (lambda: keras.optimizers.Adam(0.01), OptimizerInfo("adam", 0.01)),
        (
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.2, 10, 0.5)),
            OptimizerInfo("sgd", 0.2),
        ),
    ],
    ids=["nesterov", "clipnorm", "global_clipnorm", "adam", "a schedule"],
)
def test_the_optimizer_is_told_as_it_begins(make: Any, told: OptimizerInfo) -> None:
    data, model = make_classes(), keras.Sequential([layers.Input((7,)), layers.Dense(3, activation="softmax")])
    model.compile(make(), "sparse_categorical_crossentropy")
    monitor: Any = watch(model, data=data)
    model.fit(*data, epochs=1, verbose=0, callbacks=[monitor])
    optimizer = monitor.record.context.optimizer
    rounded = {"learning_rate": round(optimizer.learning_rate, 6), "momentum": round(optimizer.momentum, 6)}
    assert dataclasses.replace(optimizer, **rounded) == told


FULL = "no space left on device"


class Full(RunWriter):
    """Event files on a disk that is full after some scalars."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Fail from step 20 on."""
        if step >= 20:
            raise OSError(FULL)
        super().scalars(step, values)


def test_a_fit_goes_on_to_the_bit_when_its_log_cannot_be_written(tmp_path: Path) -> None:
    alone, watched = (make_classifier() for _ in range(2))
    watched.set_weights(alone.get_weights())
    data = make_classes()
    keras.utils.set_random_seed(3)
    fit(alone, data, epochs=3)
    monitor = watching.watch_with_sinks(
        watched,
        data=data,
        validation=None,
        loss=None,
        optimizer=None,
        total_steps=None,
        every=1,
        open_sinks=lambda: [Full(tmp_path / "run")],
    )
    keras.utils.set_random_seed(3)
    with pytest.warns(WatchingFailed, match=FULL):
        fit(watched, data, monitor, epochs=3)
    for own, other in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    with pytest.raises(NotJudged, match=FULL):
        monitor.assert_healthy()
    assert run_command(["check", str(tmp_path)]) == 3


def context_of(monitor: Any) -> Context:
    context: Context | None = monitor.record.context
    assert context is not None
    return context


def test_the_arrays_that_fit_is_given_are_the_data_where_none_are() -> None:
    data, verdicts = make_classes(), []
    for given in ({}, {"data": data}):
        keras.utils.clear_session()  # so that layers have the same names
        keras.utils.set_random_seed(0)
        model = make_classifier(rate=1e-6)
        monitor: Any = watch(model, **given)
        fit(model, data, monitor, epochs=20)
        verdicts.append([(each.severity, each.key, each.evidence) for each in monitor.verdict.standing])
        assert context_of(monitor).samples == len(data[0])
        assert context_of(monitor).loss == "cross_entropy"
    assert verdicts[0] == verdicts[1]
    assert "no_learning" in [key for _, key, _ in verdicts[0]]


def test_what_is_split_off_for_validation_is_not_trained_on() -> None:
    data, model = make_classes(), make_classifier()
    monitor: Any = watch(model)
    fit(model, data, monitor, epochs=3, validation_split=0.25)
    assert context_of(monitor).samples == len(data[0]) * 3 // 4
    assert monitor.record.notes(Generalisation)


def test_without_data_a_fit_goes_to_the_bit_as_unwatched() -> None:
    data, ends = make_classes(), []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        model = make_classifier(hidden=(16, layers.Dropout(0.2)))
        fit(model, data, *([watch(model)] if watched else []), epochs=3)
        ends.append(model.get_weights())
    for own, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(own, other)


def test_of_what_can_be_read_but_once_nothing_is_read() -> None:
    inputs, labels = make_classes()
    model = make_classifier()
    monitor: Any = watch(model)

    def batches() -> Any:
        for start in range(0, len(inputs), 40):
            yield inputs[start : start + 40], labels[start : start + 40]

    model.fit(batches(), epochs=1, steps_per_epoch=10, shuffle=False, verbose=0, callbacks=[monitor])
    assert context_of(monitor).samples is None


def test_models_that_cannot_be_probed_on_what_fit_was_given_are_watched_without() -> None:
    inputs, labels = make_classes()
    entry = layers.Input((7,))
    two = keras.Model(entry, [layers.Dense(3)(entry), layers.Dense(3)(entry)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    two.compile("sgd", [loss, loss])
    monitor: Any = watch(two)
    two.fit(inputs, [labels, labels], epochs=2, verbose=0, callbacks=[monitor])
    assert context_of(monitor).samples is None
    assert monitor.verdict.standing == ()


def overlap(targets: Any, outputs: Any) -> Any:
    """Give Dice's coefficient: of a loss it lacks the minus."""
    both = keras.ops.sum(targets * outputs)
    return 2.0 * both / (keras.ops.sum(targets**2) + keras.ops.sum(outputs**2) + 1e-6)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (overlap, "of right outputs the loss is larger than of wrong ones"),
        (lambda targets, outputs: 1.0 - overlap(targets, outputs), None),
        (lambda targets, outputs: 0.0 * overlap(targets, keras.ops.round(outputs * 0.0)), "is the same to the bit"),
    ],
)
def test_losses_of_ones_own_that_make_no_sense_are_told(loss: Any, told: str | None) -> None:
    inputs, labels = make_classes()
    masks = np.eye(3, dtype=np.float32)[labels]
    model = keras.Sequential([layers.Input((7,)), layers.Dense(3, activation="sigmoid")])
    model.compile("sgd", loss)
    monitor: Any = watch(model, data=(inputs, masks))
    fit(model, (inputs, masks), monitor)
    found = [each.evidence for each in monitor.verdict.standing if each.id == "loss_mismatch"]
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


class SmallBatches(layers.Layer):  # type: ignore[misc]
    """Takes no more than some samples at once."""

    def call(self, inputs: Any) -> Any:
        """Give them back."""
        if isinstance(inputs.shape[0], int) and inputs.shape[0] > 100:
            raise RuntimeError
        return inputs


def test_a_look_that_fails_on_data_nobody_gave_does_not_end_the_fit() -> None:
    data, ends = make_classes(), []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        model = make_classifier(hidden=(SmallBatches(), 16))
        if watched:
            with pytest.warns(WatchingFailed):
                fit(model, data, watch(model), epochs=2)
        else:
            fit(model, data, epochs=2)
        ends.append(model.get_weights())
    for own, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(own, other)
