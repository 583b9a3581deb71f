"""Schedules of the learning rate: a name such as "cosine", or a table such as {kind = "cosine", warm_up = 100}."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gradvitals.experiments.config.base import Count, Fraction, Model

WarmUp = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
"""Updates over which the rate first rises to its full value; the rest of the schedule begins after them."""


class Constant(Model):
    """The same rate throughout, but for the warm-up."""

    kind: Literal["constant"] = "constant"
    warm_up: WarmUp = 0


class StepDecay(Model):
    """Multiplied by a factor every so often.

    Attributes:
        every: Epochs or updates between two drops.
        unit: What `every` counts.
        factor: What the rate is multiplied by.
        warm_up: Updates before the schedule proper.
    """

    kind: Literal["step"] = "step"
    every: Count
    unit: Literal["epochs", "updates"] = "epochs"
    factor: Fraction = 0.1
    warm_up: WarmUp = 0


class Cosine(Model):
    """Half a cosine over the whole plan.

    Attributes:
        minimum: What it falls to, as a share of the learning rate.
        warm_up: Updates before the schedule proper.
    """

    kind: Literal["cosine"] = "cosine"
    minimum: Fraction = 0.0
    warm_up: WarmUp = 0


def _table(value: object) -> object:
    """Take a bare name for a table with that kind."""
    return {"kind": value} if isinstance(value, str) else value


Schedule = Annotated[Constant | StepDecay | Cosine, Field(discriminator="kind"), BeforeValidator(_table)]
