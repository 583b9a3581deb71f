"""What loss a batch met, and with which targets, as its outputs and the gradient on them tell, whoever calls the loss.

A cross-entropy's gradient on logits is softmax − target, a binary one's sigmoid − target, a negative log-likelihood's
is −1 at the target and 0 elsewhere, but for one factor: 1 / samples of a mean, 1 of a sum, others where gradients are
accumulated or scaled. Such a loss is told from any other by that, and by a single batch. A squared error's is
output − target, which any gradient could be: it takes two looks at the same example (see `SquareFit`).

References:
    Bishop 2006, "Pattern Recognition and Machine Learning", section 4.3.6: the gradient of losses that match their
    activation is the difference of output and target.
"""

import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from gradvitals.engine.events import Array

CLOSE = 1e-3
"""Largest difference of a gradient from what a loss gives, as a share of the batch's largest: rounding is far below."""

ROUNDING = 8.0
"""Epsilons of the outputs' precision that a share of 1 is rounded by, of which little is left where all is learned."""

CLEAR = 1e-2
"""Largest difference of output and target in a batch from which its factor is known well."""

UNLABELLED = -100
"""What PyTorch's losses of classes take for no label, and leave out: such a sample has no gradient."""

KINDS = ("classes", "classes_last", "log_classes", "log_classes_last", "logits", "probabilities")
"""Those that a single batch tells: of classes, along the second axis or the last, of logarithms, of yes and no."""

LEAST_VARIANCE = 1e-12
"""What PyTorch divides by at least in the gradient of a binary cross-entropy of probabilities."""

SAME_SQUARES = 1e-2
"""Share of the outputs' change between two looks up to which what they are pulled to counts as unchanged."""

LEAST_CHANGE = 1e-4
"""Change of the outputs, as a share of their size, of which rounding leaves enough."""

MOST_PAIRS = 4096
"""Examples looked at twice that are held against each other: the latest."""

MOST_NUMBERS = 2**21
"""Outputs in all of these pairs: of large ones fewer are kept."""

LIKELY = 0.95
"""Share of the examples looked at twice that must agree in a squared error."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a batch's gradient is, if the loss is of one kind.

    Attributes:
        targets: A row per sample: class indices `(samples, …)`, `UNLABELLED` where there is no gradient, or 0 and 1
            `(samples, outputs, …)`.
        factor: That of the gradient: 1 of a sum.
        is_clear: Whether the factor is known well: not where all is learned.
    """

    targets: Array
    factor: float
    is_clear: bool


def read(outputs: Array, gradient: Array, epsilon: float, kinds: Collection[str] = KINDS) -> dict[str, Told] | None:
    """Give for every kind of loss that fits what it tells.

    Args:
        outputs: `(samples, outputs, …)`, in float64; some of a batch will do.
        gradient: On them, likewise.
        epsilon: Of the precision that they were computed in.
        kinds: Those that it may be.

    Returns:
        By kind; None where there is no gradient at all, or one that is not finite.
    """
    if not gradient.any() or not np.isfinite(gradient).all() or not np.isfinite(outputs).all():
        return None
    readings = {kind: _read(kind, outputs, gradient, ROUNDING * epsilon) for kind in kinds}
    return {kind: told for kind, told in readings.items() if told is not None}


def count_of(kind: str, gradient: Array) -> int:
    """Count what a mean over a batch would be taken of, by the gradient on all of its outputs: labels, or outputs."""
    if kind in {"logits", "probabilities"}:
        return gradient.size
    return int(np.count_nonzero(gradient.any(axis=-1 if kind.endswith("last") else 1)))


def _read(kind: str, outputs: Array, gradient: Array, rounding: float) -> Told | None:
    if kind == "logits":
        return _read_yes_or_no(0.5 + 0.5 * np.tanh(0.5 * outputs), gradient, rounding)  # a sigmoid that never overflows
    if kind == "probabilities":
        return _read_probabilities(outputs, gradient)
    is_last = kind.endswith("last")
    if outputs.ndim < (3 if is_last else 2):
        return None
    return _read_classes(None if kind.startswith("log") else outputs, gradient, rounding, -1 if is_last else 1)


def loss_of(kind: str, *, is_sum: bool) -> Any:  # noqa: ANN401 - torch has no types for us
    """Give the loss of a kind, as a module."""
    reduction = "sum" if is_sum else "mean"
    if kind.startswith("classes"):
        return nn.CrossEntropyLoss(reduction=reduction)
    if kind.startswith("log_classes"):
        return nn.NLLLoss(reduction=reduction)
    kinds: Mapping[str, Any] = {"logits": nn.BCEWithLogitsLoss, "probabilities": nn.BCELoss, "squares": nn.MSELoss}
    return kinds[kind](reduction=reduction)


