"""Which tensors hold what an operation gave, on its way to an activation: followed from function to function.

A normalisation, dropout, pooling, a reshape or a transposition passes it on, and so does one sum, as of a residual
block. Everything else is another way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call, Seen


@dataclass(slots=True, eq=False)
class Invocation:
    """A function that is called: its family's name, itself, its arguments and the first tensor that it gives.

    Attributes:
        given: All tensors among the arguments.
    """

    name: str
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    result: torch.Tensor
    given: list[torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.given = ops.tensors_in((*self.args, self.kwargs) if self.kwargs else self.args)

    def argument(self, place: int, names: Sequence[str]) -> Any:  # noqa: ANN401 - whatever a function is given
        """Give an argument by its place, or by the first of these names that there is; None where there is none."""
        if len(self.args) > place:
            return self.args[place]
        return next((self.kwargs[name] for name in names if name in self.kwargs), None)

    @property
    def others(self) -> list[torch.Tensor]:
        """Those behind the first argument."""
        if self.args and isinstance(self.args[0], torch.Tensor):
            return self.given[1:]
        return ops.tensors_in((self.args[1:], self.kwargs))


@dataclass(frozen=True, slots=True)
class Open:
    """A result on its way to an activation, as it is in one tensor.

    Attributes:
        call: Whose.
        axis: Where its units are now, from behind.
        shape: The one to go back to where a reshape has merged the units with something else; they are at `axis` there.
        sums: How many sums it went through.
    """

    call: Call
    axis: int
    shape: tuple[int, ...] | None = None
    sums: int = 0


@dataclass(slots=True)
class Flow:
    """What is known of every tensor, by identity; they are kept, so that no identity comes twice.

    Attributes:
        parameters: Those of the module, by identity.
        constants: Identities of its buffers, and of what is computed of these alone.
    """

    parameters: Mapping[int, torch.nn.Parameter]
    constants: set[int] = field(default_factory=set)
    _opens: dict[int, tuple[Open, ...]] = field(default_factory=dict)
    _sources: dict[int, torch.nn.Parameter] = field(default_factory=dict)
    _same: dict[int, int] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def opens(self, tensors: Sequence[torch.Tensor]) -> tuple[Open, ...]:
        """Give what is on its way in any of these tensors."""
        found: tuple[Open, ...] = ()
        for tensor in tensors:
            found += self._opens.get(id(tensor), ())
        return found

    def put(self, tensor: torch.Tensor, opens: tuple[Open, ...]) -> None:
        """Say what is on its way in a tensor, which may have held something else before."""
        if opens:
            self._opens[id(tensor)] = opens
        else:
            self._opens.pop(id(tensor), None)

    def keep(self, *values: Any) -> None:  # noqa: ANN401 - as above
        """Keep tensors."""
        self._kept.append(values)

    def root(self, tensor: torch.Tensor) -> int:
        """Give the identity of the tensor that this one has the values of, in eval mode, as behind a dropout."""
        return self._same.get(id(tensor), id(tensor))

    def source(self, tensor: torch.Tensor) -> torch.nn.Parameter | None:
        """Give the parameter that a tensor is, or is computed from."""
        known = self.parameters.get(id(tensor))
        return self._sources.get(id(tensor)) if known is None else known

    def sources(self, tensors: Sequence[torch.Tensor]) -> list[torch.nn.Parameter]:
        """Give the parameters that tensors are, or are computed from, each once."""
        found = [self.source(tensor) for tensor in tensors]
        return list({id(each): each for each in found if each is not None}.values())

    def derive(self, given: Sequence[torch.Tensor], result: torch.Tensor) -> bool:
        """Tell whether a result is computed from parameters and buffers alone, as a normalised weight is.

        It then counts as the largest of the parameters, and as a constant where there is none.
        """
        sources = []
        for tensor in given:
            if id(tensor) not in self.constants:
                source = self.source(tensor)
                if source is None:
                    return False
                sources.append(source)
        if not given:
            return False
        if sources:
            self._sources[id(result)] = max(sources, key=torch.Tensor.numel)
        else:
            self.constants.add(id(result))
        self.keep(result)
        return True

    def pass_on(self, made: Invocation) -> tuple[Open, ...] | None:
        """Give what is on its way in the result of a function that only passes on; None if it does more."""
        first = made.args[0] if made.args else None
        if isinstance(first, torch.Tensor) and _changes_nothing(made, first):
            self._same[id(made.result)] = self.root(first)
            return self.opens([first])
        opens = self.opens(made.given)
        for each in opens:
            each.call.altered = True
        if made.name in ops.SUMS:
            return self._sum(made)
        if not isinstance(first, torch.Tensor) or (made.name in ops.SCALINGS and made.others):
            return None
        return self._change(made, first, self.opens([first]))

    def _change(self, made: Invocation, first: torch.Tensor, opens: tuple[Open, ...]) -> tuple[Open, ...] | None:
        """Give what is on its way behind a function of one tensor."""
        if made.name in ops.RESHAPES:
            return tuple(_reshaped(each, first, made.result) for each in opens)
        if made.name in ops.SCALINGS | ops.COPIES:
            return opens
        if any(each.shape is not None for each in opens):
            return None  # units that share an axis with something else: no telling where they go
        if made.name in ops.NORMS:
            for each in opens:
                each.call.normalised = True
            return opens
        if made.name in ops.TRANSPOSITIONS:
            axes = [ops.moved_axis(made.function, made.args, made.kwargs, each.axis) for each in opens]
            moved = [replace(each, axis=axis) for each, axis in zip(opens, axes, strict=True) if axis is not None]
            return tuple(moved) if len(moved) == len(opens) else None
        return opens if "pool" in made.name else None

    def _sum(self, made: Invocation) -> tuple[Open, ...] | None:
        """Pass on what is summed: with a parameter, as a bias, as often as need be, with anything else once."""
        passed: list[Open] = []
        given = made.given
        biases = [tensor for tensor in given if self.source(tensor) is not None]
        constants = [tensor for tensor in given if id(tensor) in self.constants]
        is_residual = len(given) > len(biases) + len(constants) + 1
        for tensor in given:
            for each in self._opens.get(id(tensor), ()):
                if tensor.shape != made.result.shape or (is_residual and each.sums):
                    return None
                call = each.call
                if biases and call.layout == "matmul" and call.result.tensor is tensor and tensor is not made.result:
                    call.parameters += self.sources(biases)
                    call.result = Seen(made.result, call.result.axis, call.result.edge and edge_of(made.result))
                passed.append(replace(each, sums=each.sums + is_residual))
        return tuple(passed)


def edge_of(tensor: torch.Tensor) -> torch.autograd.graph.GradientEdge | None:
    """Give where a tensor's gradient arrives, whatever is written over it later; None where none does."""
    return torch.autograd.graph.get_gradient_edge(tensor) if tensor.requires_grad else None


def _changes_nothing(made: Invocation, first: torch.Tensor) -> bool:
    """Tell whether, in eval mode, the result has the values of the first argument, in the same places."""
    if made.name in ops.RESHAPES | ops.COPIES:
        return bool(first.shape == made.result.shape and first.dtype == made.result.dtype)
    return made.name in ops.DROPOUTS


def _reshaped(each: Open, before: torch.Tensor, after: torch.Tensor) -> Open:
    if each.shape is not None:
        return each
    axis = ops.reshaped_axis(before.shape, after.shape, each.axis)
    return replace(each, shape=tuple(before.shape)) if axis is None else replace(each, axis=axis)
