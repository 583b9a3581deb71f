"""Notes of gradients that a step should not have taken, of those that it never got, and of those no step takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StaleGradients:
    """A gradient held what the step before had taken already; the note `stale_gradients`, and once when it ends.

    Attributes:
        step: Of the step that takes it again.
        looks: Steps at which it was asked so far.
        in_a_row: At how many of them, up to this one, it was so; 0 where it is no longer.
    """

    step: int
    looks: int
    in_a_row: int


@dataclass(frozen=True, slots=True)
class MissingGradients:
    """A step found no gradient at all, or zeros as all before it; the note `missing_gradients`, and once when it ends.

    Attributes:
        step: Of the step.
        since: The first of those looked at, one after the other, that found none.
        in_a_row: How many these are; 0 where there is a gradient again.
        zeros: Of these, how many found gradients, all of which were exactly 0.
    """

    step: int
    since: int
    in_a_row: int
    zeros: int


@dataclass(frozen=True, slots=True)
class ForeignSteps:
    """All steps were of optimizers that hold nothing of a model that has gradients; the note `foreign_steps`.

    Attributes:
        step: Updates of the model: none.
        taken: Steps of these optimizers.
    """

    step: int
    taken: int


@dataclass(frozen=True, slots=True)
class UntakenGradients:
    """Gradients were computed, and no optimizer took a step; the note `untaken_gradients`.

    Attributes:
        step: Updates seen: none.
        passes: Backward passes.
        moved: Whether the parameters are others than they were: somebody took the steps by hand.
    """

    step: int
    passes: int
    moved: bool


@dataclass(frozen=True, slots=True)
class NewbornParameters:
    """Every forward pass made parameters of its own; the note `newborn_parameters`.

    Attributes:
        step: Updates made.
        passes: Passes looked at, one after the other, of which none had any of those before.
        shapes: Of the parameters of the last pass.
    """

    step: int
    passes: int
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class UnheldParameters:
    """Parameters that have gradients, and that no optimizer holds; the note `unheld_parameters`.

    Attributes:
        step: Updates made.
        names: Of those that are in no layer that is followed, and stayed what they were to the bit.
    """

    step: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StrayParameters:
    """A model computes with parameters that it does not know of, and no step moved; the note `stray_parameters`.

    Attributes:
        step: Updates made.
        names: Of those that had a gradient and stayed what they were to the bit, by where they are held.
    """

    step: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreachedParameters:
    """An optimizer holds parameters that never had a gradient, while others had one; the note `unreached_parameters`.

    Attributes:
        step: Updates made.
        since: The first step looked at.
        looks: Steps looked at.
        names: Of the parameters, which stayed what they were to the bit, by where they are held.
        returned: Those of which something comes that the model returns.
    """

    step: int
    since: int
    looks: int
    names: tuple[str, ...]
    returned: tuple[str, ...]
