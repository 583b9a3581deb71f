"""The optimizers, with PyTorch's update rules and defaults."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gradvitals.experiments.config.base import BelowOne, Flag, Model, NonNegative, Positive, fault


class Sgd(Model):
    """Gradient descent, plain or with (Nesterov) momentum; its learning rate has no default that suits everyone."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: Positive
    momentum: BelowOne = 0.0
    nesterov: Flag = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0.0:
            text = "true needs a momentum above 0, such as momentum = 0.9"
            raise fault(text, "nesterov")
        return self


class Adagrad(Model):
    """Gradients divided by the root of their sum of squares so far."""

    kind: Literal["adagrad"] = "adagrad"
    learning_rate: Positive = 0.01
    learning_rate_decay: NonNegative = 0.0
    initial_accumulator: NonNegative = 0.0
    epsilon: Positive = 1e-10


class Adadelta(Model):
    """Gradients divided by the root of their running mean square, times that of the updates."""

    kind: Literal["adadelta"] = "adadelta"
    learning_rate: Positive = 1.0
    rho: BelowOne = 0.9
    epsilon: Positive = 1e-6


class RmsProp(Model):
    """Gradients divided by the root of their running mean square."""

    kind: Literal["rmsprop"] = "rmsprop"
    learning_rate: Positive = 0.01
    alpha: BelowOne = 0.99
    epsilon: Positive = 1e-8
    momentum: BelowOne = 0.0


class Adam(Model):
    """Running means of gradient and squared gradient, corrected for their start at zero."""

    kind: Literal["adam"] = "adam"
    learning_rate: Positive = 1e-3
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8


class AdamW(Model):
    """Adam, and apart from it every parameter shrinks a little at each step."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: Positive = 1e-3
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.01


class Adamax(Model):
    """Adam with a fading maximum of the gradients in place of their mean square."""

    kind: Literal["adamax"] = "adamax"
    learning_rate: Positive = 2e-3
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8


class Nadam(Model):
    """Adam with Nesterov momentum."""

    kind: Literal["nadam"] = "nadam"
    learning_rate: Positive = 2e-3
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    momentum_decay: NonNegative = 4e-3


def _table(value: object) -> object:
    """Take a bare name for a table with that kind, and adam where no kind is given."""
    match value:
        case str():
            return {"kind": value}
        case dict() if "kind" not in value:
            return {"kind": "adam", **value}
        case _:
            return value


Optimizer = Annotated[
    Sgd | Adagrad | Adadelta | RmsProp | Adam | AdamW | Adamax | Nadam,
    Field(discriminator="kind"),
    BeforeValidator(_table),
]
