"""Activations: a name such as "relu", or a table such as {kind = "maxout", pieces = 3}."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer

from gradvitals.experiments.config.base import BelowOne, Flag, Model, Number, Positive, one_or_each


class _Settled(Model):
    """An activation with settings; with none of them changed it is its name."""

    @model_serializer(mode="wrap")
    def _as_name(self, serialize: SerializerFunctionWrapHandler) -> object:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        return (
            defaults["kind"]
            if all(getattr(self, name) == value for name, value in defaults.items())
            else serialize(self)
        )


class Plain(Model):
    """An activation without settings."""

    kind: Literal["sigmoid", "tanh", "relu", "gelu", "linear"]

    @model_serializer
    def _as_name(self) -> str:
        return self.kind


class LeakyRelu(_Settled):
    """x where positive, else slope · x.

    Attributes:
        slope: Of the negative side.
    """

    kind: Literal["leaky_relu"] = "leaky_relu"
    slope: BelowOne = 0.01


class PRelu(_Settled):
    """x where positive, else slope · x with a slope that is learned.

    Attributes:
        slope: To start from.
        per_unit: Whether every unit learns its own; otherwise a layer has one.
    """

    kind: Literal["prelu"] = "prelu"
    slope: Number = 0.25
    per_unit: Flag = False


class Elu(_Settled):
    """x where positive, else alpha · (eˣ − 1).

    Attributes:
        alpha: Minus the limit of the negative side.
    """

    kind: Literal["elu"] = "elu"
    alpha: Positive = 1.0


class Maxout(_Settled):
    """The largest of several affine pieces.

    Attributes:
        pieces: Of each unit.
    """

    kind: Literal["maxout"] = "maxout"
    pieces: Annotated[int, Field(strict=True, ge=2, le=64)] = 2


def _table(value: object) -> object:
    """Take a bare name for a table with that kind."""
    return {"kind": value} if isinstance(value, str) else value


Activation: TypeAlias = Annotated[
    Plain | LeakyRelu | PRelu | Elu | Maxout, Field(discriminator="kind"), BeforeValidator(_table)
]
Activations: TypeAlias = Annotated[
    Annotated[Activation, Tag("one")] | Annotated[tuple[Activation, ...], Tag("each")], Discriminator(one_or_each)
]
OutputActivation: TypeAlias = Literal[
    "auto", "linear", "softmax", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"
]
