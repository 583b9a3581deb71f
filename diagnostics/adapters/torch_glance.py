"""A training forward of which nothing is measured: it is looked into only if it gives what is not finite.

To follow a pass costs a fifth of a small network's step. Where no layer's training outputs are measured, as those of an
LSTM, it could tell one thing only: in which layer something stopped being finite. That is found by running the pass
again, once there is something to find. That is done once: from then on passes are followed, as they are from the
beginning where the first one gives what is not finite either, as masked logits, or nothing that could be looked at.
"""

from collections.abc import Container, Mapping, Sequence
from math import isfinite
from typing import Any

import torch

from gradvitals.diagnostics.adapters import torch_ops as ops
from gradvitals.diagnostics.adapters.torch_calls import Call
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork


class Glance:
    """Holds what one pass was given, until it is over.

    Attributes:
        suffices: Whether no layer has an activation whose outputs are measured, and all outputs were finite so far.
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
        if are_finite(outputs):
            return {}
        self.suffices = False
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return {}  # the other processes would have to run it again too
        try:
            return self._network.run_again(*given)
        except Exception:  # noqa: BLE001 - whatever it is, the user's forward, which is over, must not fail of it
            return {}


def are_finite(outputs: Any) -> bool:  # noqa: ANN401 - of any module
    """Tell whether outputs are known to be finite: they are not where there is none, or one of an unknown kind."""
    try:
        found = [_is_finite(tensor) for tensor in ops.tensors_in(outputs) if _has_fractions(tensor)]
    except Exception:  # noqa: BLE001 - tensors without values, as on the meta device: the user's forward goes on
        return False
    return bool(found) and all(found)


def _has_fractions(tensor: torch.Tensor) -> bool:
    return bool(tensor.is_floating_point() or tensor.is_complex())


def _is_finite(tensor: torch.Tensor) -> bool:
    if tensor.is_nested or tensor.layout is not torch.strided:
        return False
    values = tensor.detach()
    sums_up = not values.is_complex() and isfinite(float(values.sum()))
    return sums_up or bool(torch.isfinite(values).all())  # sums may overflow by themselves
