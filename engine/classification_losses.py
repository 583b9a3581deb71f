"""What losses of right and wrong answers have in common: class weights, and counting the right ones."""

from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.engine.events import Array
from gradvitals.engine.gates import Shape
from gradvitals.engine.losses import ElementwiseLoss, Loss, Reduction

LabelsBeyond: TypeAlias = Literal["refuse", "nan", "ignore"]
"""What a label does for which there is no output: as TensorFlow does on a processor, on a GPU, and as JAX does."""


class CategoricalLoss(Loss):
    """A loss of one class out of several: Σ class_weight · target · cost over the classes, one cost for each.

    Targets are one-hot or any distribution over the classes. The weighted losses are still averaged over the batch, not
    over the weights: as Keras does with `class_weight`, and PyTorch's `CrossEntropyLoss(weight)` with such targets.

    Args:
        reduction: As for every loss.
        class_weight: A factor for each class, `(classes,)`.
        sums_to_one: False where the targets of a sample need not sum to 1, as several labels of one sample do not.
        labels_beyond: What to do with targets wider than the outputs: refuse them; or take them and for a label beyond
            the outputs give NaN, or no loss.
    """

    infinite_costs: bool = False
    """Whether a cost may be infinite at finite outputs; it then counts only where its target is not 0."""

    def __init__(
        self,
        *,
        reduction: Reduction = "mean",
        class_weight: ArrayLike | None = None,
        sums_to_one: bool = True,
        labels_beyond: LabelsBeyond = "refuse",
    ) -> None:
        super().__init__(reduction=reduction)
        if labels_beyond not in get_args(LabelsBeyond):
            msg = (
                f"{self.name}: labels_beyond must be one of {', '.join(get_args(LabelsBeyond))}, got {labels_beyond!r}"
            )
            raise ValueError(msg)
        self.class_weight = None if class_weight is None else checked_weights(self.name, class_weight)
        self.sums_to_one, self.labels_beyond = sums_to_one, labels_beyond

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that there is a target and a weight for each output, and give the scalar's shape."""
        outputs, targets = shapes
        if self.labels_beyond != "refuse" and len(targets) == 2 and (targets[1] or 0) > (outputs[-1] or 0):
            targets = (targets[0], outputs[-1])
        if self.class_weight is not None and self.class_weight.shape != outputs[1:]:
            msg = f"{self.name}: class_weight needs a number per class, {outputs[1:]}, got {self.class_weight.shape}"
            raise ValueError(msg)
        return super().output_shape(outputs, targets)

    def prepare(self) -> None:
        """Lay the scratch space out `(classes, batch)`: NumPy is several times faster over long rows."""
        super().prepare()
        classes = self._outputs.shape[-1]
        self._outputs_by_class = self._outputs.swapaxes(-1, -2)
        self._targets_by_class = self._targets[..., :classes].swapaxes(-1, -2)
        self._beyond = self._targets[..., classes:]
        self._spoils = self.labels_beyond == "nan" and self._beyond.size > 0
        if self._grad_outputs is not None:
            self._grad_by_class = self._grad_outputs.swapaxes(-1, -2)
        self._costs = np.empty(self._outputs_by_class.shape, self._outputs.dtype)
        self._terms = np.zeros_like(self._costs)
        self._weights, self._weighted = None, self._targets_by_class
        if self.class_weight is not None:
            self._weights = self.class_weight.astype(self._outputs.dtype)[:, np.newaxis]
            self._weighted = np.empty_like(self._costs)

    def compute_costs(self) -> None:
        """Write `_costs`, what each class costs were it the target, `(classes, batch)`."""
        raise NotImplementedError

    def compute_sample_losses(self) -> None:
        """Write Σ class_weight · target · cost."""
        self.compute_costs()
        if self._weights is not None:
            np.multiply(self._targets_by_class, self._weights, out=self._weighted)
        if self.infinite_costs:  # 0 · ∞ is nothing here
            self._terms[...] = 0.0
            np.multiply(self._costs, self._weighted, out=self._terms, where=self._weighted != 0.0)
        else:
            np.multiply(self._costs, self._weighted, out=self._terms)
        np.add.reduce(self._terms, axis=-2, out=self.sample_losses)
        if self._spoils:
            self._spoil(self.sample_losses)

    def compute_grad_targets(self, grad_targets: Array) -> None:
        """Write class_weight · cost, divided by the batch."""
        classes = self._outputs.shape[-1]
        grad_targets[..., classes:] = 0.0
        np.multiply(self._costs, self._gradient_scale, out=self._terms)
        if self._weights is not None:
            np.multiply(self._terms, self._weights, out=self._terms)
        np.copyto(grad_targets[..., :classes].swapaxes(-1, -2), self._terms)

    def _spoil(self, by_sample: Array) -> None:
        """Make NaN what belongs to samples with a label beyond the outputs."""
        by_sample[np.any(self._beyond != 0.0, axis=-1)] = np.nan

    def right_answers(self, likeliest: Array | None = None) -> Array:
        """Tell for which samples the largest output is that of the likeliest target."""
        return right_classes(self._outputs, self._targets, likeliest)


