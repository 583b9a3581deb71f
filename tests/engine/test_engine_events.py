"""Events of a training: their order and contents, what they cost nobody, and that watching changes nothing."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.adaptive_optimizers import AdamW
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import (
    Array,
    EpochEnded,
    GradientsReady,
    LayerBackward,
    LayerForward,
    OptimizerInfo,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)
from gradvitals.engine.history import History
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.schedules import Constant, WarmUp
from gradvitals.engine.training import Samples, Trainer, train

STEP_EVENTS = (LayerForward, LayerBackward, GradientsReady, StepEnded)
ALL_EVENTS = (TrainingStarted, *STEP_EVENTS, EpochEnded, TrainingEnded)
SIZES = (3, 5, 4, 2)


@pytest.fixture
def network(make_network: Callable[..., Network]) -> Network:
    return make_network("tanh", "cross_entropy", SIZES)


@pytest.fixture
def samples(make_samples: Callable[..., Samples]) -> Samples:
    return make_samples("cross_entropy", 3, 2, 22)


def arrays_of(value: Any) -> Iterator[Array]:
    """Find every array of an event, however deep."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from arrays_of(item)
    elif hasattr(value, "__dataclass_fields__"):
        for field in fields(value):
            yield from arrays_of(getattr(value, field.name))


def train_briefly(network: Network, samples: Samples, **options: Any) -> History:
    return train(network, samples, Adam(0.05), epochs=3, batch_size=8, generator=np.random.default_rng(3), **options)


def flat(layers: Any) -> Array:
    return np.concatenate([array.ravel() for layer in layers.values() for array in layer.values()])


def test_events_come_in_the_order_of_the_loop(network: Network, samples: Samples) -> None:
    told: list[str] = []
    for event_type in ALL_EVENTS:
        network.hooks.on(event_type, lambda event: told.append(type(event).__name__))

    def average(gradients: Array) -> None:
        told.append(f"average {gradients.size}")

    def clip(gradients: Array) -> float:
        told.append(f"clip {gradients.size}")
        return 1.0

    train(
        network,
        samples,
        Sgd(0.1),
        epochs=1,
        batch_size=22,
        generator=np.random.default_rng(0),
        average=average,
        clip=clip,
    )
    size = network.parameters.size
    assert told == [
        "TrainingStarted",
        f"average {size}",
        *["LayerForward"] * 3,
        *["LayerBackward"] * 3,
        "GradientsReady",
        f"clip {size}",
        "StepEnded",
        "EpochEnded",
        "TrainingEnded",
    ]


def test_gradients_are_averaged_and_unclipped_and_the_update_is_the_one_really_taken(
    network: Network, samples: Samples
) -> None:
    def average(gradients: Array) -> None:
        averaged_from.append(gradients.copy())
        gradients *= 3.0

    averaged_from: list[Array] = []
    ready: list[Array] = []
    ended: list[StepEnded] = []
    updates: list[tuple[Array, Array]] = []
    network.hooks.on(GradientsReady, lambda event: ready.append(flat(event.gradients)))
    network.hooks.on(StepEnded, ended.append)
    network.hooks.on(StepEnded, lambda event: updates.append((flat(event.updates), flat(event.parameters))))
    trainer = Trainer(network, Sgd(0.1, momentum=0.9), average=average, clip=clip_norm(0.01))
    for number in range(1, 6):
        before = network.parameters.copy()
        loss = trainer.step(samples, np.arange(8) + number)
        np.testing.assert_array_equal(ready[-1], 3.0 * averaged_from[-1])
        factor = 0.01 / (math.sqrt(float(ready[-1].dot(ready[-1]))) + 1e-6)
        assert factor < 1.0
        assert ended[-1].clip_factor == factor
        np.testing.assert_array_equal(network.gradients, ready[-1] * factor)
        np.testing.assert_array_equal(updates[-1][0], network.parameters - before)
        np.testing.assert_array_equal(updates[-1][1], network.parameters)
        assert (ended[-1].step, ended[-1].loss, ended[-1].learning_rate) == (number, loss, 0.1)
    assert len(ended) == 5


