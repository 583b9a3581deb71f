"""Initialisations: a name such as "he_normal", or a table such as {kind = "normal", std = 0.01}."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_serializer

from gradvitals.experiments.config.base import Model, Number, Positive, one_or_each


class Zeros(Model):
    """All zero: right for biases, and for weights the classic mistake (all units stay equal)."""

    kind: Literal["zeros"] = "zeros"

    @model_serializer
    def _as_name(self) -> str:
        return self.kind


class Scheme(Model):
    """A published scheme, whose scale follows from the layer's shape."""

    kind: Literal[
        "glorot_uniform",
        "glorot_normal",
        "he_uniform",
        "he_normal",
        "lecun_uniform",
        "lecun_normal",
        "orthogonal",
    ]

    @model_serializer
    def _as_name(self) -> str:
        return self.kind


class Constant(Model):
    """All the same value."""

    kind: Literal["constant"] = "constant"
    value: Number


class Normal(Model):
    """Gaussian with mean 0."""

    kind: Literal["normal"] = "normal"
    std: Positive


class Uniform(Model):
    """Uniform in [−limit, limit]."""

    kind: Literal["uniform"] = "uniform"
    limit: Positive = 0.05


class Identity(Model):
    """The identity matrix times a scale; for recurrent weights only, which are square."""

    kind: Literal["identity"] = "identity"
    scale: Positive = 1.0


def _table(value: object) -> object:
    """Take a bare name for a table with that kind."""
    return {"kind": value} if isinstance(value, str) else value


Initializer = Annotated[
    Zeros | Scheme | Constant | Normal | Uniform,
    Field(discriminator="kind"),
    BeforeValidator(_table),
]
RecurrentInitializer = Annotated[
    Zeros | Scheme | Constant | Normal | Uniform | Identity,
    Field(discriminator="kind"),
    BeforeValidator(_table),
]
BiasInitializer = Annotated[Zeros | Constant, Field(discriminator="kind"), BeforeValidator(_table)]
Initializers = Annotated[
    Annotated[Initializer, Tag("one")] | Annotated[tuple[Initializer, ...], Tag("each")],
    Discriminator(one_or_each),
]
