"""Data, networks and watched trainings for the tests of the diagnostics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.sink import Sink
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import LayerInfo
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train


@dataclass(frozen=True)
class Watched:
    """A training that is over: what watched it, what was trained, how it ended."""

    monitor: Monitor
    network: Network
    reason: str


@pytest.fixture(scope="session")
def digits() -> WatchedData:
    """The handwritten digits, standardised: 1,300 for training, 497 for validation."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    inputs, targets = pixels[order], np.eye(10)[labels[order]]
    deviation = inputs[:1300].std(axis=0)
    inputs = ((inputs - inputs[:1300].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return WatchedData(inputs[:1300], targets[:1300].astype(np.float32), inputs[1300:], targets[1300:])


def _make_network(
    data: WatchedData,
    hidden: Sequence[int] = (64, 32),
    activation: str | Sequence[str] = "relu",
    init: Any = he_normal,
    *,
    bias: float = 0.0,
    loss: str = "cross_entropy",
    seed: int = 0,
    dtype: Any = np.float32,
) -> Network:
    layers = len(hidden) + 1
    return perceptron(
        [data.inputs.shape[1], *hidden, data.targets.shape[1]],
        [activation] * len(hidden) if isinstance(activation, str) else activation,
        loss,
        initializers=list(init) if isinstance(init, Sequence) else [init] * layers,
        generator=np.random.default_rng(seed),
        biases=[bias] * len(hidden) + [0.0],
        dtype=dtype,
    )


def _train_watched(
    data: WatchedData,
    network: Network | None = None,
    *,
    optimizer: Any = None,
    epochs: int = 12,
    batch_size: int = 64,
    seed: int = 0,
    sinks: Sequence[Sink] = (),
    training: dict[str, Any] | None = None,
    watching: dict[str, Any] | None = None,
    **model: Any,
) -> Watched:
    network = network or _make_network(data, seed=seed, **model)
    with Monitor(network, data, sinks=sinks, **(watching or {})) as monitor:
        history = train(
            network,
            Samples(data.inputs, data.targets),
            optimizer or Sgd(0.1),
            epochs=epochs,
            batch_size=batch_size,
            generator=np.random.default_rng(seed),
            **(training or {}),
        )
    return Watched(monitor, network, history.reason)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Network]:
    """Build a network for data: hidden, activation, init; keywords bias, loss, seed, dtype."""
    return _make_network


@pytest.fixture(scope="session")
def train_watched() -> Callable[..., Watched]:
    """Train a network on data under a monitor; keywords of `make_network` and of the training."""
    return _train_watched


@pytest.fixture(scope="session")
def make_probe() -> Callable[..., Probe]:
    """Make a probe of a network that learns nothing and has nothing wrong; keywords replace fields."""

    def make(step: int, **values: Any) -> Probe:
        plain: dict[str, Any] = {
            "samples": 256,
            "whole_set": False,
            "loss": 1.0,
            "preactivation_gradients": {"hidden_1": 1.0, "output": 1.0},
            "relative_slopes": {},
        }
        empty: dict[str, Any] = {field.name: None for field in fields(Probe)}
        return Probe(**(empty | plain | {"step": step} | values))

    return make


@pytest.fixture(scope="session")
def make_context() -> Callable[..., Context]:
    """Make the context of a run of 1,000 planned steps; `activations` are those of the hidden layers."""

    def make(
        activations: Sequence[str] = ("relu",),
        *,
        width: int = 8,
        total_steps: int | None = 1000,
        config: Mapping[str, Any] | None = None,
    ) -> Context:
        hidden = [LayerInfo(f"hidden_{n}", name, width, width) for n, name in enumerate(activations, start=1)]
        layers = (*hidden, LayerInfo("output", "linear", width, 3))
        return Context(layers, "cross_entropy", total_steps, 10, 100, 1.0, 3, config)

    return make
