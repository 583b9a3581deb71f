"""Amazon SageMaker Debugger's built-in rules, from its documentation, at their default thresholds.

"List of Debugger Built-in Rules", docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html, one section per
rule; the numbers below are the parameters' default values there. Rules that need tensors by name (`AllZero`,
`ExplodingTensor`, `TensorVariance`, `UnchangedTensor`) get those that TheDeepChecker's authors configured when they
used the tool as their baseline (github.com/thedeepchecker/thedeepchecker, `sagemaker_baseline/SMD_scripts_runner.py`):
weights and biases, and losses. Tensors are saved every 500 steps, as the rules' own configurations say
(github.com/awslabs/sagemaker-debugger-rulesconfig, `ruleConfigs.json`), so short runs are looked at once.

Left out: rules for images, sequences, trees, XGBoost and runs compared with each other; `Confusion` and
`ClassImbalance`, which need label and prediction tensors that a job does not save by itself.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from peer_alarms import Alarm, first_of_each
from peer_trace import INTERVAL, EpochScores, LayerLook, Look, Trace

from gradvitals.engine.events import Array

VANISHED = 1e-7
INACTIVE_SHARE, LAYER_SHARE = 0.01, 0.5
INITIAL_RATIO, GRADIENT_RANGE, INITIAL_STEPS = 10.0, 1e-3, 10
RANGES = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
LARGE_UPDATE, SMALL_UPDATE, EPSILON = 10.0, 1e-8, 1e-9
LEAST_VARIANCE, MOST_VARIANCE = 1e-5, 10.0
UNCHANGED_STEPS, RTOL, ATOL = 3, 1e-5, 1e-8
OVERFIT_RATIO, OVERFIT_PATIENCE = 0.1, 1
PATIENCE_TRAIN, PATIENCE_VALIDATION, DELTA = 5, 10, 0.1


def sagemaker_alarms(trace: Trace) -> list[Alarm]:
    """Apply the rules to the steps that are saved."""
    return first_of_each(_alarms(trace))


def _alarms(trace: Trace) -> Iterator[Alarm]:
    for look in trace.interval_looks:
        for name, layer in look.layers.items():
            yield from (Alarm(rule, name, look.step) for rule in _of_layer(layer))
    if trace.interval_looks:
        yield from _poor_initialization(trace.interval_looks[0])
    for before, after in pairwise(trace.interval_looks):
        yield from _weight_update_ratio(before, after)
    yield from _losses(_saved(trace.history))


def _of_layer(layer: LayerLook) -> Iterator[str]:
    """Give the rules that a layer breaks at one step."""
    with np.errstate(all="ignore"):
        if float(np.abs(layer.weight_gradient).mean()) < VANISHED:
            yield "VanishingGradient"
        if layer.activation == "relu" and _inactive(layer.outputs > 0.0):
            yield "DeadRelu"
        if layer.activation in RANGES:
            low, high = RANGES[layer.activation]
            if _inactive((layer.pre_activations > low) & (layer.pre_activations < high)):
                yield "SaturatedActivation"
        if not all(np.isfinite(array).all() for array in (layer.weight, layer.bias)):
            yield "ExplodingTensor"
        if not LEAST_VARIANCE <= float(layer.weight.var()) <= MOST_VARIANCE:
            yield "TensorVariance"
        if not layer.weight.any():
            yield "AllZero"


def _inactive(active: Array) -> bool:
    """Tell whether more than half of the units are active on less than a hundredth of the samples."""
    return float((active.mean(axis=0) < INACTIVE_SHARE).mean()) > LAYER_SHARE


def _poor_initialization(look: Look) -> Iterator[Alarm]:
    """Of the first steps, one is saved: its variances of ReLU inputs, and the spread of its gradients."""
    inputs = [float(layer.pre_activations.var()) for layer in look.layers.values() if layer.activation == "relu"]
    with np.errstate(all="ignore"):
        if inputs and np.float64(max(inputs)) / np.float64(min(inputs)) > INITIAL_RATIO:
            yield Alarm("PoorWeightInitialization", None, look.step)
        for name, layer in look.layers.items():
            low, high = np.percentile(layer.weight_gradient, (5, 95))
            if high - low < GRADIENT_RANGE:
                yield Alarm("PoorWeightInitialization", name, look.step)


def _weight_update_ratio(before: Look, after: Look) -> Iterator[Alarm]:
    for name, layer in after.layers.items():
        old = before.layers[name].weight
        with np.errstate(all="ignore"):
            ratio = float(np.abs(layer.weight - old).mean() / (np.abs(old).mean() + EPSILON))
        if ratio > LARGE_UPDATE or ratio < SMALL_UPDATE:
            yield Alarm("WeightUpdateRatio", name, after.step)


def _saved(history: list[EpochScores]) -> list[EpochScores]:
    """Give the scores of the last epoch before every saved step."""
    saved: dict[int, EpochScores] = {}
    for scores in history:
        if scores.step >= INTERVAL:
            saved.setdefault(scores.step // INTERVAL, scores)
    return list(saved.values())


def _losses(saved: list[EpochScores]) -> Iterator[Alarm]:
    for before, after in pairwise(saved):
        if not after.loss < before.loss:
            yield Alarm("LossNotDecreasing", None, after.step)
    for several in zip(*(saved[place:] for place in range(UNCHANGED_STEPS)), strict=False):
        if np.allclose([each.loss for each in several], several[0].loss, rtol=RTOL, atol=ATOL):
            yield Alarm("UnchangedTensor", None, several[-1].step)
    exceeded = 0
    for scores in saved:
        exceeded = exceeded + 1 if scores.val_loss - scores.loss > OVERFIT_RATIO * scores.loss else 0
        if exceeded > OVERFIT_PATIENCE:
            yield Alarm("Overfit", None, scores.step)
    for losses, patience in (
        ([each.loss for each in saved], PATIENCE_TRAIN),
        ([each.val_loss for each in saved], PATIENCE_VALIDATION),
    ):
        best, waited = np.inf, 0
        for scores, loss in zip(saved, losses, strict=True):
            best, waited = (loss, 0) if loss < best - DELTA else (best, waited + 1)
            if waited > patience:
                yield Alarm("Overtraining", None, scores.step)
