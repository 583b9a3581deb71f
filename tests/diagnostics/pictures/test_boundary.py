"""The decision boundary says what the network says, where the samples are, and nothing where it cannot be known."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from gradvitals.diagnostics.pictures.boundary import GRID, SIDE, Boundary
from gradvitals.diagnostics.pictures.picture import CLASSES, INK, Picture
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array
from gradvitals.engine.network import Network

MakeNetwork: TypeAlias = Callable[..., Network]


def pixels(picture: Picture | None) -> Array:
    assert picture is not None
    image = Image.open(BytesIO(picture.png)).convert("RGB")
    assert image.size == (picture.width, picture.height) == (SIDE, SIDE)
    return np.asarray(image).astype(int)


def plane(loss: str = "cross_entropy", *, seed: int = 0) -> WatchedData:
    inputs = np.random.default_rng(seed).uniform(-2.0, 2.0, (300, 2)).astype(np.float32)
    right = inputs[:, 0] > 0.5
    if loss == "cross_entropy":
        return WatchedData(inputs, np.eye(2, dtype=np.float32)[right.astype(int)])
    targets = right if loss.startswith("binary") else 3.0 * inputs[:, 0]
    return WatchedData(inputs, targets[:, np.newaxis].astype(np.float32))


def separating(make_network: MakeNetwork, data: WatchedData, loss: str) -> Network:
    """Make a network that says exactly x₁ > .5, or 3 x₁."""
    network = make_network(data, hidden=[], loss=loss)
    weight = network.parameters.reshape(3, -1)
    weight[...] = 0.0
    weight[0, -1], weight[2, -1] = (3.0, 0.0) if loss == "mse" else (10.0, -5.0)
    return network


def painted(network: Network, data: WatchedData) -> Array:
    boundary = Boundary.of(network, data.inputs, (data.inputs[:64], data.targets[:64]))
    assert boundary is not None
    return pixels(boundary.paint(network))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "binary_hinge"])
def test_areas_have_the_colour_of_the_class_that_the_network_says(make_network: MakeNetwork, loss: str) -> None:
    data = plane(loss)
    shown = painted(separating(make_network, data, loss), data)
    nearer = np.abs(shown[:, :, None] - np.array(CLASSES[:2])).sum(axis=3).argmin(axis=2)
    low, high = data.inputs.min(axis=0), data.inputs.max(axis=0)
    margin = 0.08 * (high - low)
    across = np.linspace(low[0] - margin[0], high[0] + margin[0], SIDE)
    edge = np.abs(across - 0.5) < 2.0 * (across[-1] - across[0]) / GRID
    nearer[(shown == INK).all(axis=2)] = -1  # the dots' edges
    assert set(nearer[:, (across < 0.5) & ~edge].flat) == {-1, 0}
    assert set(nearer[:, (across > 0.5) & ~edge].flat) == {-1, 1}


def test_dots_are_where_the_samples_are_in_the_colour_of_what_they_are(make_network: MakeNetwork) -> None:
    data = plane()
    inputs, targets = np.array([[-2.0, -2.0], [2.0, 2.0]], np.float32), np.eye(2, dtype=np.float32)
    network = separating(make_network, data, "cross_entropy")
    boundary = Boundary.of(network, np.vstack([data.inputs, inputs]), (inputs, targets))
    assert boundary is not None
    shown = pixels(boundary.paint(network))
    low, high = round(0.08 / 1.16 * (SIDE - 1)), round(1.08 / 1.16 * (SIDE - 1))
    assert shown[SIDE - 1 - low, low].tolist() == list(CLASSES[0])
    assert shown[SIDE - 1 - high, high].tolist() == list(CLASSES[1])


def test_a_regression_is_shaded_from_low_to_high(make_network: MakeNetwork) -> None:
    data = plane("mse")
    brightness = painted(separating(make_network, data, "mse"), data).sum(axis=2)
    columns = np.median(brightness, axis=0)[20:-20:8]
    assert (np.diff(columns) >= 0.0).all()
    assert columns[-1] > columns[0] + 200


def test_a_network_lost_to_nan_is_grey(make_network: MakeNetwork) -> None:
    data = plane()
    network = separating(make_network, data, "cross_entropy")
    boundary = Boundary.of(network, data.inputs, (data.inputs[:2], data.targets[:2]))
    assert boundary is not None
    network.parameters[...] = np.nan
    assert (pixels(boundary.paint(network)) == 150).all(axis=2).mean() > 0.99


def test_of_three_classes_each_has_the_colour_of_the_largest_output(make_network: MakeNetwork) -> None:
    inputs = np.random.default_rng(0).uniform(-2.0, 2.0, (300, 2)).astype(np.float32)
    thirds = np.digitize(inputs[:, 0], [-0.7, 0.7])
    data = WatchedData(inputs, np.eye(3, dtype=np.float32)[thirds])
    network = make_network(data, hidden=[])
    network.parameters.reshape(3, 3)[...] = [[-10.0, 0.0, 10.0], [0.0, 0.0, 0.0], [0.0, 7.0, 0.0]]
    shown = painted(network, data)[5]
    tints = 255 - 0.38 * (255 - np.array(CLASSES[:3]))
    nearest = np.abs(shown[:, None] - tints).sum(axis=2).argmin(axis=1)
    assert nearest[10] == 0
    assert nearest[SIDE // 2] == 1
    assert nearest[-10] == 2
    assert (np.diff(nearest) >= 0).all()


def test_one_corner_that_overflows_leaves_the_rest_of_the_plane(make_network: MakeNetwork) -> None:
    data = plane()
    network = separating(make_network, data, "cross_entropy")
    boundary = Boundary.of(network, data.inputs, (data.inputs[:2], data.targets[:2]))
    assert boundary is not None
    network.parameters[...] = 0.0
    network.parameters.reshape(3, 2)[:2] = [[1.6e38, -1.6e38], [0.0, 0.0]]  # 2.2 times that is no float32
    grey = (pixels(boundary.paint(network)) == 150).all(axis=2)
    assert grey[:, 2].all()
    assert not grey[:, 40:-40].any()


def test_a_sample_larger_than_the_grid_is_no_trouble(make_network: MakeNetwork) -> None:
    inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (GRID * GRID + 100, 2)).astype(np.float32)
    data = WatchedData(inputs, np.eye(2, dtype=np.float32)[(inputs[:, 0] > 0.5).astype(int)])
    network = separating(make_network, data, "cross_entropy")
    boundary = Boundary.of(network, data.inputs, (data.inputs, data.targets))
    assert boundary is not None
    pixels(boundary.paint(network))


OTHERS: dict[str, Callable[[WatchedData], tuple[Any, Any]]] = {
    "three inputs": lambda data: (np.hstack([data.inputs, data.inputs[:, :1]]), data.targets),
    "one value for all": lambda data: (np.zeros_like(data.inputs), data.targets),
    "an infinite input": lambda data: (np.where(data.inputs > 1.9, np.inf, data.inputs), data.targets),
    "no samples": lambda data: (data.inputs[:0].reshape(0, 2), data.targets[:0]),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_other_data_have_no_plane(make_network: MakeNetwork, other: Callable[[WatchedData], tuple[Any, Any]]) -> None:
    inputs, targets = other(plane())
    network = make_network(WatchedData(inputs, targets), hidden=[4])
    sample = inputs[:64], targets[:64]
    if not len(inputs):
        inputs = np.zeros((1, 2), np.float32)
    assert Boundary.of(network, inputs, sample) is None


def test_several_labels_at_once_have_no_boundary(make_network: MakeNetwork) -> None:
    data = plane()
    network = make_network(data, hidden=[4], loss="binary_cross_entropy")
    assert Boundary.of(network, data.inputs, (data.inputs[:64], data.targets[:64])) is None
