"""The optimizers, with PyTorch's update rules and defaults."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gradvitals.experiments.config.base import BelowOne, Flag, Model, Positive, fault


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


def _table(value: object) -> object:
    """Take a bare name for a table with that kind, and adam where no kind is given."""
    match value:
        case str():
            return {"kind": value}
        case dict() if "kind" not in value:
            return {"kind": "adam", **value}
        case _:
            return value


Optimizer = Annotated[Sgd | RmsProp | Adam, Field(discriminator="kind"), BeforeValidator(_table)]
