"""PyTorch as the reference: gradients of every activation × loss × shape, and 100 steps of every optimizer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.catalogue import ACTIVATIONS, LOSSES
from gradvitals.engine.clipping import clip_norm, clip_value
from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Optimizer, RmsProp, Sgd
from gradvitals.engine.training import Samples, Trainer

torch: Any = pytest.importorskip("torch")

TORCH_ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "prelu": torch.nn.functional.prelu,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "maxout": lambda x: x.unflatten(-1, (-1, 2)).amax(-1),
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, -1),
    "tanh": torch.tanh,
}
TORCH_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": torch.nn.functional.cross_entropy,
    "binary_cross_entropy": torch.nn.functional.binary_cross_entropy_with_logits,
    "nll": lambda x, t: torch.nn.functional.nll_loss(x, t.argmax(-1)),
    "hinge": lambda x, t: x.shape[-1] * torch.nn.functional.multi_margin_loss(x, t.argmax(-1)),
    "binary_hinge": lambda x, t: torch.clamp(1 - (2 * t - 1) * x, min=0).mean(),
    "mse": torch.nn.functional.mse_loss,
    "mae": torch.nn.functional.l1_loss,
    "huber": torch.nn.functional.huber_loss,
}
SHAPES: list[tuple[tuple[int, ...], int]] = [
    ((2, 3), 5),
    ((3, 5, 1), 4),
    ((4, 6, 5, 3), 1),
    ((7, 16, 16, 8, 2), 33),
]


class Twin:
    """The same network in PyTorch, one tensor per parameter array, in the order of the flat vector."""

    def __init__(self, network: Network) -> None:
        self.activations = [TORCH_ACTIVATIONS[info.activation] for info in network.layers]
        self.loss = TORCH_LOSSES[network.loss_name]
        self.layers = [
            [torch.tensor(array.copy(), requires_grad=True) for array in layer.values()]
            for layer in network.parameters_by_layer().values()
        ]
        self.parameters = [parameter for layer in self.layers for parameter in layer]

    def mean_loss(self, inputs: Array, targets: Array) -> Any:
        """Compute the mean loss, ready for `backward`."""
        hidden = torch.tensor(inputs)
        for (weight, bias, *learned), activation in zip(self.layers, self.activations, strict=True):
            hidden = activation(hidden @ weight + bias, *learned)
        return self.loss(hidden, torch.tensor(targets))

    def flat_parameters(self) -> Array:
        """Give all parameters as one vector."""
        return np.concatenate([parameter.detach().numpy().ravel() for parameter in self.parameters])

    def flat_gradients(self) -> Array:
        """Give all gradients as one vector."""
        return np.concatenate([parameter.grad.numpy().ravel() for parameter in self.parameters])


def test_every_activation_and_loss_has_its_reference() -> None:
    assert set(TORCH_ACTIVATIONS) == set(ACTIVATIONS)
    assert set(TORCH_LOSSES) == set(LOSSES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_loss_and_gradients_equal_autograd(
    activation: str,
    loss: str,
    shape: tuple[tuple[int, ...], int],
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
) -> None:
    sizes, batch = shape
    network = make_network(activation, loss, sizes)
    samples = make_samples(loss, sizes[0], sizes[-1], batch)
    twin = Twin(network)
    expected = twin.mean_loss(samples.inputs, samples.targets)
    expected.backward()
    circuit = network.training_circuit(batch)
    circuit.values["inputs"][...] = samples.inputs
    circuit.values["targets"][...] = samples.targets
    circuit.forward()
    circuit.backward()
    assert float(circuit.values["loss"]) == pytest.approx(float(expected.detach()), rel=1e-12)
    np.testing.assert_allclose(network.gradients, twin.flat_gradients(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_slope_exactly_at_the_kink_equals_autograd(activation: str) -> None:
    inputs = np.array([[0.0, -0.0]])
    gradient = np.empty((1, 2))
    gate = ACTIVATIONS[activation]().connect((inputs,), np.empty((1, 2)), np.ones((1, 2)), (gradient,))
    gate.forward()
    gate.backward()
    tensor = torch.tensor(inputs, requires_grad=True)
    TORCH_ACTIVATIONS[activation](tensor).sum().backward()
    np.testing.assert_array_equal(gradient, tensor.grad.numpy())


OPTIMIZERS: dict[str, tuple[Callable[[], Optimizer], Callable[[Any], Any]]] = {
    "sgd": (lambda: Sgd(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (lambda: Sgd(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "nesterov": (
        lambda: Sgd(0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (RmsProp, torch.optim.RMSprop),
    "rmsprop, other settings": (
        lambda: RmsProp(3e-3, alpha=0.9, epsilon=1e-6),
        lambda p: torch.optim.RMSprop(p, lr=3e-3, alpha=0.9, eps=1e-6),
    ),
    "rmsprop, momentum": (
        lambda: RmsProp(1e-3, momentum=0.9),
        lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9),
    ),
    "adam": (Adam, torch.optim.Adam),
    "adam, other settings": (
        lambda: Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-6),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6),
    ),
}


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_of_training_equal_torch_optim(
    name: str, loss: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network = make_network("tanh", loss, (6, 12, 8, 3))
    samples = make_samples(loss, 6, 3, 90)
    start = network.parameters.copy()
    make, make_reference = OPTIMIZERS[name]
    twin = Twin(network)
    reference = make_reference(twin.parameters)
    trainer = Trainer(network, make())
    generator = np.random.default_rng(5)
    for _ in range(100):
        rows = generator.integers(0, 90, 16)
        taken = trainer.step(samples, rows)
        reference.zero_grad()
        expected = twin.mean_loss(samples.inputs[rows], samples.targets[rows])
        expected.backward()
        reference.step()
        assert taken == pytest.approx(float(expected.detach()), rel=1e-9)
    assert float(np.abs(network.parameters - start).max()) > 0.01  # it did train
    assert float(np.abs(network.parameters - twin.flat_parameters()).max()) < 1e-10


@pytest.mark.parametrize(
    ("activation", "loss"),
    [(activation, "cross_entropy") for activation in sorted(ACTIVATIONS)] + [("gelu", loss) for loss in sorted(LOSSES)],
)
def test_a_hundred_steps_with_every_activation_and_loss_equal_torch(
    activation: str, loss: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network = make_network(activation, loss, (6, 12, 8, 3))
    samples = make_samples(loss, 6, 3, 90)
    start = network.parameters.copy()
    twin = Twin(network)
    rate = 0.001 if loss == "nll" else 0.02  # on outputs that are no log-probabilities it has no lower bound
    reference = torch.optim.SGD(twin.parameters, lr=rate)
    trainer, generator = Trainer(network, Sgd(rate)), np.random.default_rng(5)
    for _ in range(100):
        rows = generator.integers(0, 90, 16)
        trainer.step(samples, rows)
        reference.zero_grad()
        twin.mean_loss(samples.inputs[rows], samples.targets[rows]).backward()
        reference.step()
    assert float(np.abs(network.parameters - start).max()) > 1e-3  # it did train
    assert float(np.abs(network.parameters - twin.flat_parameters()).max()) < 1e-10


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6], ids=["clips", "clips some", "leaves"])
def test_clip_norm_equals_torch(limit: float) -> None:
    gradients = np.random.default_rng(0).normal(size=50)
    tensor = torch.zeros(50, dtype=torch.float64)
    tensor.grad = torch.tensor(gradients.copy())
    torch.nn.utils.clip_grad_norm_([tensor], limit)
    clip_norm(limit)(gradients)
    np.testing.assert_allclose(gradients, tensor.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e6], ids=["clips", "clips some", "leaves"])
def test_clip_value_equals_torch(limit: float) -> None:
    gradients = np.random.default_rng(0).normal(size=50)
    tensor = torch.zeros(50, dtype=torch.float64)
    tensor.grad = torch.tensor(gradients.copy())
    torch.nn.utils.clip_grad_value_([tensor], limit)
    clip_value(limit)(gradients)
    np.testing.assert_array_equal(gradients, tensor.grad.numpy())
