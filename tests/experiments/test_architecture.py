"""From the [model] table to gates: every setting is found again in the network that is built."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.activations import Elu, LeakyRelu
from gradvitals.engine.compound_activations import Maxout, PRelu
from gradvitals.engine.events import LayerForward
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import Fit, check_fit


def build(model: str, training: str = "", source: str = "iris") -> tuple[Experiment, Fit]:
    config = loads(f'[data]\nsource = "{source}"\n[model]\n{model}\n[training]\n{training}\n')
    dataset = load_data(config.data, config.seed, Path(), sequence_length=config.model.sequence_length)
    fit = check_fit(config, dataset)
    return assemble(config, dataset, fit), fit


@pytest.mark.parametrize(
    ("activation", "gate", "settings"),
    [
        ('{kind = "leaky_relu", slope = 0.3}', LeakyRelu, {"slope": 0.3}),
        ('{kind = "elu", alpha = 0.7}', Elu, {"alpha": 0.7}),
        ('{kind = "prelu", slope = 0.1, per_unit = true}', PRelu, {"initial_slope": 0.1, "per_unit": True}),
        ('{kind = "maxout", pieces = 4}', Maxout, {"pieces": 4}),
    ],
    ids=["leaky_relu", "elu", "prelu", "maxout"],
)
def test_the_settings_of_an_activation_reach_its_gate(activation: str, gate: type, settings: dict[str, Any]) -> None:
    experiment, fit = build(f"hidden = [6]\nactivation = {activation}")
    (built,) = [placed.gate for placed in experiment.network.circuit.gates if placed.output.name == "hidden_1"]
    assert type(built) is gate
    assert {name: getattr(built, name) for name in settings} == settings
    arrays = experiment.network.parameters_by_layer()["hidden_1"]
    if gate is PRelu:
        np.testing.assert_allclose(arrays["slope"], np.full(6, 0.1), rtol=1e-6)
    if gate is not PRelu:  # whose learned slopes are not among the weights and biases of the plan
        assert fit.parameters == experiment.network.parameters.size


@pytest.mark.parametrize("cell", ["tanh", "relu"])
def test_a_recurrent_network_has_its_cell_and_its_initial_weights(cell: str) -> None:
    model = f'kind = "rnn"\ncell = "{cell}"\nhidden = [5, 3]\nsequence_length = 8'
    experiment, fit = build(f'{model}\nrecurrent_init = {{kind = "identity", scale = 0.5}}', source="digits")
    network = experiment.network
    assert [info.activation for info in network.layers] == [cell, cell, "linear"]
    assert fit.parameters == network.parameters.size
    for layer, units in (("hidden_1", 5), ("hidden_2", 3)):
        np.testing.assert_array_equal(network.parameters_by_layer()[layer]["recurrent_weight"], 0.5 * np.eye(units))
    seen: list[LayerForward] = []
    network.observe(experiment.samples.inputs[:2], seen.append)
    assert seen[0].outputs.shape == (16, 5)  # eight time steps of two samples


def test_unset_a_cell_is_tanh_and_recurrent_weights_are_orthogonal() -> None:
    experiment, _ = build('kind = "rnn"\nhidden = [5]\nsequence_length = 8', source="digits")
    weight = experiment.network.parameters_by_layer()["hidden_1"]["recurrent_weight"].astype(np.float64)
    assert experiment.network.layers[0].activation == "tanh"
    np.testing.assert_allclose(weight @ weight.T, np.eye(5), atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "reduce"), [("mse", np.mean), ("huber", np.mean), ("mae", np.median)], ids=["mse", "huber", "mae"]
)
def test_a_prior_of_quantities_is_the_value_that_the_loss_likes_best(loss: str, reduce: Any) -> None:
    experiment, _ = build('output_bias = "prior"', f'loss = "{loss}"', source="diabetes")
    bias = experiment.network.parameters_by_layer()["output"]["bias"]
    np.testing.assert_allclose(bias, reduce(experiment.samples.targets, axis=0), rtol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_class_weights_reach_the_loss_and_the_constant_it_is_compared_with(loss: str) -> None:
    experiment, _ = build("hidden = [4]", f'loss = "{loss}"\nclass_weight = [1.0, 5.0, 0.5]')
    samples = experiment.samples
    np.testing.assert_array_equal(experiment.network.class_weight, [1.0, 5.0, 0.5])
    constant = Prober(experiment.network, WatchedData(samples.inputs, samples.targets)).constant
    assert constant is not None
    np.testing.assert_array_equal(constant.class_weight, [1.0, 5.0, 0.5])
    share = samples.targets.mean(axis=0, dtype=np.float64) * [1.0, 5.0, 0.5]
    if loss == "cross_entropy":
        np.testing.assert_allclose(constant.mean_loss, -(share * np.log(share / share.sum())).sum(), rtol=1e-9)
