"""A training forward of which nothing is measured: it is looked into only if it gives what is not finite.

To follow a pass costs a fifth of a small network's step. Where no layer's training outputs are measured, as those of an
LSTM, it could tell one thing only: in which layer something stopped being finite. That is found by running the pass
again, frozen, once there is something to find.
"""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import torch

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork


class Glance:
    """Holds what one pass was given, until it is over.

    Attributes:
        suffices: Whether no layer has an activation whose outputs are measured.
    """

    def __init__(self, network: TorchNetwork, measured: Container[str]) -> None:
        self.suffices = not any(info.activation in measured for info in network.layers)
        self._network = network
        self._given: tuple[Any, Any] | None = None

    def begin(self, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's own
        """Take note of what the module is given."""
        self._given = args, kwargs

    def end(self, outputs: Any) -> Mapping[str, Sequence[Call]] | None:  # noqa: ANN401 - of any module
        """Give the calls of a pass by layer, none of one that is finite; None where it failed, or was none of ours."""
        given, self._given = self._given, None
        if given is None or outputs is None:
            return None
        if all(map(_is_finite, ops.tensors_in(outputs))):
            return {}
        try:
            return self._network.run_again(*given)
        except Exception:  # noqa: BLE001 - whatever it is, the user's forward, which is over, must not fail of it
            return {}


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.is_nested or tensor.layout is not torch.strided:
        return True
    values = tensor.detach()
    return math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())  # sums may overflow by themselves
