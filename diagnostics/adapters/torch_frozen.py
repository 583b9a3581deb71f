"""A module frozen for a look: whatever is computed in it, the training goes on as if nobody had."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from operator import eq, is_
from typing import Any

import torch
from torch import nn
from torch.autograd import _unsafe_preserve_version_counter
from torch.utils._pytree import tree_map

from gradvitals.diagnostics.adapters.random_states import GENERATORS, kept_states
from gradvitals.diagnostics.adapters.torch_ops import tensors_in

ABSENT = object()

GROWING = frozenset({list, dict, set, deque, OrderedDict})
"""Types of attributes that a forward may add to."""

OF_EVERY_MODULE = frozenset(vars(nn.Module()))

Tables = Sequence[tuple[dict[str, Any], dict[str, Any]]]
"""What holds attributes of a module's parts, or buffers, each with what was in it."""


def attributes_of(parts: Iterable[nn.Module]) -> Tables:
    """Note the attributes and buffers of all parts of a module."""
    tables = [table for part in parts for table in (vars(part), vars(part).get("_buffers", {}))]
    return [(table, table.copy()) for table in tables]


def changed_since(tables: Tables) -> Tables:
    """Give what of these has been set since by a forward: each with the entries that it had; modes are not counted."""
    changed = []
    for table, before in tables:
        if len(table) == len(before) and all(map(is_, table.values(), before.values())) and all(map(eq, table, before)):
            continue
        names = (table.keys() | before.keys()) - {"training"}
        if own := {name for name in names if table.get(name, ABSENT) is not before.get(name, ABSENT)}:
            changed.append((table, {name: before.get(name, ABSENT) for name in own}))
    return changed


def put_back(tables: Tables) -> None:
    """Set entries to what they were."""
    for table, before in tables:
        table.update(before)
        for name in [name for name, value in before.items() if value is ABSENT]:
            del table[name]


@contextmanager
def frozen(module: nn.Module, *, gradients: bool, start: Tables = (), as_trained: bool = False) -> Iterator[None]:
    """Put a module in eval mode, and all random generators, modes, buffers and attributes back as they were at the end.

    Eval mode leaves the running statistics of batch norms alone and drops nothing; it is set on every submodule by
    itself, so that parts that were in it stay in it. A state or a counter that a forward keeps, be it a buffer or a
    plain attribute, is the training's. What is compiled runs as written.

    Args:
        module: Is looked at.
        gradients: Whether they are to be computed; `.grad` is nobody's business here.
        start: Attributes to begin with other than those that it has, as the state before the first sample.
        as_trained: Whether modes and autocast stay as they are.
    """
    modes = [(part, part.training) for part in module.modules()]
    attributes = attributes_of(part for part, _ in modes)
    parameters = [each for part, _ in modes for each in part._parameters.values() if each is not None]  # noqa: SLF001 - quick
    values = [value for _, own in attributes for value in own.values()]
    tensors = [value for value in values if isinstance(value, torch.Tensor) and not value.is_inference()]
    contents = [(tensor, tensor._version, tensor.detach().clone()) for tensor in tensors]  # noqa: SLF001
    with ExitStack() as stack:
        stack.enter_context(kept_states(*(value for value in values if isinstance(value, GENERATORS))))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for device in set() if as_trained else {parameter.device.type for parameter in parameters} | {"cpu"}:
            stack.enter_context(torch.autocast(device, enabled=False))
        if any(part._compiled_call_impl is not None for part, _ in modes):  # noqa: SLF001 - nothing else tells
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if any(isinstance(part, nn.RNNBase) for part, _ in modes) and torch.cuda.is_available():
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))  # which has no backward in eval mode
        try:
            put_back(start)
            for part, training in modes:
                part.training = training and as_trained
            yield
        finally:
            for part, training in modes:
                part.training = training
            put_back(changed_since(attributes))
            with torch.no_grad():
                for tensor, version, content in contents:
                    if tensor._version != version:  # noqa: SLF001 - nothing else tells of writing in place
                        tensor.copy_(content)


@contextmanager
def untouched(module: nn.Module, args: Any, kwargs: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - of any module
    """Let a module run again between a forward of the user and its backward, in a frozen one that sets attributes back.

    What it writes into parameters, buffers, attributes and inputs is undone, and autograd does not learn of it: it
    would take the gradients for wrong. Batch norm writes so that no version tells. The user's hooks are not called.

    Args:
        module: Is run.
        args: What it was given; comes back in lists and mappings of its own.
        kwargs: As `args`.
    """
    tables = [vars(part) for part in module.modules()]
    growing = [
        (table, {name: copy(value) for name, value in table.items() if _may_grow(name, value)}) for table in tables
    ]
    held = [value for table in tables for value in _held_in(table)]
    unique = {id(each): each for each in tensors_in([*held, *module.parameters(), args, kwargs])}
    tensors = [each for each in unique.values() if _is_written_to(each)]
    with ExitStack() as stack:
        stack.callback(torch.set_autocast_cache_enabled, torch.is_autocast_cache_enabled())
        torch.set_autocast_cache_enabled(False)  # it would keep weights without a gradient for the next forward
        for each in tensors:
            stack.enter_context(_unsafe_preserve_version_counter(each))
        stack.callback(_write_back, [(each, each.detach().clone()) for each in tensors])
        put_back(growing)
        for table in tables:
            for name in {"_forward_pre_hooks", "_forward_hooks"} & table.keys():
                table[name] = OrderedDict((key, hook) for key, hook in table[name].items() if _is_of_torch(hook))
        yield tree_map(_itself, (args, kwargs))


def _may_grow(name: str, value: object) -> bool:
    return type(value) in GROWING and name not in OF_EVERY_MODULE


def _held_in(table: Mapping[str, Any]) -> list[Any]:
    """Give the buffers of a part of a module, and its attributes."""
    own = [value for name, value in table.items() if name not in OF_EVERY_MODULE]
    return [*table.get("_buffers", {}).values(), *own]


def _is_of_torch(hook: object) -> bool:
    """Tell whether it is one without which a part does not work, as that of a weight norm."""
    return type(hook).__module__.startswith("torch.")


def _is_written_to(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_inference()


def _write_back(contents: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    with torch.no_grad():
        for tensor, content in contents:
            if not torch.equal(tensor, content):
                tensor.copy_(content)


def _itself(value: Any) -> Any:  # noqa: ANN401 - as above
    return value
