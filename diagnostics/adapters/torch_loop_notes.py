"""What a user's own PyTorch loop does wrong with gradients, as its steps tell.

They are not cleared, there are none, some parameters get none, a broadcast mixes samples, a scaler skips the steps, no
step is taken at all, or the optimizer's parameters are those of another module.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.adapters.torch_arrays import is_nonzero
from gradvitals.diagnostics.adapters.torch_clearing import ClearingWatch
from gradvitals.diagnostics.adapters.torch_missing import MissingWatch
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.diagnostics.adapters.torch_newborn import NewbornWatch
from gradvitals.diagnostics.adapters.torch_optimizers import Optimizers
from gradvitals.diagnostics.adapters.torch_pull import PullWatch
from gradvitals.diagnostics.adapters.torch_scaling import ScalerWatch
from gradvitals.diagnostics.adapters.torch_strays import StrayWatch
from gradvitals.diagnostics.adapters.torch_unheld import UnheldWatch
from gradvitals.diagnostics.adapters.torch_unreached import UnreachedWatch
from gradvitals.diagnostics.adapters.torch_untaken import UntakenWatch
from gradvitals.diagnostics.gradient_notes import ForeignSteps, UntakenGradients
from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.notes import Note

FIRST_FOREIGN = 3
"""Steps of optimizers that hold nothing of the module after which it is asked whether it has gradients at all."""


class LoopNotes:
    """Asks the first steps, and some later ones, what is wrong with their gradients, and notes it."""

    def __init__(
        self,
        network: TorchNetwork,
        optimizers: Optimizers,
        taken: Callable[[], int],
        note: Callable[[Note], None],
        *,
        guard: Guard,
        known: Sequence[Note] = (),
        pull: PullWatch | None = None,
    ) -> None:
        """Listen to all scalers.

        Args:
            network: What is trained.
            optimizers: Its optimizers.
            taken: Gives the steps taken so far.
            note: Receives the notes.
            guard: Is around what hooks on tensors and scalers call.
            known: Notes of what was known before, given when the training starts.
            pull: Is asked to listen to the gradient on the outputs.
        """
        self._module, self._optimizers, self._note, self._known = network.module, optimizers, note, known
        self._clearing, self._missing = ClearingWatch(guard), MissingWatch()
        self._strays, self._unreached = StrayWatch(network.module), UnreachedWatch(network.module)
        self._unheld = UnheldWatch(network, optimizers)
        self._newborn, self._is_newborn_curious = NewbornWatch(network.module), True
        self._pull, self._is_pull_curious = pull, pull is not None
        self._scaling = ScalerWatch(optimizers.counts, taken, note, guard)
        self._foreign, self._wants_to_learn = 0, False
        self._untaken, self._has_begun = UntakenWatch(network.module, guard), False

    @property
    def is_curious(self) -> bool:
        """Whether it is asked any more if gradients are cleared."""
        return self._clearing.is_curious

    def begin(self) -> None:
        """Note what was known before."""
        self._has_begun = True
        self._unheld.begin()
        for each in self._known:
            self._note(each)

    def listen(self, outputs: Any, step: int) -> bool:  # noqa: ANN401 - whatever a module returns
        """Take what a training forward returned, before a step; tell whether anybody wants the next."""
        if not self._has_begun:
            self._untaken.listen(outputs)
        if self._pull is not None and self._is_pull_curious:
            self._is_pull_curious = self._pull.listen(outputs, step)
        if self._is_newborn_curious:
            self._is_newborn_curious = self._newborn.listen(outputs)
        others = self._is_newborn_curious or (self._pull is not None and self._is_pull_curious)
        return self._unreached.listen(outputs) or others

    def settle(self, optimizer: Optimizer, step: int) -> None:
        """Say whether the gradients were cleared since the step before the one that is about to be taken."""
        self._give(self._clearing.settle(optimizer, step))

    def look(self, optimizer: Optimizer, step: int) -> None:
        """Look at the gradients of a step that is about to be taken."""
        if self._pull is not None:
            self._give(self._pull.take())
        trained = self._optimizers.trained_by(optimizer)
        self._unreached.look(trained, step)
        self._give(self._missing.look(trained or self._optimizers.frozen_by(optimizer), step))

    def arm(self, optimizer: Optimizer) -> None:
        """Watch whether gradients are cleared before the next step, after one of this optimizer."""
        self._clearing.arm(optimizer, self._optimizers.share_of(optimizer))

    def pass_over(self) -> None:
        """Count a step that is none of the module's, and see whether the module has gradients that nobody takes."""
        self._foreign += 1
        if self._foreign <= FIRST_FOREIGN and not self._wants_to_learn:
            self._wants_to_learn = any(is_nonzero(each.grad) for each in self._module.parameters())

    def stop(self) -> None:
        """Unhook everything."""
        self._clearing.disarm()
        self._scaling.remove()

    @property
    def never_began(self) -> bool:
        """Whether there was a training after all, of which no step was taken, by a scaler, an optimizer, or anybody."""
        untaken = self._nobody_steps()
        return self._scaling.waiting is not None or self._wants_to_learn or (untaken is not None and not untaken.moved)

    @property
    def waiting(self) -> Optimizer | None:
        """The optimizer of which a scaler has skipped every step."""
        return self._scaling.waiting

    def end(self, steps: int, never_called: Sequence[str], *, began: bool) -> None:
        """Note what only the whole training tells.

        Args:
            steps: Taken in all.
            never_called: Paths of modules that no forward came by.
            began: Whether it had begun before its end.
        """
        self._scaling.end()
        if not began and self._scaling.waiting is None:
            self._give(ForeignSteps(steps, self._foreign) if self._wants_to_learn else self._nobody_steps())
        self._give(self._strays.note(steps))
        self._give(self._newborn.note(steps))
        self._give(self._unheld.note(steps) if began else None)
        self._give(self._unreached.note(steps, never_called))

    def end_unseen(self) -> None:
        """Note, where no training was seen, that the steps may have been taken by hand."""
        self._give(self._nobody_steps())

    def _nobody_steps(self) -> UntakenGradients | None:
        """Tell of gradients that no optimizer took, of whatever module."""
        return None if self._foreign else self._untaken.note()

    def _give(self, note: Note | None) -> None:
        if note is not None:
            self._note(note)
