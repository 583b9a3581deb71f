"""What a forward pass does, seen from inside: every operation with parameters, and the activation that consumes it.

A `TorchFunctionMode` sees all functions in the order of their calls, whoever calls them: `nn.ReLU`, `F.relu` and
`x.relu_()` alike. Parameters are known by identity, outputs are followed from tensor to tensor.

The activation of an operation is one that *all* of its output goes through, and nothing else does (see `torch_flow`).
Where a part of the output goes another way (a skip connection around the activation, a gate), a silent unit is not
silent: the layer counts as linear.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call, Seen
from gradvitals.diagnostics.adapters.torch_flow import Flow, Invocation, Open, edge_of
from gradvitals.diagnostics.adapters.torch_repeat import Made, Pattern, Repeat


class Trace(TorchFunctionMode):  # type: ignore[misc]  # torch has no types for us
    """Records the calls of one forward pass; use it in a `with` block around it.

    Attributes:
        calls: In the order they were made.
        used: Identities of all parameters that any function was given.
        is_chain: Whether every call reads all outputs of the one before, the first the inputs, and the last gives the
            module's outputs; known once it is finished.
        failed: What went wrong while taking note of something; the calls are then not to be trusted.
        made: Every function that was called; None where the pass cannot be known again by them, and where nobody asks.
    """

    def __init__(
        self,
        parameters: Mapping[int, torch.nn.Parameter],
        buffers: AbstractSet[int] = frozenset(),
        *,
        gradients: bool = False,
        remember: bool = False,
        pattern: Pattern | None = None,
    ) -> None:
        """Know the parameters.

        Args:
            parameters: Those of the module, by identity.
            buffers: Identities of its buffers.
            gradients: Whether gradients will be asked for: what is overwritten is copied before, and results of frozen
                parameters get a gradient too.
            remember: Whether to keep what was made.
            pattern: What the pass may be a repetition of; it is followed only once it is none.
        """
        super().__init__()
        self.calls: list[Call] = []
        self.used: set[int] = set()
        self.is_chain = False
        self.failed: Exception | None = None
        self.made: list[Made] | None = [] if remember else None
        self._repeat = None if pattern is None else Repeat(pattern)
        self._is_over = False
        self._gradients = gradients
        self._flow = Flow(parameters, set(buffers))
        self._seen: list[Seen] = []
        self._by_storage: dict[int, list[Seen]] = {}

    def __exit__(self, *raised: object) -> None:
        """See nothing from here on: of two traces, entered one after the other, each ends the other's mode."""
        self._is_over = True
        super().__exit__(*raised)

    def finish(self, inputs: Any, outputs: Any) -> list[Call]:  # noqa: ANN401 - of any module
        """Take note of what the module was given and gave, and give the calls with all that is now known of them."""
        for each in self._flow.opens(ops.tensors_in(outputs)):
            each.call.forked = each.call.forked or each.call.outputs is not None
        for call in self.calls:
            if call.forked or call.outputs is None:
                call.outputs, call.apply = call.result, None
                call.activation = call.activation if call.layout == "fused" else "linear"
        before = [id(tensor) for tensor in ops.tensors_in(inputs)]
        self.is_chain = bool(self.calls)
        for call in self.calls:
            self.is_chain = self.is_chain and self._flow.root(call.inputs.tensor) in before
            before = [self._flow.root((call.outputs or call.result).tensor)]
        self.is_chain = self.is_chain and [self._flow.root(tensor) for tensor in ops.tensors_in(outputs)] == before
        return self.calls

    def repeated(self, outputs: Any) -> dict[str, list[Call]] | None:  # noqa: ANN401 - of any module
        """Give the calls of a pass that did what its pattern says, by layer; None of another one, to be finished."""
        if self._repeat is not None and self._repeat.is_whole(outputs):
            return self._repeat.calls()
        self._catch_up()
        return None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's own
        args: Any = (),  # noqa: ANN401 - as above
        kwargs: Any = None,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - whatever the function gives
        """Call the function, and take note of what that means."""
        del types
        if ops.is_question(func) or self._is_over or torch.compiler.is_compiling():  # what is compiled is not seen
            return func(*args, **(kwargs or {}))
        kwargs = kwargs or {}
        if self._repeat is not None:
            if self._repeat.expects(func, args, kwargs):
                result = func(*args, **kwargs)
                if not self._repeat.take(Made.of(func, args, kwargs, result)):
                    self._catch_up()
                return result
            self._catch_up()
        if "out" in kwargs or ops.works_in_place(func, kwargs):
            self.made = None
            if "out" not in kwargs and ops.name_of(func) not in ops.ASIDE:
                self._keep_what_is_overwritten(args)
        return self._follow_on(func, args, kwargs, func(*args, **kwargs))

    def _catch_up(self) -> None:
        """Follow a pass that goes another way than the one before from its beginning; none of it was in place."""
        repeat, self._repeat = self._repeat, None
        if repeat is None:
            return
        for made in repeat.made:
            self._follow_on(*made)
        versions = repeat.versions
        for seen in [each for call in self.calls for each in (call.inputs, call.result, call.outputs) if each]:
            seen.version = versions.get(id(seen.tensor), seen.version)

    def _follow_on(self, func: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:  # noqa: ANN401
        """Take note of a function that was called; give its result, or one like it."""
        if self.made is not None:
            self.made.append(Made.of(func, args, kwargs, result))
        name = ops.name_of(func)
        if name == "__get__" or name in ops.ASIDE:
            if name == "__get__" and isinstance(result, torch.Tensor):
                self._flow.derive(ops.tensors_in(args), result)
            return result
        tensors = ops.tensors_in(result)
        if not tensors:
            return result
        try:
            return self._note(Invocation(name, func, args, kwargs, tensors[0]), result)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user's forward must not fail of it
            self.failed = self.failed or error
            return result

    def _note(self, made: Invocation, result: Any) -> Any:  # noqa: ANN401 - whatever the function gave
        """Take note of a function called; give its result, or one like it that has a gradient."""
        for tensor in made.given:
            if id(tensor) in self._flow.parameters:
                self.used.add(id(tensor))
        self._flow.keep(made.args, made.kwargs, result)
        if not made.given or torch._C._functorch.is_batchedtensor(made.result):  # noqa: SLF001 - nothing public tells
            return result  # made of nothing, as zeros are, or inside `torch.vmap`, where tensors have no values
        call = self._as_call(made)
        if call is None:
            self._follow(made)
            return result
        for each in self._flow.opens(made.given):
            each.call.forked = True
        if self._gradients and isinstance(result, torch.Tensor) and _can_have_gradient(result):
            result = result.detach().requires_grad_().clone()  # of frozen parameters: as they pass gradients on
            self._flow.keep(result)
            call.result = self._see(result, call.result.axis)
        self.calls.append(call)
        self._flow.put(call.result.tensor, (Open(call, call.result.axis),) if call.shows_pre_activations else ())
        return result

    def _as_call(self, made: Invocation) -> Call | None:
        """Make a call of an operation with parameters; None if it is none."""
        if made.name in ops.FUSED:
            own = [tensor for tensor in made.given if self._flow.source(tensor) is not None]
            if not own:
                return None
            inputs, result = self._see(made.args[0], -1), self._see(made.result, -1)
            return Call(self._flow.sources(own), own[0], "fused", 1, inputs, result, ops.FUSED[made.name])
        if made.name not in ops.WEIGHTED:
            return None
        *places, layout, behind = ops.WEIGHTED[made.name]
        read, weight = (made.argument(*each) for each in zip(places, ops.NAMED, strict=True))
        if not isinstance(weight, torch.Tensor) or self._flow.source(weight) is None or weight.ndim < 2:
            return None
        if not isinstance(read, torch.Tensor) or self._flow.source(read) is not None:
            return None  # made of parameters alone
        groups = 1
        if layout == "transposed_convolution":
            groups = int(made.args[6] if len(made.args) > 6 else made.kwargs.get("groups", 1))
        parameters = self._flow.sources([weight, *made.given])
        return Call(parameters, weight, layout, groups, self._see(read, -behind), self._see(made.result, -behind))

    def _follow(self, made: Invocation) -> None:
        """Follow what is on its way through any other function."""
        if self._flow.derive(made.given, made.result):
            return
        activation = ops.activation_of(made.name, made.args, made.kwargs)
        if activation is not None:
            self._activate(activation, made)
            return
        passed = self._flow.pass_on(made)
        if passed is None:
            for each in self._flow.opens(made.given):
                each.call.forked = True
        self._flow.put(made.result, passed or ())

    def _activate(self, activation: str, made: Invocation) -> None:
        """Give everything on its way in the first argument this activation."""
        for each in self._flow.opens(made.others):
            each.call.forked = True
        for each in self._flow.opens(ops.tensors_in(made.args[:1])):
            call, result = each.call, made.result
            if activation in ops.OVER_UNITS and not _acts_along(each, made):
                call.forked = True
            elif call.outputs is not None:
                call.forked = call.forked or call.activation != activation
            else:
                call.activation = activation
                call.outputs = self._see(result if each.shape is None else result.reshape(each.shape), each.axis)
                call.outputs.edge = edge_of(result) if self._gradients else None
                call.apply = _Applied(made.function, tuple(made.args[1:]), dict(made.kwargs))
        self._flow.put(made.result, ())

    def _see(self, tensor: torch.Tensor, axis: int) -> Seen:
        seen = Seen(tensor, axis, edge_of(tensor) if self._gradients else None)
        self._seen.append(seen)
        return seen

    def _keep_what_is_overwritten(self, args: Sequence[Any]) -> None:
        """Copy what was seen of a tensor that is about to be written to; pre-activations only if they are asked for."""
        if not args or not isinstance(args[0], torch.Tensor):
            return
        while self._seen:
            one = self._seen.pop()
            self._by_storage.setdefault(_storage_of(one.tensor), []).append(one)
        if seen := self._by_storage.pop(_storage_of(args[0]), None):
            results = {id(call.result) for call in self.calls}
            for one in seen:
                if one.intact and (self._gradients or id(one) not in results):
                    one.keep()


@dataclass(frozen=True, slots=True)
class _Applied:
    """An activation with its settings."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, pre_activations: torch.Tensor) -> Any:  # noqa: ANN401 - a tensor
        return self.function(pre_activations, *self.args, **self.kwargs)


def _acts_along(each: Open, made: Invocation) -> bool:
    """Tell whether a softmax acts along the units."""
    dimension = ops.dimension_of(made.args, made.kwargs)
    if dimension is None or each.shape is not None:
        return False
    return each.axis == (dimension - made.result.ndim if dimension >= 0 else dimension)


def _can_have_gradient(result: torch.Tensor) -> bool:
    return result.is_floating_point() and not result.requires_grad and torch.is_grad_enabled()


def _storage_of(tensor: torch.Tensor) -> int:
    if tensor.layout is not torch.strided or torch._C._functorch.is_functorch_wrapped_tensor(tensor):  # noqa: SLF001
        return id(tensor)  # it has none, as inside `torch.func.grad`
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001
