"""What PyTorch's functions mean to a watcher: which are layers' operations, which activations, which pass units on.

Functions are told by name: `F.relu`, `torch.relu`, `Tensor.relu_` and the rest of a family are one to a network.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

WEIGHTED: Mapping[str, tuple[int, int, str, int]] = MappingProxyType(
    {
        "linear": (0, 1, "linear", 1),
        "bilinear": (0, 2, "linear", 1),
        "embedding": (0, 1, "embedding", 1),
        "embedding_bag": (0, 1, "embedding", 1),
        "matmul": (0, 1, "matmul", 1),
        "__matmul__": (0, 1, "matmul", 1),
        "mm": (0, 1, "matmul", 1),
        "addmm": (1, 2, "matmul", 1),
        "conv1d": (0, 1, "convolution", 2),
        "conv2d": (0, 1, "convolution", 3),
        "conv3d": (0, 1, "convolution", 4),
        "conv_transpose1d": (0, 1, "transposed_convolution", 2),
        "conv_transpose2d": (0, 1, "transposed_convolution", 3),
        "conv_transpose3d": (0, 1, "transposed_convolution", 4),
    }
)
"""Operations with a weight: the places of inputs and weight among the arguments, how the weight is laid out, and the
axis of the units in inputs and outputs, counted from behind. Others, as `einsum` and `bmm`, are not followed: a weight
that only they use is in no layer."""

NAMED = ("mat1", "input"), ("mat2", "weight")
"""What inputs and weight are called where they are given by name; `input` is something else beside a `mat1`."""

FUSED: Mapping[str, str] = MappingProxyType(
    {
        "rnn_tanh": "tanh",
        "rnn_relu": "relu",
        "rnn_tanh_cell": "tanh",
        "rnn_relu_cell": "relu",
        "lstm": "lstm",
        "lstm_cell": "lstm",
        "gru": "gru",
        "gru_cell": "gru",
        "multi_head_attention_forward": "linear",
    }
)
"""Operations with several weights of which only the outputs can be seen, and the activation that these come from."""

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        **{
            name: name
            for name in [
                "relu",
                "sigmoid",
                "tanh",
                "leaky_relu",
                "elu",
                "gelu",
                "prelu",
                "softmax",
                "log_softmax",
                "silu",
                "mish",
                "relu6",
                "selu",
                "celu",
                "softplus",
                "softsign",
                "softmin",
                "hardtanh",
                "hardswish",
                "hardsigmoid",
                "hardshrink",
                "softshrink",
                "tanhshrink",
                "logsigmoid",
                "rrelu",
                "threshold",
            ]
        },
        "expit": "sigmoid",
        "special_expit": "sigmoid",
        "special_softmax": "softmax",
        "special_log_softmax": "log_softmax",
    }
)

OVER_UNITS = frozenset({"softmax", "log_softmax", "softmin"})
"""Activations that are one of a layer only if they act along its units."""

ELEMENTWISE = frozenset({"linear", "relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu"})
"""Activations by which a unit's output can be computed from its own pre-activation alone, and ours has a name for."""

NORMS = frozenset(["batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"])
DROPOUTS = frozenset(
    ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"]
)
COPIES = frozenset(
    ["contiguous", "clone", "to", "float", "half", "bfloat16", "double", "type", "cpu", "cuda", "requires_grad_"]
)
RESHAPES = frozenset(["reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"])
TRANSPOSITIONS = frozenset(["permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t"])
SUMS = frozenset(["add", "__add__", "__iadd__", "__radd__", "sub", "__sub__", "__isub__"])
SCALINGS = frozenset(["mul", "__mul__", "__imul__", "__rmul__", "div", "__div__", "__truediv__", "__itruediv__"])
ASIDE = frozenset({"detach", "requires_grad_", "register_hook", "retain_grad"})
"""Functions whose results take no part in the computation."""

