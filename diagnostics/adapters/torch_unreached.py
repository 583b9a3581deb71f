"""Parameters that an optimizer holds and that no gradient ever reaches, while it does reach others.

What the forward calls and the loss does not depend on, or is cut off from by `detach` or NumPy, has no gradient at all.
It may be meant so, as of a part whose result is dropped. What the model returns comes of it or does not: the graph that
autograd made of what a forward gave tells.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_ops import tensors_in
from gradvitals.diagnostics.gradient_notes import UnreachedParameters

SETTLED = 3
"""Steps looked at after which what had a gradient in the first ones is told from what has none."""

MOST_NODES = 100_000
"""Nodes of a graph that are looked at."""


class UnreachedWatch:
    """Follows what has had no gradient at any step looked at."""

    def __init__(self, module: nn.Module) -> None:
        """Take the names of a module's parameters."""
        self._names = {id(each): name for name, each in module.named_parameters()}
        self._known: set[int] = set()
        self._suspects: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._returned: set[int] | None = None
        self._since = self._looks = 0

    def listen(self, outputs: Any) -> bool:  # noqa: ANN401 - whatever a module returns
        """See, once, which of what has had no gradient so far is in what a training forward gave; tell to ask again."""
        if self._returned is None and self._looks >= SETTLED and any(each.grad_fn for each in tensors_in(outputs)):
            self._returned = {id(each) for each in leaves_of(outputs)} & self._suspects.keys()
        return self._returned is None

    def look(self, parameters: Sequence[torch.Tensor], step: int) -> None:
        """Look at what a step is about to move: what has no gradient at first is followed as long as it has none.

        A step that finds none at all says nothing: of several optimizers, one may have its turn.

        Args:
            parameters: Those that the optimizer holds, and that are to have a gradient.
            step: The step's number.
        """
        if all(each.grad is None for each in parameters):
            return
        self._since, self._looks = self._since or step, self._looks + 1
        for each in parameters:
            key = id(each)
            if key not in self._known:
                self._known.add(key)
                if each.grad is None:
                    self._suspects[key] = each, each.detach().clone()
            elif key in self._suspects and each.grad is not None:
                del self._suspects[key]

    def note(self, steps: int, never_called: Sequence[str]) -> UnreachedParameters | None:
        """Name those that stayed to the bit what they were; None without any, and where it is all of them.

        Args:
            steps: Updates made.
            never_called: Paths of parts of the module that no forward came by.
        """
        idle = tuple(f"{path}." for path in never_called)
        names = [
            name
            for key, name in self._names.items()
            if key in self._suspects and not name.startswith(idle) and _is_as_it_was(*self._suspects[key])
        ]
        if not names or len(self._suspects) == len(self._known):
            return None
        returned = {self._names[key] for key in self._returned or ()}
        in_outputs = tuple(name for name in names if name in returned)
        return UnreachedParameters(steps, self._since, self._looks, tuple(names), in_outputs)


def _is_as_it_was(parameter: torch.Tensor, before: torch.Tensor) -> bool:
    return bool(parameter.device == before.device and torch.equal(parameter.detach(), before))


def leaves_of(outputs: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401 - as above
    """Give the leaves of the graphs that tensors come from."""
    waiting = [each.grad_fn for each in tensors_in(outputs)]
    seen: set[Any] = set()
    while waiting and len(seen) < MOST_NODES:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [parent for parent, _ in node.next_functions]
