"""Q-learning as a regression: its gates against PyTorch, and what clipping the residual does to learning."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Tanh
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.events import (
    Array,
    LayerBackward,
    LayerInfo,
    OptimizerInfo,
    StepEnded,
    TrainingEnded,
    TrainingStarted,
)
from gradvitals.engine.gradient_check import check_gradients
from gradvitals.engine.initializers import glorot_uniform, normal, zeros
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Sgd
from gradvitals.engine.q_learning import Transitions, as_samples, bellman_targets, learn_action_values
from gradvitals.engine.q_network import ActionValue, action_values, q_network, with_actions
from gradvitals.engine.regression_losses import Huber, MeanSquaredError
from gradvitals.experiments.data.chain import make_chain

DISCOUNT = 0.9
STATES = 6
GOAL = 20.0
LOSSES: dict[str, Callable[[], Loss]] = {"huber": Huber, "clipped_delta": ClippedDelta, "mse": MeanSquaredError}


def make(
    loss: str = "huber",
    sizes: tuple[int, ...] = (STATES, 32, 2),
    *,
    seed: int = 0,
    init: Any = glorot_uniform,
    dtype: DTypeLike = np.float64,
) -> Network:
    count = len(sizes) - 1
    return q_network(
        sizes,
        ["tanh"] * (count - 1),
        LOSSES[loss](),
        initializers=[init] * count,
        generator=np.random.default_rng(seed),
        dtype=dtype,
    )


def draw(count: int = 12, features: int = 3, actions: int = 4) -> Transitions:
    generator = np.random.default_rng(2)
    return Transitions(
        generator.normal(size=(count, features)),
        generator.integers(0, actions, count),
        3.0 * generator.normal(size=count),
        generator.normal(size=(count, features)),
        generator.random(count) < 0.3,
    )


def best_values(states: int, goal_reward: float, step_cost: float) -> Array:
    """Find Q* of the chain by value iteration, state by state, `(states − 1, 2)`."""
    values = [[0.0, 0.0] for _ in range(states)]
    for _ in range(1_000):
        fresh = [[0.0, 0.0] for _ in range(states)]
        for here in range(states - 1):
            for action, move in enumerate((-1, 1)):
                there = max(here + move, 0)
                at_the_goal = there == states - 1
                future = 0.0 if at_the_goal else DISCOUNT * max(values[there])
                fresh[here][action] = (goal_reward if at_the_goal else -step_cost) + future
        values = fresh
    return np.array(values[:-1])


def share_without_gradient(network: Network, transitions: Transitions) -> float:
    """Measure the share of samples that are predicted wrongly and yet send no gradient back."""
    samples = as_samples(network, transitions, DISCOUNT)
    gradients: list[Array] = []

    def keep(event: object) -> None:
        if isinstance(event, LayerBackward) and event.layer == "output":
            gradients.append(event.grad_outputs.copy())

    result = network.probe(samples.inputs, samples.targets, keep)
    wrong = result.outputs[:, 0] != samples.targets[:, 0]
    return float((wrong & ~gradients[0].any(axis=1)).mean())


def learn(network: Network, transitions: Transitions, *, rounds: int = 30) -> list[float]:
    return learn_action_values(
        network,
        transitions,
        Adam(0.01),
        discount=DISCOUNT,
        rounds=rounds,
        steps_per_round=150,
        batch_size=32,
        generator=np.random.default_rng(1),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("runs", [(), (3,)], ids=["a single run", "a run axis"])
def test_the_action_taken_is_selected_and_gets_all_the_gradient(
    runs: tuple[int, ...], dtype: DTypeLike, connect_gate: Callable[..., Any]
) -> None:
    generator = np.random.default_rng(0)
    values, actions = generator.normal(size=(*runs, 5, 4)), generator.integers(0, 4, (*runs, 5))
    taken = np.eye(4)[actions]
    gate = connect_gate(ActionValue(), values, taken, dtype=dtype)
    gate.forward()
    gate.backward()
    expected = np.take_along_axis(values.astype(dtype), actions[..., np.newaxis], axis=-1)
    np.testing.assert_array_equal(gate.output, expected)
    np.testing.assert_array_equal(gate.grad_inputs[0], (taken * gate.grad_output).astype(dtype))


def test_its_gradients_equal_central_differences(
    connect_gate: Callable[..., Any], assert_gradients_match: Callable[..., None]
) -> None:
    generator = np.random.default_rng(0)
    assert_gradients_match(connect_gate(ActionValue(), generator.normal(size=(4, 3)), generator.random((4, 3))))


def test_actions_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values \(batch, 3\) and the actions taken \(batch, 2\)"):
        ActionValue().output_shape((None, 3), (None, 2))


def test_layers_are_those_of_a_perceptron_and_samples_states_with_actions() -> None:
    network = make(sizes=(3, 5, 4))
    assert network.layers == (LayerInfo("hidden_1", "tanh", 3, 5), LayerInfo("output", "linear", 5, 4))
    assert not network.layerwise
    states, actions = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 3, 1, 2, 2, 0])
    inputs = with_actions(states, actions, 4)
    hidden, output = network.parameters_by_layer().values()
    values = np.tanh(states @ hidden["weight"] + hidden["bias"]) @ output["weight"] + output["bias"]
    np.testing.assert_allclose(action_values(network, states), values, rtol=1e-12)
    np.testing.assert_allclose(network.predict(inputs), values[np.arange(6), actions][:, np.newaxis], rtol=1e-12)


def test_weights_are_those_of_a_perceptron_of_the_same_seed(make_network: Callable[..., Network]) -> None:
    mine = make("mse", (3, 5, 4), seed=4, init=normal(0.7))
    perceptron = make_network("tanh", "mse", (3, 5, 4), seed=4)
    for layer, arrays in perceptron.parameters_by_layer().items():
        np.testing.assert_array_equal(mine.parameters_by_layer()[layer]["weight"], arrays["weight"])


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_the_whole_equal_central_differences(loss: str) -> None:
    network, transitions = make(loss, (3, 5, 4), init=normal(0.5)), draw()
    samples = as_samples(network, transitions, DISCOUNT)
    for check in check_gradients(network, samples.inputs, samples.targets, generator=np.random.default_rng(0)):
        assert check.checked == check.checked + check.skipped > 0
        assert check.relative_error < 1e-6, check


@pytest.mark.parametrize("count", [1, 12], ids=["batch of 1", "batch of 12"])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradients_equal_autograd(loss: str, count: int) -> None:
    torch: Any = pytest.importorskip("torch")
    references = {
        "huber": torch.nn.functional.huber_loss,
        "mse": torch.nn.functional.mse_loss,
        "clipped_delta": lambda q, target: torch.clamp(target - q, -1.0, 1.0).square().mean(),
    }
    network, transitions = make(loss, (3, 5, 4), init=normal(0.5)), draw(count)
    samples = as_samples(network, transitions, DISCOUNT)
    tensors = [
        torch.tensor(array.copy(), requires_grad=True)
        for group in network.parameters_by_layer().values()
        for array in group.values()
    ]

    def values_in(states: Array) -> Any:
        return torch.tanh(torch.tensor(states) @ tensors[0] + tensors[1]) @ tensors[2] + tensors[3]

    following = values_in(transitions.next_states).max(dim=1).values.detach()
    targets = torch.tensor(transitions.rewards) + DISCOUNT * following * torch.tensor(~transitions.ended)
    chosen = values_in(transitions.states).gather(1, torch.tensor(transitions.actions)[:, None])[:, 0]
    expected = references[loss](chosen, targets)
    expected.backward()

    circuit = network.training_circuit(count)
    circuit.values["inputs"][...], circuit.values["targets"][...] = samples.inputs, samples.targets
    circuit.forward()
    circuit.backward()
    np.testing.assert_allclose(samples.targets[:, 0], targets.numpy(), rtol=1e-12)
    assert float(circuit.values["loss"]) == pytest.approx(float(expected.detach()), rel=1e-12)
    flat = np.concatenate([tensor.grad.numpy().ravel() for tensor in tensors])
    np.testing.assert_allclose(network.gradients, flat, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizes": (3,), "activations": [], "initializers": []}, "got 1 sizes, 0 and 0"),
        ({"activations": []}, r"got 3 sizes, 0 and 2 \(2\)"),
        ({"initializers": [zeros]}, r"got 3 sizes, 1 and 1 \(2\)"),
        ({"biases": [0.0]}, r"got 3 sizes, 1 and 2 \(1\)"),
        ({"activations": ["swish"]}, "activation 'swish' is not one of"),
        ({"loss": "l2"}, "loss 'l2' is not one of"),
    ],
    ids=["no layer", "activations", "initialisers", "biases", "activation", "loss"],
)
def test_a_network_that_does_not_fit_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    settings: dict[str, Any] = {
        "sizes": (3, 4, 2),
        "activations": [Tanh()],
        "loss": "huber",
        "initializers": [zeros] * 2,
        "generator": np.random.default_rng(0),
    }
    with pytest.raises(ValueError, match=sentence):
        q_network(**(settings | changes))


@pytest.mark.parametrize("actions", [[0, 2], [-1, 0], [0.5, 1.0], [np.nan, 0.0]], ids=str)
def test_actions_that_are_none_are_refused(actions: list[float]) -> None:
    with pytest.raises(ValueError, match="actions must be whole numbers from 0 to 1"):
        with_actions(np.zeros((2, 3)), np.array(actions), 2)


def test_targets_are_the_reward_plus_the_best_of_what_follows_unless_it_ended() -> None:
    network, transitions = make(sizes=(3, 4)), draw()
    arrays = network.parameters_by_layer()["output"]
    for target, reward, state, ended in zip(
        bellman_targets(network, transitions, 0.5)[:, 0],
        transitions.rewards,
        transitions.next_states,
        transitions.ended,
        strict=True,
    ):
        values = [float(state @ arrays["weight"][:, action] + arrays["bias"][action]) for action in range(4)]
        assert target == pytest.approx(reward if ended else reward + 0.5 * max(values), rel=1e-12)
    assert transitions.ended.any()
    assert not transitions.ended.all()


@pytest.mark.parametrize("step_cost", [0.1, 2.0], ids=["cheap steps", "dear steps"])
@pytest.mark.parametrize("seed", [0, 1])
def test_huber_finds_the_values_that_value_iteration_finds(seed: int, step_cost: float) -> None:
    network, chain = make(seed=seed), make_chain(STATES, goal_reward=GOAL, step_cost=step_cost)
    best = best_values(STATES, GOAL, step_cost)
    states = np.eye(STATES)[:-1]
    assert np.abs(action_values(network, states) - best).max() > 0.9 * GOAL
    assert share_without_gradient(network, chain) == 0.0
    learn(network, chain)
    found = action_values(network, states)
    assert np.abs(found - best).max() < 0.01 * GOAL
    assert (found.argmax(axis=1) == best.argmax(axis=1)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_clipped_delta_never_learns_of_a_reward_that_surprises_it(seed: int) -> None:
    network, chain = make("clipped_delta", seed=seed), make_chain(STATES, goal_reward=GOAL, step_cost=0.1)
    learn(network, chain)
    assert share_without_gradient(network, chain) == 1 / len(chain)  # the step to the goal, and it alone
    values = action_values(network, np.eye(STATES)[:-1])
    assert np.abs(values[:-1]).max() < 2.0
    assert np.abs(values - best_values(STATES, GOAL, 0.1)).max() > 0.9 * GOAL


def test_where_every_residual_surprises_it_the_clipped_delta_moves_nothing_at_all() -> None:
    network, chain = make("clipped_delta", init=normal(0.05)), make_chain(STATES, goal_reward=GOAL, step_cost=2.0)
    assert share_without_gradient(network, chain) == 1.0
    before = network.parameters.copy()
    losses = learn(network, chain, rounds=2)
    np.testing.assert_array_equal(network.parameters, before)
    assert losses == [1.0, 1.0]  # of a wider residual it sees no more


@pytest.mark.parametrize("loss", LOSSES)
def test_without_hidden_layers_it_is_a_table(loss: str) -> None:
    network, chain = make(loss, (STATES, 2)), make_chain(STATES, goal_reward=0.5, step_cost=0.1)
    learn(network, chain)
    best = best_values(STATES, 0.5, 0.1)  # all residuals within 1, where the three losses agree
    np.testing.assert_allclose(action_values(network, np.eye(STATES)[:-1]), best, atol=5e-3)


def test_it_is_one_training_to_those_who_watch() -> None:
    told: list[Any] = []
    network = make()
    for kind in (TrainingStarted, StepEnded, TrainingEnded):
        network.hooks.on(kind, told.append)
    learn_action_values(
        network,
        make_chain(STATES, goal_reward=1.0, step_cost=0.0),
        Sgd(0.1),
        discount=DISCOUNT,
        rounds=2,
        steps_per_round=3,
        batch_size=4,
        generator=np.random.default_rng(0),
    )
    assert told[0] == TrainingStarted(0, 6, 4, optimizer=OptimizerInfo("sgd", 0.1))
    assert [event.step for event in told[1:-1]] == [1, 2, 3, 4, 5, 6]
    assert told[-1] == TrainingEnded(6, "completed")


def test_a_training_that_blows_up_ends_after_that_round() -> None:
    told: list[Any] = []
    network = make("mse")
    network.hooks.on(TrainingEnded, told.append)
    losses = learn_action_values(
        network,
        make_chain(STATES, goal_reward=1e3, step_cost=1.0),
        Sgd(1e3),
        discount=DISCOUNT,
        rounds=50,
        steps_per_round=20,
        batch_size=8,
        generator=np.random.default_rng(0),
    )
    assert len(losses) < 50
    assert not np.isfinite(losses[-1])
    assert told == [TrainingEnded(20 * len(losses), "non_finite")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"discount": 1.5}, "discount must be in"),
        ({"discount": np.nan}, "discount must be in"),
        ({"rounds": 0}, "must be positive, got 0, 1, 1"),
        ({"batch_size": 0}, "must be positive, got 1, 1, 0"),
    ],
    ids=["discount", "no discount", "rounds", "batch size"],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any], sentence: str) -> None:
    settings: dict[str, Any] = {"discount": 0.9, "rounds": 1, "steps_per_round": 1, "batch_size": 1}
    chain = make_chain(STATES, goal_reward=1.0, step_cost=0.0)
    with pytest.raises(ValueError, match=sentence):
        learn_action_values(make(), chain, Sgd(0.1), generator=np.random.default_rng(0), **(settings | changes))


@pytest.mark.parametrize("name", ["actions", "rewards", "next_states", "ended"])
def test_transitions_of_different_lengths_are_refused(name: str) -> None:
    arrays: dict[str, Array] = {"states": np.zeros((4, 3)), "next_states": np.zeros((4, 3))}
    arrays |= {key: np.zeros(4) for key in ("actions", "rewards", "ended")}
    with pytest.raises(ValueError, match="transitions need states"):
        Transitions(**(arrays | {name: arrays[name][:3]}))
