"""Small networks and samples for the engine's tests."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.training import Samples


def _make_network(
    activation: str = "tanh",
    loss: str = "cross_entropy",
    sizes: Sequence[int] = (3, 5, 4),
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    layers = len(sizes) - 1
    return Network(
        sizes,
        [activation] * (layers - 1),
        loss,
        initializers=[normal(0.7)] * layers,
        generator=np.random.default_rng(seed),
        biases=[0.1 * (1 + np.arange(size)) for size in sizes[1:]],
        dtype=dtype,
    )


def _make_samples(loss: str, features: int, outputs: int, count: int, *, seed: int = 1) -> Samples:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(count, features))
    if loss == "cross_entropy":
        targets = np.eye(outputs)[generator.integers(0, outputs, count)]
    elif loss == "binary_cross_entropy":
        targets = generator.integers(0, 2, (count, outputs)).astype(np.float64)
    else:
        targets = generator.normal(size=(count, outputs))
    return Samples(inputs, targets)


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """Build a network: activation, loss, sizes; keywords seed, dtype."""
    return _make_network


@pytest.fixture
def make_samples() -> Callable[..., Samples]:
    """Draw samples that fit a loss: loss, features, outputs, count; keyword seed."""
    return _make_samples
