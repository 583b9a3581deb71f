"""What models return: a tensor, or several in tuples and dictionaries."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

Outputs: TypeAlias = Any
"""What a model returns: a tensor, or several in tuples and dictionaries."""

Change: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

SUM_TOLERANCE = 1e-2
"""Distance of a sum from 1 up to which numbers are probabilities, which may be in half precision."""

SHAPING = frozenset(
    {"SqueezeBackward0", "SqueezeBackward1", "ToCopyBackward0", "ViewBackward0", "ReshapeAliasBackward0"}
)
"""What autograd calls changes of shape or precision that leave the order of the numbers alone."""

SQUASHING = frozenset({"SoftmaxBackward0", "SigmoidBackward0"})


def main_tensor(outputs: Outputs) -> torch.Tensor:
    """Give the outputs, or the first tensor of floats among them.

    Raises:
        ValueError: If there is none.
    """
    if isinstance(outputs, torch.Tensor):
        return outputs if outputs.ndim else outputs.reshape(1)
    parts = outputs.values() if isinstance(outputs, Mapping) else outputs if isinstance(outputs, tuple | list) else ()
    for part in parts:
        if isinstance(part, torch.Tensor) and part.is_floating_point() and part.ndim:
            return part
    msg = f"the model must return a tensor of floats, or several with one among them, got {type(outputs).__name__}"
    raise ValueError(msg)


def is_behind_one(outputs: Outputs, samples: int) -> bool:
    """Tell whether samples come second, behind an axis of one, as in the last state of an LSTM of one layer."""
    is_tensor = isinstance(outputs, torch.Tensor) and outputs.ndim > 2
    return is_tensor and outputs.shape[0] == 1 and outputs.shape[1] == samples > 1


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Give floats of half precision in full one: a loss of those is another, or is not there on a CPU."""
    return (
        tensor.float()
        if isinstance(tensor, torch.Tensor) and tensor.dtype in {torch.float16, torch.bfloat16}
        else tensor
    )


def are_one(sums: torch.Tensor) -> bool:
    """Tell whether all sums are 1, within rounding and an epsilon."""
    return bool(((sums - 1.0).abs() <= SUM_TOLERANCE).all())


def are_logarithms(outputs: torch.Tensor, axis: int = 1) -> bool:
    """Tell whether outputs `(samples, classes, …)` are logarithms of probabilities, which sum to 1 along an axis."""
    if outputs.ndim < 2 or not outputs.is_floating_point():
        return False
    return are_one(outputs.detach().double().exp().sum(dim=axis))


def squashed_by(outputs: torch.Tensor) -> str | None:
    """Name the softmax over classes `(samples, classes, …)`, or the sigmoid, that outputs come from, if it is one."""
    node: Any = outputs.grad_fn
    while node is not None and node.name() in SHAPING:
        node = node.next_functions[0][0]
    if node is None or node.name() not in SQUASHING:
        return None
    along = getattr(node, "_saved_dim", 1)
    is_over_classes = outputs.ndim > 1 and along in {1, 1 - outputs.ndim, 2**64 + 1 - outputs.ndim}
    return "sigmoid" if node.name() == "SigmoidBackward0" else "softmax" if is_over_classes else None


def with_all_axes(outputs: torch.Tensor, rows: int, row_shape: tuple[int, ...]) -> torch.Tensor:
    """Give a single row its axes back where the model squeezed them away."""
    squeezed = rows == 1 and outputs.shape != (1, *row_shape) and outputs.numel() == math.prod(row_shape)
    return outputs.reshape(1, *row_shape) if squeezed else outputs


def each_tensor(outputs: Outputs, change: Change) -> Outputs:
    """Change every tensor of some outputs."""
    if isinstance(outputs, torch.Tensor):
        return change(outputs)
    if isinstance(outputs, Mapping):
        twin = copy.copy(outputs)
        for key, part in outputs.items():
            twin[key] = each_tensor(part, change)  # type: ignore[index]  # mappings that models return can be written to
        return twin
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(each_tensor(part, change) for part in outputs))
    return (
        type(outputs)(each_tensor(part, change) for part in outputs) if isinstance(outputs, tuple | list) else outputs
    )


def one_sample(outputs: Outputs, row: int, count: int) -> Outputs:
    """Cut one of so many samples out of every tensor that has them first, or second as the states of an LSTM."""

    def cut(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.ndim > 2 and tensor.shape[1] == count != len(tensor):  # a matrix may have as many classes
            return tensor[:, row : row + 1]
        if not tensor.ndim or len(tensor) % count:
            return tensor
        each = len(tensor) // count  # positions of a sample, where they were folded into the batch
        return tensor[row * each : (row + 1) * each]

    return each_tensor(outputs, cut)


def repeated(outputs: Outputs, times: int) -> Outputs:
    """Put a single sample so many times one after the other, in every tensor that has samples first, or second."""

    def put(tensor: torch.Tensor) -> torch.Tensor:
        has_states_first = tensor.ndim > 2 and tensor.shape[1] == 1 != len(tensor)
        return torch.cat([tensor] * times, dim=1 if has_states_first else 0) if tensor.ndim else tensor

    return each_tensor(outputs, put)
