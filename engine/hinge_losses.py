"""Hinge losses: nothing once the right answer leads by a margin of 1, and a straight line below it."""

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.engine.classification_losses import BinaryLoss, checked_weights, right_classes
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Shape
from gradvitals.engine.losses import Loss, Reduction


class Hinge(Loss):
    """Σ max(0, x_j − x_y + 1) over the classes j other than the target's, y: the multiclass support vector machine.

    The sum is as Weston & Watkins and cs231n have it; PyTorch's `MultiMarginLoss` divides it by the number of classes.
    The target's class is where the targets are largest, so there is no gradient on them.

    Args:
        reduction: As for every loss.
        class_weight: A factor for the samples of each class, `(classes,)`.

    References:
        Weston & Watkins 1999, "Support vector machines for multi-class pattern recognition".
        cs231n, "Linear classification", section "Multiclass Support Vector Machine loss".
    """

    name = "hinge"
    takes = "scores"

    def __init__(self, *, reduction: Reduction = "mean", class_weight: ArrayLike | None = None) -> None:
        super().__init__(reduction=reduction)
        self.class_weight = None if class_weight is None else checked_weights(self.name, class_weight)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that there is a target and a weight for each output, and give the scalar's shape."""
        outputs, *_ = shapes
        if self.class_weight is not None and self.class_weight.shape != outputs[1:]:
            msg = f"{self.name}: class_weight needs a number per class, {outputs[1:]}, got {self.class_weight.shape}"
            raise ValueError(msg)
        return super().output_shape(*shapes)

    def prepare(self) -> None:
        """Lay the scratch space out `(classes, batch)`: NumPy is several times faster over long rows.

        Raises:
            ValueError: If a gradient on the targets is wanted.
        """
        super().prepare()
        if self._grad_targets is not None:
            msg = f"{self.name} has no gradient on its targets: it only asks which of them is the largest"
            raise ValueError(msg)
        self._outputs_by_class = self._outputs.swapaxes(-1, -2)
        self._margins = np.empty(self._outputs_by_class.shape, self._outputs.dtype)
        self._exceeded = np.empty_like(self._margins)
        self._counts = np.empty_like(self._margins[..., :1, :], order="C")
        self._weights = None if self.class_weight is None else self.class_weight.astype(self._outputs.dtype)

    def compute_sample_losses(self) -> None:
        """Write Σ max(0, margin), the margin of the target's own class being none."""
        self._labels = self._targets.argmax(-1)[..., np.newaxis, :]
        np.copyto(self._margins, self._outputs_by_class)
        np.subtract(self._margins, np.take_along_axis(self._margins, self._labels, -2), out=self._margins)
        np.add(self._margins, 1.0, out=self._margins)
        np.put_along_axis(self._margins, self._labels, 0.0, -2)
        np.maximum(self._margins, 0.0, out=self._margins)
        np.add.reduce(self._margins, axis=-2, out=self.sample_losses)
        if self._weights is not None:
            np.multiply(self.sample_losses, self._weights[self._labels[..., 0, :]], out=self.sample_losses)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write 1 for every class with a margin and their negative count for the target's, divided by the batch."""
        np.greater(self._margins, 0.0, out=self._exceeded)
        np.add.reduce(self._exceeded, axis=-2, keepdims=True, out=self._counts)
        np.negative(self._counts, out=self._counts)
        np.put_along_axis(self._exceeded, self._labels, self._counts, -2)
        if self._weights is not None:
            np.multiply(self._exceeded, self._weights[self._labels], out=self._exceeded)
        np.multiply(self._exceeded, self._gradient_scale, out=grad_outputs.swapaxes(-1, -2))

    def sides(self) -> Array:
        """Tell which classes have a margin."""
        return np.greater(self._margins, 0.0)

    def right_answers(self, likeliest: Array | None = None) -> Array:
        """Tell for which samples the largest output is that of the likeliest target."""
        return right_classes(self._outputs, self._targets, likeliest)


class BinaryHinge(BinaryLoss):
    """max(0, 1 − s·x), s = 2t − 1 the label 0 or 1 as a sign, averaged over outputs and batch; Keras's `hinge`.

    References:
        Cortes & Vapnik 1995, "Support-vector networks".
    """

    name = "binary_hinge"
    takes = "scores"

    def prepare(self) -> None:
        """Add scratch space."""
        super().prepare()
        self._signs = np.empty_like(self._outputs)
        self._margins = np.empty_like(self._outputs)

    def compute_terms(self) -> None:
        """Write total · max(0, 1 − s·x)."""
        if self._weights is not None:
            self._weigh_targets(*self._weights)
        np.multiply(self._targets, 2.0, out=self._signs)
        np.subtract(self._signs, 1.0, out=self._signs)
        np.multiply(self._signs, self._outputs, out=self._margins)
        np.subtract(1.0, self._margins, out=self._margins)
        np.maximum(self._margins, 0.0, out=self._margins)
        if self._weights is None:
            np.copyto(self._terms, self._margins)
        else:
            np.multiply(self._margins, self._total, out=self._terms)

    def compute_slopes(self) -> Array:
        """Give −total · s where there is a margin."""
        self._compute_open_totals()
        np.multiply(self._slopes, self._signs, out=self._slopes)
        return np.negative(self._slopes, out=self._slopes)

    def compute_target_slopes(self) -> Array:
        """Give −2 · total · x where there is a margin, and what the margin costs more as label 1 than as label 0."""
        self._compute_open_totals()
        np.multiply(self._slopes, self._outputs, out=self._slopes)
        np.multiply(self._slopes, -2.0, out=self._slopes)
        if self._weights is not None:
            negative, positive = self._weights
            np.add(self._slopes, self._margins * (positive - negative), out=self._slopes)
        return self._slopes

    def _compute_open_totals(self) -> None:
        """Write into `_slopes` the total weight where there is a margin, else 0."""
        np.greater(self._margins, 0.0, out=self._slopes)
        if self._weights is not None:
            np.multiply(self._slopes, self._total, out=self._slopes)

    def sides(self) -> Array:
        """Tell which outputs have a margin."""
        return np.greater(self._margins, 0.0)