QUESTIONS = frozenset(
    {
        *(
            getattr(torch.Tensor, name)
            for name in ("dim", "ndimension", "size", "stride", "numel", "nelement", "__len__")
        ),
        *(getattr(torch.Tensor, name) for name in ("is_contiguous", "is_floating_point", "is_complex", "get_device")),
        *(
            getattr(torch.Tensor, name).__get__
            for name in ("shape", "ndim", "dtype", "device", "layout", "requires_grad")
        ),
        *(
            getattr(torch.Tensor, name).__get__
            for name in ("is_cpu", "is_cuda", "is_sparse", "is_nested", "is_quantized")
        ),
    }
)
"""Functions that tell of a tensor what is no tensor: a forward pass asks many, and nothing follows from them."""

KINDS_OF_QUESTIONS = frozenset(map(type, QUESTIONS))

ATOMS = frozenset({int, float, bool, str, type(None), torch.Size, torch.dtype, torch.device})
"""Types of most arguments that are no tensors: in none of these are there any."""

SEQUENCES = (tuple, list)

IN_PLACE = frozenset({"__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__", "__setitem__"})


def name_of(function: Callable[..., Any]) -> str:
    """Name a function's family: without the underscore of those that work in place."""
    name = str(getattr(function, "__name__", ""))
    return name if name.endswith("__") else name.removesuffix("_")


def is_question(function: Callable[..., Any]) -> bool:
    """Tell whether a call only asks a tensor for what it is; of what cannot be hashed, no type is among theirs."""
    return type(function) in KINDS_OF_QUESTIONS and function in QUESTIONS


def works_in_place(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a call overwrites its first argument."""
    name = str(getattr(function, "__name__", ""))
    return bool(kwargs.get("inplace")) or name in IN_PLACE or (name.endswith("_") and not name.endswith("__"))


def activation_of(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Name the activation that a call applies; None if it is none."""
    if name in {"clamp", "clamp_min", "clip"}:
        bounds = (*args[1:], *(kwargs[key] for key in ("min", "max") if key in kwargs))
        rectifies = bounds in {(0,), (0, None)} and (len(args) > 1 or "min" in kwargs)
        return "relu" if rectifies else None
    return ACTIVATIONS.get(name)


def dimension_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
    """Give the dimension that a softmax acts along; None where PyTorch chooses."""
    dimension = args[1] if len(args) > 1 else kwargs.get("dim")
    return dimension if isinstance(dimension, int) else None


def tensors_in(values: Any) -> list[torch.Tensor]:  # noqa: ANN401 - arguments and results of any function
    """List the tensors in nested tuples, lists and mappings, in order."""
    if isinstance(values, torch.Tensor):
        return [values]
    found: list[torch.Tensor] = []
    for value in values if isinstance(values, SEQUENCES) else (values,):
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif type(value) not in ATOMS:
            _collect(value, found)
    return found


def _collect(values: Any, found: list[torch.Tensor]) -> None:  # noqa: ANN401 - as above
    if isinstance(values, torch.Tensor):
        found.append(values)
    elif type(values) in ATOMS:
        return
    elif isinstance(values, SEQUENCES):
        for value in values:
            _collect(value, found)
    elif isinstance(values, Mapping):
        for value in values.values():
            _collect(value, found)


def moved_axis(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], axis: int) -> int | None:
    """Tell where an axis (from behind) lies after a transposition: asked of a tensor as small as can be."""
    tensor = args[0]
    small = torch.empty([2 if place == tensor.ndim + axis else 1 for place in range(tensor.ndim)])
    places = [place for place, size in enumerate(function(small, *args[1:], **kwargs).shape) if size == 2]
    return places[0] - tensor.ndim if len(places) == 1 else None


def reshaped_axis(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Tell where an axis (from behind) lies in a new shape of the same elements; None where it is split or merged."""
    place = len(before) + axis
    units, behind = before[place], _product(before[place + 1 :])
    for candidate, size in enumerate(after):
        if size == units and _product(after[candidate + 1 :]) == behind:
            return candidate - len(after)
    return None


def _product(sizes: Sequence[int]) -> int:
    return int(torch.Size(sizes).numel())
