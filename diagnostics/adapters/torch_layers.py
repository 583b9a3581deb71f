"""The layers of a module: its operations with parameters, named by module path, and how their parameters are laid out.

A parameter is found anew by its name whenever it is asked for: modules may be replaced between two steps.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import is_, methodcaller
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_arrays import as_layer_array
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.engine.events import LayerArrays, LayerInfo

PARAMETRIZED = ".parametrizations."
"""Stands, in a parameter's name, between the module and what its weight is computed from."""

UNKNOWN = "unknown"
"""The activation of a layer that nobody has seen run."""

MIXED = "mixed"
"""The activation of a layer that is called several times, with different ones."""

KEYS, VALUES = methodcaller("keys"), methodcaller("values")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a module.

    Attributes:
        info: Name, activation and sizes.
        parameters: Full names in the module, by what they are to the layer: `weight`, `bias`, …
        layout: Of the weight, as of `as_layer_array`.
        groups: Of a convolution.
    """

    info: LayerInfo
    parameters: Mapping[str, str]
    layout: str
    groups: int

    def with_only(self, full_names: Container[str]) -> "Layer | None":
        """Give the layer without its other parameters; None if nothing is left of it."""
        left = {what: full for what, full in self.parameters.items() if full in full_names}
        return replace(self, parameters=MappingProxyType(left)) if left else None


class ParameterNames:
    """The parameters of a module as they are now, by name and by identity; all names of a shared one are known.

    Attributes:
        by_name: Every parameter by its full name.
        by_identity: Every parameter by its identity.
        buffers: Identities of the module's buffers.
    """

    def __init__(self, module: nn.Module) -> None:
        self.by_name: dict[str, nn.Parameter] = dict(module.named_parameters(remove_duplicate=False))
        self.by_identity: dict[int, nn.Parameter] = {id(each): each for each in self.by_name.values()}
        self._kinds = {path: type(part).__name__.lower() for path, part in module.named_modules(remove_duplicate=False)}
        self._names: dict[int, list[str]] = {}
        for name, parameter in self.by_name.items():
            self._names.setdefault(id(parameter), []).append(name)
        self.buffers = frozenset(map(id, module.buffers()))
        self._tables: list[Mapping[str, Any]] = [
            table
            for part in module.modules()
            for table in (part._parameters, part._buffers, part._modules)  # noqa: SLF001 - the only quick way
        ]
        self._sizes = list(map(len, self._tables))
        self._keys = list(chain.from_iterable(map(KEYS, self._tables)))
        self._parts = list(chain.from_iterable(map(VALUES, self._tables)))
        self._sorted: tuple[list[tuple[int, str]], list[str]] = [], []

    @property
    def are_current(self) -> bool:
        """Whether no module, parameter or buffer has been replaced since; far quicker than to name them anew."""
        return (
            list(map(len, self._tables)) == self._sizes
            and list(chain.from_iterable(map(KEYS, self._tables))) == self._keys
            and all(map(is_, chain.from_iterable(map(VALUES, self._tables)), self._parts))
        )

    def name(self, parameter: nn.Parameter, layout: str) -> str:
        """Name a parameter; one shared by an embedding and a linear layer after that which uses it now."""
        names = self._names[id(parameter)]
        fitting = [name for name in names if layout[:5] in self._kinds.get(_path_of(name), "")]
        return (fitting or names)[0]

    def layers_of(self, calls: Sequence[Call]) -> list[str]:
        """Name the layer of every call; those of a forward pass like the last one are known."""
        key = [(id(call.parameters[0]), call.layout) for call in calls]
        if key != self._sorted[0]:
            several = _paths_with_several_weights(calls, self)
            self._sorted = key, [_layer_name(call, self, several) for call in calls]
        return self._sorted[1]


def layers_of(calls: Sequence[Call], names: ParameterNames) -> dict[str, Layer]:
    """Give the layers in the order of their first calls; those called with other sizes than the first time count once.

    A layer is named by the path of the module that holds its weight, by the weight's own where that holds several.
    """
    layers: dict[str, Layer] = {}
    for call, name in zip(calls, names.layers_of(calls), strict=True):
        info = LayerInfo(name, call.activation, _fan_in(call), call.units)
        known = layers.get(name)
        if known is None:
            layers[name] = Layer(info, _parameters(call, names, name), call.layout, call.groups)
        elif known.info.activation != call.activation:
            layers[name] = replace(known, info=replace(known.info, activation=MIXED))
    return layers


def layers_of_modules(module: nn.Module) -> dict[str, Layer]:
    """Give the layers of a module that nobody has seen run, in the order they were registered."""
    layers = {}
    for path, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False))
        weight = own.get("weight")
        if weight is None or weight.ndim < 2:
            continue
        kind = type(part).__name__.lower()
        layout = "transposed_convolution" if "transpose" in kind else "embedding" if "embedding" in kind else "linear"
        groups = int(getattr(part, "groups", 1)) if layout == "transposed_convolution" else 1
        fan_in, fan_out = as_layer_array(weight, layout, groups).shape
        prefix = f"{path}." if path else ""
        found = {"weight": f"{prefix}weight"} | ({"bias": f"{prefix}bias"} if own.get("bias") is not None else {})
        name = _as_tag(path or "weight")
        layers[name] = Layer(LayerInfo(name, UNKNOWN, fan_in, fan_out), MappingProxyType(found), layout, groups)
    return layers


def calls_by_layer(calls: Sequence[Call], layers: Mapping[str, Layer], names: ParameterNames) -> dict[str, list[Call]]:
    """Sort calls by the layer they belong to; those that do not fit it, as a module put in its place, are left out."""
    found: dict[str, list[Call]] = {}
    for call, name in zip(calls, names.layers_of(calls), strict=True):
        layer = layers.get(name)
        if layer is None or layer.info.fan_out != call.units:
            continue
        if layer.info.activation in {call.activation, MIXED}:
            found.setdefault(layer.info.name, []).append(call)
    return found


class LayerViews:
    """Arrays by layer of tensors shaped as the parameters: the same ones again as long as they view the same memory."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._arrays: LayerArrays = {}

    @property
    def are_views(self) -> bool:
        """Whether those given last all view the tensors' own memory."""
        return self._key is not None

    def of(self, layers: Sequence[Layer], tensors: Mapping[str, torch.Tensor]) -> LayerArrays:
        """Give the arrays, read-only.

        Args:
            layers: Those wanted.
            tensors: By the parameters' full names.
        """
        names = [full for layer in layers for full in layer.parameters.values()]
        wanted = [tensors[full] for full in names]
        places = list(map(torch.Tensor.data_ptr, wanted))
        laid_out = [(each.shape, each.stride()) for each in wanted]  # else the same where it was transposed in place
        key: tuple[object, ...] = names, list(map(id, wanted)), places, laid_out
        if key == self._key:
            return self._arrays
        self._arrays = layer_arrays(layers, tensors)
        arrays = [array for own in self._arrays.values() for array in own.values()]
        are_views = all(array.ctypes.data == place for array, place in zip(arrays, places, strict=True))
        self._key = key if are_views else None
        return self._arrays


