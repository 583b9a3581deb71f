"""UMLAUT's heuristics, from the paper and its released code, at the published thresholds.

Schoop, Huang, Hartmann: "UMLAUT: Debugging Deep Learning Programs using Program Structure and Model Behavior", CHI
2021, table of heuristics; thresholds of github.com/BerkeleyHCI/umlaut, `umlaut/heuristics.py`: inputs within [−1, 1],
learning rate within [1e-7, .01], validation accuracy at most .95 after three epochs and at most .05 above the
training's, dropout at most .5. What it says of source code and image shapes has no place in a trace; that the softmax
is missing is not held against a regression.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from peer_alarms import Alarm, first_of_each
from peer_trace import Trace

LARGEST_INPUT = 1.0
RATES = (1e-7, 0.01)
HIGH_ACCURACY, ABOVE_TRAINING, SETTLED = 0.95, 0.05, 3
MOST_DROPOUT = 0.5


def umlaut_alarms(trace: Trace) -> list[Alarm]:
    """Apply the heuristics before the training and at every epoch's end."""
    return first_of_each(_alarms(trace))


def _alarms(trace: Trace) -> Iterator[Alarm]:
    yield from _of_network(trace)
    yield from _of_settings(trace)
    yield from _of_history(trace)


def _of_network(trace: Trace) -> Iterator[Alarm]:
    activations = {name: layer.activation for name, layer in trace.epoch_looks[0].layers.items()}
    *hidden, last = activations
    if trace.classification and activations[last] != "softmax" and not trace.from_logits:
        yield Alarm("Missing softmax before the loss", last, 0)
    if activations[last] not in {"softmax", "linear"}:
        yield Alarm("Last layer has an activation", last, 0)
    yield from (Alarm("Missing activation", name, 0) for name in hidden if activations[name] == "linear")


def _of_settings(trace: Trace) -> Iterator[Alarm]:
    if trace.dropout > MOST_DROPOUT:
        yield Alarm("High dropout rate", None, 0)
    if float(np.abs(trace.inputs).max()) > LARGEST_INPUT:
        yield Alarm("Input data exceeds typical limits", None, 0)
    if not RATES[0] <= trace.learning_rate <= RATES[1]:
        yield Alarm("Learning rate out of range", None, 0)


def _of_history(trace: Trace) -> Iterator[Alarm]:
    for scores in trace.history:
        if np.isnan(scores.loss) and np.isnan(trace.inputs).any():
            yield Alarm("NaN in input", None, scores.step)
    for before, after in pairwise(trace.history):
        if after.val_loss > before.val_loss and after.loss <= before.loss:
            yield Alarm("Possible overfitting", None, after.step)
    for scores in trace.history[SETTLED:]:
        training, unseen = scores.accuracy, scores.val_accuracy
        if training is None or unseen is None:
            continue
        if unseen > HIGH_ACCURACY or unseen - training > ABOVE_TRAINING:
            yield Alarm("Check validation accuracy", None, scores.step)
