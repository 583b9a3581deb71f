"""The first layer's curvature, against the Gauss-Newton matrix made of Jacobians by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.curvature import draw_targets, largest_curvature
from gradvitals.engine.events import LayerBackward, LossInfo
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron

Array = np.ndarray
MakeNetwork = Callable[[str], Network]

LOSSES = ["cross_entropy", "binary_cross_entropy", "mse"]


@pytest.fixture(params=["tanh", "relu", "none"])
def make(request: pytest.FixtureRequest) -> MakeNetwork:
    """Build a small network in float64 of three outputs, with or without a hidden layer."""

    def build(loss: str) -> Network:
        hidden = [] if request.param == "none" else [4]
        return perceptron(
            [2, *hidden, 3],
            [request.param] * len(hidden),
            loss,
            initializers=[normal(0.8)] * (len(hidden) + 1),
            generator=np.random.default_rng(1),
            dtype=np.float64,
        )

    return build


def first_layer(network: Network) -> Array:
    """View the first layer's parameters: they come first in the vector."""
    layer = network.layers[0]
    return network.parameters[: (layer.fan_in + 1) * layer.fan_out]


def hessian_of_loss(loss: str, outputs: Array) -> Array:
    """Give the second derivative of a sample's loss by its outputs, from the textbook."""
    if loss == "mse":
        return 2.0 / 3.0 * np.eye(3)
    if loss == "binary_cross_entropy":
        probs = 1.0 / (1.0 + np.exp(-outputs))
        return np.diag(probs * (1.0 - probs)) / 3.0
    probs = np.exp(outputs) / np.exp(outputs).sum()
    return np.asarray(np.diag(probs) - np.outer(probs, probs))


def gauss_newton(network: Network, inputs: Array) -> Array:
    """Give the mean of Jᵀ H J over samples, J by central differences."""
    parameters, step = first_layer(network), 1e-6
    jacobian = np.empty((len(inputs), 3, len(parameters)))
    for index in range(len(parameters)):
        before = parameters[index]
        parameters[index] = before + step
        above = network.predict(inputs)
        parameters[index] = before - step
        below = network.predict(inputs)
        parameters[index] = before
        jacobian[:, :, index] = (above - below) / (2.0 * step)
    outputs = network.predict(inputs)
    terms = [j.T @ hessian_of_loss(network.loss_name, o) @ j for j, o in zip(jacobian, outputs, strict=True)]
    return np.asarray(np.mean(terms, axis=0))


