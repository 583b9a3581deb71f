"""L2: the penalty by hand, its place in the loop, and 100 steps against PyTorch with the penalty in the loss."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import Array, GradientsReady, StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, Optimizer, RmsProp, Sgd
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.training import Samples, Trainer, train

STRENGTH = 0.03
OPTIMIZERS: dict[str, tuple[Callable[[], Optimizer], str, dict[str, Any]]] = {
    "sgd": (lambda: Sgd(0.1), "SGD", {"lr": 0.1}),
    "momentum": (lambda: Sgd(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    "adagrad": (Adagrad, "Adagrad", {}),
    "adadelta": (Adadelta, "Adadelta", {}),
    "rmsprop": (RmsProp, "RMSprop", {}),
    "adam": (Adam, "Adam", {}),
    "adamw": (AdamW, "AdamW", {}),
    "adamax": (Adamax, "Adamax", {}),
    "nadam": (Nadam, "NAdam", {}),
}


def flat(layers: Any) -> Array:
    return np.concatenate([array.ravel() for layer in layers.values() for array in layer.values()])


def test_weights_are_marked_and_biases_are_not(make_network: Callable[..., Network]) -> None:
    network = make_network("tanh", "cross_entropy", (3, 5, 4), dtype=np.float32)
    marks = mark_weights(network)
    assert marks.dtype == np.float32
    for layer in network.views(marks).values():
        assert (layer["weight"] == 1.0).all()
        assert (layer["bias"] == 0.0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_value_and_gradient_are_those_of_the_formula(dtype: DTypeLike, make_network: Callable[..., Network]) -> None:
    network = make_network(dtype=dtype)
    penalty = L2(STRENGTH, mark_weights(network))
    weights = [layer["weight"] for layer in network.parameters_by_layer().values()]
    expected = 0.5 * STRENGTH * sum(float((weight.astype(np.float64) ** 2).sum()) for weight in weights)
    assert penalty.value(network.parameters) == pytest.approx(expected, rel=1e-6 if dtype == np.float32 else 1e-13)

    gradients = np.ones_like(network.parameters)
    penalty.add_gradient(network.parameters, gradients)
    assert gradients.dtype == dtype
    for layer, parameters in zip(
        network.views(gradients).values(), network.parameters_by_layer().values(), strict=True
    ):
        np.testing.assert_allclose(layer["weight"], 1.0 + STRENGTH * parameters["weight"], rtol=1e-6)
        assert (layer["bias"] == 1.0).all()


def test_gradient_is_the_derivative_of_the_value(make_network: Callable[..., Network]) -> None:
    network = make_network()
    penalty, parameters = L2(STRENGTH, mark_weights(network)), network.parameters.copy()
    gradients = np.zeros_like(parameters)
    penalty.add_gradient(parameters, gradients)
    for index in range(parameters.size):
        sides = []
        for h in (1e-4, -1e-4):
            moved = parameters.copy()
            moved[index] += h
            sides.append(penalty.value(moved))
        assert (sides[0] - sides[1]) / 2e-4 == pytest.approx(gradients[index], rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_runs_stacked_with_a_strength_each_are_bit_identical_to_each_alone(
    dtype: DTypeLike, make_network: Callable[..., Network]
) -> None:
    networks = [make_network(seed=seed, dtype=dtype) for seed in range(3)]
    strengths, marks = np.array([[0.0], [0.01], [3.0]]), mark_weights(networks[0])
    parameters = np.stack([network.parameters for network in networks])
    gradients = np.random.default_rng(0).normal(size=parameters.shape).astype(dtype)
    stacked = gradients.copy()
    L2(strengths, marks).add_gradient(parameters, stacked)
    for run in range(3):
        L2(float(strengths[run, 0]), marks).add_gradient(parameters[run], gradients[run])
        assert stacked[run].tobytes() == gradients[run].tobytes()


@pytest.mark.parametrize("strength", [-0.1, math.nan, math.inf])
def test_a_strength_that_makes_no_sense_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=f"must be finite and not negative, got {strength}"):
        L2(strength, np.ones(3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_equal_torch_with_the_penalty_in_the_loss(
    name: str, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    torch: Any = pytest.importorskip("torch")
    network, samples = make_network("tanh", "cross_entropy", (6, 12, 8, 3)), make_samples("cross_entropy", 6, 3, 90)
    make, kind, settings = OPTIMIZERS[name]
    unpenalised = make_network("tanh", "cross_entropy", (6, 12, 8, 3))
    trainer = Trainer(network, make(), penalty=L2(STRENGTH, mark_weights(network)))
    tensors = [
        torch.tensor(array.copy(), requires_grad=True)
        for layer in network.parameters_by_layer().values()
        for array in layer.values()
    ]
    torch.set_default_dtype(torch.float64)  # NAdam keeps a number of its own in it
    try:
        reference = getattr(torch.optim, kind)(tensors, **settings)
        generator = np.random.default_rng(5)
        for _ in range(100):
            rows = generator.integers(0, 90, 16)
            taken = trainer.step(samples, rows)
            Trainer(unpenalised, make()).step(samples, rows)
            hidden = torch.tensor(samples.inputs[rows])
            for index in range(0, 6, 2):
                hidden = hidden @ tensors[index] + tensors[index + 1]
                hidden = torch.tanh(hidden) if index < 4 else hidden
            data_loss = torch.nn.functional.cross_entropy(hidden, torch.tensor(samples.targets[rows]))
            reference.zero_grad()
            (data_loss + 0.5 * STRENGTH * sum((weight**2).sum() for weight in tensors[::2])).backward()
            reference.step()
            assert taken == pytest.approx(float(data_loss.detach()), rel=1e-9)  # reported is the loss on the data
    finally:
        torch.set_default_dtype(torch.float32)
    expected = np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])
    assert float(np.abs(flat(network.parameters_by_layer()) - expected).max()) < 1e-10
    assert float(np.abs(network.parameters - unpenalised.parameters).max()) > 1e-3  # it did pull


def test_what_is_shown_averaged_and_clipped_is_the_gradient_of_the_whole(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples = make_samples("cross_entropy", 3, 4, 8)

    def step(strength: float) -> tuple[float, Array]:
        """Give the loss and the gradient that are shown."""
        network = make_network()
        shown: list[Array] = []
        averaged: list[Array] = []
        ended: list[StepEnded] = []
        network.hooks.on(GradientsReady, lambda event: shown.append(flat(event.gradients)))
        network.hooks.on(StepEnded, ended.append)
        penalty = L2(strength, mark_weights(network))
        trainer = Trainer(
            network, Sgd(0.1), penalty=penalty, average=lambda g: averaged.append(g.copy()), clip=clip_norm(0.01)
        )
        loss = trainer.step(samples, np.arange(8))
        np.testing.assert_array_equal(flat(network.views(averaged[0])), shown[0])
        assert ended[0].clip_factor == pytest.approx(0.01 / (float(np.linalg.norm(shown[0])) + 1e-6), rel=1e-12)
        assert ended[0].loss == loss
        return loss, shown[0]

    network = make_network()
    weights = flat(network.views(network.parameters * mark_weights(network)))
    (loss, gradient), (loss_with, gradient_with) = step(0.0), step(0.5)
    np.testing.assert_allclose(gradient_with - gradient, 0.5 * weights, rtol=1e-12, atol=1e-15)
    assert loss_with == loss


def test_without_data_to_fit_the_weights_shrink_geometrically_and_the_biases_stay(
    make_network: Callable[..., Network],
) -> None:
    network = make_network("linear", "mse", (3, 2))
    network.parameters[...] = 1.0
    samples = Samples(np.zeros((4, 3)), np.ones((4, 2)))  # inputs of zero: the bias is right, the weights idle
    train(
        network,
        samples,
        Sgd(0.1),
        epochs=10,
        batch_size=4,
        generator=np.random.default_rng(0),
        penalty=L2(0.5, mark_weights(network)),
    )
    layer = network.parameters_by_layer()["output"]
    np.testing.assert_allclose(layer["weight"], 0.95**10, rtol=1e-12)
    assert (layer["bias"] == 1.0).all()
