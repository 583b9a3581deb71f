"""States of a module put in place for a moment, and taken away again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.autograd import _unsafe_preserve_version_counter


def tensors_of(module: nn.Module) -> list[torch.Tensor]:
    """Give the parameters and buffers of a module: what a state holds."""
    return [*module.parameters(), *module.buffers()]


def can_be_set(tensors: Sequence[torch.Tensor]) -> bool:
    """Tell whether nobody else would see another state for a moment."""
    return not any(each.is_shared() or each.is_inference() or each.is_meta for each in tensors)


def state_of(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Copy what tensors hold."""
    return [each.detach().clone() for each in tensors]


@contextmanager
def in_state(tensors: Sequence[torch.Tensor], state: Sequence[torch.Tensor]) -> Iterator[None]:
    """Put a state in place, and the present one back; autograd, in whose graphs they may be, does not learn of it."""
    now = state_of(tensors)
    with ExitStack() as stack:
        for each in tensors:
            stack.enter_context(_unsafe_preserve_version_counter(each))
        _write(tensors, state)
        try:
            yield
        finally:
            _write(tensors, now)


def _write(tensors: Sequence[torch.Tensor], contents: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for tensor, content in zip(tensors, contents, strict=True):
            tensor.copy_(content)
