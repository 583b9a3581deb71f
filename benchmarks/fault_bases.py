"""The healthy trainings that faults are injected into: data sets × architectures × optimizers, all fixed beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Yardstick: TypeAlias = Literal["accuracy", "r2"]


@dataclass(frozen=True, slots=True)
class Base:
    """A training that goes well.

    Attributes:
        name: Data set, architecture and optimizer.
        config: Its plain config, without a seed.
        yardstick: What harm is measured in.
    """

    name: str
    config: Mapping[str, Any]
    yardstick: Yardstick

    @property
    def activation(self) -> str:
        """Of the hidden layers, or of the recurrent cells."""
        model = self.config["model"]
        return str(model["cell"] if model.get("kind") == "rnn" else model["activation"])

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.config["model"]["hidden"])

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.config["training"]["optimizer"]["learning_rate"])

    @property
    def first_order(self) -> bool:
        """Whether it steps along the gradient, with momentum or without, and not by Adam."""
        return bool(self.config["training"]["optimizer"]["kind"] == "sgd")


def _base(
    source: str,
    hidden: tuple[int, ...],
    activation: str,
    optimizer: Mapping[str, Any],
    *,
    epochs: int,
    batch_size: int = 64,
    init: str = "he_normal",
    data: Mapping[str, Any] | None = None,
) -> Base:
    regression = source == "diabetes"
    shape = "x".join(map(str, hidden))
    way = optimizer["kind"] + ("m" if "momentum" in optimizer else "")
    config = {
        "data": {"source": source, **({"scale_targets": "standard"} if regression else {}), **(data or {})},
        "model": {"hidden": list(hidden), "activation": activation, "init": init},
        "training": {"optimizer": dict(optimizer), "batch_size": batch_size, "epochs": epochs},
    }
    return Base(f"{source} {activation} {shape} {way}", config, "r2" if regression else "accuracy")


SGD = {"kind": "sgd", "learning_rate": 0.1}
MOMENTUM = {"kind": "sgd", "learning_rate": 0.02, "momentum": 0.9}
ADAM = {"kind": "adam", "learning_rate": 0.003}
SMOOTH = "glorot_uniform"

BASES = (
    _base("digits", (64, 32), "relu", SGD, epochs=15),
    _base("digits", (64, 32), "tanh", MOMENTUM, epochs=15, init=SMOOTH),
    _base("digits", (48,), "sigmoid", ADAM, epochs=20, init=SMOOTH),
    _base("breast_cancer", (32, 32), "relu", ADAM, epochs=40, batch_size=32),
    _base("breast_cancer", (24,), "tanh", SGD, epochs=40, batch_size=32, init=SMOOTH),
    _base("wine", (16, 16), "tanh", ADAM, epochs=120, batch_size=32, init=SMOOTH),
    _base("moons", (32, 32), "relu", ADAM, epochs=30, batch_size=32, data={"n": 1000, "noise": 0.1}),
    _base("blobs", (16,), "relu", SGD, epochs=30, batch_size=32, data={"n": 600, "noise": 1.0}),
    _base("spiral", (64, 64), "relu", ADAM, epochs=60, batch_size=32, data={"n": 1000, "noise": 0.1}),
    _base("diabetes", (32,), "relu", MOMENTUM, epochs=40, batch_size=32),
    _base("diabetes", (32, 16), "tanh", ADAM, epochs=40, batch_size=32, init=SMOOTH),
)
