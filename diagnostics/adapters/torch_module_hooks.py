"""Hooks on the user's module, and when there is nothing for them to see."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class ModuleHook:
    """A method hooked to the user's module; copies of the module, and pickles of it, get one that does nothing."""

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __call__(self, *args: Any) -> None:  # noqa: ANN401 - what PyTorch gives a hook
        """Call the method, but where PyTorch compiles."""
        if not torch.compiler.is_compiling():  # what is compiled around the module must not have us in it
            self._method(*args)

    def __deepcopy__(self, memo: object) -> Callable[..., None]:
        return contextlib.nullcontext().__exit__

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


def is_compiled(module: nn.Module) -> bool:
    """Tell whether `torch.compile` made a module, or compiled it in place."""
    return hasattr(module, "_orig_mod") or any(
        getattr(part, "_compiled_call_impl", None) is not None for part in module.modules()
    )


def is_transforming() -> bool:
    """Tell whether a transform of `torch.func` is under way."""
    return torch._C._functorch.peek_interpreter_stack() is not None  # noqa: SLF001 - nothing public tells
