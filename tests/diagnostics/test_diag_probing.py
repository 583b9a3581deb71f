"""The probe: its numbers against the same worked out by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.probe_collector import MOST_DRAWN, some_values
from gradvitals.diagnostics.probing import PROBE_ROWS, Prober
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron

MakeNetwork = Callable[..., Network]


def by_hand(network: Network, inputs: Any, targets: Any) -> dict[str, Any]:
    """Pass forward and backward through one hidden tanh or ReLU layer and a softmax, in NumPy and float64."""
    first, second = (network.parameters_by_layer()[name] for name in ("hidden_1", "output"))
    pre = inputs @ first["weight"] + first["bias"]
    tanh = network.layers[0].activation == "tanh"
    hidden = np.tanh(pre) if tanh else np.maximum(pre, 0.0)
    logits = hidden @ second["weight"] + second["bias"]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    upper = (shares - targets) / len(inputs)
    lower = (upper @ second["weight"].T) * (1 - hidden**2 if tanh else pre > 0)
    return {
        "losses": -(targets * np.log(shares)).sum(axis=1),
        "right": shares.argmax(axis=1) == targets.argmax(axis=1),
        "gradients": {"hidden_1": np.sqrt((lower**2).mean()), "output": np.sqrt((upper**2).mean())},
        "hidden": hidden,
    }


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_probe_of_a_small_set_is_that_of_every_row(activation: str, make_network: MakeNetwork) -> None:
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(200, 4)), rng.choice(3, 200, p=[0.5, 0.3, 0.2])
    targets = np.eye(3)[labels]
    data = WatchedData(inputs, targets)
    network = make_network(data, [6], activation, normal(2.0), dtype=np.float64)
    look = Prober(network, data).take(7)
    probe, expected = look.probe, by_hand(network, inputs, targets)

    shares = targets.mean(axis=0)
    entropy = float(-(shares * np.log(shares)).sum())
    gains = (-np.log(shares[labels]) - expected["losses"]) / entropy
    gains = np.maximum(gains, -10.0)
    excess = expected["right"].astype(float) - (labels == shares.argmax())
    assert (probe.step, probe.samples, probe.whole_set) == (7, 200, True)
    assert probe.loss == pytest.approx(expected["losses"].mean())
    assert probe.loss_ratio == pytest.approx(expected["losses"].mean() / entropy)
    assert (probe.gain, probe.gain_se) == pytest.approx((gains.mean(), gains.std(ddof=1) / np.sqrt(200)))
    assert (probe.accuracy_excess, probe.accuracy_excess_se) == pytest.approx(
        (excess.mean(), excess.std(ddof=1) / np.sqrt(200))
    )
    assert dict(probe.preactivation_gradients) == pytest.approx(expected["gradients"])
    if activation == "tanh":
        assert dict(probe.relative_slopes) == pytest.approx({"hidden_1": (1 - expected["hidden"] ** 2).mean()})
        assert look.silent == {}
    else:
        assert probe.relative_slopes == {}
        assert list(look.silent) == ["hidden_1"]
        assert look.silent["hidden_1"].tolist() == (expected["hidden"] == 0).all(axis=0).tolist()
    assert look.fault is None
    assert look.histograms == {}


def test_a_large_set_is_probed_on_the_same_rows_every_time(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    first, second = Prober(network, digits), Prober(network, digits)
    one, other = first.take(0), second.take(0)
    assert (one.probe, one.notes, one.scalars) == (other.probe, other.notes, other.scalars)
    assert first.take(0).probe.samples == PROBE_ROWS
    assert not first.take(0).probe.whole_set
    assert first.cost == pytest.approx(PROBE_ROWS * (1 + 1 / 3))


@pytest.mark.parametrize("loss", ["hinge", "binary_hinge"])
def test_an_output_that_hardly_changes_surely_gains_nothing_where_many_constants_are_equally_good(loss: str) -> None:
    """On two balanced classes any constant in [−1, 1] has a hinge loss of 1, sample by sample 0 to 2."""
    sign = np.where(np.arange(400) % 2 == 0, 1.0, -1.0)[:, None]
    targets = np.eye(2)[(sign[:, 0] > 0).astype(int)] if loss == "hinge" else 0.5 + 0.5 * sign
    network = perceptron(
        [1, targets.shape[1]], [], loss, initializers=[normal(1e-3)], generator=np.random.default_rng(0), biases=[0.4]
    )
    probe = Prober(network, WatchedData(sign, targets)).take(500).probe
    assert probe.gain is not None
    assert probe.gain_se is not None
    assert abs(probe.gain) + 3 * probe.gain_se < 0.02


def test_histograms_of_wide_layers_are_of_some_rows_and_weights_of_all(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    drawn = Prober(make_network(digits, hidden=[64, 500, 8]), digits).take(0, draw=True).histograms
    assert drawn["activations/hidden_1"].count == MOST_DRAWN == drawn["gradients/hidden_1"].count
    assert drawn["activations/hidden_2"].count == 32 * 500
    assert drawn["activations/hidden_3"].count == PROBE_ROWS * 8
    assert drawn["weights/hidden_2"].count == 64 * 500


@pytest.mark.parametrize("period", [2, 3, 4, 7, 8, 13, 16, 28])
def test_rows_that_are_drawn_are_of_all_time_steps_alike(period: int) -> None:
    time_steps = np.tile(np.arange(period), 256)[:, None].repeat(128, axis=1)
    _, counts = np.unique(some_values(time_steps)[:, 0], return_counts=True)
    assert len(some_values(time_steps)) == 32
    assert len(counts) == period
    assert counts.max() - counts.min() <= 3


def test_a_probe_costs_its_rows_and_what_looking_takes_besides(make_network: MakeNetwork, digits: WatchedData) -> None:
    network = make_network(digits)
    plain = Prober(network, digits).cost
    assert plain >= PROBE_ROWS
    assert Prober(network, replace(digits, overhead=1.5)).cost == pytest.approx(1.5 * plain)
