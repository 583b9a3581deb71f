"""An optimizer that holds some layers: it does to them what it would do alone, and to the others nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import TrainingStarted
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, RmsProp, Sgd
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.schedules import Cosine
from gradvitals.engine.training import Samples, train

SIZES = (3, 5, 4, 2)
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: Sgd(0.05),
    "momentum": lambda: Sgd(0.05, momentum=0.9),
    "rmsprop": lambda: RmsProp(1e-2, momentum=0.5),
    "adam": lambda: Adam(1e-2),
    "adamw": lambda: AdamW(1e-2, weight_decay=0.1),
    "adamax": lambda: Adamax(1e-2),
    "nadam": lambda: Nadam(1e-2),
    "adagrad": lambda: Adagrad(1e-2),
    "adadelta": lambda: Adadelta(1.0),
}


@pytest.fixture
def network(make_network: Callable[..., Network]) -> Network:
    return make_network("prelu", "cross_entropy", SIZES)


@pytest.fixture
def samples(make_samples: Callable[..., Samples]) -> Samples:
    return make_samples("cross_entropy", 3, 2, 22)


def entries(network: Network, layers: list[str]) -> Any:
    """Mark the entries of these layers, one by one."""
    marks = np.zeros(network.parameters.size, bool)
    for layer in layers:
        for array in network.views(marks)[layer].values():
            array[...] = True
    return marks


@pytest.mark.parametrize("unheld", [["hidden_1"], ["hidden_2"], ["output"], ["output", "hidden_1"], []], ids=str)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_held_parameters_move_as_under_an_optimizer_of_their_own(
    kind: str, unheld: list[str], network: Network
) -> None:
    rng = np.random.default_rng(0)
    partial = PartialOptimizer(OPTIMIZERS[kind](), network, unheld)
    alone, others = OPTIMIZERS[kind](), entries(network, unheld)
    before = network.parameters.copy()
    held = before[~others]
    for _ in range(5):
        gradients = rng.normal(size=before.size).astype(before.dtype)
        partial.step(network.parameters, gradients)
        alone.step(held, gradients[~others])
    assert network.parameters[~others].tobytes() == held.tobytes()
    assert network.parameters[others].tobytes() == before[others].tobytes()
    assert not np.any(network.parameters[~others] == before[~others])


def test_it_is_pytorchs_optimizer_of_some_parameters(network: Network) -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = {
        (layer, name): torch.tensor(array.copy(), requires_grad=True)
        for layer, group in network.parameters_by_layer().items()
        for name, array in group.items()
    }
    held = [tensor for (layer, _), tensor in arrays.items() if layer != "hidden_1"]
    theirs = torch.optim.AdamW(held, lr=1e-2, weight_decay=0.1)
    ours = PartialOptimizer(AdamW(1e-2, weight_decay=0.1), network, ["hidden_1"])
    for _ in range(5):
        gradients = rng.normal(size=network.parameters.size).astype(network.dtype)
        for (layer, name), tensor in arrays.items():
            tensor.grad = torch.tensor(network.views(gradients)[layer][name].copy())
        theirs.step()
        ours.step(network.parameters, gradients)
    for (layer, name), tensor in arrays.items():
        np.testing.assert_allclose(network.parameters_by_layer()[layer][name], tensor.detach().numpy(), rtol=1e-5)


def test_it_holds_the_same_parameters_of_every_run(network: Network) -> None:
    rng = np.random.default_rng(0)
    stacked = rng.normal(size=(3, network.parameters.size)).astype(network.dtype)
    gradients = rng.normal(size=stacked.shape).astype(network.dtype)
    rates = np.array([[0.1], [0.2], [0.3]])
    alone = stacked.copy()
    optimizer = PartialOptimizer(Adam(rates), network, ["hidden_2"])  # type: ignore[arg-type]
    singles = [PartialOptimizer(Adam(float(rate[0])), network, ["hidden_2"]) for rate in rates]
    for _ in range(3):
        optimizer.step(stacked, gradients)
        for run, single in enumerate(singles):
            single.step(alone[run], gradients[run])
    assert stacked.tobytes() == alone.tobytes()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_it_continues_from_its_state_to_the_bit(kind: str, network: Network) -> None:
    rng = np.random.default_rng(0)
    first, second = (PartialOptimizer(OPTIMIZERS[kind](), network, ["hidden_1"]) for _ in range(2))
    parameters = network.parameters.copy()
    for _ in range(3):
        first.step(parameters, rng.normal(size=parameters.size).astype(parameters.dtype))
    second.restore(first.state_arrays(), parameters)
    again, gradients = parameters.copy(), rng.normal(size=parameters.size).astype(parameters.dtype)
    first.step(parameters, gradients)
    second.step(again, gradients)
    assert parameters.tobytes() == again.tobytes()


def test_its_rate_is_the_optimizers_and_follows_the_schedule(network: Network, samples: Samples) -> None:
    inner = Sgd(0.5)
    optimizer = PartialOptimizer(inner, network, ["output"])
    before = network.parameters.copy()
    train(
        network, samples, optimizer, epochs=1, batch_size=22, generator=np.random.default_rng(0), schedule=Cosine(1.0)
    )
    assert inner.learning_rate == optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.25
    assert inner.learning_rate == 0.25
    others = entries(network, ["output"])
    np.testing.assert_allclose(network.parameters[~others], (before - 0.5 * network.gradients)[~others], rtol=1e-6)


def test_penalty_and_clipping_see_all_gradients_and_leave_what_is_not_held(network: Network, samples: Samples) -> None:
    before, others = network.parameters.copy(), entries(network, ["hidden_1"])
    options = {"penalty": L2(1.0, mark_weights(network)), "clip": clip_norm(0.1)}
    optimizer = PartialOptimizer(Sgd(0.1), network, ["hidden_1"])
    train(network, samples, optimizer, epochs=3, batch_size=8, generator=np.random.default_rng(0), **options)  # type: ignore[arg-type]
    assert network.parameters[others].tobytes() == before[others].tobytes()
    assert np.linalg.norm(network.gradients) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("unheld", [(), ("hidden_2", "hidden_1")], ids=["all held", "two not"])
def test_the_start_of_a_training_tells_what_is_not_held(
    unheld: tuple[str, ...], network: Network, samples: Samples
) -> None:
    told: list[TrainingStarted] = []
    network.hooks.on(TrainingStarted, told.append)
    optimizer = PartialOptimizer(Sgd(0.1), network, unheld) if unheld else Sgd(0.1)
    train(network, samples, optimizer, epochs=1, batch_size=22, generator=np.random.default_rng(0))
    assert told[0].unheld == tuple(reversed(unheld))


@pytest.mark.parametrize(
    ("unheld", "sentence"),
    [
        (["hidden_3"], "no layer is called 'hidden_3': the layers are hidden_1, hidden_2, output"),
        (["output", "hidden_1", "hidden_2"], "the optimizer would hold no layer at all"),
    ],
    ids=["unknown", "all"],
)
def test_layers_must_exist_and_one_be_held(unheld: list[str], sentence: str, network: Network) -> None:
    with pytest.raises(ValueError, match=sentence):
        PartialOptimizer(Sgd(0.1), network, unheld)
