"""The best constant output under a PyTorch user's loss: by our own formulas where they hold, else by minimising it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_constant_search import SUM_TOLERANCE, fit_numerically
from gradvitals.diagnostics.adapters.torch_known_loss import KnownTorchLoss
from gradvitals.diagnostics.adapters.torch_loss import TorchLoss
from gradvitals.diagnostics.adapters.torch_meeting import Form
from gradvitals.diagnostics.adapters.torch_outputs import Outputs
from gradvitals.diagnostics.constant_predictor import (
    OF_ONE_CLASS,
    OF_QUANTITIES,
    OF_YES_OR_NO,
    ConstantPredictor,
    fit_constant,
)
from gradvitals.diagnostics.least_loss import is_share
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
        if loss.name in OF_ONE_CLASS | OF_YES_OR_NO | OF_QUANTITIES:
            return _of_soft_targets(loss, rows)
        found = _by_formula(loss, rows, outputs)
        if found is not None:
            return found
        if loss.known.kind.takes == "log_probabilities" and not _are_log_probabilities(loss.meeting.outputs(outputs)):
            return None  # it falls for ever
    elif not loss.separable:
        return None
    return fit_numerically(loss, rows, outputs)


def _of_soft_targets(loss: KnownTorchLoss, rows: Array) -> ConstantPredictor | None:
    """Fit a constant by our own formulas to targets that no output meets without a loss; None for all others."""
    floor = _floor(loss.name, rows, loss.class_weight)
    found = fit_constant(loss.name, rows, loss.class_weight) if floor > 0.0 else None
    return None if found is None else replace(found, floor=floor)


def _floor(family: str, rows: Array, weight: Array | None) -> float:
    """Give the least mean loss that any outputs have: the entropy of the targets, by their weights."""
    if family not in {"cross_entropy", "binary_cross_entropy"} or not is_share(rows) or np.isin(rows, (0, 1)).all():
        return 0.0
    rows = np.asarray(rows, np.float64)
    if family == "cross_entropy":
        parts = rows if weight is None else rows * weight
    else:
        negative, positive = (1.0, 1.0) if weight is None else weight
        parts = np.stack([negative * (1.0 - rows), positive * rows], axis=-1)
    totals = parts.sum(axis=-1, keepdims=True)
    shares = parts / np.where(totals > 0.0, totals, 1.0)
    entropies = -(parts * np.log(np.where(shares > 0.0, shares, 1.0))).sum(axis=-1)
    return float(entropies.mean())


def _by_formula(loss: KnownTorchLoss, rows: Array, outputs: Outputs) -> ConstantPredictor | None:
    """Use a formula of ours on targets, or a loss, that a setting has changed."""
    known, weight = loss.known, loss.class_weight
    family, by_class = known.kind.family, loss.meeting.form in {Form.CLASSES, Form.SHARES} and rows.ndim == 2
    smoothing = float(known.setting("label_smoothing", 0.0))
    if loss.meeting.form is Form.POSITIONS:
        is_log = family == "nll" and _are_log_probabilities(loss.meeting.outputs(outputs))
        return _of_positions(loss, rows, outputs) if (family == "cross_entropy" and not smoothing) or is_log else None
    if family == "cross_entropy" and by_class and smoothing:
        classes = rows.shape[1]
        return _changed("cross_entropy", rows, weight, lambda rows: (1.0 - smoothing) * rows + smoothing / classes)
    if family == "nll" and by_class:
        return fit_constant("cross_entropy", rows, weight) if _are_log_probabilities(outputs) else None
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

    floor = factor * _floor(family, change(rows), weight)
    return replace(own, mean_loss=factor * own.mean_loss, losses_of=losses_of, floor=floor)


def _of_positions(loss: KnownTorchLoss, rows: Array, outputs: Outputs) -> ConstantPredictor:
    """Fit the same shares of classes for all positions: what a network knows that reads nothing, not even where it is.

    Every sample counts alike, however many of its positions have labels.
    """
    classes = loss.meeting.outputs(outputs).shape[1]
    weight = np.ones(classes) if loss.class_weight is None else loss.class_weight
    labels = rows.astype(np.int64)
    known = (labels >= 0) & (labels < classes) if loss.ignored is None else labels != loss.ignored
    per_position = weight[np.where(known, labels, 0)] * known / np.maximum(known.sum(axis=1, keepdims=True), 1)
    totals = np.bincount(np.where(known, labels, 0).ravel(), per_position.ravel(), minlength=classes)
    shares = totals / totals.sum()

    def losses_of(best: Array, targets: Array) -> Array:
        with np.errstate(divide="ignore"):
            costs = -np.log(best)
        labels = targets.astype(np.int64)
        known = labels != loss.ignored
        chosen = np.where(known, labels, 0)
        terms = np.where(known, weight[chosen] * costs[chosen], 0.0)
        return np.asarray(terms.sum(axis=1) / np.maximum(known.sum(axis=1), 1))

    return ConstantPredictor(loss.name, shares, float(losses_of(shares, rows).mean()), None, losses_of)


def _are_log_probabilities(outputs: Outputs) -> bool:
    sums = outputs.detach().double().exp().sum(dim=1)
    return bool(torch.isclose(sums, torch.ones_like(sums), rtol=0.0, atol=SUM_TOLERANCE).all())
