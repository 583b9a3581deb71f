"""A plain chain of linear layers with activations that work on each unit: any of them can be run by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_layers import ParameterNames


class Chain:
    """What a pass through a module has shown of it, as long as the module stays what it was."""

    def __init__(self, module: nn.Module, calls: Sequence[Call]) -> None:
        """Take the activations of the calls of a pass, in order; none where the module is no chain."""
        self._module = module
        self._activations: list[Callable[[torch.Tensor], Any] | None] = [call.apply for call in calls]
        self._structure = _structure_of(module)
        self._compared: tuple[ParameterNames, list[torch.Size]] | None = None
        self._is_as_it_was = False

    def holds(self, names: ParameterNames) -> bool:
        """Tell whether the module is a chain, and as it was; looked at again where its parameters are others."""
        if not self._activations:
            return False
        key = names, [each.shape for each in names.by_name.values()]
        if key != self._compared:
            self._compared, self._is_as_it_was = key, _structure_of(self._module) == self._structure
        return self._is_as_it_was

    def outputs(
        self, index: int, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, device: torch.device
    ) -> torch.Tensor:
        """Compute the outputs `(samples, units)` of the layer at this place, in the precision of its parameters."""
        apply = self._activations[index]
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            outputs = nn.functional.linear(inputs, weight, bias)
            return outputs if apply is None else torch.as_tensor(apply(outputs))


def are_plain(calls: Sequence[Call]) -> bool:
    """Tell whether all calls are of a matrix with a bias, with an activation that works on each unit by itself."""
    return all(
        call.layout == "linear"
        and len(call.parameters) == 2
        and call.inputs.tensor.ndim == call.result.tensor.ndim == 2
        and call.weight is call.parameters[0]
        and call.activation in ops.ELEMENTWISE
        and not call.altered
        for call in calls
    )


def _structure_of(module: nn.Module) -> list[tuple[str, type, list[torch.Size]]]:
    """Give paths and types of all parts, and the shapes of their parameters: it changes where parts are replaced."""
    return [
        (path, type(part), [each.shape for each in part.parameters(recurse=False)])
        for path, part in module.named_modules()
    ]
