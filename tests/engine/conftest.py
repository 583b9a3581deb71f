"""Small networks and samples for the engine's tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, DTypeLike

from gradvitals.engine.activations import Activation
from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.gates import Gate
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.training import Samples


def _make_network(
    activation: str | Activation = "tanh",
    loss: str = "cross_entropy",
    sizes: Sequence[int] = (3, 5, 4),
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Network:
    layers = len(sizes) - 1
    return perceptron(
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
    if loss in {"cross_entropy", "nll", "hinge"}:
        targets = np.eye(outputs)[generator.integers(0, outputs, count)]
    elif loss in {"binary_cross_entropy", "binary_hinge"}:
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


@dataclass(frozen=True)
class Unrolled:
    """A recurrent network and samples for it, targets drawn for the loss."""

    network: Network
    samples: Samples

    def run(self) -> ConnectedCircuit:
        """Run forward and backward on all samples."""
        circuit = self.network.training_circuit(len(self.samples))
        circuit.values["inputs"][...] = self.samples.inputs
        circuit.values["targets"][...] = self.samples.targets
        circuit.forward()
        circuit.backward()
        return circuit


def _make_recurrent(
    sizes: Sequence[int] = (3, 5, 2),
    cell: str = "tanh",
    loss: str = "mse",
    *,
    length: int = 6,
    count: int = 4,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
) -> Unrolled:
    layers = len(sizes) - 1
    network = recurrent(
        sizes,
        cell,
        loss,
        sequence_length=length,
        initializers=[normal(0.7)] * layers,
        recurrent_initializers=[normal(0.6)] * (layers - 1),
        generator=np.random.default_rng(seed),
        biases=[0.1 * (1 + np.arange(size)) for size in sizes[1:]],
        dtype=dtype,
    )
    return Unrolled(network, _make_samples(loss, length * sizes[0], sizes[-1], count, seed=seed + 1))


@pytest.fixture
def make_recurrent() -> Callable[..., Unrolled]:
    """Build a recurrent network with samples: sizes, cell, loss; keywords length, count, seed, dtype."""
    return _make_recurrent


def _connect_gate(gate: Gate, *inputs: ArrayLike, dtype: DTypeLike = np.float64) -> Gate:
    arrays = tuple(np.array(array, dtype) for array in inputs)
    batch, runs = arrays[0].shape[-2], arrays[0].shape[:-2]
    shapes = [(None, array.shape[-1]) if array.ndim == arrays[0].ndim else array.shape[len(runs) :] for array in arrays]
    shape = (*runs, *(batch if size is None else size for size in gate.output_shape(*shapes)))
    generator = np.random.default_rng(4)
    grad_output = generator.normal(size=shape).astype(dtype) if len(shape) >= 2 else np.ones(shape, dtype)
    gradients = tuple(np.full_like(array, np.nan) for array in arrays)
    return gate.connect(arrays, np.full(shape, np.nan, dtype), grad_output, gradients)


def _assert_gradients_match(gate: Gate, *, epsilon: float = 1e-5) -> None:
    gate.forward()
    gate.backward()
    for array, analytic in zip(gate.inputs, gate.grad_inputs, strict=True):
        if analytic is None:
            continue
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            original, sums = array[index], []
            for offset in (-epsilon, epsilon):
                array[index] = original + offset
                gate.forward()
                sums.append(float((gate.output * gate.grad_output).sum()))
            array[index] = original
            numeric[index] = (sums[1] - sums[0]) / (2 * epsilon)
        scale = max(float(np.abs(numeric).max()), 1e-3)
        assert float(np.abs(analytic - numeric).max()) < 1e-6 * scale


@pytest.fixture
def connect_gate() -> Callable[..., Any]:
    """Connect a gate to copies of these inputs, `(…, batch, units)` first: gate, inputs; keyword dtype.

    The gradient on an output with a batch is random, that on a loss 1; the gradients on the inputs start as NaN.
    """
    return _connect_gate


@pytest.fixture
def assert_gradients_match() -> Callable[..., None]:
    """Compare every wanted gradient of a connected gate with two-point differences of Σ grad_output · output."""
    return _assert_gradients_match
