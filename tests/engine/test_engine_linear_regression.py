"""The closed form of linear regression: against its own gradient, training, scikit-learn, and what it refuses."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from gradvitals.engine.events import Array
from gradvitals.engine.initializers import normal
from gradvitals.engine.linear_regression import solve_linear_regression
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.regression_losses import MeanSquaredError
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.strategies import Backprop
from gradvitals.engine.training import Samples, train


def penalised_gradient(network: Network, samples: Samples, strength: float) -> Array:
    """Give the gradient of mse + L2 on all samples."""
    circuit = network.training_circuit(len(samples))
    circuit.values["inputs"][...] = samples.inputs
    circuit.values["targets"][...] = samples.targets
    circuit.forward()
    Backprop().compute(network, circuit, L2(strength, mark_weights(network)))
    return network.gradients.copy()


def regression(features: int, outputs: int, count: int, reduction: str = "mean") -> tuple[Network, Samples]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(3.0, 2.0, size=(count, features))
    targets = inputs @ generator.normal(size=(features, outputs)) + generator.normal(5.0, 1.0, size=(count, outputs))
    network = perceptron(
        (features, outputs),
        [],
        MeanSquaredError(reduction="sum" if reduction == "sum" else "mean"),
        initializers=[normal(0.5)],
        generator=generator,
        dtype=np.float64,
    )
    return network, Samples(inputs, targets)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("strength", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("shape", [(4, 1, 50), (4, 3, 50), (1, 1, 2), (3, 2, 1)], ids=str)
def test_at_the_closed_form_the_gradient_of_the_whole_is_zero(
    shape: tuple[int, int, int], strength: float, reduction: str
) -> None:
    network, samples = regression(*shape, reduction)
    before = np.abs(penalised_gradient(network, samples, strength)).max()
    solve_linear_regression(network, samples.inputs, samples.targets, l2=strength)
    assert np.abs(penalised_gradient(network, samples, strength)).max() < 1e-12 * before


@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_the_closed_form_equals_scikit_learn(strength: float) -> None:
    from sklearn.linear_model import LinearRegression, Ridge

    network, samples = regression(5, 3, 40)
    solve_linear_regression(network, samples.inputs, samples.targets, l2=strength)
    model = Ridge(alpha=0.5 * strength * samples.targets.size) if strength else LinearRegression()
    model.fit(samples.inputs, samples.targets)
    layer = network.parameters_by_layer()["output"]
    np.testing.assert_allclose(layer["weight"], model.coef_.T, rtol=1e-9)
    np.testing.assert_allclose(layer["bias"], model.intercept_, rtol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_training_ends_where_the_closed_form_is(strength: float) -> None:
    network, samples = regression(3, 2, 30)
    train(
        network,
        samples,
        Sgd(0.03, momentum=0.9),
        epochs=2000,
        batch_size=30,
        generator=np.random.default_rng(0),
        penalty=L2(strength, mark_weights(network)),
    )
    found = network.parameters.copy()
    solve_linear_regression(network, samples.inputs, samples.targets, l2=strength)
    np.testing.assert_allclose(found, network.parameters, rtol=1e-9)


def test_of_many_best_weights_the_closed_form_takes_the_smallest() -> None:
    network, samples = regression(2, 1, 30)
    doubled = Samples(np.column_stack([samples.inputs[:, 0], samples.inputs[:, 0]]), samples.targets)
    solve_linear_regression(network, doubled.inputs, doubled.targets)
    weight = network.parameters_by_layer()["output"]["weight"]
    assert weight[0] == pytest.approx(weight[1], rel=1e-12)


def test_the_closed_form_keeps_the_dtype() -> None:
    network, samples = regression(3, 2, 30)
    single = perceptron((3, 2), [], "mse", initializers=[normal(0.5)], generator=np.random.default_rng(0))
    solve_linear_regression(network, samples.inputs, samples.targets)
    solve_linear_regression(single, samples.inputs.astype(np.float32), samples.targets)
    assert single.parameters.dtype == np.float32
    np.testing.assert_allclose(single.parameters, network.parameters, rtol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "loss", "inputs", "targets", "sentence"),
    [
        (
            (3, 2),
            "cross_entropy",
            (4, 3),
            (4, 2),
            r"one linear layer with the loss mse; got \['linear'\] with cross_en",
        ),
        ((3, 5, 2), "mse", (4, 3), (4, 2), r"one linear layer with the loss mse; got \['tanh', 'linear'\] with mse"),
        ((3, 2), "mse", (4, 2), (4, 2), r"must be \(samples, 3\) and \(samples, 2\), got \(4, 2\) and \(4, 2\)"),
        ((3, 2), "mse", (4, 3), (5, 2), r"got \(4, 3\) and \(5, 2\)"),
        ((3, 2), "mse", (4, 3), (4,), r"got \(4, 3\) and \(4,\)"),
        ((3, 2), "mse", (0, 3), (0, 2), r"got \(0, 3\) and \(0, 2\)"),
    ],
    ids=["loss", "layers", "features", "rows", "flat targets", "no rows"],
)
def test_what_has_no_closed_form_is_refused(  # noqa: PLR0917 - filled by name
    sizes: tuple[int, ...],
    loss: str,
    inputs: tuple[int, ...],
    targets: tuple[int, ...],
    sentence: str,
    make_network: Callable[..., Network],
) -> None:
    with pytest.raises(ValueError, match=sentence):
        solve_linear_regression(make_network("tanh", loss, sizes), np.ones(inputs), np.ones(targets))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_closed_form_refuses_data_that_are_not_finite(value: float) -> None:
    network, samples = regression(3, 2, 30)
    samples.targets[4, 1] = value
    with pytest.raises(ValueError, match="the closed form needs finite inputs and targets"):
        solve_linear_regression(network, samples.inputs, samples.targets)


@pytest.mark.parametrize("strength", [-1e-3, math.nan, math.inf])
def test_the_closed_form_refuses_a_strength_that_is_none(strength: float) -> None:
    network, samples = regression(3, 2, 30)
    with pytest.raises(ValueError, match="finite and not negative"):
        solve_linear_regression(network, samples.inputs, samples.targets, l2=strength)


def test_there_is_no_closed_form_where_an_output_meets_every_target() -> None:
    loss = MeanSquaredError(broadcast="batch")
    network = perceptron((3, 1), [], loss, initializers=[normal(0.5)], generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match="of the whole batch"):
        solve_linear_regression(network, np.ones((4, 3)), np.ones((4, 1)))
