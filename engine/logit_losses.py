"""Losses on logits, fused with the softmax or sigmoid that makes them probabilities, so exact for any finite logits."""

import numpy as np

from gradvitals.engine.activations import write_sigmoid
from gradvitals.engine.classification_losses import BinaryLoss, CategoricalLoss
from gradvitals.engine.events import Array


class SoftmaxCrossEntropy(CategoricalLoss):
    """−Σ targets · log softmax(logits), by log-sum-exp.

    References:
        cs231n, "Linear classification", section "Softmax classifier", "Practical issues: Numeric stability".
    """

    name = "cross_entropy"
    takes = "logits"

    def prepare(self) -> None:
        """Add scratch space."""
        super().prepare()
        self._shifted = np.empty_like(self._costs)
        self._probs = np.empty_like(self._costs)
        self._largest = np.empty_like(self._costs[..., :1, :], order="C")
        self._sums = np.empty_like(self._largest)
        self._is_largest = np.empty(self._costs.shape, bool)
        self._places = np.arange(self._costs.size).reshape(self._costs.shape)[..., 0, :]
        self._is_plain = self.sums_to_one and self._weights is None and self.labels_beyond != "ignore"

    def compute_costs(self) -> None:
        """Shift by the largest logit, so that exp cannot overflow and the largest term is exactly 1."""
        np.copyto(self._shifted, self._outputs_by_class)
        np.maximum.reduce(self._shifted, axis=-2, out=self._largest, keepdims=True)
        np.subtract(self._shifted, self._largest, out=self._shifted)
        np.exp(self._shifted, out=self._probs)
        np.add.reduce(self._probs, axis=-2, out=self._sums, keepdims=True)
        np.divide(self._probs, self._sums, out=self._probs)
        np.log(self._sums, out=self._sums)
        np.subtract(self._sums, self._shifted, out=self._costs)  # −log p, class by class

    def right_answers(self, likeliest: Array | None = None) -> Array:
        """Tell for which samples the largest logit is that of the likeliest target.

        Of a stack, whose samples are many, it is asked which logit was shifted to 0: that is faster than looking for
        the largest, and the same where it is the only one. Where no loss is NaN, every sample has one, so that their
        number tells whether any has two.
        """
        if likeliest is None or likeliest.ndim == 1 or self._beyond.size:
            return super().right_answers(likeliest)
        np.equal(self._shifted, 0.0, out=self._is_largest)
        if np.count_nonzero(self._is_largest) != likeliest.size or not np.isfinite(self.output).all():
            return super().right_answers(likeliest)
        return np.asarray(self._is_largest.reshape(-1).take(self._places + likeliest * likeliest.shape[-1]))

    def compute_grad_outputs(self, grad_outputs: Array) -> None:
        """Write (softmax(logits) · Σ targets − targets) / batch, the sum being 1 as a rule."""
        if self._is_plain:
            np.subtract(self._probs, self._weighted, out=self._terms)
        else:
            np.add.reduce(self._weighted, axis=-2, out=self._sums, keepdims=True)
            np.multiply(self._probs, self._sums, out=self._terms)
            np.subtract(self._terms, self._weighted, out=self._terms)
        np.multiply(self._terms, self._gradient_scale, out=self._grad_by_class)
        if self._spoils:
            self._spoil(grad_outputs)


class BinaryCrossEntropy(BinaryLoss):
    """−t log σ(x) − (1−t) log(1−σ(x)) on logits x, computed as max(x, 0) − t·x + log(1 + e^−|x|)."""

    name = "binary_cross_entropy"
    takes = "logits"

    def prepare(self) -> None:
        """Add scratch space."""
        super().prepare()
        self._zeros = np.zeros_like(self._outputs)
        self._product = np.empty_like(self._outputs)

    def compute_terms(self) -> None:
        """Write total · (log(1 + e^−|x|) + max(x, 0)) − positive · x."""
        if self._weights is not None:
            self._weigh_targets(*self._weights)
        self._compute_softplus(self._terms)
        if self._weights is not None:
            np.multiply(self._terms, self._total, out=self._terms)
        np.multiply(self._outputs, self._positive, out=self._product)
        np.subtract(self._terms, self._product, out=self._terms)

    def _compute_softplus(self, out: Array) -> None:
        """Write log(1 + eˣ), the loss with label 0; with label 1 it is x less."""
        np.abs(self._outputs, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.log1p(out, out=out)
        np.maximum(self._outputs, self._zeros, out=self._product)
        np.add(out, self._product, out=out)

    def compute_slopes(self) -> Array:
        """Give total · σ(x) − positive."""
        slopes = self._slopes
        write_sigmoid(self._outputs, slopes)
        if self._weights is not None:
            np.multiply(slopes, self._total, out=slopes)
        np.subtract(slopes, self._positive, out=slopes)
        return slopes

    def compute_target_slopes(self) -> Array:
        """Give the loss with label 1 less that with label 0: −x without weights."""
        if self._weights is None:
            return np.negative(self._outputs, out=self._slopes)
        negative, positive = self._weights
        self._compute_softplus(self._slopes)
        np.multiply(self._slopes, positive - negative, out=self._slopes)
        np.multiply(self._outputs, positive, out=self._product)
        return np.subtract(self._slopes, self._product, out=self._slopes)