def test_updates_and_gradients_are_named_by_layer_and_parameter(network: Network, samples: Samples) -> None:
    seen: list[Any] = []
    network.hooks.on(GradientsReady, lambda event: seen.append(event.gradients))
    network.hooks.on(StepEnded, lambda event: seen.extend([event.updates, event.parameters]))
    Trainer(network, Sgd(0.1)).step(samples, np.arange(4))
    expected = {
        "hidden_1": {"weight": (3, 5), "bias": (5,)},
        "hidden_2": {"weight": (5, 4), "bias": (4,)},
        "output": {"weight": (4, 2), "bias": (2,)},
    }
    assert len(seen) == 3
    for layers in seen:
        assert {name: {key: a.shape for key, a in group.items()} for name, group in layers.items()} == expected


def test_layer_events_carry_the_batch_forward_and_its_gradient_backward(network: Network, samples: Samples) -> None:
    forward: list[tuple[LayerForward, list[Array]]] = []
    backward: list[tuple[LayerBackward, list[Array]]] = []
    network.hooks.on(LayerForward, lambda event: forward.append((event, [a.copy() for a in arrays_of(event)])))
    network.hooks.on(LayerBackward, lambda event: backward.append((event, [a.copy() for a in arrays_of(event)])))
    weights = {name: {k: v.copy() for k, v in g.items()} for name, g in network.parameters_by_layer().items()}
    rows = np.array([3, 1, 4, 15, 9])
    Trainer(network, Sgd(0.1)).step(samples, rows)

    assert [event.layer for event, _ in forward] == ["hidden_1", "hidden_2", "output"]
    assert [event.layer for event, _ in backward] == ["output", "hidden_2", "hidden_1"]
    for events in ([event for event, _ in forward], [event for event, _ in backward]):
        assert [(event.source, event.step) for event in events] == [("training", 1)] * 3
    assert [event.activation for event, _ in forward] == ["tanh", "tanh", "linear"]

    hidden = samples.inputs[rows]
    outputs = {}
    for event, (inputs, pre_activations, out) in forward:
        np.testing.assert_allclose(inputs, hidden, rtol=1e-14)
        expected = hidden @ weights[event.layer]["weight"] + weights[event.layer]["bias"]
        np.testing.assert_allclose(pre_activations, expected, rtol=1e-13)
        hidden = np.tanh(expected) if event.activation == "tanh" else expected
        np.testing.assert_allclose(out, hidden, rtol=1e-13)
        outputs[event.layer] = hidden

    exponentials = np.exp(hidden)
    gradient = (exponentials / exponentials.sum(1, keepdims=True) - samples.targets[rows]) / len(rows)
    for passed, (grad_pre_activations, grad_outputs) in backward:
        np.testing.assert_allclose(grad_outputs, gradient, rtol=1e-11, atol=1e-15)
        if passed.layer != "output":
            gradient = gradient * (1.0 - outputs[passed.layer] ** 2)
        np.testing.assert_allclose(grad_pre_activations, gradient, rtol=1e-11, atol=1e-15)
        gradient = gradient @ weights[passed.layer]["weight"].T


