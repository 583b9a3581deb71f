"""Filters are painted where inputs are images, and every pixel is the weight that it stands for."""

from collections.abc import Callable
from io import BytesIO
from typing import TypeAlias

import numpy as np
import pytest
from PIL import Image

from gradvitals.diagnostics.pictures.filters import MOST_FILTERS, TILE, Filters
from gradvitals.diagnostics.pictures.picture import Picture
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array
from gradvitals.engine.network import Network

MakeNetwork: TypeAlias = Callable[..., Network]
INK, BLUE, WHITE, RED = [24, 24, 27], [33, 82, 160], [247, 247, 247], [163, 36, 52]


def of_side(side: int, make_network: MakeNetwork, units: int = 4) -> tuple[Network, Filters]:
    inputs = np.zeros((10, side * side), np.float32)
    network = make_network(WatchedData(inputs, np.eye(2, dtype=np.float32)[[0, 1] * 5]), hidden=[units])
    found = Filters.of(network, inputs)
    assert found is not None
    return network, found


def pixels(picture: Picture | None) -> Array:
    assert picture is not None
    return np.asarray(Image.open(BytesIO(picture.png)).convert("RGB")).astype(int)


def test_every_weight_has_its_place_and_its_colour(make_network: MakeNetwork) -> None:
    network, filters = of_side(8, make_network)
    weight = network.parameters[: 65 * 4].reshape(65, 4)
    weight[...] = 0.0
    weight[3 * 8 + 7, 1] = 5.0  # row 3, column 7 of the second unit
    weight[5 * 8 + 0, 2] = -5.0
    shown = pixels(filters.paint(network))
    assert shown.shape == (33, 33, 3)  # two by two, twice enlarged, with a line between
    assert shown[3 * 2 + 1, 17 + 7 * 2 + 1].tolist() == RED
    assert shown[17 + 5 * 2 + 1, 1].tolist() == BLUE
    assert shown[1, 1].tolist() == WHITE
    coloured = (shown != WHITE).any(axis=2) & (shown != 150).any(axis=2)
    assert coloured.sum() == 2 * 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_a_weight_that_is_no_number_is_black_and_the_others_keep_their_colours(
    make_network: MakeNetwork, value: float
) -> None:
    network, filters = of_side(8, make_network)
    weight = network.parameters[: 65 * 4].reshape(65, 4)
    weight[...] = 0.0
    weight[0, 0], weight[1, 0] = value, 1.0
    shown = pixels(filters.paint(network))
    assert shown[1, 1].tolist() == INK
    assert shown[1, 3].tolist() == RED


def test_of_many_units_the_first_are_shown_and_it_says_so(make_network: MakeNetwork) -> None:
    network, filters = of_side(8, make_network, units=200)
    picture = filters.paint(network)
    assert picture is not None
    assert f"the first {MOST_FILTERS} of 200 units" in picture.about
    assert pixels(picture).shape == (6 * 17 - 1, 6 * 17 - 1, 3)


@pytest.mark.parametrize("features", [13, 30, 49, 65])
def test_a_table_has_no_filters(make_network: MakeNetwork, features: int) -> None:
    inputs = np.zeros((10, features), np.float32)
    network = make_network(WatchedData(inputs, np.eye(2, dtype=np.float32)[[0, 1] * 5]), hidden=[4])
    assert Filters.of(network, inputs) is None


CONVOLUTIONS = {
    "grey, channels first": ((1, 12, 12), 3, 1),
    "colour, channels first": ((3, 12, 12), 5, 3),
    "colour, channels last": ((12, 12, 3), 3, 3),
}


@pytest.mark.parametrize(("sample", "kernel", "channels"), CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_kernels_of_a_convolution_are_painted_as_the_mean_of_their_channels(
    sample: tuple[int, ...], kernel: int, channels: int
) -> None:
    torch = pytest.importorskip("torch")
    from gradvitals.diagnostics.adapters.torch_network import TorchNetwork

    if sample[-1] == 3:
        filters = Filters("conv", (kernel, kernel, channels), 2)
        weight = np.zeros((kernel, kernel, channels, 2), np.float32)
        weight[1, 0, :, 1] = [0.0, 0.0, 6.0]

        class Fixed:
            def parameters_by_layer(self) -> dict[str, dict[str, Array]]:
                return {"conv": {"weight": weight.reshape(-1, 2)}}

        shown = pixels(filters.paint(Fixed()))  # type: ignore[arg-type]
    else:
        module = torch.nn.Sequential(torch.nn.Conv2d(channels, 2, kernel), torch.nn.Flatten())
        inputs = np.zeros((4, *sample), np.float32)
        network = TorchNetwork(module)
        network.look(inputs)
        with torch.no_grad():
            module[0].weight.zero_()
            module[0].weight[1, :, 1, 0] = 2.0
        found = Filters.of(network, inputs)
        assert found is not None
        shown = pixels(found.paint(network))
    factor = TILE // kernel
    across = kernel * factor + 1
    red = (shown == RED).all(axis=2)
    assert red[factor : 2 * factor, across : across + factor].all()
    assert red.sum() == factor * factor
