"""Steps that no gradient has reached: a `zero_grad` behind the backward pass, or a loss cut off from the parameters.

Where a parameter has no gradient, the optimizer passes it over. Gradients of zeros may be right, as those of a hinge
that has learned all it can: they count only if no step before has seen another. Of several optimizers one may have its
turn: only what they all have gone without, one after the other, counts. Steps between two looks may have found what
these did not, so that the parameters must not have changed by a bit either.
"""

from collections.abc import Sequence

import torch

from gradvitals.diagnostics.adapters.torch_arrays import is_nonzero
from gradvitals.diagnostics.gradient_notes import MissingGradients


class MissingWatch:
    """Counts the steps looked at, one after the other, that found no gradient."""

    def __init__(self) -> None:
        self._since = self._in_a_row = self._zeros = 0
        self._ever = False
        self._copies: dict[int, torch.Tensor] = {}

    def look(self, parameters: Sequence[torch.Tensor], step: int) -> MissingGradients | None:
        """Look at the gradients of a step that is about to be taken; a note if there are none, or were none before.

        Args:
            parameters: What the step is to move; what it holds, where all of that is frozen.
            step: Its number.
        """
        before = self._in_a_row
        gradients = [each.grad for each in reversed(parameters) if each.grad is not None]  # biases are soon looked at
        if not parameters or (gradients and (self._ever or any(map(is_nonzero, gradients)))):
            self._ever = self._ever or bool(gradients)
            self._forget()
            return MissingGradients(step, self._since, 0, 0) if before else None
        if any(self._has_changed(each) for each in parameters):
            self._forget()
        for each in parameters:
            if id(each) not in self._copies:
                self._copies[id(each)] = each.detach().clone()
        self._since = self._since if self._in_a_row else step
        self._in_a_row += 1
        self._zeros += bool(gradients)
        return MissingGradients(step, self._since, self._in_a_row, self._zeros)

    def _has_changed(self, parameter: torch.Tensor) -> bool:
        """Tell whether it is not what it was at the first of these looks."""
        own = self._copies.get(id(parameter))
        return own is not None and (own.device != parameter.device or not torch.equal(own, parameter.detach()))

    def _forget(self) -> None:
        self._in_a_row = self._zeros = 0
        self._copies = {}