def test_observer_that_writes_into_any_array_of_any_event_gets_an_error(network: Network, samples: Samples) -> None:
    refused: dict[str, int] = {}

    def vandal(event: Any) -> None:
        for array in arrays_of(event):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0.0
            with pytest.raises(ValueError, match="read-only"):
                np.add(array, 1.0, out=array)
            refused[type(event).__name__] = refused.get(type(event).__name__, 0) + 1

    for event_type in ALL_EVENTS:
        network.hooks.on(event_type, vandal)
    Trainer(network, Sgd(0.1)).step(samples, np.arange(4))
    assert refused == {"LayerForward": 9, "LayerBackward": 6, "GradientsReady": 6, "StepEnded": 13}
    refused.clear()
    network.probe(samples.inputs, samples.targets, vandal)
    assert refused == {"LayerForward": 9, "LayerBackward": 6}
    for array in arrays_of(network.parameters_by_layer()):
        assert not array.flags.writeable


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the type of every event that anybody builds."""
    names: list[str] = []

    def count(event_type: type[Any]) -> None:
        initialize = event_type.__init__

        def initialize_and_note(self: Any, *args: Any, **settings: Any) -> None:
            names.append(event_type.__name__)
            initialize(self, *args, **settings)

        monkeypatch.setattr(event_type, "__init__", initialize_and_note)

    for event_type in ALL_EVENTS:
        count(event_type)
    return names


def test_nobody_watching_no_event_is_built(network: Network, samples: Samples, built: list[str]) -> None:
    train_briefly(network, samples, validation=samples)
    assert built == []


def test_only_the_events_somebody_wants_are_built_and_only_when(
    network: Network, samples: Samples, built: list[str]
) -> None:
    network.hooks.on(GradientsReady, lambda _: None, every=4)
    network.hooks.on(LayerForward, lambda _: None, every=5)
    network.hooks.on(StepEnded, lambda _: None, every=1000)
    train_briefly(network, samples, validation=samples)
    assert built == ["GradientsReady", *["LayerForward"] * 3, "GradientsReady"]


def test_steps_nobody_wants_are_told_to_nobody(network: Network, samples: Samples) -> None:
    seen: list[int] = []
    for event_type in STEP_EVENTS:
        network.hooks.on(event_type, lambda event: seen.append(event.step), every=4)
    train_briefly(network, samples)
    assert sorted(set(seen)) == [4, 8]
    assert seen.count(4) == 3 + 3 + 1 + 1


def test_a_loss_that_is_not_finite_is_told_to_everybody(network: Network, samples: Samples) -> None:
    seen: list[Any] = []
    for event_type in STEP_EVENTS:
        network.hooks.on(event_type, lambda event: seen.append((type(event), event.step)), every=1000)
    inputs = samples.inputs.copy()
    inputs[5] = math.nan
    history = train_briefly(network, Samples(inputs, samples.targets))
    assert history.reason == "non_finite"
    assert {event_type for event_type, _ in seen} == set(STEP_EVENTS)
    assert {step for _, step in seen} == {history.steps}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_training_watched_by_everybody_is_bit_identical(
    dtype: Any, make_network: Callable[..., Network], samples: Samples
) -> None:
    results = []
    for watched in (False, True):
        network = make_network("relu", "cross_entropy", SIZES, dtype=dtype)
        events: list[Any] = []

        def probing(event: StepEnded, network: Network = network) -> None:
            network.probe(samples.inputs, samples.targets, lambda _: None, step=event.step)

        if watched:
            for event_type in ALL_EVENTS:
                network.hooks.on(event_type, events.append)
            network.hooks.on(StepEnded, probing)
        history = train_briefly(network, samples, validation=samples, clip=clip_norm(0.5))
        assert bool(events) == watched
        results.append((network.parameters.tobytes(), network.gradients.tobytes(), history))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("optimizer", "options", "told"),
    [
        (Sgd(0.1, momentum=0.9, nesterov=True), {}, OptimizerInfo("sgd", 0.1, 0.9, nesterov=True)),
        (Sgd(0.1), {"schedule": WarmUp(4, Constant())}, OptimizerInfo("sgd", 0.025)),
        (Sgd(0.1), {"clip": clip_norm(0.5)}, OptimizerInfo("sgd", 0.1, clips=True)),
        (AdamW(0.1), {}, OptimizerInfo("adamw", 0.1)),
    ],
    ids=["nesterov", "warm-up", "clipped", "adamw"],
)
def test_the_start_tells_the_optimizer_as_it_takes_its_first_step(
    network: Network, samples: Samples, optimizer: Any, options: dict[str, Any], told: OptimizerInfo
) -> None:
    seen: list[Any] = []
    network.hooks.on(TrainingStarted, seen.append)
    train(network, samples, optimizer, epochs=1, batch_size=8, generator=np.random.default_rng(0), **options)
    assert [event.optimizer for event in seen] == [told]


def test_start_and_end_say_what_was_planned_and_what_happened(network: Network, samples: Samples) -> None:
    seen: list[Any] = []
    for event_type in (TrainingStarted, EpochEnded, TrainingEnded):
        network.hooks.on(event_type, seen.append, every=1000)
    history = train_briefly(network, samples, validation=samples)
    assert seen[0] == TrainingStarted(step=0, total_steps=9, batch_size=8, optimizer=OptimizerInfo("adam", 0.05))
    assert seen[-1] == TrainingEnded(step=9, reason="completed")
    assert [(event.epoch, event.step) for event in seen[1:-1]] == [(1, 3), (2, 6), (3, 9)]
    assert [event.training for event in seen[1:-1]] == history.training
    assert [event.validation for event in seen[1:-1]] == history.validation
