"""Whether a squared error pulls all outputs of a batch to one and the same number, as one broadcast over it does.

Of n outputs the gradient on one is 2 (output − target) / n, so that output and gradient tell the target, whoever calls
the loss. Where (batch, 1) meets (batch,) it is the mean of the batch's targets, for all of them. Batches whose targets
are all the same, as of data in order, are told from that by it: what they are pulled to is one of the targets.
"""

from typing import Any

import numpy as np
import torch

from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.start_notes import AcrossSamples
from gradvitals.engine.events import Array

LOOKS, LEAST = 3, 4
"""Batches looked at, and samples that each must have."""

ALIKE, EQUAL = 1e-3, 1e-5
"""Of the targets' standard deviation: what targets that are told may differ by to count as one, and from a real one."""


class PullWatch:
    """Asks the first batches where their outputs are pulled."""

    def __init__(self, targets: Array, guard: Guard) -> None:
        """Expect these targets, of all samples; be under guard in the backward pass."""
        self._guard = guard
        self._targets, self._deviation = np.unique(targets.astype(np.float64)), float(targets.std())
        self._looks, self._is_other, self._is_over = 0, False, False
        self._found: AcrossSamples | None = None

    def take(self) -> AcrossSamples | None:
        """Give what was found out, once."""
        found, self._found = self._found, None
        return found

    def listen(self, outputs: Any, step: int) -> bool:  # noqa: ANN401 - whatever a module returns
        """Wait for the gradient on the outputs of a training forward; tell whether to ask again.

        Args:
            outputs: What the module returned.
            step: The step to come.
        """
        is_one_each = isinstance(outputs, torch.Tensor) and outputs.ndim > 0 and outputs.numel() == len(outputs)
        if self._is_over or not is_one_each or not outputs.requires_grad or len(outputs) < LEAST:
            return False
        values = outputs.detach().clone()
        outputs.register_hook(self._guard.around(lambda gradient: self._pulled(values, gradient, step)))
        return True

    def _pulled(self, outputs: torch.Tensor, gradient: torch.Tensor, step: int) -> None:
        told = outputs.double() - len(outputs) / 2.0 * gradient.detach().double()
        lowest, highest = float(told.min()), float(told.max())
        if self._is_over or not highest - lowest < ALIKE * self._deviation:
            self._is_over = True
            return
        nearest = float(np.abs(self._targets - (lowest + highest) / 2.0).min())
        self._looks, self._is_other = self._looks + 1, self._is_other or nearest > EQUAL * self._deviation
        if self._looks == LOOKS:
            self._is_over = True
            self._found = AcrossSamples(step, len(outputs)) if self._is_other else None
