"""The update that a step really takes: what the parameters are after it less what they were before."""

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_layers import LayerViews
from gradvitals.diagnostics.adapters.torch_optimizers import Share
from gradvitals.engine.events import Array, LayerArrays


class UpdateMeter:
    """Keeps what parameters were before a step, in memory of its own: to ask for as much every time takes longer.

    Where NumPy can look at the parameters themselves, as on the CPU, it copies and subtracts: the same numbers, for
    less than PyTorch asks for so many calls.
    """

    def __init__(self) -> None:
        self._views, self._views_of_updates = LayerViews(), LayerViews()
        self._kept: dict[str, torch.Tensor] = {}
        self._pairs: list[tuple[Array, Array]] = []
        self._parameters: LayerArrays | None = None
        self._updates: LayerArrays = {}

    def before(self, share: Share) -> None:
        """Copy the parameters that a step is about to move."""
        parameters = self._views.of(share.moving, share.moved)
        if parameters is self._parameters:
            for array, copy in self._pairs:
                np.copyto(copy, array)
            return
        with torch.no_grad():
            for name, each in share.moved.items():
                own = self._kept.get(name)
                if own is None or (own.shape, own.dtype, own.device) != (each.shape, each.dtype, each.device):
                    self._kept[name] = each.clone()
                else:
                    own.copy_(each)
        self._remember(share, parameters)

    def after(self, share: Share) -> tuple[LayerArrays, LayerArrays]:
        """Give the updates and the parameters by layer; zeros where a parameter has got other data meanwhile."""
        parameters = self._views.of(share.moving, share.moved)
        if parameters is self._parameters:
            for array, copy in self._pairs:
                np.subtract(array, copy, out=copy)
            return self._updates, parameters
        with torch.no_grad():
            for name, after in share.moved.items():
                own = self._kept[name]
                if own.shape == after.shape and own.device == after.device:
                    torch.sub(after, own, out=own)
                else:
                    self._kept[name] = torch.zeros_like(after)
        return self._views_of_updates.of(share.moving, self._kept), parameters

    def _remember(self, share: Share, parameters: LayerArrays) -> None:
        """Find the arrays of parameters and copies, laid out alike, if they all are views of the tensors."""
        self._parameters = None
        updates = self._views_of_updates.of(share.moving, self._kept)
        if not (self._views.are_views and self._views_of_updates.are_views):
            return
        self._parameters, self._updates = parameters, updates
        self._pairs = [(each.detach().numpy(), self._kept[name].numpy()) for name, each in share.moved.items()]
