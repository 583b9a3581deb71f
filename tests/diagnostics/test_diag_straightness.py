"""Networks without an activation between their layers, which are linear or are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.straightness import Straightness, measure_straightness
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.network import Network

INPUTS = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
DATA = WatchedData(INPUTS, np.eye(2, dtype=np.float32)[(INPUTS[:, 0] > 0).astype(int)])


@pytest.mark.parametrize(
    ("hidden", "activation", "straight"),
    [((), "linear", True), ((6, 6), "linear", True), ((6,), "relu", None), ((6, 6), ["linear", "tanh"], None)],
    ids=["one layer", "linear layers", "relu", "bent once"],
)
def test_our_own_networks_are_as_their_activations_are(
    hidden: tuple[int, ...], activation: Any, *, straight: bool | None, make_network: Callable[..., Network]
) -> None:
    network = make_network(DATA, hidden=hidden, activation=activation)
    asked = measure_straightness(network, INPUTS, step=7)
    assert asked == (None if straight is None else Straightness(7, straight))


@pytest.mark.parametrize("inputs", [INPUTS[:1], INPUTS.astype(np.int64)], ids=["one sample", "whole numbers"])
def test_nothing_is_halfway_between_names_or_of_a_single_sample(
    inputs: Any, make_network: Callable[..., Network]
) -> None:
    assert measure_straightness(make_network(DATA, hidden=(), activation="linear"), inputs, step=0) is None


def test_what_is_not_finite_is_not_straight(make_network: Callable[..., Network]) -> None:
    network = make_network(DATA, hidden=(), activation="linear")
    with np.errstate(all="ignore"):
        assert measure_straightness(network, INPUTS * np.float32(np.inf), step=0) == Straightness(0, straight=False)


@pytest.mark.parametrize(
    ("between", "straight"),
    [
        ("identity", True),
        ("dropout", True),
        ("batch norm", True),
        ("square", False),
        ("sine", False),
        ("layer norm", False),
        ("mixing", False),
    ],
)
def test_what_a_module_does_between_its_layers_counts_whatever_it_is(between: str, *, straight: bool) -> None:
    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
    from gradvitals.diagnostics.watch import watch

    nn: Any = torch.nn
    torch.manual_seed(0)

    class Between(nn.Module):  # type: ignore[misc]  # torch has no types for us
        def forward(self, x: Any) -> Any:
            bends = {"square": torch.square, "sine": torch.sin, "mixing": lambda x: torch.softmax(x, 1) * x}
            return bends[between](x)

    parts = {"identity": nn.Identity, "dropout": lambda: nn.Dropout(0.5), "batch norm": lambda: nn.BatchNorm1d(8)}
    parts["layer norm"] = lambda: nn.LayerNorm(8)
    module = nn.Sequential(nn.Linear(8, 8), parts.get(between, Between)(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    data = torch.from_numpy(INPUTS), torch.from_numpy((INPUTS[:, 0] > 0).astype(np.int64))
    with watch(module, data=data, loss=nn.CrossEntropyLoss()) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(data[0]), data[1]).backward()
            optimizer.step()
    assert monitor.record.context is not None
    assert monitor.record.context.layers[0].activation == "linear"  # none that is known
    assert monitor.record.notes(Straightness) == [Straightness(3, straight)]