def _read_classes(logits: Array | None, gradient: Array, rounding: float, axis: int) -> Told | None:
    """Read a cross-entropy of logits or, without them, a negative log-likelihood of whatever is its input."""
    g = np.moveaxis(gradient, axis, -1)
    if g.shape[-1] < 2:
        return None
    labels, has_label = g.argmin(axis=-1), g.any(axis=-1)
    shares = np.zeros_like(g) if logits is None else _softmax(np.moveaxis(logits, axis, -1))
    labels = np.where(g.min(axis=-1) < 0.0, labels, shares.argmax(axis=-1))  # a share of 1 leaves 0 at its label
    expected = shares - np.equal(np.arange(g.shape[-1]), np.expand_dims(labels, -1))
    found = _factor(g, np.where(np.expand_dims(has_label, -1), expected, 0.0), rounding)
    return None if found is None else Told(np.where(has_label, labels, UNLABELLED), *found)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _read_yes_or_no(shares: Array, gradient: Array, rounding: float) -> Told | None:
    yes = _said_yes(shares, gradient)
    found = _factor(gradient, shares - yes, rounding)
    return None if found is None else Told(yes.astype(np.float32), *found)


def _read_probabilities(outputs: Array, gradient: Array) -> Told | None:
    """Read a binary cross-entropy of probabilities, whose gradients are of all sizes: each is held against its own."""
    if not ((outputs >= 0.0) & (outputs <= 1.0)).all():
        return None
    yes = _said_yes(outputs, gradient)
    expected = (outputs - yes) / np.maximum(outputs * (1.0 - outputs), LEAST_VARIANCE)
    factor = float(np.median(gradient[expected != 0.0] / expected[expected != 0.0])) if expected.any() else 0.0
    fits = factor > 0.0 and bool((np.abs(gradient - factor * expected) <= CLOSE * np.abs(gradient)).all())
    return Told(yes.astype(np.float32), factor, is_clear=True) if fits else None


def _said_yes(shares: Array, gradient: Array) -> Array:
    """Tell which targets are 1: those that pull upwards, and where nothing pulls, as all is learned, what is said."""
    return np.where(gradient == 0.0, shares > 0.5, gradient < 0.0)


def _factor(gradient: Array, expected: Array, rounding: float) -> tuple[float, bool] | None:
    """Give the one factor by which a gradient is what is expected, and whether it is clear; None if there is none."""
    square, largest = float(np.vdot(expected, expected)), float(np.abs(expected).max())
    factor = float(np.vdot(gradient, expected)) / square if square > 0.0 else 0.0
    most = factor * max(CLOSE * largest, rounding)
    fits = factor > 0.0 and float(np.abs(gradient - factor * expected).max()) <= most
    return (factor, largest >= CLEAR) if fits else None


@dataclass(slots=True)
class SquareFit:
    """Whether two looks at each of several examples are those of a squared error on unchanged targets.

    Then outputs differ between the two by as much as their gradients, each divided by its factor: 2 / outputs of a
    mean, 2 of a sum, another where gradients are accumulated, scaled, or halved. That factor is the same for all.

    Attributes:
        taken: Pairs of looks so far.
    """

    taken: int = 0
    outputs: deque[Array] = field(default_factory=lambda: deque(maxlen=MOST_PAIRS))
    gradients: deque[Array] = field(default_factory=lambda: deque(maxlen=MOST_PAIRS))
    sizes: deque[Array] = field(default_factory=lambda: deque(maxlen=MOST_PAIRS))

    def add(self, outputs: tuple[Array, Array], gradients: tuple[Array, Array], counts: tuple[int, int]) -> None:
        """Take two looks at one example: its outputs, the gradients on them, and how many outputs the batches had."""
        change = float(np.abs(outputs[1] - outputs[0]).max())
        if change > LEAST_CHANGE * float(np.abs(outputs[0]).max()):
            self.taken += 1
            while self.outputs and len(self.outputs) * outputs[0].size > MOST_NUMBERS:
                for kept in (self.outputs, self.gradients, self.sizes):
                    kept.popleft()
            self.outputs.append((outputs[0] - outputs[1]).ravel())
            self.gradients.append(np.stack([each.ravel() for each in gradients]))
            self.sizes.append(np.array(counts, np.float64))

    def factors(self) -> tuple[float, bool] | None:
        """Give what a gradient of a mean is to be multiplied with, as 1 of PyTorch's own, and whether it is a sum's."""
        if not self.outputs:
            return None
        means = self._factor(of_sum=False)
        sums = self._factor(of_sum=True)
        if sums is not None and (means is None or math.isclose(sums, 1.0, rel_tol=SAME_SQUARES)):
            return sums, True
        return None if means is None else (means, False)

    def _factor(self, *, of_sum: bool) -> float | None:
        pulls = [
            (each[0] * size[0] - each[1] * size[1]) / 2.0 if not of_sum else (each[0] - each[1]) / 2.0
            for each, size in zip(self.gradients, self.sizes, strict=True)
        ]
        changes, pulled = np.concatenate(self.outputs), np.concatenate(pulls)
        square = float((pulled * pulled).sum())
        factor = float((changes * pulled).sum()) / square if square > 0.0 else 0.0
        agree = [
            float(np.abs(change - factor * pull).max()) <= SAME_SQUARES * float(np.abs(change).max())
            for change, pull in zip(self.outputs, pulls, strict=True)
        ]
        return factor if factor > 0.0 and np.mean(agree) >= LIKELY else None
