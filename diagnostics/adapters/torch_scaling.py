"""Steps that a `GradScaler` skips: it then calls no optimizer, so that its own `step` is listened to instead."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.notes import SkippedSteps

WINDOW = 200
"""Steps asked for that a note is of."""


class ScalerWatch:
    """Counts the steps that scalers take and skip, from the first one taken on.

    The skips before it are the search for a scale to begin with. One at a scale no lower than at the skip before undoes
    a growth in between: so scalers find out how much there is room for.

    Attributes:
        waiting: The optimizer of which steps were skipped and none was taken; None once one is.
    """

    def __init__(
        self,
        counts: Callable[[Optimizer], bool],
        taken: Callable[[], int],
        note: Callable[[SkippedSteps], None],
        guard: Guard,
    ) -> None:
        """Listen to all scalers.

        Args:
            counts: Tells whether a step of this optimizer is one of the module's.
            taken: Gives the steps taken so far.
            note: Receives a note of every so many steps that were asked for, once one has been skipped.
            guard: Is around what a scaler's step calls.
        """
        self.waiting: Optimizer | None = None
        self._counts, self._taken, self._note, self._guard = counts, taken, note, guard
        self._asked = self._skipped = self._falling = self._unscaled = 0
        self._scale, self._any = float("inf"), False
        self._wrapper = self._wrap()

    def remove(self) -> None:
        """Take ours out of the chain of those that listen, whoever joined it later."""
        scaler: Any = torch.amp.GradScaler
        if scaler.step is self._wrapper:
            scaler.step = self._wrapper.__wrapped__
            return
        above = scaler.step
        while above is not None and getattr(above, "__wrapped__", None) is not self._wrapper:
            above = getattr(above, "__wrapped__", None)
        if above is not None:
            above.__wrapped__ = self._wrapper.__wrapped__

    def end(self) -> None:
        """Give the note of those since the last one."""
        if self._any and (self._asked or self._unscaled):
            self._give()

    def _wrap(self) -> Any:  # noqa: ANN401 - a function with an attribute
        scaler_class: Any = torch.amp.GradScaler

        @wraps(scaler_class.step)
        def step(scaler: Any, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - torch's own
            before = self._taken()
            result = step.__wrapped__(scaler, optimizer, *args, **kwargs)
            with self._guard:
                if scaler.is_enabled() and self._counts(optimizer):
                    self._see(scaler, optimizer, skipped=self._taken() == before)
            return result

        scaler_class.step = step
        return step

    def _see(self, scaler: Any, optimizer: Optimizer, *, skipped: bool) -> None:  # noqa: ANN401 - as above
        has_begun = self._taken() > 0
        self._asked += has_begun
        if skipped:
            scale = float(scaler.get_scale())
            self._any, self.waiting = True, None if has_begun else optimizer
            self._skipped += has_begun
            self._falling += has_begun and scale < self._scale
            self._unscaled += scale <= 1.0
            self._scale = scale
        else:
            self._unscaled, self.waiting = 0, None
        if self._asked == WINDOW:
            if self._any:
                self._give()
            self._asked = self._skipped = self._falling = 0

    def _give(self) -> None:
        self._note(SkippedSteps(self._taken(), self._asked, self._skipped, self._falling, self._unscaled, self._scale))
