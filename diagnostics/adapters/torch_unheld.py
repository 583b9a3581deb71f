"""Parameters of a module that no optimizer ever holds, and that are in no layer that is followed.

What is computed of a weight before an operation takes it, as a quantised or a normalised one, makes it no layer's here,
so that its movement is not looked at.
"""

import torch

from gradvitals.diagnostics.adapters.torch_arrays import is_nonzero
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.diagnostics.adapters.torch_optimizers import Optimizers
from gradvitals.diagnostics.gradient_notes import UnheldParameters


class UnheldWatch:
    """Keeps what the first optimizer does not hold, until the end."""

    def __init__(self, network: TorchNetwork, optimizers: Optimizers) -> None:
        """Take the module and its optimizers."""
        self._network, self._optimizers = network, optimizers
        self._suspects: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self) -> None:
        """Copy what is to learn and is held by no optimizer that has been met."""
        followed = {id(each) for each in self._network.watched_parameters().values()} | self._optimizers.ever_held
        self._suspects = {
            name: (each, each.detach().clone())
            for name, each in self._network.module.named_parameters()
            if each.requires_grad and id(each) not in followed
        }

    def note(self, steps: int) -> UnheldParameters | None:
        """Name those that have a gradient, that none has held since, and that are to the bit what they were."""
        held = self._optimizers.ever_held
        names = [
            name
            for name, (each, before) in self._suspects.items()
            if id(each) not in held and is_nonzero(each.grad) and torch.equal(each.detach(), before)
        ]
        return UnheldParameters(steps, tuple(names)) if names else None
