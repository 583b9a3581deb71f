"""The squared error of a clipped residual: a loss that looks robust and stops learning where it is most wrong."""

import math

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.losses import Reduction
from gradvitals.engine.regression_losses import Broadcast, RegressionLoss


class ClippedDelta(RegressionLoss):
    """clip(r, −delta, delta)² for a residual r: beyond ± delta its gradient is 0, exactly.

    The gradient was meant to be clipped, and the value is instead, so that the samples that are predicted worst teach
    nothing. `Huber` is what was meant: its gradient is the clipped residual.

    Args:
        delta: Beyond it residuals count as if they were it.
        reduction: As for every loss.
        broadcast: As for every loss of the residual.
        of_classes: Likewise.

    References:
        Karpathy 2016, "Yes you should understand backprop", section "Spotting in the wild: DQN clipping".
    """

    name = "clipped_delta"
    slope_factor = 2.0

    def __init__(
        self,
        *,
        delta: float = 1.0,
        reduction: Reduction = "mean",
        broadcast: Broadcast = "refuse",
        of_classes: bool = False,
    ) -> None:
        super().__init__(reduction=reduction, broadcast=broadcast, of_classes=of_classes)
        if not 0.0 < delta < math.inf:
            msg = f"the delta of clipped_delta must be positive and finite, got {delta}"
            raise ValueError(msg)
        self.delta = delta

    def prepare(self) -> None:
        """Make the scratch space."""
        super().prepare()
        self._beyond = np.empty_like(self._terms, np.bool_)
        self._clipped = np.empty_like(self._terms)

    def compute_terms(self) -> None:
        """Write the squares of the clipped residuals."""
        np.subtract(self._outputs, self._targets_as_met, out=self._residuals)
        np.clip(self._residuals, -self.delta, self.delta, out=self._clipped)
        np.multiply(self._clipped, self._clipped, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give the residuals up to delta, and 0 beyond."""
        np.not_equal(self._clipped, self._residuals, out=self._beyond)
        np.copyto(self._slopes, self._residuals)
        np.copyto(self._slopes, 0.0, where=self._beyond)
        return self._slopes

    def sides(self) -> Array:
        """Tell which residuals are beyond delta, where the slope falls to 0."""
        return np.abs(self._residuals) > self.delta
