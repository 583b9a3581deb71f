"""Losses: the gates that end a circuit, on logits and fused, so that they are exact for any finite input.

Each writes the mean over the batch as `output` and keeps the loss of every sample in `sample_losses`. The gradient on
a loss is 1. Outputs and targets are `(batch, outputs)`; multi-output losses average over the outputs too, as PyTorch
does.
"""

from typing import ClassVar

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate, Shape


class Loss(Gate):
    """What every loss has: two inputs (outputs and targets), a scalar output, the loss of each sample."""

    name: ClassVar[str]
    sample_losses: Array
    """Loss of each sample, `(batch,)`; their mean is the output."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that outputs and targets have one shape, and give the scalar's."""
        outputs, targets = shapes
        if outputs != targets:
            msg = f"{self.name}: outputs {outputs[1:]} and targets {targets[1:]} per sample must have the same shape"
            raise ValueError(msg)
        return ()

    def prepare(self) -> None:
        """Make the scratch space."""
        outputs, targets = self.inputs
        self._outputs, self._targets = outputs, targets
        *_, batch, width = outputs.shape
        grad_outputs = self.grad_inputs[0]
        self._grad_outputs = np.empty_like(outputs) if grad_outputs is None else grad_outputs
        self._scratch = np.empty_like(outputs)
        self._row_sums = np.empty((*outputs.shape[:-1], 1), outputs.dtype)
        self._ones = np.ones((width, 1), outputs.dtype)
        self.sample_losses = np.empty(outputs.shape[:-1], outputs.dtype)
        self._per_sample = np.array(1.0 / batch, outputs.dtype)
        self._per_output = np.array(1.0 / width, outputs.dtype)
        self._gradient_scale = np.array(1.0 / (batch * width), outputs.dtype)

    def forward(self) -> None:
        """Write the loss of each sample and their mean."""
        self.compute_sample_losses()
        np.add.reduce(self.sample_losses, axis=-1, out=self.output)
        np.multiply(self.output, self._per_sample, out=self.output)

    def compute_sample_losses(self) -> None:
        """Write `sample_losses`."""
        raise NotImplementedError

    def _mean_over_outputs(self) -> None:
        np.matmul(self._scratch, self._ones, out=self._row_sums)
        np.multiply(self._row_sums[..., 0], self._per_output, out=self.sample_losses)

    def count_correct(self) -> int | None:
        """Count the samples (multilabel: the labels) classified rightly; None for a regression."""
        return None


class SoftmaxCrossEntropy(Loss):
    """−Σ targets · log softmax(logits), by log-sum-exp; targets are one-hot or any distribution over the classes."""

    name = "cross_entropy"

    def prepare(self) -> None:
        """Lay the scratch space out `(classes, batch)`: NumPy is several times faster over long rows."""
        super().prepare()
        logits = self._outputs
        self._logits_by_class = logits.swapaxes(-1, -2)
        self._targets_by_class = self._targets.swapaxes(-1, -2)
        self._grad_by_class = self._grad_outputs.swapaxes(-1, -2)
        self._shifted = np.empty_like(self._logits_by_class, order="C")
        self._probs = np.empty_like(self._shifted)
        self._terms = np.empty_like(self._shifted)
        self._largest = np.empty((*logits.shape[:-2], 1, logits.shape[-2]), logits.dtype)
        self._sums = np.empty_like(self._largest)

    def compute_sample_losses(self) -> None:
        """Shift by the largest logit, so that exp cannot overflow and the largest term is exactly 1."""
        np.copyto(self._shifted, self._logits_by_class)
        np.maximum.reduce(self._shifted, axis=-2, out=self._largest, keepdims=True)
        np.subtract(self._shifted, self._largest, out=self._shifted)
        np.exp(self._shifted, out=self._probs)
        np.add.reduce(self._probs, axis=-2, out=self._sums, keepdims=True)
        np.divide(self._probs, self._sums, out=self._probs)
        np.log(self._sums, out=self._sums)
        np.subtract(self._sums, self._shifted, out=self._terms)  # −log p, class by class
        np.multiply(self._terms, self._targets_by_class, out=self._terms)
        np.add.reduce(self._terms, axis=-2, out=self.sample_losses)

    def backward(self) -> None:
        """Write (softmax(logits) − targets) / batch."""
        np.subtract(self._probs, self._targets_by_class, out=self._terms)
        np.multiply(self._terms, self._per_sample, out=self._grad_by_class)

    def count_correct(self) -> int:
        """Count the samples whose largest logit is that of the likeliest target."""
        return int(np.count_nonzero(self._outputs.argmax(-1) == self._targets.argmax(-1)))


class BinaryCrossEntropy(Loss):
    """−t log σ(x) − (1−t) log(1−σ(x)) on logits x, computed as max(x, 0) − t·x + log(1 + e^−|x|)."""

    name = "binary_cross_entropy"

    def prepare(self) -> None:
        """Add the constants."""
        super().prepare()
        self._zeros = np.zeros_like(self._outputs)
        self._half = np.array(0.5, self._outputs.dtype)
        self._product = np.empty_like(self._outputs)

    def compute_sample_losses(self) -> None:
        """Write the mean over the outputs."""
        np.abs(self._outputs, out=self._scratch)
        np.negative(self._scratch, out=self._scratch)
        np.exp(self._scratch, out=self._scratch)
        np.log1p(self._scratch, out=self._scratch)
        np.maximum(self._outputs, self._zeros, out=self._product)
        np.add(self._scratch, self._product, out=self._scratch)
        np.multiply(self._outputs, self._targets, out=self._product)
        np.subtract(self._scratch, self._product, out=self._scratch)
        self._mean_over_outputs()

    def backward(self) -> None:
        """Write (σ(x) − t) / (batch · outputs)."""
        grad = self._grad_outputs
        np.multiply(self._outputs, self._half, out=grad)
        np.tanh(grad, out=grad)
        np.multiply(grad, self._half, out=grad)
        np.add(grad, self._half, out=grad)
        np.subtract(grad, self._targets, out=grad)
        np.multiply(grad, self._gradient_scale, out=grad)

    def count_correct(self) -> int:
        """Count the labels on the right side of σ(x) = ½."""
        return int(np.count_nonzero((self._outputs > 0) == (self._targets > self._half)))


class MeanSquaredError(Loss):
    """(x − t)², averaged over outputs and batch (no factor ½, as in PyTorch)."""

    name = "mse"

    def prepare(self) -> None:
        """Add the residuals."""
        super().prepare()
        self._residuals = np.empty_like(self._outputs)
        self._gradient_scale = np.array(2.0 * self._gradient_scale, self._outputs.dtype)

    def compute_sample_losses(self) -> None:
        """Write the mean over the outputs."""
        np.subtract(self._outputs, self._targets, out=self._residuals)
        np.multiply(self._residuals, self._residuals, out=self._scratch)
        self._mean_over_outputs()

    def backward(self) -> None:
        """Write 2 (x − t) / (batch · outputs)."""
        np.multiply(self._residuals, self._gradient_scale, out=self._grad_outputs)


LOSSES: dict[str, type[Loss]] = {
    gate.name: gate for gate in (SoftmaxCrossEntropy, BinaryCrossEntropy, MeanSquaredError)
}
