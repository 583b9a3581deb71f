"""A forward pass that does just what the one before did, so that it need not be followed anew.

That is told by its functions, in their order, and by what each is given and gives: the same parameters, buffers and
settings, and tensors of the same shapes that come from the same places. As soon as anything is otherwise, the pass is
followed from its first function on. One that writes in place, or whose functions take or give tensors deeper than in a
tuple or a list, is followed every time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from gradvitals.diagnostics.adapters.torch_calls import Call, Seen
from gradvitals.diagnostics.adapters.torch_layers import ParameterNames
from gradvitals.diagnostics.adapters.torch_ops import ATOMS, SEQUENCES


class Made(NamedTuple):
    """A function that was called, with what it was given and gave."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    result: Any

    @classmethod
    def of(cls, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> "Made":  # noqa: ANN401
        """Take note of a call; of lists as they are now: whoever called it may add to them."""
        if list in map(type, (*args, *kwargs.values(), result)):
            args, kwargs = [_as_it_is(each) for each in args], {name: _as_it_is(each) for name, each in kwargs.items()}
            result = _as_it_is(result)
        return cls(function, args, kwargs, result)


class _Fresh(NamedTuple):
    """Stands for a tensor that a pass has not met before."""

    shape: torch.Size
    dtype: torch.dtype


class _Met(NamedTuple):
    """Stands for a tensor that a pass has met, by its place among these."""

    place: int


class _Several(NamedTuple):
    """Stands for a tuple or a list, by what stands for its parts."""

    kind: type
    parts: Sequence[Any]


class _CallAgain(NamedTuple):
    """A call, and the places of the tensors in it."""

    call: Call
    inputs: int
    result: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a pass did.

    Attributes:
        names: The module's parameters as they were.
        steps: Its functions, with stand-ins for the tensors that are neither parameters nor buffers.
        outputs: The place of what the module gave.
        calls: Its calls by layer; of their tensors they hold only the parameters.
    """

    names: ParameterNames
    steps: Sequence[Made]
    outputs: int
    calls: Mapping[str, Sequence[_CallAgain]]

    @classmethod
    def of(
        cls,
        names: ParameterNames,
        made: Sequence[Made],
        outputs: Any,  # noqa: ANN401 - of any module
        calls: Mapping[str, Sequence[Call]],
    ) -> "Pattern | None":
        """Remember a pass in which nothing was written in place; None for one that is not to be told again."""
        places: dict[int, int] = {}
        steps = []
        for one in made:
            given = [*one.args, *one.kwargs.values(), one.result]
            known = [stand_in for each in given if (stand_in := _stand_in(each, names, places)) is not None]
            if len(known) < len(given):
                return None
            *values, result = [each for (each,) in known]
            named = dict(zip(one.kwargs, values[len(one.args) :], strict=True))
            steps.append(Made(one.function, values[: len(one.args)], named, result))
        again: dict[str, list[_CallAgain]] = {}
        for layer, own in calls.items():
            for call in own:
                tensors = call.inputs.tensor, call.result.tensor, (call.outputs or call.result).tensor
                found = [places[id(each)] for each in tensors if id(each) in places]
                if len(found) < len(tensors) or id(call.weight) not in names.by_identity:
                    return None
                again.setdefault(layer, []).append(_CallAgain(_without_tensors(call), *found))
        return cls(names, steps, places[id(outputs)], again) if id(outputs) in places else None


class Repeat:
    """A pass under way that has done, so far, what a pattern says.

    Attributes:
        made: Its functions so far.
        versions: The version of every tensor when the pass met it, by identity; until it goes another way, nothing
            changes.
    """

    def __init__(self, pattern: Pattern) -> None:
        self.made: list[Made] = []
        self._pattern = pattern
        self._tensors: list[torch.Tensor] = []
        self.versions: dict[int, int] = {}

    def expects(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Tell whether this function, with these arguments, comes next; ask before it is called."""
        if len(self.made) == len(self._pattern.steps):
            return False
        step = self._pattern.steps[len(self.made)]
        return (
            function == step.function  # a property's getter is made anew every time
            and len(args) == len(step.args)
            and list(kwargs) == list(step.kwargs)  # in this order, too, tensors get their places
            and all(map(self._is, args, step.args))
            and all(map(self._is, kwargs.values(), step.kwargs.values()))
        )

    def take(self, made: Made) -> bool:
        """Take note of the function expected; tell whether it gave what it should."""
        self.made.append(made)
        return self._is(made.result, self._pattern.steps[len(self.made) - 1].result)

    def is_whole(self, outputs: Any) -> bool:  # noqa: ANN401 - of any module
        """Tell whether the pass has done all that the pattern says, and gave the same."""
        return len(self.made) == len(self._pattern.steps) and outputs is self._tensors[self._pattern.outputs]

    def calls(self) -> dict[str, list[Call]]:
        """Give the calls of a whole pass, by layer."""
        return {layer: [self._again(each) for each in own] for layer, own in self._pattern.calls.items()}

    def _is(self, each: Any, wanted: Any) -> bool:  # noqa: ANN401 - whatever a function is given
        kind = type(wanted)
        if kind is _Met:
            known = self._tensors[wanted.place]
            return each is known and known._version == self.versions[id(known)]  # noqa: SLF001 - as of `Seen`
        if kind is _Several:
            same = type(each) is wanted.kind and len(each) == len(wanted.parts)
            return same and all(map(self._is, each, wanted.parts))
        if kind is not _Fresh:
            return each is wanted or (_is_setting(each) and _types(each) == _types(wanted) and each == wanted)
        if not _is_plain(each) or each.shape != wanted.shape or each.dtype is not wanted.dtype:
            return False
        if each.is_inference() or id(each) in self._pattern.names.buffers or id(each) in self.versions:
            return False
        self._tensors.append(each)
        self.versions[id(each)] = each._version  # noqa: SLF001 - as of `Seen`
        return True

    def _again(self, one: _CallAgain) -> Call:
        call = one.call
        inputs, result = self._seen(one.inputs, call.inputs.axis), self._seen(one.result, call.result.axis)
        outputs = result if one.outputs == one.result else self._seen(one.outputs, (call.outputs or result).axis)
        return Call(
            call.parameters,
            call.weight,
            call.layout,
            call.groups,
            inputs,
            result,
            call.activation,
            outputs,
            None,
            call.altered,
            call.normalised,
            call.forked,
        )

    def _seen(self, place: int, axis: int) -> Seen:
        """Give a tensor as it was when the pass met it."""
        tensor = self._tensors[place]
        seen = Seen(tensor, axis)
        seen.version = self.versions[id(tensor)]
        return seen


def _stand_in(each: Any, names: ParameterNames, places: dict[int, int]) -> tuple[Any] | None:  # noqa: ANN401 - as above
    """Give what is remembered of an argument or a result, in a tuple; None where it cannot be told again."""
    if type(each) in SEQUENCES and not _is_setting(each):
        known = [_stand_in(part, names, places) for part in each if type(part) not in SEQUENCES]
        parts = [stand_in for one in known if one is not None for stand_in in one]
        return (_Several(type(each), parts),) if len(parts) == len(each) else None
    if _is_setting(each) or id(each) in names.by_identity or id(each) in names.buffers:
        return (each,)
    if not _is_plain(each):
        return None
    if id(each) in places:
        return (_Met(places[id(each)]),)
    places[id(each)] = len(places)
    return (_Fresh(each.shape, each.dtype),)


def _as_it_is(each: Any) -> Any:  # noqa: ANN401 - as above
    return list(each) if type(each) is list else each


def _is_plain(each: Any) -> bool:  # noqa: ANN401 - as above
    return type(each) is torch.Tensor and not each.is_nested  # which has no shape


def _is_setting(each: Any) -> bool:  # noqa: ANN401 - as above
    kind = type(each)
    return (
        kind in ATOMS or each is ... or (kind in {tuple, slice} and all(type(part) in ATOMS for part in _parts(each)))
    )


def _types(setting: Any) -> list[type]:  # noqa: ANN401 - as above
    return [type(setting), *map(type, _parts(setting))]


def _parts(setting: Any) -> Sequence[Any]:  # noqa: ANN401 - as above
    if type(setting) is slice:
        return setting.start, setting.stop, setting.step
    return setting if isinstance(setting, tuple) else ()


def _without_tensors(call: Call) -> Call:
    nothing = torch.empty(0)
    inputs, result = Seen(nothing, call.inputs.axis), Seen(nothing, call.result.axis)
    outputs = None if call.outputs is None else Seen(nothing, call.outputs.axis)
    return replace(call, inputs=inputs, result=result, outputs=outputs, apply=None)
