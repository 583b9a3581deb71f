"""Parameters that a module computes with and does not know of: in a plain list, or tensors that are no parameters.

`module.parameters()` gives none of them, so that an optimizer made of these moves none. What is meant so, as a network
that another optimizer trains or that needs no gradient, is told by its end: it has moved, or had no gradient.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_arrays import is_nonzero
from gradvitals.diagnostics.adapters.torch_frozen import OF_EVERY_MODULE
from gradvitals.diagnostics.gradient_notes import StrayParameters


class StrayWatch:
    """Keeps what a module's attributes hold of tensors that want a gradient and are none of its parameters."""

    def __init__(self, module: nn.Module) -> None:
        own = {id(each) for each in (*module.parameters(), *module.buffers())}
        found = ((name, each) for name, each in _held(module) if id(each) not in own)
        self._strays = {name: (each, each.detach().clone()) for name, each in found}

    def note(self, steps: int) -> StrayParameters | None:
        """Name those that had a gradient and are to the bit what they were; None without any.

        Args:
            steps: Updates made since.
        """
        names = [
            name
            for name, (each, before) in self._strays.items()
            if each.grad is not None and is_nonzero(each.grad) and torch.equal(each.detach(), before)
        ]
        return StrayParameters(steps, tuple(names)) if names else None


def _held(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Give the leaves that want a gradient in the attributes of all parts of a module, by where they are."""
    for path, part in module.named_modules():
        for attribute, value in vars(part).items():
            if attribute not in OF_EVERY_MODULE:
                yield from _leaves(value, f"{path}.{attribute}" if path else attribute)


def _leaves(value: Any, place: str) -> Iterator[tuple[str, torch.Tensor]]:  # noqa: ANN401 - whatever an attribute holds
    if isinstance(value, torch.Tensor):
        if value.is_leaf and value.requires_grad:
            yield place, value
    elif isinstance(value, nn.Module):
        yield from ((f"{place}.{name}", each) for name, each in value.named_parameters() if each.requires_grad)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{place}[{key!r}]")
