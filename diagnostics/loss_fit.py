"""What a loss is given and what it takes it for, measured once: do outputs, targets and loss belong together?"""

import numpy as np

from gradvitals.diagnostics.constant_predictor import OF_YES_OR_NO
from gradvitals.diagnostics.least_loss import ANYWHERE, BOUNDS, Bounds, least_losses, least_of_shares
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.start_notes import LossFit, TargetFacts
from gradvitals.engine.events import Array, LayerForward, Observable

SUM_TOLERANCE = 1e-3
"""Distance from 1 at which the targets of a sample count as not summing to 1."""

FEW = 8
"""Samples whose outputs are looked at."""

MANY = 1000
"""Samples among which different values are counted."""


def loss_notes(network: Observable, inputs: Array | None, targets: Array | None, *, step: int) -> list[Note]:
    """Take the notes `loss_fit` and, with targets, `targets`.

    Args:
        network: What is watched.
        inputs: Those of the training set, of which one is looked at; None without data.
        targets: All of the training set; None without data.
        step: The step the notes carry.
    """
    if inputs is None or targets is None or not len(targets):
        if not network.layers:
            return []
        width = network.layers[-1].fan_out
        return [measure_loss_fit(network, None, outputs=width, is_classification=False, step=step)]
    seen = network.probe(inputs[:FEW], targets[:FEW], step=step)  # the loss need not get as many as a last layer gives
    outputs, is_classification = seen.outputs.shape[1], seen.scores is not None
    by_position = _are_of_last_layer(network, inputs[:1], seen.outputs[:1])
    fit = measure_loss_fit(
        network,
        targets,
        outputs=outputs,
        is_classification=is_classification,
        by_position=by_position,
        sum_to_one=are_shares(seen.outputs),
        step=step,
    )
    facts = measure_targets(targets, outputs=outputs, step=step)
    return [fit] if facts is None else [fit, facts]


def measure_loss_fit(
    network: Observable,
    targets: Array | None,
    *,
    outputs: int,
    is_classification: bool,
    by_position: bool = False,
    sum_to_one: bool = False,
    step: int,
) -> LossFit:
    """Look at the loss and at the activation that feeds it.

    Args:
        network: What is watched.
        targets: Those of the training set, `(samples, columns)`; None without data.
        outputs: How many outputs the loss gets for a sample.
        is_classification: Whether answers are right or wrong.
        by_position: Whether they are what the last layer gives at every position of a sample.
        sum_to_one: Whether the outputs of every sample were seen to be shares of 1, whatever makes them so.
        step: The step the note carries.
    """
    last = network.layers[-1]
    info, activation = network.loss_info, last.activation if by_position else output_activation(network, outputs)
    if info is not None and activation in {"linear", "unknown"}:
        activation = info.squashed or ("softmax" if sum_to_one else activation)
    floor = free = None
    bounds = BOUNDS.get(activation, ANYWHERE)
    if info is not None and targets is not None and targets.size and np.isfinite(targets).all():
        if info.takes in {"logits", "scores", "values"}:
            floor = _least(network, targets, outputs, bounds)
            free = floor if bounds is ANYWHERE else _least(network, targets, outputs, ANYWHERE)
        elif bounds.sum_to_one and network.loss_name in OF_YES_OR_NO and network.class_weight is None:
            floor, free = least_of_shares(targets, outputs), 0.0
    return LossFit(
        step=step,
        takes=None if info is None else info.takes,
        reduction="mean" if info is None else info.reduction,
        across_samples=info is not None and info.across_samples,
        activation=activation,
        outputs=outputs,
        is_classification=is_classification,
        floor=floor,
        forced=None if floor is None or free is None else floor - free,
        width=last.fan_out if by_position else outputs,
        cut_labels=0.0 if info is None else info.cut_labels,
    )


def _are_of_last_layer(network: Observable, inputs: Array, outputs: Array) -> bool:
    """Tell whether the outputs of a sample are, number by number, what the last layer gives at several positions."""
    last = network.layers[-1]
    if outputs.shape[1] <= last.fan_out or outputs.shape[1] % last.fan_out:
        return False
    given: list[Array] = []

    def keep(event: object) -> None:
        if isinstance(event, LayerForward) and event.layer == last.name:
            given.append(np.sort(event.outputs, axis=None))

    network.observe(inputs, keep)
    return len(given) == 1 and np.array_equal(given[0], np.sort(outputs, axis=None))


def are_shares(outputs: Array) -> bool:
    """Tell whether the outputs of every sample are shares of 1, and differ from sample to sample."""
    if outputs.shape[1] < 2 or len(outputs) < 2 or not np.isfinite(outputs).all() or outputs.min() < 0.0:
        return False
    rounding = outputs.shape[1] * float(np.finfo(outputs.dtype).eps)
    sums = outputs.sum(axis=1, dtype=np.float64)
    return bool((np.abs(sums - 1.0) <= rounding).all() and (outputs != outputs[0]).any())


def output_activation(network: Observable, outputs: int) -> str:
    """Name the activation that gives the loss its outputs; `linear` where a gate behind the last layer chose some."""
    last = network.layers[-1]
    return last.activation if last.fan_out == outputs else "linear"


def _least(network: Observable, targets: Array, outputs: int, bounds: Bounds) -> float | None:
    losses = least_losses(network.loss_name, targets, outputs, bounds, network.class_weight)
    return None if losses is None else float(losses.mean())


def measure_targets(targets: Array, *, outputs: int, step: int) -> TargetFacts | None:
    """Look at targets `(samples, columns)` of a network of so many outputs; None if there are none, or not finite."""
    if not targets.size or not np.isfinite(targets).all():
        return None
    return TargetFacts(
        step=step,
        columns=targets.shape[1],
        lowest=float(targets.min()),
        highest=float(targets.max()),
        levels=len(np.unique(targets[:MANY])),
        whole=bool((targets == np.rint(targets)).all()),
        unshared=float((np.abs(targets.sum(axis=1, dtype=np.float64) - 1.0) > SUM_TOLERANCE).mean()),
        beyond=float((targets[:, outputs:] != 0.0).any(axis=1).mean()),
        unused=int((targets[:, :outputs].max(axis=0) <= 0.0).sum()),
    )
