"""DeepDiagnosis's eight symptoms, from the paper and its released callback, at the published thresholds.

Wardat, Cruz, Le, Rajan: "DeepDiagnosis: Automatically Diagnosing Faults and Recommending Actionable Fixes in Deep
Learning Programs", ICSE 2022, section "Failure Symptoms"; thresholds of github.com/DeepDiagnosis/ICSE2022,
`callback/callbacks.py`: dead node .7, saturated activation ±5 on more than .5, vanishing gradient 1e-7, five looks
without change (N), twenty accuracies without change (FRQ). It looks at every epoch's end at the first batch, and stops
at the first symptom. Means are taken in float64 here: a softmax's gradients cancel, and in float32 some sum to exactly
0, its numerical error, by chance.
"""

from collections.abc import Iterator

import numpy as np
from peer_alarms import Alarm
from peer_trace import EpochScores, LayerLook, Look, Trace

from gradvitals.engine.events import Array

DEAD_SHARE = 0.7
SATURATED_AT, SATURATED_SHARE = 5.0, 0.5
VANISHED = 1e-7
LOOKS, ACCURACIES = 5, 20
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf), "elu": (-1.0, np.inf)}
WIDER = 10.0


def deepdiagnosis_alarms(trace: Trace) -> list[Alarm]:
    """Look at every epoch until there is a symptom; a trace has at most one alarm."""
    for epoch in range(len(trace.history)):
        for rule, layer in _symptoms(trace, epoch):
            return [Alarm(rule, layer, trace.history[epoch].step)]
    return []


def _symptoms(trace: Trace, epoch: int) -> Iterator[tuple[str, str | None]]:
    """Give the symptoms of an epoch in the order in which it looks for them."""
    look, fifth = trace.epoch_looks[epoch], (epoch + 1) % LOOKS == 0
    recent = trace.epoch_looks[epoch + 1 - LOOKS : epoch + 1] if fifth else []
    last = list(look.layers)[-1]
    if epoch == 0 and look.layers[last].activation != "softmax" and _out_of_range(trace, look.layers[last]):
        yield "Out of Range", last
    yield from _forward(look, recent, last_epoch=epoch == trace.epochs - 1)
    yield from _scores(trace.history[: epoch + 1])
    yield from _backward(look, recent)


def _out_of_range(trace: Trace, layer: LayerLook) -> bool:
    """Tell whether the output cannot reach the targets, or a linear one spreads ten times as wide."""
    low, high = RANGES.get(layer.activation, (-np.inf, np.inf))
    targets = trace.targets
    if layer.activation == "linear" and trace.classification and targets.shape[1] > 1:
        return True  # no softmax before a categorical cross-entropy
    too_wide = layer.activation == "linear" and np.ptp(layer.outputs) > WIDER * np.ptp(targets)
    return bool(too_wide or targets.min() < low or targets.max() > high)


def _broken(mean: float) -> bool:
    """Tell whether a mean is no number, infinite or exactly 0: its "numerical error"."""
    return not np.isfinite(mean) or mean == 0.0


def _forward(look: Look, recent: list[Look], *, last_epoch: bool) -> Iterator[tuple[str, str | None]]:
    hidden = list(look.layers)[:-1]
    with np.errstate(all="ignore"):
        for name, layer in look.layers.items():
            if _broken(float(layer.pre_activations.mean(dtype=np.float64))) or _broken(
                float(layer.outputs.mean(dtype=np.float64))
            ):
                yield "Numerical Error (forward)", name
            if (
                last_epoch
                and layer.activation == "relu"
                and float((layer.outputs <= 0.0).mean(dtype=np.float64)) >= DEAD_SHARE
            ):
                yield "Dead Node", name
            if recent and layer.activation in {"sigmoid", "tanh"}:
                saturated = np.abs(layer.pre_activations) >= SATURATED_AT
                if float(saturated.mean(dtype=np.float64)) > SATURATED_SHARE:
                    yield "Saturated Activation", name
        for name in hidden if recent else ():
            if _unchanged([float(each.layers[name].outputs.mean(dtype=np.float64)) for each in recent]):
                yield "Unchanged Tensor (forward)", name


def _scores(history: list[EpochScores]) -> Iterator[tuple[str, str | None]]:
    losses, accuracies = [each.loss for each in history], [each.accuracy for each in history]
    if not np.isfinite(losses[-1]):
        yield "Invalid Loss", None
    if len(losses) % LOOKS == 0 and _unchanged(losses[-LOOKS:]):
        yield "Loss Not Decreasing", None
    known = [value for value in accuracies if value is not None]
    if known and _broken(known[-1]):
        yield "Invalid Accuracy", None
    if known and len(known) % ACCURACIES == 0 and _unchanged(known[-ACCURACIES:]):
        yield "Accuracy Not Increasing", None


def _backward(look: Look, recent: list[Look]) -> Iterator[tuple[str, str | None]]:
    with np.errstate(all="ignore"):
        for name, layer in reversed(list(look.layers.items())):
            if _broken(float(layer.weight_gradient.mean(dtype=np.float64))):
                yield "Numerical Error (gradient)", name
            if float(np.abs(layer.weight_gradient).mean(dtype=np.float64)) < VANISHED:
                yield "Vanishing Gradient", name
            if _broken(float(layer.weight.mean(dtype=np.float64))):
                yield "Numerical Error (weights)", name
        for name in reversed(list(look.layers)) if recent else ():
            if _unchanged([float(each.layers[name].weight_gradient.mean(dtype=np.float64)) for each in recent]):
                yield "Unchanged Tensor (gradient)", name
            if _unchanged([float(each.layers[name].weight.mean(dtype=np.float64)) for each in recent]):
                yield "Unchanged Tensor (weights)", name


def _unchanged(values: list[float] | Array) -> bool:
    """Tell whether all values are the same."""
    return bool(np.mean(values) == np.max(values))
