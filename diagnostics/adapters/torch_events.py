"""The events of one pass through a module, made of the calls that were seen in it."""

from collections.abc import Iterable, Mapping, Sequence

import torch

from gradvitals.diagnostics.adapters.torch_arrays import as_array, as_rows, join_rows
from gradvitals.diagnostics.adapters.torch_calls import Call, Seen
from gradvitals.diagnostics.adapters.torch_layers import Layer
from gradvitals.engine.events import Array, LayerBackward, LayerForward, Observer, Source

MOST_NUMBERS = 2**16
"""Of a training batch's convolution that are looked at: laying its units side by side means copying them."""


def emit_forward(
    layers: Iterable[Layer], calls: Mapping[str, Sequence[Call]], observer: Observer, *, step: int, source: Source
) -> None:
    """Send a LayerForward per layer that was called; those of several calls are samples of one event.

    Args:
        layers: In order.
        calls: Of the pass, by layer.
        observer: Receives the events.
        step: The step they carry.
        source: Whether the pass is one of the training.
    """
    most = None if source == "probe" else MOST_NUMBERS
    last: tuple[torch.Tensor | None, Array | None] = None, None
    for layer in layers:
        name = layer.info.name
        own = calls.get(name)
        if own is None:
            continue
        read, gave = own[0].inputs, own[0].outputs
        chained = len(own) == 1 and read.tensor is last[0] and read.axis == -1 and read.intact
        inputs = last[1] if chained else _joined_inputs([call.inputs for call in own])
        outputs = _joined([call.outputs for call in own], most)
        if inputs is None or outputs is None:
            continue  # overwritten since
        last = (gave.tensor, outputs) if gave and gave.axis == -1 and gave.tensor.ndim == 2 else (None, None)
        known = source == "probe" and not any(call.normalised or not call.shows_pre_activations for call in own)
        before = _joined([call.result for call in own]) if known else None
        observer(LayerForward(name, step, inputs, before, outputs, layer.info.activation, source))


def emit_backward(
    layers: Iterable[Layer],
    calls: Mapping[str, Sequence[Call]],
    gradients: Mapping[int, torch.Tensor | None],
    observer: Observer,
    *,
    step: int,
) -> None:
    """Send a LayerBackward per layer, from the last to the first; none of one of which only the outputs are seen.

    Args:
        layers: In order.
        calls: Of the pass, by layer.
        gradients: On what was seen in the calls, by its identity.
        observer: Receives the events.
        step: The step they carry.
    """
    for layer in reversed(list(layers)):
        own = [call for call in calls.get(layer.info.name, ()) if call.shows_pre_activations]
        results, outputs = [call.result for call in own], [call.outputs for call in own if call.outputs is not None]
        if not own or len(outputs) < len(own) or any(one.edge is None for one in (*results, *outputs)):
            continue
        before, behind = (
            join_rows([_gradient_rows(one, gradients[id(one)]) for one in side]) for side in (results, outputs)
        )
        observer(LayerBackward(layer.info.name, step, before, behind, "probe"))


def _joined(seen: Sequence[Seen | None], most: int | None = None) -> Array | None:
    """Give what was seen as `(samples, units)`; None where any of it has been overwritten, or has other units.

    Where it must be copied, as of a convolution, it may be cut to the first samples: to so many numbers at most.
    """
    if len(seen) == 1 and seen[0] and seen[0].axis == -1 and seen[0].tensor.ndim == 2 and seen[0].intact:
        return as_array(seen[0].tensor)
    blocks = []
    for one in seen:
        if one is None or not one.intact:
            return None
        tensor = one.tensor if one.tensor.ndim > 1 else one.tensor[None]
        if most is not None and one.axis != -1:
            tensor = tensor[: max(most // max(tensor[:1].numel(), 1), 1)]
        blocks.append(as_rows(tensor, one.axis))
    return join_rows(blocks) if len({block.shape[1] for block in blocks}) == 1 else None


def _joined_inputs(seen: Sequence[Seen]) -> Array | None:
    """Give inputs as `(samples, …)`: of a convolution all that a sample has, of anything else what a unit reads."""
    if not all(one.intact for one in seen):
        return None
    if len(seen) == 1 and seen[0].axis == -1 and seen[0].tensor.ndim == 2:
        return as_array(seen[0].tensor)
    blocks = []
    for one in seen:
        tensor = one.tensor.detach() if one.tensor.ndim > 1 else one.tensor.detach()[:, None]
        blocks.append(as_array(tensor.flatten(1)) if one.axis != -1 else as_rows(tensor, -1))
    return join_rows(blocks) if len({block.shape[1] for block in blocks}) == 1 else blocks[0]


def _gradient_rows(seen: Seen, gradient: torch.Tensor | None) -> Array:
    """Give a gradient as `(samples, units)`: zeros where the loss does not depend on what was seen."""
    gradient = torch.zeros_like(seen.tensor) if gradient is None else gradient.reshape(seen.tensor.shape)
    return as_rows(gradient, seen.axis)
