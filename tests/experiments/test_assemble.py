"""The network and the optimizer are what the config says."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.optimizers import Adam, RmsProp, Sgd
from gradvitals.engine.training import train
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import loads, parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit

WIDE = {"source": "digits"}


def build(**tables: dict[str, Any]) -> Experiment:
    """Assemble a config given as tables; digits and one wide layer unless they say otherwise."""
    config = parse_config({"data": WIDE, "model": {"hidden": [400]}, **tables})
    dataset = load_data(config.data, config.seed, Path())
    return assemble(config, dataset, check_fit(config, dataset))


STD: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda fan_in, fan_out: 0.0,  # noqa: ARG005 - one signature for all
    "glorot_uniform": lambda fan_in, fan_out: (2 / (fan_in + fan_out)) ** 0.5,
    "glorot_normal": lambda fan_in, fan_out: (2 / (fan_in + fan_out)) ** 0.5,
    "he_uniform": lambda fan_in, fan_out: (2 / fan_in) ** 0.5,  # noqa: ARG005
    "he_normal": lambda fan_in, fan_out: (2 / fan_in) ** 0.5,  # noqa: ARG005
    "lecun_uniform": lambda fan_in, fan_out: (1 / fan_in) ** 0.5,  # noqa: ARG005
    "lecun_normal": lambda fan_in, fan_out: (1 / fan_in) ** 0.5,  # noqa: ARG005
    "orthogonal": lambda fan_in, fan_out: max(fan_in, fan_out) ** -0.5,
}
"""Standard deviation of a weight, by scheme."""


@pytest.mark.parametrize("name", STD)
def test_a_named_scheme_has_its_deviation(name: str) -> None:
    weight = build(model={"hidden": [400], "init": name}).network.parameters_by_layer()["hidden_1"]["weight"]
    assert weight.shape == (64, 400)
    assert weight.std() == pytest.approx(STD[name](64, 400), rel=0.02)
    assert abs(weight.mean()) <= 4 * STD[name](64, 400) / weight.size**0.5


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ({"kind": "normal", "std": 0.25}, 0.25),
        ({"kind": "uniform", "limit": 0.3}, 0.3 / 3**0.5),
        ("uniform", 0.05 / 3**0.5),
    ],
    ids=["normal", "uniform", "uniform by default"],
)
def test_an_initialisation_with_a_setting_has_its_deviation(init: Any, std: float) -> None:
    weight = build(model={"hidden": [400], "init": init}).network.parameters_by_layer()["hidden_1"]["weight"]
    assert weight.std() == pytest.approx(std, rel=0.02)


def test_a_constant_and_biases_are_exact() -> None:
    model = {
        "hidden": [5, 4],
        "init": [{"kind": "constant", "value": 0.5}, "zeros", "he_normal"],
        "bias_init": {"kind": "constant", "value": -3},
    }
    layers = build(model=model).network.parameters_by_layer()
    assert (layers["hidden_1"]["weight"] == 0.5).all()
    assert (layers["hidden_2"]["weight"] == 0.0).all()
    assert (layers["output"]["weight"] != 0.0).all()
    assert all((layers[name]["bias"] == -3.0).all() for name in ("hidden_1", "hidden_2"))
    assert (layers["output"]["bias"] == 0.0).all()


@pytest.mark.parametrize(
    ("optimizer", "kind", "settings"),
    [
        (
            {"kind": "sgd", "learning_rate": 0.25, "momentum": 0.5, "nesterov": True},
            Sgd,
            {"learning_rate": 0.25, "momentum": 0.5, "nesterov": True},
        ),
        (
            {"kind": "rmsprop", "learning_rate": 0.25, "alpha": 0.5, "epsilon": 0.125, "momentum": 0.75},
            RmsProp,
            {"learning_rate": 0.25, "alpha": 0.5, "epsilon": 0.125, "momentum": 0.75},
        ),
        ("rmsprop", RmsProp, {"learning_rate": 0.01, "alpha": 0.99, "epsilon": 1e-8, "momentum": 0.0}),
        (
            {"kind": "adam", "learning_rate": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125},
            Adam,
            {"learning_rate": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125},
        ),
        ("adam", Adam, {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
    ],
    ids=["sgd", "rmsprop", "rmsprop by default", "adam", "adam by default"],
)
def test_an_optimizer_has_its_settings(optimizer: Any, kind: type, settings: dict[str, Any]) -> None:
    built = build(training={"optimizer": optimizer}).optimizer
    assert type(built) is kind
    assert {name: getattr(built, name) for name in settings} == settings


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "learning_rate": 0.1},
        {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        {"kind": "rmsprop", "learning_rate": 0.001},
        {"kind": "rmsprop", "learning_rate": 0.001, "momentum": 0.5},
        {"kind": "adam", "learning_rate": 0.005},
    ],
    ids=lambda value: "-".join(map(str, value.values())),
)
def test_every_optimizer_trains_in_both_precisions(optimizer: dict[str, Any], dtype: str) -> None:
    experiment = build(training={"optimizer": optimizer, "dtype": dtype}, model={"hidden": [32]})
    arrays = (experiment.network.parameters, experiment.samples.inputs, experiment.validation.targets)
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    history = train(
        experiment.network,
        experiment.samples,
        experiment.optimizer,
        epochs=5,
        batch_size=64,
        generator=experiment.generator,
        validation=experiment.validation,
    )
    accuracy = history.validation[-1].accuracy
    assert accuracy is not None
    assert accuracy > 0.85


@pytest.mark.parametrize(
    ("data", "loss"),
    [
        ({"source": "iris"}, None),
        ({"source": "breast_cancer"}, "binary_cross_entropy"),
        ({"source": "diabetes"}, None),
    ],
    ids=["cross_entropy", "binary_cross_entropy", "mse"],
)
def test_a_prior_makes_the_first_prediction_the_best_constant_one(data: dict[str, Any], loss: str | None) -> None:
    training = {} if loss is None else {"loss": loss}
    model = {"hidden": [4], "init": ["he_normal", "zeros"], "output_bias": "prior"}
    experiment = build(data=data, model=model, training=training | {"dtype": "float64"})
    targets = experiment.samples.targets
    logits = experiment.network.predict(experiment.samples.inputs[:1])[0]
    match experiment.network.loss_name:
        case "cross_entropy":
            predicted = np.exp(logits) / np.exp(logits).sum()
        case "binary_cross_entropy":
            predicted = 1.0 / (1.0 + np.exp(-logits))
        case _:
            predicted = logits
    np.testing.assert_allclose(predicted, targets.mean(axis=0), rtol=1e-9)


def test_clipping_is_by_value_first_and_then_by_norm() -> None:
    experiment = build(training={"clip_value": 1.0, "clip_norm": 1.0})
    assert experiment.clip is not None
    gradients = np.array([3.0, 0.0, 1.0])
    experiment.clip(gradients)
    each = 1.0 / (2.0**0.5 + 1e-6)  # PyTorch adds 1e-6 to the norm
    np.testing.assert_allclose(gradients, [each, 0.0, each], rtol=1e-14)
    assert build().clip is None


def test_the_seed_alone_decides_weights_and_batches() -> None:
    text = 'seed = {}\n[data]\nsource = "moons"\n'
    built = []
    for seed in (0, 0, 1):
        config = loads(text.format(seed))
        dataset = load_data(config.data, 0, Path())
        built.append(assemble(config, dataset, check_fit(config, dataset)))
    first, again, other = (experiment.network.parameters for experiment in built)
    assert (first == again).all()
    assert (first != other).any()
    orders = [experiment.generator.permutation(100).tolist() for experiment in built]
    assert orders[0] == orders[1] != orders[2]


def test_the_layers_have_the_sizes_and_activations_of_the_config() -> None:
    network = build(model={"hidden": [7, 6, 5], "activation": ["tanh", "linear", "leaky_relu"]}).network
    assert [info.activation for info in network.layers] == ["tanh", "linear", "leaky_relu", "linear"]
    widths = [network.layers[0].fan_in, *(info.fan_out for info in network.layers)]
    assert widths == [64, 7, 6, 5, 10]
    assert [(info.fan_in, info.fan_out) for info in network.layers] == list(pairwise(widths))
