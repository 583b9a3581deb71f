"""Steps that a loop takes by hand: after a backward pass the parameters are other ones, and no optimizer was there.

That it is so is known at the second forward pass, one step late: the state before the first step, and its gradients,
were kept. From then on the loop is looked at as if an optimizer stepped.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer

from gradvitals.diagnostics.adapters.torch_by_hand import ByHand
from gradvitals.diagnostics.adapters.torch_module_hooks import ModuleHook, is_compiled, is_transforming
from gradvitals.diagnostics.adapters.torch_ops import tensors_in
from gradvitals.diagnostics.adapters.torch_states import can_be_set, in_state, state_of, tensors_of
from gradvitals.diagnostics.adapters.torch_unreached import leaves_of
from gradvitals.diagnostics.guard import Guard

MOST_BYTES = 2**26
"""Memory of parameters and buffers up to which they are compared at every step; who steps by hand has small models."""

CLOSE = 1e-3
"""Largest part of an update that need not be along the gradient for it to be plain gradient descent."""


class HandSteps:
    """Finds out whether steps are taken by hand, and tells of them."""

    def __init__(
        self,
        module: nn.Module,
        guard: Guard,
        *,
        before: Callable[[Optimizer], None],
        after: Callable[[Optimizer], None],
        begin: Callable[[Any, Any], None],
    ) -> None:
        """Hook the module; in front of all other hooks on its forward, as looks may follow.

        Args:
            module: What the user calls.
            guard: Is around what the hooks do.
            before: Is called before a step is taken, with gradients and parameters as they are then.
            after: Is called once it was, which is at the next forward.
            begin: Is called then with the arguments of that forward.
        """
        self._module, self._guard = module, guard
        self._before_step, self._after_step, self._begin = before, after, begin
        self._optimizer: ByHand | None = None
        self._parameters = [each for each in module.parameters() if each.requires_grad]
        self._tensors = tensors_of(module)
        self._state: list[torch.Tensor] | None = None
        self._gradients: list[torch.Tensor | None] = []
        self._is_waiting = False
        self._hooks: list[Any] = []
        size = sum(each.nbytes for each in self._tensors)
        if size <= MOST_BYTES and can_be_set(self._tensors) and not is_compiled(module):
            self._hooks = [
                module.register_forward_pre_hook(
                    ModuleHook(guard.around(self._forward_begins)), with_kwargs=True, prepend=True
                ),
                module.register_forward_hook(ModuleHook(guard.around(self._forward_ends))),
            ]

    def is_one_of_them(self, optimizer: Optimizer | None) -> bool:
        """Tell whether this is what stands for steps by hand."""
        return optimizer is not None and optimizer is self._optimizer

    def stop(self) -> None:
        """Unhook the module: an optimizer steps, or everything is over."""
        for handle in self._hooks:
            handle.remove()
        self._hooks, self._state, self._gradients, self._is_waiting = [], None, [], False

    def settle(self) -> None:
        """See whether a step was taken since the last backward pass, and tell of it."""
        state = self._state
        if not self._is_waiting or state is None or [*map(id, tensors_of(self._module))] != [*map(id, self._tensors)]:
            return
        self._is_waiting = False
        pairs = [(each, kept) for each, kept in zip(self._tensors, state, strict=True) if each.requires_grad]
        if all(each.shape == kept.shape and torch.equal(each.detach(), kept) for each, kept in pairs):
            return
        is_first = self._optimizer is None
        self._optimizer = self._optimizer or ByHand(self._parameters)
        self._optimizer.take_rate(self._rate([kept for _, kept in pairs]))
        if is_first:
            present = [each.grad for each in self._parameters]
            with in_state(self._tensors, state):
                try:
                    _set_gradients(self._parameters, self._gradients)
                    self._before_step(self._optimizer)
                finally:
                    _set_gradients(self._parameters, present)
        self._after_step(self._optimizer)

    def _forward_begins(self, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's own
        if self._is_waiting and module.training and torch.is_grad_enabled() and not is_transforming():
            self.settle()
            self._begin(args, kwargs)

    def _forward_ends(self, module: nn.Module, _: Any, outputs: Any) -> None:  # noqa: ANN401 - torch's own
        """Wait for the end of a backward pass through what a training forward gave."""
        if not (module.training and torch.is_grad_enabled()) or is_transforming() or not self._hooks:
            return
        with torch._C.DisableTorchFunction():  # noqa: SLF001 - a trace under way must not see this
            returned = next((each for each in tensors_in(outputs) if each.requires_grad), None)
            if returned is None:
                return
            if self._state is None and {*map(id, leaves_of(outputs))}.isdisjoint(map(id, self._parameters)):
                self.stop()  # as in a functional_call, whose parameters are others
                return
            returned.register_hook(self._guard.around(self._backward_begins))

    def _backward_begins(self, _gradient: torch.Tensor) -> None:
        engine = torch.autograd.Variable._execution_engine  # noqa: SLF001 - nothing public tells when a pass ends
        engine.queue_callback(self._guard.around(self._backward_ended))

    def _backward_ended(self) -> None:
        """Keep the state that a step may change; show it, where steps are known to be taken by hand."""
        if not self._hooks:
            return
        self._state = state_of(self._tensors)
        self._gradients = [None if each.grad is None else each.grad.detach().clone() for each in self._parameters]
        self._is_waiting = True
        if self._optimizer is not None:
            self._before_step(self._optimizer)

    def _rate(self, before: Sequence[torch.Tensor]) -> float | None:
        """Give the one rate by which all parameters went down their gradients; None if there is none."""
        moves = [
            (
                kept.double() - each.detach().double(),
                gradient.double(),
                torch.finfo(kept.dtype).eps * kept.double().abs(),
            )
            for each, gradient, kept in zip(self._parameters, self._gradients, before, strict=True)
            if gradient is not None and gradient.layout is torch.strided and each.shape == kept.shape
        ]
        square = along = 0.0
        for move, gradient, rounding in moves:
            told = torch.where(move.abs() > rounding / CLOSE, gradient, 0.0)  # rounding has taken nothing of these
            square, along = square + float(told.square().sum()), along + float((move * told).sum())
        rate = along / square if square > 0.0 else 0.0
        fits = all(
            bool(((move - rate * each).abs() <= CLOSE * move.abs() + rounding).all()) for move, each, rounding in moves
        )
        return rate if fits and rate > 0.0 else None


def _set_gradients(parameters: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None]) -> None:
    for each, gradient in zip(parameters, gradients, strict=True):
        each.grad = gradient
