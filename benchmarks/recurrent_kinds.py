"""The kinds of faults that are injected into recurrent networks, and the healthy trainings that they go into."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fault_bases import ADAM, MOMENTUM, Base
from fault_kinds import FAULTS, Fault, Keys

SHARED = {
    "large weights, bounded units": "large input weights",
    **{name: name for name in ("rate too high", "rate too low", "double softmax", "unscaled inputs", "dead biases")},
}
"""Kinds of the other bench that mean the same in a recurrent network, and what they are called there."""

TASKS: tuple[tuple[Mapping[str, Any], int], ...] = (
    ({"source": "delayed_copy", "n": 1000}, 6),
    ({"source": "delayed_copy", "n": 1000}, 12),
    ({"source": "delayed_copy", "n": 1000}, 24),
    ({"source": "adding", "n": 1000}, 8),
    ({"source": "digits"}, 8),
    ({"source": "breast_cancer"}, 6),
)
"""Data, and the time steps that they have or that their rows are cut into."""

SHAPES: tuple[tuple[str, list[int]], ...] = (("tanh", [16]), ("tanh", [32]), ("tanh", [16, 16]), ("relu", [24]))
"""Cells, and their widths."""

UPDATES, BATCH_SIZE = 1000, 64
ROWS = {"digits": 1437, "breast_cancer": 455}
"""Rows that are trained on, where the data have not a thousand."""

NEED_MEMORY = frozenset({"delayed_copy", "adding"})
"""Tasks whose answer stands in early time steps."""


def recurrent_bases() -> Iterator[Base]:
    """Yield every task with every shape, by Adam and by momentum."""
    for data, steps in TASKS:
        source = str(data["source"])
        epochs = math.ceil(UPDATES * BATCH_SIZE / ROWS.get(source, 800))
        for cell, hidden in SHAPES:
            for optimizer in (ADAM, MOMENTUM):
                model = {"kind": "rnn", "cell": cell, "hidden": hidden, "sequence_length": steps}
                model["init"] = "glorot_uniform" if cell == "tanh" else "he_normal"
                if cell == "relu":
                    model["recurrent_init"] = {"kind": "identity"}
                config = {
                    "data": dict(data),
                    "model": model,
                    "training": {"optimizer": dict(optimizer), "batch_size": BATCH_SIZE, "epochs": epochs},
                }
                shape = "x".join(map(str, hidden))
                name = f"{source}-{steps} {cell}-{shape} {optimizer['kind']}"
                yield Base(name, config, "r2" if source == "adding" else "accuracy")


def _gains(*gains: float) -> Callable[[Base], Sequence[Keys]]:
    """Give recurrent weights whose spectral radius is about each of these."""

    def doses(base: Base) -> Sequence[Keys]:
        width = base.config["model"]["hidden"][0]
        return [{"model.recurrent_init": {"kind": "normal", "std": gain / math.sqrt(width)}} for gain in gains]

    return doses


def _equal(base: Base) -> Sequence[Keys]:  # noqa: ARG001 - the same for every base
    same = {"model.recurrent_init": {"kind": "identity"}}
    return [{"model.init": {"kind": "constant", "value": value}, **same} for value in (0.01, 0.05, 0.2, 0.5, 1.0)]


RECURRENT_FAULTS = (
    Fault(
        "large recurrent weights",
        "recurrent_gain",
        ("recurrent_gain", "saturated_units", "exploding_gradient", "initialization_scale", "non_finite", "memorising"),
        "hidden_1",
        lambda _: True,
        _gains(2.0, 4.0, 8.0, 16.0, 32.0),
    ),
    Fault(
        "small recurrent weights",
        "recurrent_gain",
        ("recurrent_gain",),
        "hidden_1",
        lambda base: base.config["data"]["source"] in NEED_MEMORY,
        _gains(0.3, 0.1, 0.03, 0.01, 0.001),
    ),
    Fault("equal units", "symmetric_units", ("symmetric_units",), "hidden_1", lambda _: True, _equal),
    *(replace(fault, name=SHARED[fault.name]) for fault in FAULTS if fault.name in SHARED),
)
"""Those of a recurrent network alone, and those that any network has."""
