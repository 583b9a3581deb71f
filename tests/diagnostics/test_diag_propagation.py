"""How signals go through a network at its start: against the same computed by hand, layer by layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.column_scales import measure_columns
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.propagation import measure_propagation
from gradvitals.diagnostics.start_notes import Propagation
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import LayerBackward, LayerForward
from gradvitals.engine.initializers import glorot_uniform, normal, orthogonal
from gradvitals.engine.logit_losses import SoftmaxCrossEntropy
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.regression_losses import MeanSquaredError

MakeNetwork = Callable[..., Network]


def measured(network: Network, inputs: Any, targets: Any) -> Propagation:
    return measure_propagation(network, inputs, targets, measure_columns(inputs), np.random.default_rng(0), step=0)


@pytest.fixture
def raw(digits: WatchedData) -> WatchedData:
    """Digits whose columns have means and deviations of their own."""
    rng = np.random.default_rng(0)
    scales, shifts = rng.uniform(0.5, 8.0, 64), rng.uniform(-3.0, 3.0, 64)
    return WatchedData((digits.inputs[:300] * scales + shifts).astype(np.float32), digits.targets[:300])


def test_deviations_are_those_of_the_pre_activations(raw: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(raw, activation="relu", bias=0.3)
    parameters, signal, expected = network.views(network.parameters), raw.inputs.astype(np.float64), {}
    for layer in ("hidden_1", "hidden_2", "output"):
        before = signal @ parameters[layer]["weight"] + parameters[layer]["bias"]
        expected[layer], signal = before.std(), np.maximum(before, 0.0)
    start = measured(network, raw.inputs, raw.targets)
    assert start.deviations == pytest.approx(expected, rel=1e-4)
    assert start.output_means == pytest.approx(before.mean(axis=0), rel=1e-3, abs=1e-4)
    assert start.output_deviations == pytest.approx(before.std(axis=0), rel=1e-4)
    assert start.loss == pytest.approx(network.evaluate(raw.inputs, raw.targets)[0].mean(), rel=1e-5)


def test_the_other_half_is_the_same_network_on_standardised_inputs(raw: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(raw, activation="tanh")
    start = measured(network, raw.inputs, raw.targets)
    spread = raw.inputs.std(axis=0, dtype=np.float64)
    standard = (raw.inputs - raw.inputs.mean(axis=0, dtype=np.float64)) / np.where(spread > 1e-6, spread, 1.0)
    alone = measured(network, standard, raw.targets)
    assert (alone.standardised_loss, alone.standardised_deviations, alone.standardised_curvature) == (None, None, None)
    assert start.standardised_loss == pytest.approx(alone.loss, rel=1e-3)
    assert start.standardised_deviations == pytest.approx(alone.deviations, rel=1e-3)
    assert start.standardised_curvature == pytest.approx(alone.curvature, rel=0.3)


def test_the_largest_curvature_bounds_stable_steps() -> None:
    """A linear network under a squared loss has one curvature: gradient descent diverges right above 2/λ."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(256, 3)) * [1.0, 5.0, 0.2]
    targets = inputs @ [[1.0], [2.0], [3.0]]
    network = perceptron(
        [3, 1], [], "mse", initializers=[normal(1.0)], generator=np.random.default_rng(1), dtype=np.float64
    )
    curvature = measured(network, inputs, targets).curvature
    assert curvature is not None
    for factor, diverges in ((0.9, False), (1.1, True)):
        parameters = network.parameters.copy()
        for _ in range(300):
            residuals = inputs @ parameters[:3, np.newaxis] + parameters[3] - targets
            extended = np.hstack([inputs, np.ones((256, 1))])
            parameters -= factor * 2.0 / curvature * (2.0 / 256 * extended.T @ residuals)[:, 0]
        assert (float((residuals**2).mean()) > 100.0) == diverges


def test_a_single_column_that_dominates_is_named(digits: WatchedData, make_network: MakeNetwork) -> None:
    inputs = digits.inputs[:200].copy()
    inputs[:, 37] *= 100.0
    start = measured(make_network(digits), inputs, digits.targets[:200])
    assert start.curvature_column == 37
    assert start.curvature_share is not None
    assert start.curvature_share > 0.9


@pytest.mark.parametrize(
    "loss",
    ["hinge", SoftmaxCrossEntropy(class_weight=[1.0] * 9 + [2.0]), MeanSquaredError(reduction="sum")],
    ids=["hinge", "class weights", "a sum"],
)
def test_without_a_known_curvature_the_rest_is_measured(loss: Any, raw: WatchedData, make_network: MakeNetwork) -> None:
    start = measured(make_network(raw, loss=loss), raw.inputs, raw.targets)
    assert start.curvature is start.curvature_column is start.curvature_share is start.standardised_curvature is None
    assert len(start.deviations) == len(start.standardised_deviations or {}) == 3


def test_recurrent_layers_have_signals_and_no_curvature() -> None:
    network = recurrent(
        [2, 6, 3],
        "tanh",
        "cross_entropy",
        sequence_length=4,
        initializers=[glorot_uniform] * 2,
        recurrent_initializers=[orthogonal],
        generator=np.random.default_rng(0),
    )
    rng = np.random.default_rng(1)
    start = measured(network, rng.normal(size=(50, 8)) * 5.0, np.eye(3)[rng.integers(0, 3, 50)])
    assert set(start.deviations) == {"hidden_1", "output"}
    assert start.curvature is None


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_numbers_that_are_not_finite_are_recorded_as_they_are(
    value: float, raw: WatchedData, make_network: MakeNetwork
) -> None:
    inputs = raw.inputs.copy()
    inputs[4, 5] = value
    start = measured(make_network(raw, init=normal(3.0)), inputs, raw.targets)
    assert start.curvature is None
    assert not np.isfinite(start.deviations["output"])
    plain: Any = decode_json(encode_json(note_to_json(start)))
    assert str(note_from_json("propagation", plain)) == str(start)


def test_measuring_leaves_the_network_as_it_was(raw: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(raw)
    parameters, gradients = network.parameters.copy(), network.gradients.copy()
    seen: list[str] = []
    for event in (LayerForward, LayerBackward):
        network.hooks.on(event, lambda event: seen.append(event.layer))
    measured(network, raw.inputs, raw.targets)
    assert (network.parameters == parameters).all()
    assert (network.gradients == gradients).all()
    assert not seen
