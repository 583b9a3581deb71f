"""The layout of a network's parameters: one flat vector, viewed as the circuit's values and by layer.

In the circuit a parameter is named `layer/what`. The weight and the bias of an affine gate are one value there, the
bias its last row.
"""

import math
from collections.abc import Iterator, Sequence

from gradvitals.engine.circuit import Value
from gradvitals.engine.events import Array

WEIGHT_AND_BIAS = "weight_and_bias"
RECURRENT_WEIGHT = "recurrent_weight"


class ParameterVector:
    """Where each parameter of a circuit lies in a flat vector `(…, P)`.

    Attributes:
        size: P.
    """

    def __init__(self, parameters: Sequence[Value]) -> None:
        self._shapes = {value.name: tuple(size or 0 for size in value.shape) for value in parameters}
        self.size = sum(map(math.prod, self._shapes.values()))

    def values(self, flat: Array) -> dict[str, Array]:
        """View a flat vector `(…, P)` as the circuit's parameters, each `(…, *shape)`."""
        return dict(self._slices(flat))

    def by_layer(self, flat: Array) -> dict[str, dict[str, Array]]:
        """View it as layer → weight `(…, fan_in, fan_out)`, bias `(…, fan_out)` and whatever else the layer learns."""
        layers: dict[str, dict[str, Array]] = {}
        for name, array in self._slices(flat):
            layer, what = name.split("/")
            views = (
                {"weight": array[..., :-1, :], "bias": array[..., -1, :]} if what == WEIGHT_AND_BIAS else {what: array}
            )
            layers.setdefault(layer, {}).update(views)
        return layers

    def _slices(self, flat: Array) -> Iterator[tuple[str, Array]]:
        start = 0
        for name, shape in self._shapes.items():
            end = start + math.prod(shape)
            yield name, flat[..., start:end].reshape(*flat.shape[:-1], *shape)
            start = end
