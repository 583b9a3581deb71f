"""Dormant units and layers that never bend, against the definition unit by unit."""

from collections.abc import Callable

import numpy as np
import pytest

from gradvitals.diagnostics.layer_activity import always_active_share, dormant_share
from gradvitals.diagnostics.notes import Activity
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6], ids=str)
def test_dormant_is_a_mean_below_2_5_percent_of_the_layers(scale: float) -> None:
    rng = np.random.default_rng(0)
    outputs = scale * np.maximum(rng.normal(size=(80, 12)), 0.0) * np.geomspace(1e-4, 3.0, 12)
    means = [abs(outputs[:, unit]).mean() for unit in range(12)]
    dormant = sum(mean / np.mean(means) <= 0.025 for mean in means)
    assert 2 <= dormant <= 10
    assert dormant_share(outputs) == dormant / 12


def test_a_unit_that_is_as_often_negative_as_positive_is_not_dormant() -> None:
    assert dormant_share(np.array([[1.0, 1.0], [-1.0, 1.0]])) == 0.0


def test_units_of_a_silent_layer_are_all_dormant() -> None:
    assert dormant_share(np.zeros((5, 4))) == 1.0


def test_always_active_is_above_0_on_every_sample() -> None:
    assert always_active_share(np.array([[1.0, 0.0, 2.0, 1.0], [3.0, 1.0, 1e-9, 0.0]])) == 0.5


def test_the_probe_notes_every_hidden_layer(digits: WatchedData, make_network: Callable[..., Network]) -> None:
    network = make_network(digits, hidden=[16, 8], activation=["relu", "tanh"], bias=50.0)
    assert not any(isinstance(note, Activity) for note in Prober(network, digits).take(4).notes)
    (note,) = (note for note in Prober(network, digits).take(4, closely=True).notes if isinstance(note, Activity))
    assert note.step == 4
    assert set(note.dormant) == {"hidden_1", "hidden_2"}
    assert note.always_linear == {"hidden_1": 1.0}
