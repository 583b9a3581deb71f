"""What the layers of Keras are to us: operations with a weight, activations, or nothing that changes units."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import keras

KerasLayer: TypeAlias = Any
"""A `keras.Layer`, or another operation of a functional graph: Keras has no types for us."""

CUSTOM = "custom"
"""An activation that is none of ours, or has settings that make it another."""

FUNCTIONS = frozenset({"linear", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu"})
"""Functions of `keras.activations` that are ours by that name, called as they are."""

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {"Relu": "relu", "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax", "Gelu": "gelu"}
)
"""Operations of a functional graph, by class, that are activations."""

FUSED: Mapping[str, str] = MappingProxyType({"LSTM": "lstm", "GRU": "gru"})
"""Recurrent layers whose outputs come from more than an activation."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """An operation with a weight.

    Attributes:
        variables: By what they are to the layer; the weight first.
        layout: Of the weight: `plain` (units last), `transposed` (units last but one), `depthwise`, or `einsum`.
        axis: Of the units in the outputs, from behind; for `einsum` how many trailing axes they are, as a minus.
        fused: Whether only its outputs can be seen.
        activation: What its outputs come from.
    """

    variables: Mapping[str, Any]
    layout: str = "plain"
    axis: int = -1
    fused: bool = False
    activation: str = "linear"

    def lay_out(self, name: str, array: Any) -> Any:  # noqa: ANN401 - an array
        """Lay a parameter out as ours: a weight as `(fan_in, fan_out)`, anything of one dimension as it is."""
        if array.ndim < 2:
            return array
        if name != "weight" or self.layout == "plain":
            return array.reshape(-1, array.shape[-1])
        if self.layout == "transposed":
            return array.swapaxes(-1, -2).reshape(-1, array.shape[-2])
        if self.layout == "depthwise":
            return array.reshape(-1, array.shape[-2] * array.shape[-1])
        return array.reshape(-1, math.prod(array.shape[self.axis :]))


def weighted(layer: KerasLayer) -> Weighted | None:
    """Tell an operation with a weight; None for any other layer."""
    if isinstance(layer, keras.layers.RNN):
        return _recurrent(layer)
    if isinstance(layer, keras.layers.Wrapper) and not isinstance(layer, keras.layers.Bidirectional):
        inner = weighted(layer.layer)
        return None if inner is None else replace(inner, fused=True, activation=CUSTOM)
    if isinstance(layer, keras.layers.Embedding):
        return Weighted({"weight": layer.embeddings})
    if isinstance(layer, keras.layers.EinsumDense):
        trailing = _trailing_units(layer.equation)
        return None if trailing is None else Weighted(_named(layer, layer.kernel), "einsum", -trailing)
    kernel = getattr(layer, "pointwise_kernel", None)
    kernel = getattr(layer, "kernel", None) if kernel is None else kernel
    if kernel is None or not hasattr(layer, "activation"):
        return _opaque(layer)
    axis = -1
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        axis = -1 - layer.rank
    kind = type(layer).__name__
    layout = "transposed" if "Transpose" in kind else "depthwise" if "Depthwise" in kind else "plain"
    return Weighted(_named(layer, kernel), layout, axis)


def activation_of(layer: KerasLayer) -> str | None:  # noqa: PLR0911 - a kind each
    """Name the activation that a layer is; None for one that is none."""
    layers = keras.layers
    if isinstance(layer, layers.Activation):
        return function_name(layer.activation)
    if isinstance(layer, layers.ReLU):
        if layer.threshold or layer.max_value is not None:
            return CUSTOM
        return "leaky_relu" if layer.negative_slope else "relu"
    if isinstance(layer, layers.Softmax):
        return "softmax" if layer.axis == -1 else CUSTOM
    for kind, name in ((layers.LeakyReLU, "leaky_relu"), (layers.ELU, "elu"), (layers.PReLU, "prelu")):
        if isinstance(layer, kind):
            return name
    if isinstance(layer, keras.Layer):
        return None
    operation = OPERATIONS.get(type(layer).__name__)
    return CUSTOM if operation == "softmax" and getattr(layer, "axis", -1) != -1 else operation


def function_name(function: Any) -> str:  # noqa: ANN401 - any callable
    """Name an activation given as a function or a layer."""
    if isinstance(function, keras.Layer):
        return activation_of(function) or CUSTOM
    name = getattr(function, "__name__", "")
    return name if name in FUNCTIONS and getattr(keras.activations, name) is function else CUSTOM


def passes_units_on(layer: KerasLayer) -> bool:
    """Tell a layer that gives every unit in the place where it got it: normalisations, dropout and pooling."""
    name = type(layer).__name__
    return is_normalisation(layer) or "Dropout" in name or ("Pooling" in name and not name.startswith("Global"))


def is_normalisation(layer: KerasLayer) -> bool:
    """Tell a normalisation."""
    return type(layer).__name__.endswith("Normalization")


def hides_its_parts(layer: KerasLayer) -> bool:
    """Tell a layer that calls its parts inside a loop of the backend's, where nothing can be seen."""
    wraps = isinstance(layer, keras.layers.Wrapper) and not isinstance(layer, keras.layers.Bidirectional)
    return wraps or isinstance(layer, keras.layers.RNN)


def _recurrent(layer: KerasLayer) -> Weighted | None:
    cell = layer.cell
    if getattr(cell, "kernel", None) is None:
        return _opaque(layer)
    variables = {"weight": cell.kernel, "recurrent_kernel": cell.recurrent_kernel}
    if getattr(cell, "bias", None) is not None:
        variables["bias"] = cell.bias
    name = type(layer).__name__
    activation = function_name(cell.activation) if name == "SimpleRNN" else FUSED.get(name, CUSTOM)
    return Weighted(variables, fused=True, activation=activation)


def _opaque(layer: KerasLayer) -> Weighted | None:
    """Take a layer of another kind, with weights of its own and no parts: of the user's own making."""
    if isinstance(layer, keras.Model) or is_normalisation(layer) or activation_of(layer) is not None:
        return None
    if not isinstance(layer, keras.Layer) or getattr(layer, "_layers", None):
        return None
    own = [each for each in layer.weights if keras.backend.is_float_dtype(each.dtype)]
    matrices = [each for each in own if len(each.shape) > 1]
    if not matrices:
        return None
    rest = {each.name: each for each in own if each is not matrices[0]}
    return Weighted({"weight": matrices[0], **rest}, fused=True, activation=CUSTOM)


def _named(layer: KerasLayer, kernel: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a variable
    bias = getattr(layer, "bias", None)
    return {"weight": kernel} if bias is None else {"weight": kernel, "bias": bias}


def _trailing_units(equation: str) -> int | None:
    """Count the axes of the outputs that come from the kernel alone; None where they are not the last of both."""
    sources, _, result = equation.replace(" ", "").partition("->")
    kernel = sources.partition(",")[2]
    new = "".join(letter for letter in kernel if letter in result and letter not in sources.partition(",")[0])
    return len(new) if new and result.endswith(new) and kernel.endswith(new) else None
