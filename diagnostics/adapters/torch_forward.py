"""The forward passes of a user's training, watched from outside: the module is hooked for one pass at a time."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import _get_current_function_mode, _pop_mode

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_glance import Glance, are_finite
from gradvitals.diagnostics.adapters.torch_module_hooks import ModuleHook, is_compiled, is_transforming
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.diagnostics.adapters.torch_repeat import Pattern
from gradvitals.diagnostics.adapters.torch_trace import Trace
from gradvitals.diagnostics.guard import Guard

PATTERNS = 3
"""Passes remembered, none of which comes again, after which a module is taken to do something else every time."""


class ForwardWatch:
    """Watches the first forward pass of a step that gradients will come of, if it is armed for the step.

    Attributes:
        calls: Of the pass watched, by layer; None while there has been none.
        samples: Seen in all passes before the first step is taken.
        is_first: Whether the first step is yet to be taken.
        is_compiled: Whether the module is, so that nothing in its forward can be seen.
        times_armed: How often it was.
    """

    def __init__(
        self,
        network: TorchNetwork,
        module: nn.Module,
        seen: Callable[[], None],
        measured: Container[str] | None = None,
        *,
        guard: Guard,
        listen: Callable[[Any], bool] | None = None,
        read: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        """Hook the module for its first forward.

        Args:
            network: The module as the diagnostics see it.
            module: What the user calls: the network's module, or what `torch.compile` made of it.
            seen: Is called after a pass that was watched.
            measured: Activations whose outputs anybody measures: of a network without any, a glance at a pass does.
                All are, by default.
            guard: Is around what the hooks do.
            listen: Is given what the first passes watched returned, until it gives False.
            read: Is given the first tensor that goes into every pass watched.
        """
        self.calls: Mapping[str, Sequence[Call]] | None = None
        self.samples = 0
        self.is_first = True
        self._network, self._module, self._seen, self._measured = network, module, seen, measured
        self._guard, self._listen, self._read = guard, listen, read
        self._glance: Glance | None = None
        self._begins_finite = True
        self.is_compiled = is_compiled(module)
        self._trace: Trace | None = None
        self._pattern: Pattern | None = None
        self._patterns = 0
        self._hooks: list[Any] = []
        self.times_armed = 0
        self.arm()

    def arm(self) -> None:
        """Hook the module, if it is not yet."""
        if not self._hooks and getattr(self._module, "_compiled_call_impl", None) is None:
            self.times_armed += 1
            self._hooks = [
                self._module.register_forward_pre_hook(ModuleHook(self._guard.around(self._before)), with_kwargs=True),
                self._module.register_forward_hook(ModuleHook(self._guard.around(self._after)), always_call=True),
            ]

    def disarm(self) -> None:
        """Unhook the module."""
        for handle in self._hooks:
            handle.remove()
        self._hooks = []

    def stop(self) -> None:
        """Leave nothing behind, in the midst of a forward pass either."""
        self.disarm()
        if self._trace is not None and _get_current_function_mode() is self._trace:
            _pop_mode()  # Ctrl-C in a forward: PyTorch calls hooks after an Exception, and this is none
        self._trace = self.calls = self._pattern = self._glance = None

    def begin(self, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - whatever the module takes
        """Watch the pass that is about to begin, where it was armed too late for its hook to be called."""
        self._before(self._module, args, kwargs)

    def _before(self, module: nn.Module, args: Any, kwargs: Any = None) -> None:  # noqa: ANN401 - torch's own
        """Watch a pass that gradients will come of: the first of its step; count samples until there is a step.

        What runs inside a `torch.func` transform, as `vmap`, has tensors without values that could be looked at. A hook
        that was taken away by one called before it in the same pass is called without the keywords.
        """
        if kwargs is None:
            return
        if not (module.training and torch.is_grad_enabled()) or self._trace is not None or is_transforming():
            return
        if self.is_first and (inputs := ops.tensors_in((args, kwargs))) and inputs[0].ndim:
            self.samples += inputs[0].size(0)  # nested ones have no length
        if self.calls is not None or self.is_compiled:
            return
        if self._read is not None and (inputs := ops.tensors_in((args, kwargs))) and inputs[0].ndim:
            self._read(inputs[0])
        if self._glance is None and self._measured is not None and self._begins_finite and not self.is_first:
            self._glance = Glance(self._network, self._measured)
        if self._glance is not None and self._glance.suffices:
            self._glance.begin(args, kwargs)
        else:
            self._names = self._network.names
            if self._pattern is not None and self._pattern.names is not self._names:
                self._pattern = None
            self._trace = Trace(
                self._names.by_identity,
                self._names.buffers,
                remember=self._patterns < PATTERNS,
                pattern=None if self.is_first else self._pattern,
            )
            self._trace.__enter__()

    def _after(self, _: nn.Module, __: Any, outputs: Any) -> None:  # noqa: ANN401 - torch's own
        """Sort what was seen by layer."""
        trace, self._trace = self._trace, None
        if self._listen is not None and self._module.training and not self._listen(outputs):
            self._listen = None
        if trace is None:
            if self._glance is not None and (found := self._glance.end(outputs)) is not None:
                self.calls = found
                self._seen()
            return
        trace.__exit__(None, None, None)
        if outputs is None:
            return  # the forward failed
        calls: Mapping[str, Sequence[Call]] | None = trace.repeated(outputs)
        if trace.failed is not None:
            return  # something in it cannot be followed
        if calls is None:
            calls = self._follow(trace, outputs)
        else:
            self._patterns = 0
        self.calls = calls
        self._seen()

    def _follow(self, trace: Trace, outputs: Any) -> Mapping[str, Sequence[Call]]:  # noqa: ANN401 - of any module
        """Give the calls of a pass that was seen whole, by layer, and remember what it did."""
        calls = trace.finish((), outputs)
        if self.is_first:
            self._begins_finite = self._measured is None or are_finite(outputs)
            self._network.compare(calls, self._names, trace.used)
        self._network.learn_layers(calls, self._names)
        by_layer = self._network.sort(calls, self._names)
        if trace.made is not None:
            self._pattern, self._patterns = Pattern.of(self._names, trace.made, outputs, by_layer), self._patterns + 1
        return by_layer
