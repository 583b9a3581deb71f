"""Schedules of the learning rate: pure functions that give the factor on the base rate at each step of the plan.

The first step is 1. PyTorch's schedulers count from 0: step s here is its `last_epoch` s − 1, at one `scheduler.step()`
per update.
"""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """What the training loop needs of a schedule."""

    def __call__(self, step: int, total_steps: int) -> float:
        """Give the factor, in [0, 1], of a step from 1 to `total_steps`; beyond the plan, what it ends on."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the base rate."""

    def __call__(self, step: int, total_steps: int) -> float:  # noqa: ARG002 - every schedule is asked alike
        """Give 1."""
        return 1.0


@dataclass(frozen=True, slots=True)
class StepDecay:
    """Multiplied by `factor` after every so many steps; with `every = 1` the decay is exponential.

    References:
        `torch.optim.lr_scheduler.StepLR`; cs231n, "Learning" (neural-networks-3), section "Annealing".
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        if self.every < 1:
            msg = f"a step decay needs a positive number of steps between its drops, got {self.every}"
            raise ValueError(msg)
        _require_share("factor", self.factor)

    def __call__(self, step: int, total_steps: int) -> float:  # noqa: ARG002 - every schedule is asked alike
        """Give factor^k after k drops."""
        return float(self.factor ** ((step - 1) // self.every))


@dataclass(frozen=True, slots=True)
class Cosine:
    """From 1 down half a cosine, which would reach `minimum` one step beyond the plan, as PyTorch's does.

    References:
        Loshchilov & Hutter 2017, "SGDR", equation 5; `torch.optim.lr_scheduler.CosineAnnealingLR`, T_max the plan.
    """

    minimum: float = 0.0

    def __post_init__(self) -> None:
        _require_share("minimum", self.minimum)

    def __call__(self, step: int, total_steps: int) -> float:
        """Give minimum + (1 − minimum) · (1 + cos(π · share of the plan)) / 2."""
        share = min((step - 1) / max(total_steps, 1), 1.0)
        return self.minimum + (1.0 - self.minimum) * (1.0 + math.cos(math.pi * share)) / 2.0


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Linear over the first `steps`: 1/steps, 2/steps … 1; then another schedule, over the rest of the plan.

    References:
        Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2; `torch.optim.lr_scheduler.SequentialLR` of
        `LinearLR` from 1/steps to 1 and the other.
    """

    steps: int
    then: Schedule

    def __post_init__(self) -> None:
        if self.steps < 1:
            msg = f"a warm-up needs a positive number of steps, got {self.steps}"
            raise ValueError(msg)

    def __call__(self, step: int, total_steps: int) -> float:
        """Give the share of the warm-up that this step completes, afterwards the other schedule's factor."""
        if step <= self.steps:
            return step / self.steps
        return self.then(step - self.steps, total_steps - self.steps)


def _require_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        msg = f"the {name} of a schedule must be in [0, 1], got {value}"
        raise ValueError(msg)
