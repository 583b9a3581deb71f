"""Losses of the residual between output and target, and how they broadcast where shapes were overlooked."""

import math
from typing import Literal, TypeAlias, get_args

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.gates import Shape
from gradvitals.engine.losses import ElementwiseLoss, Reduction

Broadcast: TypeAlias = Literal["refuse", "outputs", "batch"]
"""What to do where one target meets several outputs, or one output several targets."""


class RegressionLoss(ElementwiseLoss):
    """A loss of the residual, output − target.

    Args:
        reduction: As for every loss.
        broadcast: `refuse` demands targets of the outputs' shape. `outputs` takes a target of width 1 for every output
            of its sample, or the reverse, as Keras does silently and PyTorch with a warning. `batch` takes targets
            `(batch, 1)` as PyTorch takes `(batch,)`: every sample's one output meets the targets of *all* samples, so
            that the network learns to predict their mean.
        of_classes: Whether the targets are classes after all, one-hot or as one number, so that they can be right.
    """

    takes = "values"

    delta: float = 1.0
    """Where residuals begin to count otherwise, in the losses in which they do."""

    def __init__(
        self, *, reduction: Reduction = "mean", broadcast: Broadcast = "refuse", of_classes: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.of_classes = of_classes
        if broadcast not in get_args(Broadcast):
            msg = f"{self.name}: broadcast must be one of {', '.join(get_args(Broadcast))}, got {broadcast!r}"
            raise ValueError(msg)
        self.broadcast = broadcast
        self.across_samples = broadcast == "batch"

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that outputs and targets fit as `broadcast` has it, and give the scalar's shape."""
        outputs, targets = shapes
        if self.broadcast == "batch" and (outputs[1:], targets[1:]) != ((1,), (1,)):
            widths = f"{outputs[1:]} and {targets[1:]}"
            msg = f"{self.name}: broadcasting over the batch needs one output and one target per sample, got {widths}"
            raise ValueError(msg)
        if self.broadcast == "outputs" and 1 in {outputs[-1], targets[-1]}:
            targets = outputs
        return super().output_shape(outputs, targets)

    def prepare(self) -> None:
        """Turn the targets of a batch into a row, if every output is to meet them all."""
        if self.broadcast == "batch":
            self._targets_as_met = self.inputs[1].swapaxes(-1, -2)
        else:
            self._targets_as_met = self.inputs[1]
        super().prepare()
        self._residuals = np.empty_like(self._terms)
        self._folds_outputs = self._outputs.shape != self._terms.shape

    def _shape_of_terms(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self._outputs.shape, self._targets_as_met.shape)

    def right_answers(self, likeliest: Array | None = None) -> Array | None:  # noqa: ARG002 - targets may be classes
        """Tell where the largest output, or the whole number next to the only one, is the target's class."""
        if not self.of_classes:
            return None
        outputs, targets = self._outputs, self._targets
        said = outputs.argmax(-1) if outputs.shape[-1] > 1 else np.rint(outputs[..., 0])
        right = targets.argmax(-1) if targets.shape[-1] > 1 else targets[..., 0]
        return np.asarray(said == right)

    @property
    def title(self) -> str:
        """The name, with a delta that is not 1."""
        return self.name if self.delta == 1.0 else f"{self.name} of delta {self.delta:g}"

    def compute_target_slopes(self) -> Array:
        """Give the slopes by the targets: those by the outputs, negative."""
        return np.negative(self.compute_slopes(), out=self._terms)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write every slope, divided by the number of terms, summed where one output met several targets."""
        if self._folds_outputs:
            _sum_onto(grad_outputs, self.compute_slopes() * self._gradient_scale)
        else:
            np.multiply(self.compute_slopes(), self._gradient_scale, out=grad_outputs)

    def compute_grad_targets(self, grad_targets: Array) -> None:
        """Write every slope, divided by the number of terms, summed where one target met several outputs."""
        if self.broadcast == "batch":
            grad_targets = grad_targets.swapaxes(-1, -2)
        _sum_onto(grad_targets, self.compute_target_slopes() * self._gradient_scale)


class MeanSquaredError(RegressionLoss):
    """(x − t)², averaged over outputs and batch (no factor ½, as in PyTorch)."""

    name = "mse"
    slope_factor = 2.0

    def compute_terms(self) -> None:
        """Write the squares."""
        np.subtract(self._outputs, self._targets_as_met, out=self._residuals)
        np.multiply(self._residuals, self._residuals, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give x − t."""
        return self._residuals


class MeanAbsoluteError(RegressionLoss):
    """|x − t|, averaged over outputs and batch; at exactly 0 its slope is 0, as in PyTorch."""

    name = "mae"

    def compute_terms(self) -> None:
        """Write the absolute values."""
        np.subtract(self._outputs, self._targets_as_met, out=self._residuals)
        np.abs(self._residuals, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give the sign of x − t."""
        return np.sign(self._residuals, out=self._slopes)

    def sides(self) -> Array:
        """Tell which residuals are positive."""
        return np.sign(self._residuals)


class Huber(RegressionLoss):
    """½ r² for a residual r within ± delta, else delta · (|r| − ½ delta); PyTorch's `HuberLoss` and its delta of 1.

    Args:
        delta: Where the square turns into a straight line.
        reduction: As for every loss.
        broadcast: As for every loss of the residual.
        of_classes: Likewise.

    References:
        Huber 1964, "Robust estimation of a location parameter", equation 2.
    """

    name = "huber"

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
            msg = f"the delta of huber must be positive and finite, got {delta}"
            raise ValueError(msg)
        self.delta = delta

    def compute_terms(self) -> None:
        """Write c · (r − ½ c), c the residual clipped to ± delta: both branches in one, and no square overflows."""
        np.subtract(self._outputs, self._targets_as_met, out=self._residuals)
        np.clip(self._residuals, -self.delta, self.delta, out=self._slopes)
        np.multiply(self._slopes, -0.5, out=self._terms)
        np.add(self._terms, self._residuals, out=self._terms)
        np.multiply(self._terms, self._slopes, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give the clipped residuals."""
        return self._slopes

    def sides(self) -> Array:
        """Tell which residuals are beyond delta, where the curvature jumps."""
        return np.abs(self._residuals) > self.delta


def _sum_onto(gradient: Array, slopes: Array) -> None:
    """Sum the slopes over the axes along which the value had been broadcast."""
    for axis in (-1, -2):
        if gradient.shape[axis] == 1 and slopes.shape[axis] != 1:
            slopes = np.add.reduce(slopes, axis=axis, keepdims=True)
    np.copyto(gradient, slopes)
