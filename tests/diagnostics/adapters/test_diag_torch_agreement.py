"""The same weights, batches and optimizer in PyTorch and in our engine: every scalar and every note agree."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.note_kinds import NOTES
from gradvitals.diagnostics.start_notes import BatchLabels
from gradvitals.diagnostics.watch import watch
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Adam, Optimizer, Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
nn: Any = torch.nn

TOLERANCE = 1e-5
EPOCHS, BATCH = 3, 50

ACTIVATIONS = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}
LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "binary_cross_entropy": nn.BCEWithLogitsLoss,
    "mse": nn.MSELoss,
    "mae": nn.L1Loss,
    "huber": nn.HuberLoss,
}
OPTIMIZERS: Mapping[str, tuple[Any, Any]] = {
    "sgd": (lambda: Sgd(0.05), lambda own: torch.optim.SGD(own, lr=0.05)),
    "momentum": (lambda: Sgd(0.02, momentum=0.9), lambda own: torch.optim.SGD(own, lr=0.02, momentum=0.9)),
    "adam": (lambda: Adam(0.002), lambda own: torch.optim.Adam(own, lr=0.002)),
}


def make_data(loss: str, rows: int = 300) -> WatchedData:
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((2 * rows, 7)).astype(np.float32)
    hidden = inputs @ generator.standard_normal((7, 3)) + 0.3 * generator.standard_normal((2 * rows, 3))
    targets = {"cross_entropy": np.eye(3)[hidden.argmax(axis=1)], "binary_cross_entropy": hidden > 0.0}.get(
        loss, hidden
    )
    targets = targets.astype(np.float32)
    return WatchedData(inputs[:rows], targets[:rows], inputs[rows:], targets[rows:])


def train_ours(data: WatchedData, activations: Sequence[str], loss: str, optimizer: Optimizer) -> tuple[Record, Any]:
    network = perceptron(
        [7, 12, 9, 3], activations, loss, initializers=[he_normal] * 3, generator=np.random.default_rng(2)
    )
    start = {
        layer: {name: array.copy() for name, array in own.items()}
        for layer, own in network.parameters_by_layer().items()
    }
    with Monitor(network, data) as monitor:
        train(
            network,
            Samples(data.inputs, data.targets),
            optimizer,
            epochs=EPOCHS,
            batch_size=BATCH,
            generator=np.random.default_rng(3),
        )
    return monitor.record, start


def train_theirs(data: WatchedData, activations: Sequence[str], loss: str, make_optimizer: Any, start: Any) -> Record:
    sizes = [7, 12, 9, 3]
    parts: list[tuple[str, Any]] = []
    for name, fan_in, fan_out, activation in zip(start, sizes[:-1], sizes[1:], [*activations, None], strict=True):
        layer = nn.Linear(fan_in, fan_out)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(start[name]["weight"].T.copy()))
            layer.bias.copy_(torch.tensor(start[name]["bias"].copy()))
        parts += [(name, layer)] + ([(f"{name}_activation", ACTIVATIONS[activation]())] if activation else [])
    module = nn.Sequential()
    for name, part in parts:
        module.add_module(name, part)
    criterion, optimizer = LOSSES[loss](), make_optimizer(module.parameters())
    generator = np.random.default_rng(3)
    rows = len(data.inputs)
    with watch(module, data=data, loss=criterion, total_steps=EPOCHS * rows // BATCH) as monitor:
        for _ in range(EPOCHS):
            order = generator.permutation(rows)
            for first in range(0, rows, BATCH):
                chosen = order[first : first + BATCH]
                optimizer.zero_grad()
                criterion(module(torch.tensor(data.inputs[chosen])), torch.tensor(data.targets[chosen])).backward()
                optimizer.step()
    return monitor.record


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """List where two notes, or parts of notes, differ by more than the tolerance."""
    if dataclasses.is_dataclass(ours) and not isinstance(ours, type):
        pairs = [
            (field.name, getattr(ours, field.name), getattr(theirs, field.name))
            for field in dataclasses.fields(ours)
            if field.name != "call_site"  # the line of either loop
        ]
        return [line for name, one, other in pairs for line in differences(one, other, f"{path}.{name}")]
    if isinstance(ours, tuple | list):
        ours, theirs = dict(enumerate(ours)), dict(enumerate(theirs))
    if isinstance(ours, Mapping):
        if ours.keys() != theirs.keys():
            return [f"{path}: {list(ours)} against {list(theirs)}"]
        return [line for key in ours for line in differences(ours[key], theirs[key], f"{path}.{key}")]
    if isinstance(ours, float) and isinstance(theirs, float):
        near = np.isclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        return [] if near else [f"{path}: {ours} against {theirs}"]
    return [] if ours == theirs else [f"{path}: {ours!r} against {theirs!r}"]


@pytest.mark.parametrize(
    ("activations", "loss", "optimizer"),
    [
        *((pair, "cross_entropy", "sgd") for pair in (["relu"] * 2, ["sigmoid"] * 2, ["tanh", "relu"])),
        *((pair, "mse", "sgd") for pair in (["leaky_relu", "elu"], ["gelu", "relu"])),
        *((["relu", "tanh"], loss, "sgd") for loss in ("binary_cross_entropy", "mae", "huber")),
        *((["relu", "relu"], "cross_entropy", optimizer) for optimizer in ("momentum", "adam")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value,
)
def test_pytorch_and_our_engine_give_the_same_record(activations: list[str], loss: str, optimizer: str) -> None:
    data = make_data(loss)
    make_ours, make_theirs = OPTIMIZERS[optimizer]
    ours, start = train_ours(data, activations, loss, make_ours())
    theirs = train_theirs(data, activations, loss, make_theirs, start)

    assert ours.tags() == theirs.tags()
    for tag in ours.tags():
        assert np.array_equal(ours.series(tag).steps, theirs.series(tag).steps), tag
        np.testing.assert_allclose(
            theirs.series(tag).values, ours.series(tag).values, TOLERANCE, TOLERANCE, err_msg=tag
        )
    assert differences(ours.context, theirs.context) == []
    kinds = [kind for kind in NOTES.values() if kind is not BatchLabels]  # nobody sees a user's batches of targets
    found = [line for kind in kinds for line in differences(ours.notes(kind), theirs.notes(kind), kind.__name__)]
    assert found == []
