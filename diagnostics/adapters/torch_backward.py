"""The backward pass of a probe: gradients on what was seen in its calls, and on the module's outputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_arrays import as_array
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_events import emit_backward
from gradvitals.diagnostics.adapters.torch_layers import Layer
from gradvitals.diagnostics.adapters.torch_loss_protocol import LossAdapter
from gradvitals.diagnostics.adapters.torch_outputs import each_tensor
from gradvitals.engine.events import Array, Observer


def run_backward(
    layers: Iterable[Layer],
    calls: Mapping[str, Sequence[Call]],
    outputs: Any,  # noqa: ANN401 - whatever the module gives
    targets: Array,
    *,
    loss: LossAdapter,
    observer: Observer,
    step: int,
) -> Array | None:
    """Send a LayerBackward per layer, from the last to the first.

    Args:
        layers: In order.
        calls: Of the forward pass, by layer.
        outputs: What the module gave.
        targets: `(samples, columns)`.
        loss: Whose mean over the samples the gradients are of.
        observer: Receives the events.
        step: The step they carry.

    Returns:
        The gradient on those outputs that the loss reads, as rows; None where there is none.
    """
    mean = loss.mean(outputs, targets)
    tensors = [tensor for tensor in ops.tensors_in(outputs) if tensor.requires_grad]
    if not mean.requires_grad or not tensors:
        return None
    seen = [one for own in calls.values() for call in own for one in (call.result, call.outputs) if one]
    seen = [one for one in seen if one.edge is not None]
    found = torch.autograd.grad(mean, [*tensors, *(one.edge for one in seen)], allow_unused=True)
    gradients = dict(zip(map(id, seen), found[len(tensors) :], strict=True))
    emit_backward(layers, calls, gradients, observer, step=step)
    return _on_outputs(outputs, tensors, found, loss)


def _on_outputs(
    outputs: Any,  # noqa: ANN401 - as above
    tensors: Sequence[torch.Tensor],
    found: Sequence[torch.Tensor | None],
    loss: LossAdapter,
) -> Array | None:
    """Put gradients in the places of the outputs, and take those that the loss reads; None if some have none."""
    by_tensor = {
        id(tensor): torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, found, strict=False)
    }
    rows = loss.rows(each_tensor(outputs, lambda tensor: by_tensor.get(id(tensor), tensor)))
    return as_array(rows).copy() if isinstance(rows, torch.Tensor) else None
