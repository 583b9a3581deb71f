"""The best constant output under a PyTorch user's loss: by our own formulas where they hold, else by minimising it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradvitals.diagnostics.adapters.torch_constant_search import fit_numerically
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_loss import TorchLoss
from gradvitals.diagnostics.adapters.torch_meeting import Form
from gradvitals.diagnostics.adapters.torch_outputs import Outputs, are_logarithms, main_tensor
from gradvitals.diagnostics.constant_predictor import (
    OF_ONE_CLASS,
    OF_QUANTITIES,
    OF_YES_OR_NO,
    ConstantPredictor,
    fit_constant,
)
from gradvitals.engine.events import Array


def best_constant(
    loss: TorchLoss,
    rows: Array,
    outputs: Outputs,
) -> ConstantPredictor | None:
    """Find the constant output with the least loss.

    Args:
        loss: The loss.
        rows: Targets of the training set, as the loss's coding writes them.
        outputs: What the model gives for a few samples.

    Returns:
        None where our own formulas, by the loss's name, say all; and where none can be found for sure.
    """
    if isinstance(loss, KnownTorchLoss):
        outputs = main_tensor(outputs)
        if loss.name in OF_ONE_CLASS | OF_YES_OR_NO | OF_QUANTITIES:
            return None
        found = _by_formula(loss, rows, outputs)
        if found is not None:
            return found
        if loss.known.kind.takes == "log_probabilities" and not are_logarithms(loss.meeting.outputs(outputs)):
            return None  # it falls for ever
    elif not loss.separable:
        return None
    return fit_numerically(loss, rows, outputs)


def _by_formula(loss: KnownTorchLoss, rows: Array, outputs: Outputs) -> ConstantPredictor | None:
    """Use a formula of ours on targets, or a loss, that a setting has changed."""
    known, weight = loss.known, loss.class_weight
    family, by_class = known.kind.family, loss.meeting.form in {Form.CLASSES, Form.SHARES} and rows.ndim == 2
    smoothing = float(known.setting("label_smoothing", 0.0))
    if loss.meeting.form is Form.POSITIONS:
        is_log = family == "nll" and are_logarithms(loss.meeting.outputs(outputs))
        return _of_positions(loss, rows, outputs, smoothing) if family == "cross_entropy" or is_log else None
    if family == "cross_entropy" and by_class and smoothing:
        classes = rows.shape[1]
        return _changed("cross_entropy", rows, weight, lambda rows: (1.0 - smoothing) * rows + smoothing / classes)
    if family == "nll" and by_class:
        return fit_constant("cross_entropy", rows, weight) if are_logarithms(outputs) else None
    if family == "multi_margin" and by_class and known.setting("p") == 1 and known.setting("margin") == 1.0:
        return _changed("hinge", rows, weight, np.asarray, 1.0 / rows.shape[1])
    if family in {"huber", "smooth_l1"}:
        delta = float(known.setting("delta" if family == "huber" else "beta"))
        scale = delta**2 if family == "huber" else delta
        found = _changed("huber", rows, None, lambda rows: rows / delta, scale)
        return None if found is None else replace(found, loss=loss.name)
    return None


def _changed(
    family: str, rows: Array, weight: Array | None, change: Callable[[Array], Array], factor: float = 1.0
) -> ConstantPredictor | None:
    """Fit a constant to changed targets, under a multiple of a loss; it is in the unit of the changed ones."""
    own = fit_constant(family, change(rows), weight)
    if own is None:
        return None

    def losses_of(best: Array, targets: Array) -> Array:
        return factor * replace(own, best=best).sample_losses(change(targets))

    return replace(own, mean_loss=factor * own.mean_loss, losses_of=losses_of, floor=factor * own.floor)


def _of_positions(loss: KnownTorchLoss, rows: Array, outputs: Outputs, smoothing: float) -> ConstantPredictor:
    """Fit the same shares of classes for all positions: what a network knows that reads nothing, not even where it is.

    Every sample counts alike, however many of its positions have labels. Labels beyond the classes have no loss.
    """
    classes = loss.meeting.outputs(outputs).shape[1]
    weight = np.ones(classes) if loss.class_weight is None else loss.class_weight

    def labels_of(targets: Array) -> tuple[Array, Array]:
        """Give the classes, 0 where there is none, and how much each counts in its sample's mean."""
        labels = targets.astype(np.int64)
        known = labels != loss.ignored
        inside = known & (labels >= 0) & (labels < classes)
        return np.where(inside, labels, 0), inside / np.maximum(known.sum(axis=1, keepdims=True), 1)

    def smoothed(costs: Array) -> Array:
        """Give the cost of every label, from that of every class."""
        weighted = weight * np.where(weight > 0.0, costs, 0.0)
        return np.asarray((1.0 - smoothing) * weighted + smoothing * weighted.mean()) if smoothing else weighted

    def losses_of(best: Array, targets: Array) -> Array:
        labels, counts = labels_of(targets)
        with np.errstate(divide="ignore"):
            costs = smoothed(-np.log(best))
        return np.asarray(np.where(counts > 0.0, costs[labels] * counts, 0.0).sum(axis=1))

    labels, counts = labels_of(rows)
    totals = np.bincount(labels.ravel(), counts.ravel(), minlength=classes) / len(rows)
    shares = weight * ((1.0 - smoothing) * totals + smoothing * totals.sum() / classes)
    shares /= shares.sum()
    apart, own = smoothing / classes * weight, (1.0 - smoothing + smoothing / classes) * weight
    least = _x_log_x(apart.sum() - apart + own) - (_x_log_x(apart).sum() - _x_log_x(apart) + _x_log_x(own))
    floor = float(totals @ least) if smoothing else 0.0
    return ConstantPredictor(loss.name, shares, float(losses_of(shares, rows).mean()), None, losses_of, floor)


def _x_log_x(parts: Array) -> Array:
    """Give x · log x, which is 0 at 0; of parts of 1, the entropy is less their sum."""
    return np.asarray(parts * np.log(np.where(parts > 0.0, parts, 1.0)))
