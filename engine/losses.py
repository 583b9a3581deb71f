"""What losses, the gates that end a circuit, have in common.

Each writes one number per run as `output`, by default the mean over the batch, and keeps the loss of every sample in
`sample_losses`. The gradient on a loss is 1. Outputs and targets are `(batch, outputs)`; a loss of every output by
itself averages over the outputs too, as PyTorch does.
"""

import math
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from gradvitals.engine.events import Array, LossInfo, Takes
from gradvitals.engine.gates import Gate, Shape, show_shape

Reduction: TypeAlias = Literal["mean", "sum"]
"""How a batch's loss is made of the losses of its samples; `sum` sums over the outputs as well, as PyTorch does."""


class Loss(Gate):
    """What every loss has: two inputs (outputs and targets), a scalar output, the loss of each sample.

    Args:
        reduction: Whether the output is the mean over the batch or, often by mistake, the sum.
    """

    name: ClassVar[str]

    sample_losses: Array
    """Loss of each sample, `(batch,)`; it is the mean over the sample's outputs whatever the reduction."""

    scores_labels: ClassVar[bool] = False
    """Whether `count_correct` counts every label of a sample rather than the sample."""

    takes: ClassVar[Takes | None] = None
    """What it takes the outputs for; None where that is none of what `Takes` names."""

    clip: float | None = None
    """ε of probabilities that are clipped to [ε, 1 − ε]; None where none are."""

    across_samples: bool = False
    """Whether every output meets the targets of all samples."""

    class_weight: Array | None = None
    """A factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`; None where it has none."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        if reduction not in get_args(Reduction):
            msg = f"{self.name}: the reduction must be 'mean' or 'sum', got {reduction!r}"
            raise ValueError(msg)
        self.reduction = reduction

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that outputs and targets have one shape, and give the scalar's."""
        outputs, targets = shapes
        if len(outputs) != 2:
            msg = f"{self.name}: outputs must be (batch, outputs), got {show_shape(outputs)}"
            raise ValueError(msg)
        if outputs != targets:
            msg = f"{self.name}: outputs {outputs[1:]} and targets {targets[1:]} per sample must have the same shape"
            raise ValueError(msg)
        return ()

    def prepare(self) -> None:
        """Name the arrays and set the scales."""
        self._outputs, self._targets = self.inputs
        self._grad_outputs, self._grad_targets = self.grad_inputs
        self.sample_losses = np.empty(self._outputs.shape[:-1], self._outputs.dtype)
        self._set_scales(terms=1)

    def _set_scales(self, terms: int, slope_factor: float = 1.0) -> None:
        """Set what sums over the batch are multiplied by, a sample's loss being the mean of so many terms."""
        batch, dtype = self._outputs.shape[-2], self._outputs.dtype
        is_sum = self.reduction == "sum"
        self._loss_scale = np.array(terms if is_sum else _inverse(batch), dtype)
        self._gradient_scale = np.array(slope_factor * (1.0 if is_sum else _inverse(batch * terms)), dtype)

    def forward(self) -> None:
        """Write the loss of each sample, and their mean or sum."""
        self.compute_sample_losses()
        np.add.reduce(self.sample_losses, axis=-1, out=self.output)
        np.multiply(self.output, self._loss_scale, out=self.output)

    def compute_sample_losses(self) -> None:
        """Write `sample_losses`."""
        raise NotImplementedError

    def backward(self) -> None:
        """Write the gradient on the outputs and that on the targets, each where it is wanted."""
        if self._grad_outputs is not None:
            self.compute_grad_outputs(self._grad_outputs)
        if self._grad_targets is not None:
            self.compute_grad_targets(self._grad_targets)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write the gradient on the outputs."""
        raise NotImplementedError

    def compute_grad_targets(self, grad_targets: Array) -> None:
        """Write the gradient on the targets."""
        raise NotImplementedError

    def right_answers(self, likeliest: Array | None = None) -> Array | None:  # noqa: ARG002 - for those of classes
        """Tell which answers are right: `(…, batch)`, or of every label `(…, batch, outputs)` where it `scores_labels`.

        None for a regression, which has none.

        Args:
            likeliest: The targets' likeliest class of each sample, `(…, batch)`, where the caller knows it.
        """
        return None

    def count_correct(self, likeliest: Array | None = None) -> int | Array | None:
        """Count the samples (`scores_labels`: the labels) answered rightly, per run `(R,)`; None for a regression."""
        right = self.right_answers(likeliest)
        if right is None:
            return None
        axes = 2 if self.scores_labels else 1
        if right.ndim == axes:
            return int(np.count_nonzero(right))
        return np.asarray(np.add.reduce(right, axis=tuple(range(-axes, 0)), dtype=np.intp))

    def score_samples(self) -> Array | None:
        """Give the share of each sample's answers that are right, `(…, batch)`; None for a regression."""
        right = self.right_answers()
        if right is None:
            return None
        return np.asarray(right.mean(axis=-1) if self.scores_labels else right.astype(np.float64))

    @property
    def title(self) -> str:
        """The name, and whatever setting makes it another function."""
        return self.name

    @property
    def info(self) -> LossInfo | None:
        """What it takes and gives; None where nobody said."""
        return None if self.takes is None else LossInfo(self.takes, self.reduction, self.clip, self.across_samples)


class ElementwiseLoss(Loss):
    """A loss of every output by itself, averaged over the outputs of a sample."""

    slope_factor: ClassVar[float] = 1.0
    """What `compute_slopes` leaves to the scale that the gradient is multiplied by anyway."""

    def prepare(self) -> None:
        """Make the scratch space."""
        super().prepare()
        self._terms = np.empty(self._shape_of_terms(), self._outputs.dtype)
        self._slopes = np.empty_like(self._terms)
        width = self._terms.shape[-1]
        self._set_scales(width, self.slope_factor)
        self._row_sums = np.empty((*self._terms.shape[:-1], 1), self._terms.dtype)
        self._ones = np.ones((width, 1), self._terms.dtype)
        self._per_output = np.array(_inverse(width), self._terms.dtype)

    def _shape_of_terms(self) -> tuple[int, ...]:
        return self._outputs.shape

    def compute_terms(self) -> None:
        """Write `_terms`, the loss of every output."""
        raise NotImplementedError

    def compute_slopes(self) -> Array:
        """Give the slope of every term by its output, over `slope_factor`."""
        raise NotImplementedError

    def compute_target_slopes(self) -> Array:
        """Give the slope of every term by its target, over `slope_factor`."""
        raise NotImplementedError

    def compute_sample_losses(self) -> None:
        """Write the mean over the outputs."""
        self.compute_terms()
        np.matmul(self._terms, self._ones, out=self._row_sums)
        np.multiply(self._row_sums[..., 0], self._per_output, out=self.sample_losses)

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write every slope, divided by batch · outputs."""
        np.multiply(self.compute_slopes(), self._gradient_scale, out=grad_outputs)

    def compute_grad_targets(self, grad_targets: Array) -> None:
        """Write every slope, divided by batch · outputs."""
        np.multiply(self.compute_target_slopes(), self._gradient_scale, out=grad_targets)


def _inverse(count: int) -> float:
    """Give 1 / count; a mean over nothing is NaN, as in NumPy and PyTorch."""
    return 1.0 / count if count else math.nan
