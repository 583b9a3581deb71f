"""Tensors as the read-only NumPy arrays that events carry."""

from collections.abc import Sequence

import numpy as np
import torch

from gradvitals.engine.events import Array

PLAIN = frozenset({torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool})
"""Types that NumPy has too; others become float32."""


def as_array(tensor: torch.Tensor) -> Array:
    """View a tensor as a read-only array: without a copy on the CPU, as float32 where NumPy has no such type."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.dtype not in PLAIN:
        tensor = tensor.float()
    array = np.asarray(tensor.cpu().numpy())
    array.flags.writeable = False
    return array


def as_rows(tensor: torch.Tensor, axis: int) -> Array:
    """Give a tensor as `(samples, units)`; the units' axis is counted from behind, all others are samples."""
    if tensor.ndim == 2 and axis == -1:
        return as_array(tensor)
    return as_array(tensor.detach().movedim(axis, -1).reshape(-1, tensor.shape[axis]))


def join_rows(blocks: Sequence[Array]) -> Array:
    """Give blocks of `(samples, units)` as one: those of several calls count as samples of one."""
    if len(blocks) == 1:
        return blocks[0]
    joined = np.concatenate(blocks)
    joined.flags.writeable = False
    return joined


def as_layer_parameter(tensor: torch.Tensor, layout: str, groups: int = 1) -> torch.Tensor:
    """Lay a parameter out as ours: a weight as `(fan_in, fan_out)`, anything of one dimension as it is.

    Args:
        tensor: The parameter, or anything shaped as it.
        layout: `linear` (fan_out first), `matmul` and `embedding` (as ours), `convolution` or `transposed_convolution`.
        groups: Of the transposed convolution.
    """
    tensor = tensor.detach()
    if tensor.ndim < 2 or layout in {"matmul", "embedding"}:
        return tensor if tensor.ndim < 3 else tensor.reshape(-1, tensor.shape[-1])
    if layout == "transposed_convolution":
        inputs, outputs = tensor.shape[:2]
        grouped = tensor.reshape(groups, inputs // groups, outputs, -1)
        return grouped.permute(1, 3, 0, 2).reshape(-1, groups * outputs)
    return tensor.reshape(len(tensor), -1).T
