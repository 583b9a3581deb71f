"""A module frozen for a look: whatever is computed in it, the training goes on as if nobody had."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from gradvitals.diagnostics.adapters.random_states import kept_states


@contextmanager
def frozen(module: nn.Module, *, gradients: bool) -> Iterator[None]:
    """Put a module in eval mode, and all random generators, modes and buffers back as they were at the end.

    Eval mode leaves the running statistics of batch norms alone and drops nothing; it is set on every submodule by
    itself, so that parts that were in it stay in it. What is compiled runs as written.

    Args:
        module: Is looked at.
        gradients: Whether they are to be computed; `.grad` is nobody's business here.
    """
    modes = [(part, part.training) for part in module.modules()]
    buffers = [(buffer, buffer._version, buffer.detach().clone()) for buffer in module.buffers()]  # noqa: SLF001
    with ExitStack() as stack:
        stack.enter_context(kept_states())
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for device in {parameter.device.type for parameter in module.parameters()} | {"cpu"}:
            stack.enter_context(torch.autocast(device, enabled=False))
        if any(part._compiled_call_impl is not None for part, _ in modes):  # noqa: SLF001 - nothing else tells
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if torch.cuda.is_available() and any(isinstance(part, nn.RNNBase) for part, _ in modes):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))  # which has no backward in eval mode
        try:
            for part, _ in modes:
                part.training = False
            yield
        finally:
            for part, training in modes:
                part.training = training
            with torch.no_grad():
                for buffer, version, before in buffers:
                    if buffer._version != version:  # noqa: SLF001 - nothing else tells of writing in place
                        buffer.copy_(before)