def layer_arrays(layers: Sequence[Layer], tensors: Mapping[str, torch.Tensor]) -> LayerArrays:
    """Give arrays by layer and parameter, read-only, of tensors by the parameters' full names."""
    return MappingProxyType(
        {
            layer.info.name: MappingProxyType(
                {
                    what: as_layer_array(tensors[full], layer.layout, layer.groups)
                    for what, full in layer.parameters.items()
                }
            )
            for layer in layers
        }
    )


def uncalled_modules(module: nn.Module, used: set[int], called: set[int]) -> tuple[str, ...]:
    """Name the modules with parameters of their own that a forward pass neither called nor read."""
    return tuple(
        path
        for path, part in module.named_modules()
        if path and (own := list(part.parameters(recurse=False)))
        if id(part) not in called and not used.intersection(map(id, own))
    )


def unfollowed_weights(names: ParameterNames, used: Container[int], layers: Iterable[Layer]) -> tuple[str, ...]:
    """Name the parameters of two dimensions or more that a forward pass reads, and that are in no layer.

    Only an operation that is not followed takes them, as `einsum`, or they are no weights, as a code of positions.
    """
    followed = {id(names.by_name[full]) for layer in layers for full in layer.parameters.values()}
    return tuple(
        name for name, each in names.by_name.items() if each.ndim > 1 and id(each) in used and id(each) not in followed
    )


def _layer_name(call: Call, names: ParameterNames, several: set[str]) -> str:
    weight = names.name(call.parameters[0], call.layout)
    path = _path_of(weight)
    name = path if path and path not in several else weight.partition(PARAMETRIZED)[0]
    return _as_tag(name)


def _as_tag(name: str) -> str:
    """Replace what a tag must not have."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-/_.=+,") else "_" for letter in name)


def _path_of(weight: str) -> str:
    """Give the path of the module that holds a weight; of one that is parametrised, the module it was in."""
    return weight.partition(PARAMETRIZED)[0] if PARAMETRIZED in weight else weight.rpartition(".")[0]


def _paths_with_several_weights(calls: Sequence[Call], names: ParameterNames) -> set[str]:
    weights: dict[str, set[int]] = {}
    for call in calls:
        path = _path_of(names.name(call.parameters[0], call.layout))
        weights.setdefault(path, set()).add(id(call.parameters[0]))
    return {path for path, own in weights.items() if len(own) > 1}


def _parameters(call: Call, names: ParameterNames, layer: str) -> Mapping[str, str]:
    """Name a layer's parameters: the first is its weight, a vector of a value per unit its bias."""
    found: dict[str, str] = {}
    for parameter in call.parameters:
        full = names.name(parameter, call.layout)
        local = full.removeprefix(f"{layer}.").replace(".", "_")
        is_bias = parameter.ndim == 1 and "bias" not in found and call.layout != "fused"
        what = "weight" if not found else "bias" if is_bias else local
        found[what] = full
    return MappingProxyType(found)


def _fan_in(call: Call) -> int:
    """Give how many numbers a unit reads."""
    shape = call.weight.shape
    if call.layout == "transposed_convolution":
        return int(shape[0] // call.groups * shape[2:].numel())
    return int(shape[0] if call.layout in {"matmul", "embedding"} else shape[1:].numel())
