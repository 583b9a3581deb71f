"""One optimizer for a stack of runs, made of one for each: only their learning rates may differ."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.optimizers import Optimizer, Stateful


class NotStackableError(ValueError):
    """Trainings differ in more than their numbers, so that they cannot be stepped at once."""


class StackedOptimizer:
    """Changes parameters `(R, P)` as each run's own optimizer would change its row, to the bit."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        """Put fresh optimizers together.

        Raises:
            NotStackableError: If they differ in more than their learning rate, or have taken steps.
        """
        self._members = [one for one in optimizers if isinstance(one, Stateful)]
        if any(int(one.state_arrays()["steps"]) for one in self._members):
            msg = "optimizers can be stacked before their first step only"
            raise NotStackableError(msg)
        settings = [_settings(one) for one in self._members]
        if len(settings) < len(optimizers) or any(own != settings[0] for own in settings):
            msg = "optimizers can be stacked where they are of one kind and differ in their learning rate only"
            raise NotStackableError(msg)
        self._optimizer: Any = copy(self._members[0])  # every rule takes the rates of R runs; its type does not say so
        self.rates = np.array([[one.learning_rate] for one in optimizers])

    def step(self, parameters: Array, gradients: Array, factors: float | Array) -> Array:
        """Change the parameters in place, with the learning rates times these factors, `(R, 1)`; give the rates."""
        rates = self.rates * factors
        self._optimizer.learning_rate = rates
        self._optimizer.step(parameters, gradients)
        return rates

    def leave(self, run: int, parameters: Array) -> None:
        """Hand what is remembered of one run to its own optimizer; it may go on alone with these parameters `(P,)`."""
        arrays = self._optimizer.state_arrays()
        own = {name: array if name == "steps" else array[run] for name, array in arrays.items()}
        self._members[run].restore(own, parameters)

    def keep(self, runs: Sequence[int], parameters: Array) -> None:
        """Go on with some runs only, whose parameters are these, `(R, P)`."""
        arrays = self._optimizer.state_arrays()
        kept = {name: array if name == "steps" else array[list(runs)] for name, array in arrays.items()}
        self._optimizer.restore(kept, parameters)
        self._members, self.rates = [self._members[run] for run in runs], self.rates[list(runs)]


def _settings(optimizer: Stateful) -> dict[str, object]:
    return {"kind": type(optimizer)} | {key: kept for key, kept in vars(optimizer).items() if key != "learning_rate"}
