"""Gradients that no optimizer takes: a loop whose steps are left out, or are taken in a way that nothing follows.

Nobody calls anything of ours then. That gradients are computed is heard of from the tensors that the module returned;
what became of the parameters is told by sums of them, before the first backward pass and at the end.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_ops import tensors_in
from gradvitals.diagnostics.adapters.torch_unreached import leaves_of
from gradvitals.diagnostics.gradient_notes import UntakenGradients
from gradvitals.diagnostics.guard import Guard

LEAST = 20
"""Backward passes from which a loop is taken to train: fewer may be made to look at gradients."""


class UntakenWatch:
    """Counts backward passes as long as no step is taken."""

    def __init__(self, module: nn.Module, guard: Guard) -> None:
        """Watch a module's parameters; be under guard in the backward pass."""
        self._module, self._guard = module, guard
        self._own = {id(each) for each in module.parameters()}  # in a functional_call it has others
        self._before: Sequence[tuple[int, float, float]] | None = None
        self._passes, self._is_own = 0, False

    def listen(self, outputs: Any) -> None:  # noqa: ANN401 - whatever a module returns
        """Wait for a gradient on what a training forward returned, if it is one on the module's own parameters."""
        if self._before is None:
            self._before = _sums(self._module)
            self._is_own = any(id(each) in self._own for each in leaves_of(outputs))
        if not self._is_own:
            return  # as in a functional_call, and where what learns is the input of a frozen module
        returned = next((each for each in tensors_in(outputs) if each.requires_grad), None)
        if returned is not None:
            returned.register_hook(self._guard.around(self._count))

    def note(self) -> UntakenGradients | None:
        """Say how many backward passes there were, and whether the parameters moved all the same; None of but a few."""
        if self._passes < LEAST or self._before is None:
            return None
        return UntakenGradients(0, self._passes, moved=_sums(self._module) != self._before)

    def _count(self, _gradient: torch.Tensor) -> None:
        self._passes += 1


def _sums(module: nn.Module) -> list[tuple[int, float, float]]:
    """Give of every parameter that learns how often it was written to in place, its sum and its norm.

    No step leaves all three as they are. A trace of the forward pass must not take it for a use of them.
    """
    with torch.no_grad(), torch._C.DisableTorchFunction():  # noqa: SLF001 - what else switches modes off
        return [
            (each._version, *_two_sums(torch.view_as_real(each) if each.is_complex() else each))  # noqa: SLF001 - as is
            for each in module.parameters()
            if each.requires_grad
        ]


def _two_sums(values: torch.Tensor) -> tuple[float, float]:
    exact = torch.float32 if values.device.type == "mps" else torch.float64  # which that device does not have
    return float(values.sum(dtype=exact)), float(torch.linalg.vector_norm(values, dtype=exact))