class BinaryLoss(ElementwiseLoss):
    """A loss of yes or no for every output, with labels 0 and 1; any number between is both in that proportion.

    The weighted losses are still averaged over batch and outputs, as Keras does with `class_weight`; weights (1, w) are
    PyTorch's `pos_weight` w.

    Args:
        reduction: As for every loss.
        class_weight: A factor for label 0 and one for label 1, `(2,)`, or of every output, `(2, outputs)`.
    """

    scores_labels = True

    threshold: ClassVar[float] = 0.0
    """Outputs above it say yes."""

    def __init__(self, *, reduction: Reduction = "mean", class_weight: ArrayLike | None = None) -> None:
        super().__init__(reduction=reduction)
        self.class_weight = None if class_weight is None else checked_weights(self.name, class_weight)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that there are weights for both labels, and give the scalar's shape."""
        outputs, *_ = shapes
        if self.class_weight is not None and self.class_weight.shape not in {(2,), (2, *outputs[1:])}:
            msg = f"{self.name}: class_weight needs a number for label 0 and one for label 1, got {self.class_weight}"
            raise ValueError(msg)
        return super().output_shape(*shapes)

    def prepare(self) -> None:
        """Make the arrays of weighted targets."""
        super().prepare()
        self._positive = self._targets
        """Weight of the loss as label 1: the target, times the weight of label 1."""
        self._weights: tuple[Array, Array] | None = None
        if self.class_weight is not None:
            negative, positive = self.class_weight.astype(self._outputs.dtype)
            self._weights = negative, positive
            self._positive = np.empty_like(self._outputs)
            self._total = np.empty_like(self._outputs)

    def _weigh_targets(self, negative: Array, positive: Array) -> None:
        """Write `_positive` and `_total`, the weight of the loss as either label; without weights, that is 1."""
        np.multiply(self._targets, positive, out=self._positive)
        np.subtract(1.0, self._targets, out=self._total)
        np.multiply(self._total, negative, out=self._total)
        np.add(self._total, self._positive, out=self._total)

    def right_answers(self, likeliest: Array | None = None) -> Array:  # noqa: ARG002 - a label is no class
        """Tell which outputs are above the threshold where the target is above ½, or neither."""
        return np.asarray((self._outputs > self.threshold) == (self._targets > 0.5))


def right_classes(outputs: Array, targets: Array, likeliest: Array | None) -> Array:
    """Tell for which samples the largest output is at the largest target, the first of several, `(…, batch)`."""
    return np.asarray(outputs.argmax(-1) == (targets.argmax(-1) if likeliest is None else likeliest))


def checked_weights(loss: str, class_weight: ArrayLike) -> Array:
    """Copy the weights of classes.

    Raises:
        ValueError: If one is negative or not finite.
    """
    weights = np.array(class_weight, np.float64)
    if not (np.isfinite(weights) & (weights >= 0.0)).all():
        msg = f"{loss}: class_weight must be finite and not negative, got {weights.tolist()}"
        raise ValueError(msg)
    return weights
