"""Penalties: what is added to the loss to keep the weights small, and to its gradient.

The loss that is reported stays that of the data alone: only it can be compared with the best constant output's, and
between training and validation. The gradient that is reported is that of the sum, which the optimizer follows.
"""

from typing import Protocol

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.network import Network


class Penalty(Protocol):
    """A function of the parameters that is added to the loss."""

    def value(self, parameters: Array) -> float:
        """Give the penalty."""
        ...

    def add_gradient(self, parameters: Array, gradients: Array) -> None:
        """Add the penalty's gradient to the loss's, in place."""
        ...


class L2:
    """½ · strength · Σ w² over the weights; biases and learned slopes are left alone.

    With plain SGD this is weight decay; with optimizers that rescale the gradient it is not (see `AdamW`).

    References:
        cs231n, "Setting up the data and the loss" (neural-networks-2), section "Regularization".
    """

    def __init__(self, strength: float | Array, weights: Array) -> None:
        """Keep the strength of every parameter.

        Args:
            strength: λ; for R runs `(R, 1)`.
            weights: `(P,)`, 1 at the weights and 0 elsewhere, of the parameters' dtype (see `mark_weights`).

        Raises:
            ValueError: If a strength is negative or not finite.
        """
        if not (np.isfinite(strength) & (np.asarray(strength) >= 0.0)).all():
            msg = f"the strength of an L2 penalty must be finite and not negative, got {strength}"
            raise ValueError(msg)
        self._strengths = np.asarray(strength, weights.dtype) * weights
        self._scratch = np.empty_like(self._strengths)

    def value(self, parameters: Array) -> float:
        """Give the penalty of a single run's parameters `(P,)`."""
        return 0.5 * float(np.multiply(parameters, parameters, out=self._scratch).dot(self._strengths))

    def add_gradient(self, parameters: Array, gradients: Array) -> None:
        """Add strength · w to the gradient of every weight."""
        np.multiply(parameters, self._strengths, out=self._scratch)
        gradients += self._scratch


def mark_weights(network: Network) -> Array:
    """Give `(P,)` with 1 at every entry of a weight matrix and 0 at biases, in the network's dtype."""
    marks = np.zeros_like(network.parameters)
    for layer in network.views(marks).values():
        for name, array in layer.items():
            array[...] = name.endswith("weight")
    return marks
