"""AutoTrainer's five training problems, from the paper and its released monitor, at the published parameters.

Zhang, Zhai, Ma, Shen: "AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System", ICSE 2021, section
"Training Problem Detection" (vanishing and exploding gradient, dying ReLU, oscillating loss, slow convergence). The
parameters are those of `reproduce.py` in github.com/shiningrain/AUTOTRAINER: beta_1 = 1e-3, beta_2 = 1e-4, beta_3 = 70,
gamma = .7, zeta = .03, eta = .2, delta = .01, Theta = .6; the checker runs every third epoch. As there, symptoms are
kept once seen, and become a problem at the first check past half of the epochs, or as soon as the loss is no number or
the accuracy has not moved. It is about classifiers: a regression has no accuracy, and no alarm here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from peer_alarms import Alarm, first_of_each
from peer_trace import EpochScores, Look, Trace

BETA_1, BETA_2, BETA_3, GAMMA = 1e-3, 1e-4, 70.0, 0.7
ZETA, ETA, DELTA, THETA = 0.03, 0.2, 0.01, 0.6
EVERY = 3
JUDGED_FROM = 0.3
LARGE_LOSS = 1e3


@dataclass(slots=True)
class Symptoms:
    """What has been seen so far."""

    died: bool = False
    exploded: bool = False
    vanished: bool = False
    not_finite: bool = False
    lost: bool = False
    not_converged: bool = False
    slow: bool = False
    unstable: bool = False


def autotrainer_alarms(trace: Trace) -> list[Alarm]:
    """Apply the checker to every third epoch."""
    return first_of_each(_alarms(trace)) if trace.classification else []


def _alarms(trace: Trace) -> Iterator[Alarm]:
    seen = Symptoms()
    past_half = False
    for epoch in range(0, len(trace.history), EVERY):
        history = trace.history[: epoch + 1]
        decides = seen.lost or seen.slow or (not past_half and epoch >= trace.epochs / 2)
        past_half = past_half or epoch >= trace.epochs / 2
        _look_at_gradients(seen, trace.epoch_looks[epoch])
        look_at_history(seen, history, trace.epochs)
        if decides:
            found = [Alarm(problem, None, history[-1].step) for problem in problems(seen)]
            if found:
                yield from found
                return  # it stops the training here and repairs it


def _look_at_gradients(seen: Symptoms, look: Look) -> None:
    layers = list(look.layers.values())
    gradients = [array for layer in layers for array in (layer.weight_gradient, layer.bias_gradient)]
    weights = [array for layer in layers for array in (layer.weight, layer.bias)]
    seen.not_finite = seen.not_finite or not all(np.isfinite(array).all() for array in (*gradients, *weights))
    with np.errstate(all="ignore"):
        first, last = (np.linalg.norm(layer.weight_gradient) for layer in (layers[0], layers[-1]))
        ratio = first / last
    zeros = sum(int((array == 0.0).sum()) for array in gradients) / sum(array.size for array in gradients)
    seen.vanished = seen.vanished or bool(ratio < BETA_1 and first < BETA_2)
    seen.exploded = seen.exploded or bool(ratio > BETA_3)
    seen.died = seen.died or zeros >= GAMMA


def look_at_history(seen: Symptoms, history: Sequence[EpochScores], epochs: int) -> None:
    """Update what the losses and accuracies of the epochs so far show."""
    losses = [value for each in history for value in (each.loss, each.val_loss)]
    if not all(map(math.isfinite, losses)) or max(losses) >= LARGE_LOSS:
        seen.lost = True
        return
    if len(history) < JUDGED_FROM * epochs - EVERY:
        return
    training = [each.accuracy or 0.0 for each in history]
    unseen = [each.val_accuracy or 0.0 for each in history]
    seen.unstable = seen.unstable or oscillates(training)
    seen.not_converged = seen.not_converged or max(*training, *unseen) < THETA
    seen.slow = seen.slow or max(largest_rise(training), largest_rise(unseen)) < DELTA


def oscillates(accuracies: Sequence[float]) -> bool:
    """Tell whether peaks stand zeta above their valleys in at least eta of the epochs."""
    middle = range(1, len(accuracies) - 1)
    peaks = [accuracies[n] for n in middle if accuracies[n] >= max(accuracies[n - 1], accuracies[n + 1])]
    valleys = [accuracies[n] for n in middle if accuracies[n] <= min(accuracies[n - 1], accuracies[n + 1])]
    swings = sum(peak - valley >= ZETA for peak, valley in zip(peaks, valleys, strict=False))
    return swings >= ETA * len(accuracies)


def largest_rise(accuracies: Sequence[float]) -> float:
    """Give the largest rise from one epoch to the next; 0 where there is none."""
    return max([0.0, *(after - before for before, after in pairwise(accuracies))])


def problems(seen: Symptoms) -> Iterator[str]:
    """Name the problems that the symptoms amount to; the gradient problems only in a network that does not learn."""
    if seen.lost and seen.not_finite:
        yield "explode"
    if seen.not_converged or seen.slow:
        if seen.died:
            yield "relu"
        elif seen.exploded:
            yield "explode"
        elif seen.vanished:
            yield "vanish"
        elif seen.not_converged and seen.slow:
            yield "not_converge"
    if seen.unstable:
        yield "unstable"
