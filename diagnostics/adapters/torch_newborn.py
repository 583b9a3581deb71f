"""Parameters that are made anew in every forward pass, as of layers that are built there: none is ever trained."""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_unreached import leaves_of
from gradvitals.diagnostics.gradient_notes import NewbornParameters

PASSES = 3
"""Passes, one after the other, each of which must have had others than the one before."""


class NewbornWatch:
    """Compares the parameters behind what a few training forwards gave."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._passes = self._anew = 0
        self._before: Sequence[weakref.ref[torch.Tensor]] = ()
        self._shapes: tuple[tuple[int, ...], ...] = ()

    def listen(self, outputs: Any) -> bool:  # noqa: ANN401 - whatever a module returns
        """See which parameters that are not the module's are behind the outputs; tell to ask again."""
        own = {id(each) for each in self._module.parameters()}
        strange = [each for each in leaves_of(outputs) if isinstance(each, nn.Parameter) and id(each) not in own]
        alive = {id(each) for ref in self._before if (each := ref()) is not None}
        self._anew = self._anew + 1 if strange and not any(id(each) in alive for each in strange) else 0
        self._before = [weakref.ref(each) for each in strange]
        self._shapes = tuple(tuple(each.shape) for each in reversed(strange))
        self._passes += 1
        return self._passes < PASSES

    def note(self, steps: int) -> NewbornParameters | None:
        """Give their shapes, if every pass had others."""
        return NewbornParameters(steps, self._passes, self._shapes) if self._anew >= PASSES else None
