"""Seeing a model's layers at work during one frozen pass, whatever kind of model it is.

Keras has no hooks. For the time of the pass, `call` and `activation` of the layers at hand are replaced, on these
instances only, by functions that look at what goes through, and put back whatever happens. Which activation follows a
layer is told by the very tensors: the one that it gave is the one that the activation gets.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

from gradvitals.diagnostics.adapters import keras_kinds as kinds
from gradvitals.diagnostics.adapters.keras_backend import Tensor
from gradvitals.diagnostics.adapters.keras_gradients import Meet


@dataclass(slots=True, eq=False)
class Call:
    """One call of an operation with a weight; tensors are places in the trace's list.

    Attributes:
        layer: The layer's name.
        kind: What it is.
        inputs: What it read.
        before: Its pre-activations; None where only the outputs can be seen.
        outputs: The outputs, of the activation that follows if one does.
        activation: That activation.
        normalised: Whether there is a normalisation between the two.
        apply: The activation, to be applied to other pre-activations.
    """

    layer: str
    kind: kinds.Weighted
    inputs: int
    before: int | None = None
    outputs: int | None = None
    activation: str = "linear"
    normalised: bool = False
    apply: Callable[[Tensor], Tensor] | None = None


@dataclass(slots=True)
class Trace:
    """What one pass showed.

    Attributes:
        names: The names of the layers, by identity.
        meet: Is shown pre-activations and outputs.
        tensors: All that was seen.
        calls: In order.
        met: For every tensor met, its place among `tensors`.
    """

    names: Mapping[int, str]
    meet: Meet
    tensors: list[Tensor] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    met: list[int] = field(default_factory=list)
    _open: dict[int, Call] = field(default_factory=dict)

    @contextmanager
    def watching(self, model: Any) -> Iterator[None]:  # noqa: ANN401 - Keras has no types for us
        """Look at the layers of a model."""
        with ExitStack() as stack:
            for layer in operations_of(model):
                self._attach(layer, stack)
            yield

    def keep(self, tensor: Tensor) -> int:
        """Keep a tensor, and give its place."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def source(self, tensor: Tensor) -> Call | None:
        """Give the call whose outputs a tensor is."""
        known = (call for call in self.calls if call.outputs is not None)
        return next((call for call in known if self.tensors[call.outputs] is tensor), None)  # type: ignore[index]

    def _attach(self, layer: Any, stack: ExitStack) -> None:  # noqa: ANN401 - a layer
        kind = kinds.weighted(layer) if id(layer) in self.names else None
        activation = kinds.activation_of(layer)
        original = layer.call
        if kind is not None:
            _replace(layer, "call", lambda *args, **kwargs: self._call(layer, kind, original, args, kwargs), stack)
        elif activation is not None:
            _replace(layer, "call", lambda *args, **kwargs: self._activate(activation, original, args, kwargs), stack)
        elif kinds.passes_units_on(layer):
            normalises = kinds.is_normalisation(layer)
            _replace(layer, "call", lambda *args, **kwargs: self._pass(normalises, original, args, kwargs), stack)

    def _call(self, layer: Any, kind: kinds.Weighted, original: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - a layer's own
        call = Call(self.names[id(layer)], kind, self.keep(_first(args, kwargs)), activation=kind.activation)
        if kind.fused or getattr(layer, "activation", None) is None:
            result = self._meet(_first_tensor(made := original(*args, **kwargs)))
            call.outputs = len(self.tensors) - 1
            call.before = None if kind.fused else call.outputs
            self._add(call, result)
            return _with_first(made, result)
        own = layer.activation

        def activate(before: Tensor) -> Tensor:
            before = self._meet(before)
            call.before = call.outputs = len(self.tensors) - 1
            call.activation = kinds.function_name(own)
            if call.activation == "linear":
                return before
            call.apply = own
            result = self._meet(own(before))
            call.outputs = len(self.tensors) - 1
            return result

        with ExitStack() as stack:
            _replace(layer, "activation", activate, stack)
            result = original(*args, **kwargs)
        self._add(call, result)
        return result

    def _add(self, call: Call, result: Tensor) -> None:
        self.calls.append(call)
        if call.activation == "linear":
            self._open[id(result)] = call

    def _activate(self, activation: str, original: Any, args: Any, kwargs: Any) -> Tensor:  # noqa: ANN401 - as above
        call = self._open.pop(id(_first(args, kwargs)), None)
        result = original(*args, **kwargs)
        if call is None or activation == "linear":
            if call is not None:
                self._open[id(result)] = call
            return result
        result = self._meet(result)
        call.activation, call.apply, call.outputs = activation, original, len(self.tensors) - 1
        return result

    def _pass(self, normalises: bool, original: Any, args: Any, kwargs: Any) -> Tensor:  # noqa: ANN401, FBT001 - as above
        call = self._open.get(id(_first(args, kwargs)))
        result = original(*args, **kwargs)
        if call is not None:
            call.normalised = call.normalised or normalises
            self.keep(result)  # so that its identity stays its own
            self._open[id(result)] = call
        return result

    def _meet(self, tensor: Tensor) -> Tensor:
        tensor = self.meet(tensor)
        self.met.append(self.keep(tensor))
        return tensor


def operations_of(model: Any) -> list[Any]:  # noqa: ANN401 - as above
    """List what a model is made of, at any depth, but for the parts of layers that hide theirs; each once."""
    found: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        each = waiting.pop(0)
        if id(each) in found:
            continue
        found[id(each)] = each
        if isinstance(each, keras.Layer) and not kinds.hides_its_parts(each):
            waiting = [*parts_of(each), *waiting]
    return [each for each in found.values() if each is not model]


def layers_of(model: Any) -> list[Any]:  # noqa: ANN401 - as above
    """List the layers among them."""
    return [each for each in operations_of(model) if isinstance(each, keras.Layer)]


def parts_of(layer: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Give the parts of a layer; of a functional graph the operations that are no layers too."""
    parts = list(getattr(layer, "_layers", ()))
    if isinstance(layer, keras.Model):
        parts += [each for each in getattr(layer, "operations", ()) if not isinstance(each, keras.Layer)]
    return parts


def layer_names(model: Any) -> dict[int, str]:  # noqa: ANN401 - as above
    """Name the layers with a weight by their paths in the model: names of those around them, then their own."""
    names: dict[int, str] = {}
    taken: set[str] = set()

    def visit(layer: Any, path: str) -> None:  # noqa: ANN401 - as above
        for part in parts_of(layer):
            own = f"{path}{part.name}"
            if isinstance(part, keras.Layer) and id(part) not in names:
                if kinds.weighted(part) is not None:
                    names[id(part)] = _unused(_as_tag(own), taken)
                if not kinds.hides_its_parts(part):
                    visit(part, f"{own}/")

    visit(model, "")
    return names


def _as_tag(name: str) -> str:
    """Replace what a tag must not have."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-/_.=+,") else "_" for letter in name)


def _unused(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free


def _replace(layer: Any, name: str, function: Any, stack: ExitStack) -> None:  # noqa: ANN401 - as above
    """Put a function in an attribute's place, past what Keras does when attributes are set."""
    own = vars(layer)
    if name in own:
        stack.callback(own.__setitem__, name, own[name])
    else:
        stack.callback(own.pop, name, None)
    own[name] = function


def _first(args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - as above
    given = args[0] if args else next(iter(kwargs.values()))
    return _first_tensor(given)


def _first_tensor(values: Any) -> Any:  # noqa: ANN401 - as above
    return values[0] if isinstance(values, tuple | list) else values


def _with_first(values: Any, first: Tensor) -> Any:  # noqa: ANN401 - as above
    return type(values)([first, *values[1:]]) if isinstance(values, tuple | list) else first