def own_deltas(network: Network, inputs: Array, targets: Array) -> Array:
    """Give the gradient of every sample's loss on the first pre-activations."""
    seen: list[Array] = []

    def see(event: Any) -> None:
        if isinstance(event, LayerBackward) and event.layer == network.layers[0].name:
            seen.append(event.grad_pre_activations * len(inputs))

    network.probe(inputs, targets, see)
    return seen[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_over_draws_is_the_gauss_newton_block(loss: str, make: MakeNetwork) -> None:
    network, rng = make(loss), np.random.default_rng(0)
    inputs = rng.normal(size=(20, 2)) * [3.0, 0.5] + [1.0, 0.0]
    expected = gauss_newton(network, inputs)
    total = np.zeros_like(expected)
    draws = 800
    extended = np.hstack([inputs, np.ones((20, 1))])
    for _ in range(draws):
        drawn = draw_targets(loss, network.loss_info, network.predict(inputs), rng)
        assert drawn is not None
        deltas = own_deltas(network, inputs, drawn.targets)
        gradients = np.einsum("ni,nj->nij", extended, deltas).reshape(20, -1)
        total += drawn.factor / 20 * gradients.T @ gradients
    assert total / draws == pytest.approx(expected, abs=0.1 * np.abs(expected).max())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("samples", [1, 7, 300])
def test_the_value_is_the_largest_eigenvalue_of_its_draw(samples: int, loss: str, make: MakeNetwork) -> None:
    network, rng = make(loss), np.random.default_rng(samples)
    inputs = rng.normal(size=(samples, 2)) * [2.0, 1.0]
    drawn = draw_targets(loss, network.loss_info, network.predict(inputs), rng)
    assert drawn is not None
    deltas = own_deltas(network, inputs, drawn.targets)
    found = largest_curvature(inputs, deltas, drawn.factor)
    assert found is not None
    extended = np.hstack([inputs, np.ones((samples, 1))])
    gradients = np.einsum("ni,nj->nij", extended, deltas).reshape(samples, -1)
    values, vectors = np.linalg.eigh(drawn.factor / samples * gradients.T @ gradients)
    assert found.value == pytest.approx(values[-1], rel=0.02)
    if samples > 1 and values[-1] > 1.5 * values[-2]:
        shares = (vectors[:, -1].reshape(3, -1) ** 2).sum(axis=1)
        assert found.shares == pytest.approx(shares, abs=0.03)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_draw_on_a_probe_is_near_the_truth(loss: str, make: MakeNetwork) -> None:
    network, rng = make(loss), np.random.default_rng(3)
    inputs = rng.normal(size=(128, 2)) * [2.0, 1.0]
    expected = np.linalg.eigvalsh(gauss_newton(network, inputs))[-1]
    values = []
    for _ in range(30):
        drawn = draw_targets(loss, network.loss_info, network.predict(inputs), rng)
        assert drawn is not None
        found = largest_curvature(inputs, own_deltas(network, inputs, drawn.targets), drawn.factor)
        assert found is not None
        values.append(found.value / expected)
    assert 0.9 < np.mean(values) < 1.3  # the largest of several equal eigenvalues is drawn too large
    assert 0.4 < min(values) <= max(values) < 2.0


def test_probabilities_are_not_taken_for_logits() -> None:
    outputs = np.tile([1.0, 0.0], (1000, 1))
    probabilities, logits = LossInfo("probabilities"), LossInfo("logits")
    drawn = [draw_targets("cross_entropy", info, outputs, np.random.default_rng(0)) for info in (probabilities, logits)]
    shares = [None if each is None else float(each.targets[:, 0].mean()) for each in drawn]
    assert shares == [1.0, pytest.approx(np.e / (np.e + 1.0), abs=0.05)]


@pytest.mark.parametrize(
    ("loss", "info"),
    [
        ("hinge", LossInfo("scores")),
        ("mae", LossInfo("values")),
        ("nll", LossInfo("log_probabilities")),
        ("mse", replace(LossInfo("values"), reduction="sum")),
        ("mse", replace(LossInfo("values"), across_samples=True)),
        ("cross_entropy", None),
    ],
    ids=["scores", "no curvature", "log-probabilities", "a sum", "across samples", "unknown"],
)
def test_losses_without_a_known_distribution_have_no_curvature(loss: str, info: LossInfo | None) -> None:
    assert draw_targets(loss, info, np.zeros((4, 2)), np.random.default_rng(0)) is None


def test_outputs_of_any_size_have_the_same_curvature_under_a_squared_loss() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, 2))
    values = []
    for size in (0.0, 1.0, 1e6):
        outputs = (size * np.ones((50, 1))).astype(np.float32)
        drawn = draw_targets("mse", LossInfo("values"), outputs, rng)
        assert drawn is not None
        deltas = 2.0 * (outputs - drawn.targets.astype(np.float32))
        found = largest_curvature(inputs, deltas, drawn.factor)
        assert found is not None
        values.append(found.value)
    assert values == pytest.approx([values[0]] * 3, rel=1e-3)


def test_outputs_whose_square_is_beyond_all_floats_are_no_error() -> None:
    drawn = draw_targets("mse", LossInfo("values"), np.full((4, 2), 1e300), np.random.default_rng(0))
    assert drawn is not None
    assert drawn.factor == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_has_no_curvature(value: float) -> None:
    inputs = np.ones((4, 2), np.float32)
    inputs[1, 1] = value
    assert largest_curvature(inputs, np.ones((4, 3), np.float32)) is None


def test_a_network_without_gradient_is_flat() -> None:
    found = largest_curvature(np.ones((4, 2)), np.zeros((4, 3)))
    assert found is not None
    assert found.value == 0.0
    assert found.shares.tolist() == [0.0, 0.0, 0.0]
