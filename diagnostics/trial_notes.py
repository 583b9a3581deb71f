"""Notes of trials: what was computed or trained for the diagnosis alone, before the training or beside it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GradientComparison:
    """Backpropagation against central differences, in float64; the note `gradient_comparison`.

    Attributes:
        step: Updates made so far.
        samples: Rows of the batch.
        errors: Largest relative error of every parameter array, `layer/array`, in the order of the layers; one that
            does not stand at several step sizes counts as 0.
        wrong: The arrays whose error stands, each with its entry's two gradients: backpropagation's, then the numeric.
        unresolved: Arrays of which nothing could be said: every entry crosses a kink, or the differences are rounding.
    """

    step: int
    samples: int
    errors: Mapping[str, float]
    wrong: Mapping[str, tuple[float, float]]
    unresolved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverfitTrial:
    """Whether the network can learn a few training examples by heart; the note `overfit_trial`.

    Losses are in units of H, the loss of the best constant on these examples: the lowest that an attempt came to, one
    attempt for each seed tried; an attempt ends where it falls to `target`.

    Attributes:
        step: Updates made so far.
        examples: How many.
        steps: Most updates of an attempt.
        target: The loss at which the examples count as learned.
        optimizer: The config's own, in words; empty where it has none.
        own: With the config's own optimizer.
        adam: With Adam, by learning rate; none where the config's own succeeded.
        control: Of an ordinary network of the same widths; none where an attempt before it succeeded.
        reason: Why nothing was tried; empty where something was.
    """

    step: int
    examples: int
    steps: int
    target: float
    optimizer: str
    own: tuple[float, ...]
    adam: Mapping[str, tuple[float, ...]]
    control: tuple[float, ...]
    reason: str = ""
