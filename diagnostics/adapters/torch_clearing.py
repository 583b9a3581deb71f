"""Whether gradients are cleared between two steps: asked of one parameter, at the backward passes between them.

A gradient that is not 0 when the first backward pass after a step adds to it is the one that the step before took
already. Between two steps of one optimizer there is no reason for it: with others in between, what is there may be new.
"""

import weakref
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.adapters.torch_arrays import is_nonzero
from gradvitals.diagnostics.adapters.torch_optimizers import Share
from gradvitals.diagnostics.gradient_notes import StaleGradients
from gradvitals.diagnostics.guard import Guard

ENOUGH = 10
"""Looks after which a loop that has just cleared its gradients is taken to go on doing so."""


class ClearingWatch:
    """Hooks one parameter of the optimizer that took a step until the next, and keeps count of what it saw."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._optimizer: weakref.ref[Optimizer] | None = None
        self._parameter: torch.Tensor | None = None
        self._hooks: list[Any] = []
        self._held_something = self._was_cleared = self._was_added_to = False
        self._looks = self._in_a_row = 0

    @property
    def is_curious(self) -> bool:
        """Whether there is anything left to ask."""
        return self._looks < ENOUGH or self._in_a_row > 0

    def arm(self, optimizer: Optimizer, share: Share) -> None:
        """Hook the smallest parameter of the last layer of which this optimizer holds any, after a step of it.

        What no optimizer holds, no step takes, and no `zero_grad` need clear.

        Args:
            optimizer: Whose step it was.
            share: What it moves.
        """
        self.disarm()
        held = {id(each) for group in optimizer.param_groups for each in group["params"]}
        layers = ([share.moved[name] for name in layer.parameters.values()] for layer in reversed(share.moving))
        own = next(filter(None, ([each for each in layer if _can_be_asked(each, held)] for layer in layers)), None)
        if own:
            self._optimizer, self._parameter = weakref.ref(optimizer), min(own, key=torch.Tensor.numel)
            self._was_cleared = self._was_added_to = False
            self._hooks = [
                self._parameter.register_hook(self._guard.around(self._before)),
                self._parameter.register_post_accumulate_grad_hook(self._guard.around(self._after)),
            ]

    def disarm(self) -> None:
        """Unhook the parameter."""
        for handle in self._hooks:
            handle.remove()
        self._hooks, self._optimizer, self._parameter = [], None, None

    def settle(self, optimizer: Optimizer, step: int) -> StaleGradients | None:
        """Say what is known when the next step is about to be taken; a note if it is stale, or was the last time."""
        is_next = self._optimizer is not None and self._optimizer() is optimizer
        if not is_next or self._parameter is None or not self._was_added_to:
            self.disarm()
            return None
        is_stale = not self._was_cleared and is_nonzero(self._parameter.grad)
        self.disarm()
        self._looks += 1
        before, self._in_a_row = self._in_a_row, self._in_a_row + 1 if is_stale else 0
        return StaleGradients(step, self._looks, self._in_a_row) if before or is_stale else None

    def _before(self, _: torch.Tensor) -> None:
        self._held_something = self._parameter is not None and is_nonzero(self._parameter.grad)

    def _after(self, _: torch.Tensor) -> None:
        self._was_added_to = True
        self._was_cleared = self._was_cleared or not self._held_something


def _can_be_asked(parameter: torch.Tensor, held: set[int]) -> bool:
    return id(parameter) in held and parameter.requires_grad and parameter.is_leaf
