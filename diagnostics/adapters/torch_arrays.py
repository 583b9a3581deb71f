"""Tensors as the read-only NumPy arrays that events carry, and arrays as tensors."""

from collections.abc import Sequence

import numpy as np
import torch

from gradvitals.engine.events import Array

PLAIN = frozenset({torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool})
"""Types that NumPy has too; others become float32."""


def as_array(tensor: torch.Tensor) -> Array:
    """View a tensor as a read-only array: without a copy on the CPU, as float32 where NumPy has no such type."""
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype not in PLAIN or tensor.layout is not torch.strided or not tensor.is_cpu:
        tensor = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
        tensor = (tensor if tensor.dtype in PLAIN else tensor.float()).cpu()
    array: Array = tensor.numpy()
    array.setflags(write=False)
    return array


def as_rows(tensor: torch.Tensor, axis: int) -> Array:
    """Give a tensor as `(samples, units)`; the units' axis is counted from behind, all others are samples."""
    if axis == -1:
        return as_array(tensor if tensor.ndim == 2 else tensor.detach().reshape(-1, tensor.shape[-1]))
    return as_array(tensor.detach().movedim(axis, -1).reshape(-1, tensor.shape[axis]))


def join_rows(blocks: Sequence[Array]) -> Array:
    """Give blocks of `(samples, units)` as one: those of several calls count as samples of one."""
    if len(blocks) == 1:
        return blocks[0]
    joined = np.concatenate(blocks)
    joined.flags.writeable = False
    return joined


def as_layer_array(tensor: torch.Tensor, layout: str, groups: int = 1) -> Array:
    """View a parameter laid out as ours: a weight as `(fan_in, fan_out)`, anything of one dimension as it is.

    Args:
        tensor: The parameter, or anything shaped as it.
        layout: `linear` (fan_out first), `matmul` and `embedding` (as ours), `convolution` or `transposed_convolution`.
        groups: Of the transposed convolution.
    """
    array = as_array(tensor)
    if array.ndim < 2 or (array.ndim == 2 and layout in {"matmul", "embedding"}):
        return array
    if array.ndim == 2 and layout != "transposed_convolution":
        return array.T
    if layout in {"matmul", "embedding"}:
        array = array.reshape(-1, array.shape[-1])
    elif layout == "transposed_convolution":
        inputs, outputs = array.shape[:2]
        grouped = array.reshape(groups, inputs // groups, outputs, -1)
        array = grouped.transpose(1, 3, 0, 2).reshape(-1, groups * outputs)
    else:
        array = array.reshape(len(array), -1).T
    array.setflags(write=False)  # some of these had to be copied
    return array


def to_tensor(array: Array, like: torch.Tensor) -> torch.Tensor:
    """Give an array as a tensor on the device of another, floats in its precision; whole numbers stay such."""
    whole = array.dtype.kind != "f"
    tensor = torch.from_numpy(np.ascontiguousarray(array) if array.flags.writeable else array.copy())
    return tensor.to(like.device, None if whole else like.dtype)


def is_nonzero(gradient: torch.Tensor | None) -> bool:
    """Tell whether there is a gradient, and any number in it is not 0."""
    if gradient is None:
        return False
    values = gradient.detach()
    return bool((values.coalesce().values() if values.is_sparse else values).any())
