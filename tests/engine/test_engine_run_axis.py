"""The run axis: whatever computes R runs at once gives each run the bits it has alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.catalogue import ACTIVATIONS, LOSSES
from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.events import Array
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network, loss_gate
from gradvitals.engine.optimizers import Adam, Optimizer, RmsProp, Sgd
from gradvitals.engine.training import Samples

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
RUNS = 5
SHAPES: list[tuple[tuple[int, ...], int]] = [
    ((1, 1), 1),
    ((3, 2), 1),
    ((4, 1, 3), 9),
    ((9, 17, 1), 1),
    ((1, 6, 1), 2),
    ((5, 7, 3), 13),
    ((2, 16, 16, 2), 32),
    ((64, 64, 32, 10), 64),
    ((33, 129, 10), 127),
]


def bits(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def connect(network: Network, parameters: Array, gradients: Array, batch: int) -> ConnectedCircuit:
    """Connect a network's circuit to parameters `(P,)` or `(R, P)`."""
    values, slopes = network.circuit_parameters(parameters), network.circuit_parameters(gradients)
    return ConnectedCircuit(
        network.circuit, values, slopes, batch=batch, dtype=network.dtype, runs=parameters.shape[:-1]
    )


def compute(circuit: ConnectedCircuit, inputs: Array, targets: Array) -> None:
    circuit.values["inputs"][...] = inputs
    circuit.values["targets"][...] = targets
    circuit.forward()
    circuit.backward()


@DTYPES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("activation", "loss"),
    [(activation, "cross_entropy") for activation in sorted(ACTIVATIONS)] + [("tanh", loss) for loss in sorted(LOSSES)],
)
def test_stacked_runs_are_bit_identical_to_each_run_alone(  # noqa: PLR0917 - filled by name
    activation: str,
    loss: str,
    shape: tuple[tuple[int, ...], int],
    dtype: DTypeLike,
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
) -> None:
    sizes, batch = shape
    networks = [make_network(activation, loss, sizes, seed=seed, dtype=dtype) for seed in range(RUNS)]
    parameters = np.stack([network.parameters for network in networks])
    gradients = np.zeros_like(parameters)
    stacked = connect(networks[0], parameters, gradients, batch)
    samples = [make_samples(loss, sizes[0], sizes[-1], batch, seed=seed) for seed in range(RUNS)]
    compute(stacked, np.stack([s.inputs for s in samples]), np.stack([s.targets for s in samples]))

    for run, (network, sample) in enumerate(zip(networks, samples, strict=True)):
        alone = network.training_circuit(batch)
        compute(alone, sample.inputs, sample.targets)
        for name, array in alone.values.items():
            assert bits(stacked.values[name][run]) == bits(array), f"run {run}, value {name}"
        for name, array in alone.gradients.items():
            assert array.ndim == 0 or bits(stacked.gradients[name][run]) == bits(array), f"run {run}, gradient {name}"
        assert bits(gradients[run]) == bits(network.gradients)
        assert bits(loss_gate(stacked).sample_losses[run]) == bits(loss_gate(alone).sample_losses)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_alone_takes_a_run_axis(name: str) -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(RUNS, 6, 3)), generator.dirichlet(np.ones(3), (RUNS, 6))

    def connect_loss(index: Any) -> Loss:
        inputs = (outputs[index].copy(), targets[index].copy())
        runs = inputs[0].shape[:-2]
        return LOSSES[name]().connect(inputs, np.empty(runs), np.ones(runs), (np.empty_like(inputs[0]), None))

    stacked = connect_loss(slice(None))
    stacked.forward()
    stacked.backward()
    for run in range(RUNS):
        alone = connect_loss(run)
        alone.forward()
        alone.backward()
        assert stacked.output[run] == alone.output
        np.testing.assert_array_equal(stacked.grad_inputs[0][run], alone.grad_inputs[0])  # type: ignore[index]


OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": Sgd,
    "momentum": lambda rate: Sgd(rate, momentum=0.9),
    "nesterov": lambda rate: Sgd(rate, momentum=0.9, nesterov=True),
    "rmsprop": RmsProp,
    "rmsprop, momentum": lambda rate: RmsProp(rate, momentum=0.9),
    "adam": Adam,
}


@DTYPES
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_with_a_learning_rate_per_run_is_bit_identical_to_each_alone(name: str, dtype: DTypeLike) -> None:
    generator = np.random.default_rng(0)
    rates = np.array([[1e-4], [0.003], [0.1], [0.3], [1.7]])
    start = generator.normal(size=(RUNS, 37)).astype(dtype)
    steps = generator.normal(size=(20, RUNS, 37)).astype(dtype)
    stacked, optimizer = start.copy(), OPTIMIZERS[name](rates)
    for gradients in steps:
        optimizer.step(stacked, gradients.copy())
    for run in range(RUNS):
        alone, optimizer = start[run].copy(), OPTIMIZERS[name](float(rates[run, 0]))
        for gradients in steps:
            optimizer.step(alone, gradients[run].copy())
        assert bits(stacked[run]) == bits(alone)
