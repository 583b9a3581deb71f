"""Training steps read from the user's own PyTorch loop, which calls nothing of ours.

A step is an `optimizer.step()` of an optimizer that holds parameters of the watched module: whatever is accumulated
before it, and however many backward passes that takes. One that a `GradScaler` skips is none. Hooks on all optimizers
see it, and look no further than at its number unless it is wanted. For a wanted step, the module is hooked too, for
one forward pass.

What a user's loop does not tell: its loss (but where the optimizer is given a closure, which returns it), its targets,
and by how much it clipped its gradients: they are seen as the optimizer gets them.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import _get_current_function_mode, _pop_mode

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_layers import Layer, LayerViews, layer_arrays
from gradvitals.diagnostics.adapters.torch_network import UNWARNED, TorchNetwork
from gradvitals.diagnostics.adapters.torch_trace import Trace
from gradvitals.engine.events import GradientsReady, LayerForward, StepEnded, TrainingEnded, TrainingStarted
from gradvitals.engine.hooks import Due

Reason = Literal["completed", "interrupted", "failed"]


class TorchSteps:
    """Sends the events of a user's loop to the subscribers of a network.

    Attributes:
        steps: Taken so far.
    """

    def __init__(
        self,
        network: TorchNetwork,
        module: nn.Module,
        *,
        optimizers: Sequence[Optimizer] = (),
        total_steps: int | None = None,
    ) -> None:
        """Hook all optimizers, and the module for its first forward.

        Args:
            network: Whose subscribers get the events.
            module: What the user calls: the network's module, or what `torch.compile` made of it.
            optimizers: Whose steps count; without any, those of all that hold parameters of the module.
            total_steps: Planned steps; None where nobody knows.
        """
        self.steps = 0
        self._network, self._module, self._hooks = network, module, network.hooks
        self._optimizers, self._total_steps = tuple(optimizers), total_steps
        self._holders: dict[int, tuple[Optimizer, int, bool]] = {}
        self._started = self._ended = False
        self._samples = 0
        self._trace: Trace | None = None
        self._calls: Mapping[str, Sequence[Call]] | None = None
        self._present: _Step | None = None
        self._trained: set[str] = set()
        self._updates: dict[str, torch.Tensor] = {}
        self._views, self._views_of_updates = LayerViews(), LayerViews()
        self._is_compiled = is_compiled(module)
        self._armed: list[Any] = []
        self._handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        self._arm()

    @UNWARNED
    def end(self, reason: Reason) -> None:
        """Unhook everything and, if a training has started, say that it ended; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        for handle in self._handles:
            handle.remove()
        self._disarm()
        if self._trace is not None and _get_current_function_mode() is self._trace:
            _pop_mode()  # Ctrl-C in a forward: PyTorch calls hooks after an Exception, and this is none
        self._trace = self._calls = self._present = None
        self._holders = {}
        if self._started:
            self._hooks.emit(TrainingEnded(self.steps, reason))

    def _arm(self) -> None:
        """Hook the module, from the end of one step on, for the forward of the next."""
        if not self._armed and getattr(self._module, "_compiled_call_impl", None) is None:
            self._armed = [
                self._module.register_forward_pre_hook(_ForwardHook(self._before_forward), with_kwargs=True),
                self._module.register_forward_hook(_ForwardHook(self._after_forward), always_call=True),
            ]

    def _disarm(self) -> None:
        for handle in self._armed:
            handle.remove()
        self._armed = []

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's own
        """Watch a forward pass that gradients will come of: the first of its step; count samples until there is one.

        What runs inside a `torch.func` transform, as `vmap`, has tensors without values that could be looked at.
        """
        if not (module.training and torch.is_grad_enabled()) or self._trace is not None or _is_transforming():
            return
        inputs = ops.tensors_in((args, kwargs))
        if not self._started and inputs and inputs[0].ndim:
            self._samples += len(inputs[0])
        if self._calls is None and not self._is_compiled:
            self._names = self._network.names
            self._trace = Trace(self._names.by_identity, self._names.buffers)
            self._trace.__enter__()

    def _after_forward(self, _: nn.Module, __: Any, outputs: Any) -> None:  # noqa: ANN401 - torch's own
        """Send what was seen, or keep it until the training has started."""
        trace, self._trace = self._trace, None
        if trace is None:
            return
        trace.__exit__(None, None, None)
        if outputs is None or trace.failed is not None:
            return  # the forward failed, or something in it cannot be followed
        calls = trace.finish((), outputs)
        if not self._started:
            self._network.compare(calls, self._names, trace.used)
        self._network.learn_layers(calls, self._names)
        self._calls = self._network.sort(calls, self._names)
        if self._started:
            self._send_forward()
            self._disarm()

    def _send_forward(self) -> None:
        """Send the forward of the step to come, and let its tensors go."""
        due = self._hooks.due(self.steps + 1)
        if self._calls and due is not None and due.wants(LayerForward):
            self._network.emit_forward(self._calls, due.emit, self.steps + 1, "training")
        self._calls = {}

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - torch's own
        """Show the gradients of a wanted step; where a closure computes them, once it has."""
        if (self._started and self.steps + 1 != self._hooks.wanted) or not self._counts(optimizer):
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._show_gradients(optimizer)
            return None

        def show_afterwards() -> Any:  # noqa: ANN401 - whatever the closure gives
            loss = closure()
            if self._present is None:
                self._show_gradients(optimizer)
                if self._present is not None:
                    self._present.loss = _as_number(loss)
            return loss

        return ((args[0], show_afterwards), {}) if len(args) > 1 else (args, kwargs | {"closure": show_afterwards})

    @UNWARNED
    def _show_gradients(self, optimizer: Optimizer) -> None:
        """Start the training if this is its first step; keep the parameters to tell the update afterwards."""
        if not self._started:
            self._start(optimizer)
        due = self._hooks.due(self.steps + 1)
        if due is None or _skips(optimizer):
            return
        shown = self._shown(optimizer)
        parameters = self._network.watched_parameters(shown)
        layers = self._network.chosen_layers(shown)
        if due.wants(GradientsReady):
            scale = getattr(optimizer, "grad_scale", None)
            gradients = {name: _gradient(each, scale) for name, each in parameters.items()}
            due.emit(GradientsReady(self.steps + 1, layer_arrays(layers, gradients)))
        self._present = _Step(due, layers, parameters)
        if due.wants(StepEnded):
            self._copy(parameters)

    def _copy(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Copy parameters into memory that is kept: to ask for as much at every wanted step takes longer."""
        for name, each in parameters.items():
            own = self._updates.get(name)
            if own is None or (own.shape, own.dtype, own.device) != (each.shape, each.dtype, each.device):
                self._updates[name] = each.detach().clone()
            else:
                own.copy_(each.detach())

    def _after_step(self, optimizer: Optimizer, _: Any, __: Any) -> None:  # noqa: ANN401 - torch's own
        """Count a step; show the update of a wanted one, and get ready if the next is wanted too."""
        if not self._counts(optimizer) or _skips(optimizer):
            return
        present, self._present = self._present, None
        self.steps += 1
        if present is not None and present.due.wants(StepEnded):
            self._show_update(present, optimizer)
        if self.steps >= self._hooks.wanted:
            self._hooks.passed(self.steps)
        self._calls = None
        if self._hooks.wanted == self.steps + 1:
            self._arm()
        elif self._armed:
            self._disarm()

    @UNWARNED
    def _show_update(self, present: "_Step", optimizer: Optimizer) -> None:
        """Subtract what the parameters were, and send what that gives."""
        for name, after in present.parameters.items():
            own = self._updates[name]
            if own.shape == after.shape and own.device == after.device:
                torch.sub(after.detach(), own, out=own)
            else:
                self._updates[name] = torch.zeros_like(after)  # it has got other data
        present.due.emit(
            StepEnded(
                step=self.steps,
                loss=present.loss,
                clip_factor=1.0,
                learning_rate=self._learning_rate(optimizer),
                updates=self._views_of_updates.of(present.layers, self._updates),
                parameters=self._views.of(present.layers, present.parameters),
            )
        )

    def _start(self, optimizer: Optimizer) -> None:
        """Say that a training starts: before its first update, when batch size and optimizer are known."""
        self._started = True
        self._network.learn_from_modules()
        held = {id(each) for one in self._optimizers or (optimizer,) for each in _parameters_of(one)}
        unheld = self._network.layers_with(lambda each: each.requires_grad) - self._network.layers_with(
            lambda each: id(each) in held
        )
        names = tuple(info.name for info in self._network.layers if info.name in unheld)
        self._hooks.emit(
            TrainingStarted(
                0,
                self._total_steps,
                max(self._samples, 1),
                unheld=names,
                never_called=self._network.never_called,
            )
        )
        self._send_forward()

    def _counts(self, optimizer: Optimizer) -> bool:
        """Tell whether a step of this optimizer is one of the module's."""
        if self._optimizers:
            return any(optimizer is one for one in self._optimizers)
        known = self._holders.get(id(optimizer))
        groups = len(optimizer.param_groups)
        if known is None or known[1] != groups:
            own = {id(parameter) for parameter in self._network.module.parameters()}
            holds = any(id(parameter) in own for parameter in _parameters_of(optimizer))
            known = self._holders[id(optimizer)] = optimizer, groups, holds
        return known[2]

    def _shown(self, optimizer: Optimizer) -> set[str]:
        """Name the layers of which any parameter has ever had a gradient to get, but for those of other optimizers."""
        if len(self._trained) < len(self._network.layers):
            self._trained |= self._network.layers_with(lambda each: each.requires_grad)
        known = self._optimizers or [one for one, _, holds in self._holders.values() if holds]
        others = [one for one in known if one is not optimizer]
        if not others:
            return self._trained
        own = {id(each) for each in _parameters_of(optimizer)}
        elsewhere = {id(each) for one in others for each in _parameters_of(one)} - own
        moved_by_others = self._network.layers_with(lambda each: id(each) in elsewhere)
        return self._trained - (moved_by_others - self._network.layers_with(lambda each: id(each) in own))

    def _learning_rate(self, optimizer: Optimizer) -> float:
        """Give the least rate of the groups that hold parameters of the module: no rule may take it for too large.

        It is not a number where the optimizer, as one of the user's own, knows none.
        """
        own = self._network.latest_names.by_identity
        groups = [group for group in optimizer.param_groups if any(id(each) in own for each in group["params"])]
        rates = [float(group["lr"]) for group in groups if "lr" in group]
        return min(rates, default=math.nan)


@dataclass(slots=True)
class _Step:
    """A wanted step under way: who wants it, the layers and parameters it trains, its loss where a closure told."""

    due: Due
    layers: Sequence[Layer]
    parameters: Mapping[str, torch.Tensor]
    loss: float | None = None


class _ForwardHook:
    """A method hooked to the user's module; copies of the module, and pickles of it, get one that does nothing."""

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __call__(self, *args: Any) -> None:  # noqa: ANN401 - what PyTorch gives a hook
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


def _is_transforming() -> bool:
    """Tell whether a transform of `torch.func` is under way."""
    return torch._C._functorch.peek_interpreter_stack() is not None  # noqa: SLF001 - nothing public tells


def _skips(optimizer: Optimizer) -> bool:
    """Tell whether a step is one that a fused optimizer leaves out under a GradScaler; others are not even asked to."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and float(found_inf) > 0.0


def _parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _gradient(parameter: torch.Tensor, scale: Any) -> torch.Tensor:  # noqa: ANN401 - a tensor or None
    """Give a parameter's gradient, without the factor that a GradScaler has left on it; zeros where it has none."""
    gradient = parameter.grad
    if gradient is None:
        return torch.zeros_like(parameter)
    gradient = gradient.detach()
    gradient = gradient.to_dense() if gradient.is_sparse else gradient
    return gradient if scale is None else gradient / scale


def _as_number(loss: Any) -> float | None:  # noqa: ANN401 - whatever a closure gives
    """Give a closure's loss as a number; None if it is none."""
    if isinstance(loss, torch.Tensor):
        return float(loss.detach()) if loss.numel() == 1 else None
    return float(loss) if isinstance(loss, int | float) else None
