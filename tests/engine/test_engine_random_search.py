"""Random search: what it draws, when it moves, what it minimises, and that nothing can be beside it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.schedules import StepDecay
from gradvitals.engine.strategies import NumericGradient, RandomSearch
from gradvitals.engine.training import Samples, Trainer, train


def run_forward(network: Network, samples: Samples) -> ConnectedCircuit:
    circuit = network.training_circuit(len(samples))
    circuit.values["inputs"][...] = samples.inputs
    circuit.values["targets"][...] = samples.targets
    circuit.forward()
    return circuit


def search(
    network: Network, samples: Samples, rate: float, seed: int = 0, epochs: int = 100, **options: Any
) -> list[float]:
    """Search on the whole set, and give the losses before each step and after the last."""
    losses: list[float] = []
    optimizer = RandomSearch(rate, np.random.default_rng(seed))
    with network.hooks.on(StepEnded, lambda event: losses.append(event.loss)):
        train(
            network,
            samples,
            optimizer,
            strategy=optimizer,
            epochs=epochs,
            batch_size=len(samples),
            generator=np.random.default_rng(1),
            **options,
        )
    return [*losses, float(network.evaluate(samples.inputs, samples.targets)[0].mean())]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_search_on_the_whole_set_never_climbs_and_gets_somewhere(
    dtype: DTypeLike, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(dtype=dtype), make_samples("cross_entropy", 3, 4, 22)
    losses = np.array(search(network, samples, 0.1, epochs=300))
    rises = np.diff(losses)
    rounding = 1e-6 if dtype == np.float32 else 1e-15  # the permutation of the rows changes the order of the sum
    assert (rises <= rounding).all()
    assert 20 < np.count_nonzero(rises < -rounding) < 280
    assert losses[-1] < 0.8 * losses[0]


def test_the_steps_are_the_generators_normal_noise_taken_or_not(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 8)
    twin = np.random.default_rng(3)
    optimizer = RandomSearch(0.2, np.random.default_rng(3))
    trainer = Trainer(network, optimizer, strategy=optimizer)
    taken = 0
    for _ in range(40):
        here = network.parameters.copy()
        loss = trainer.step(samples, np.arange(8))
        there = here + 0.2 * twin.standard_normal(here.size)
        moved = not np.array_equal(network.parameters, here)
        if moved:
            np.testing.assert_array_equal(network.parameters, there)
        network.parameters[...] = there
        better = float(run_forward(network, samples).values["loss"]) < loss
        network.parameters[...] = there if better else here
        assert moved == better
        taken += moved
    assert 0 < taken < 40


def test_a_search_minimises_the_penalty_too(make_network: Callable[..., Network]) -> None:
    network = make_network("linear", "mse", (3, 2))
    samples = Samples(np.zeros((4, 3)), np.zeros((4, 2)))  # the weights are idle
    penalty = L2(2.0, mark_weights(network))
    objectives = []
    for _ in range(3):
        objectives.append(penalty.value(network.parameters) + float(run_forward(network, samples).values["loss"]))
        search(network, samples, 0.05, penalty=penalty)
    assert objectives[0] > 2.0 * objectives[1] > 4.0 * objectives[2]


def test_a_schedule_shortens_the_steps_tried(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 22)
    lengths: list[float] = []
    with network.hooks.on(
        StepEnded, lambda event: lengths.append(float(np.abs(event.updates["output"]["weight"]).max()))
    ):
        search(network, samples, 0.1, schedule=StepDecay(50, 0.01))
    assert max(lengths[50:]) < 0.05 * max(lengths[:50])
    assert max(lengths[50:]) > 0.0


def test_a_search_that_finds_nothing_better_stays_where_it_is(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network = make_network("linear", "cross_entropy", (3, 1))  # of a single class one is always sure: no loss anywhere
    before = network.parameters.tobytes()
    assert search(network, make_samples("cross_entropy", 3, 1, 8), 0.1) == [0.0] * 101
    assert network.parameters.tobytes() == before


def test_a_search_whose_loss_is_not_a_number_stays_where_it_is(make_network: Callable[..., Network]) -> None:
    network = make_network("linear", "mse", (3, 2))
    samples = Samples(np.full((4, 3), np.nan), np.zeros((4, 2)))
    before = network.parameters.tobytes()
    optimizer = RandomSearch(0.1, np.random.default_rng(0))
    assert math.isnan(Trainer(network, optimizer, strategy=optimizer).step(samples, np.arange(4)))
    assert network.parameters.tobytes() == before


SEARCH = RandomSearch(0.1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("optimizer", "strategy", "options"),
    [
        (SEARCH, SEARCH, {"clip": clip_norm(1.0)}),
        (SEARCH, SEARCH, {"average": lambda _: None}),
        (Sgd(0.1), SEARCH, {}),
        (SEARCH, None, {}),
        (SEARCH, NumericGradient(), {}),
        (RandomSearch(0.2, np.random.default_rng(0)), SEARCH, {}),
    ],
    ids=["clip", "average", "another optimizer", "no strategy", "another strategy", "two searches"],
)
def test_a_search_is_strategy_and_optimizer_in_one_and_nothing_beside(
    optimizer: Any, strategy: Any, options: dict[str, Any], make_network: Callable[..., Network]
) -> None:
    with pytest.raises(ValueError, match="random search has no gradient: it must be strategy and optimizer in one"):
        Trainer(make_network(), optimizer, strategy=strategy, **options)
