"""TheDeepChecker's checks before training and while fitting one batch, from the paper, at the released thresholds.

Ben Braiek, Khomh: "Testing Feedforward Neural Networks Training Programs", TOSEM 2022 (TheDeepChecker), sections on the
pre-training conditions and the proper fitting of a single batch; thresholds of
github.com/thedeepchecker/thedeepchecker, `deep_checker/config/settings.yaml`. Its gradient check is off by default; its
post-training checks are about augmentation, modes of a network and corrupted labels, which a plain network has not.
Where the released default would be unfair the paper's definition holds: saturation is measured over the activation's
own range.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from peer_alarms import Alarm, first_of_each, smoothness
from peer_trace import BatchFit, LayerLook, Trace

from gradvitals.engine.events import Array

F_CRITICAL = 2.70554
TOLERANCE, NO_VARIANCE = 1e-2, 1e-8
SUITED = {"relu": "he", "tanh": "glorot", "sigmoid": "lecun"}
LEAST_BALANCE = 0.5
LOSS_DEVIATION = 1.0
MOST_MISLABELLED, MOST_ERROR = 0.05, 1e-3
NO_LOSS, LITTLE_LOSS, TOO_SMOOTH = 1e-8, 1e-5, 0.95
DEAD_BELOW, DEAD_PERCENTILE, UNITS_SHARE = 1e-5, 95, 0.5
SATURATED, BINS = 0.85, 50
LEAST_STD, MOST_STD = 0.5, 2.0
DEAD_WEIGHTS, NEGATIVE_WEIGHTS = 0.95, 0.95
LARGE_WEIGHTS, LARGE_GRADIENTS, SMALL_GRADIENTS = 1e8, 1e6, 1e-6
WINDOW, GROWTH, DECAY = 5, 2.0, 0.5
FAST, SLOW = -1.0, -4.0
LEAST_DECREASE, SWITCHES, LEAST_SMOOTH, LEAST_CORRELATION = 0.05, 50, 0.5, 0.5
PERIOD = 10


def deepchecker_alarms(trace: Trace) -> list[Alarm]:
    """Apply the checks before the training, then those of the single batch."""
    return first_of_each(_alarms(trace))


def _alarms(trace: Trace) -> Iterator[Alarm]:
    yield from _data(trace)
    if trace.interval_looks:
        layers = trace.interval_looks[0].layers
        hidden = next(iter(layers.values())).activation
        for name, layer in layers.items():
            yield from (Alarm(rule, name, 0) for rule in _initial(layer, SUITED.get(hidden)))
    yield from _initial_loss(trace)
    yield from _capacity(trace)
    with np.errstate(all="ignore"):
        yield from _overfit(trace.overfit)
        yield from _loss_curve(trace.overfit)


def _data(trace: Trace) -> Iterator[Alarm]:
    if not _normalised(trace.inputs):
        yield Alarm("features unnormalised", None, 0)
    if trace.classification:
        shares = trace.targets.mean(axis=0)
        if trace.targets.shape[1] == 1:
            shares = np.array([1.0 - shares[0], shares[0]])
        present = shares[shares > 0.0]
        entropy = -float((present * np.log(present)).sum())
        if (np.exp(entropy) - 1.0) / (len(shares) - 1.0) < LEAST_BALANCE:
            yield Alarm("unbalanced labels", None, 0)
    elif not _normalised(trace.targets):
        yield Alarm("targets unnormalised", None, 0)


def _normalised(columns: Array) -> bool:
    """Tell whether columns span 0 or −1 to 1, the first that does settling it, or have mean 0 and deviation 1."""
    for low, high, mean, std in zip(
        columns.min(axis=0), columns.max(axis=0), columns.mean(axis=0), columns.std(axis=0), strict=True
    ):
        if std == 0.0:
            return False
        if abs(high - 1.0) <= TOLERANCE and min(abs(low), abs(low + 1.0)) <= TOLERANCE:
            return True
        if abs(std - 1.0) > TOLERANCE or abs(mean) > TOLERANCE:
            return False
    return True


def _initial(layer: LayerLook, suited: str | None) -> Iterator[str]:
    """Compare the initial variance with the one that suits the hidden activation, or any that is known, by F-test."""
    fan_in, fan_out = layer.weight.shape
    if float(layer.weight.var()) <= NO_VARIANCE:
        yield "poor initialisation: no variance"
        return
    wanted = {"lecun": 1.0 / fan_in, "he": 2.0 / fan_in, "glorot": 2.0 / (fan_in + fan_out)}
    passed = {name for name, variance in wanted.items() if _f_ratio(layer.weight, variance) <= F_CRITICAL}
    if suited is not None and suited not in passed:
        yield f"initialisation is not {suited}"
    elif not passed:
        yield "initialisation of no known variance"


def _f_ratio(values: Array, variance: float) -> float:
    own = float(values.var())
    return float("inf") if own == 0.0 else max(own / variance, variance / own)


def _initial_loss(trace: Trace) -> Iterator[Alarm]:
    classes = max(trace.targets.shape[1], 2)
    expected = float(np.log(classes))
    if trace.classification and abs(trace.initial_loss - expected) >= LOSS_DEVIATION * expected:
        yield Alarm("poor initial loss", None, 0)


def _capacity(trace: Trace) -> Iterator[Alarm]:
    """Train on 16 rows: they must be learned, and not be perfect too smoothly."""
    fit = trace.capacity
    if not np.isfinite(fit.losses).all():
        yield Alarm("underfits a single batch", None, 0)
        return
    missed = 1.0 - max(fit.performance) if trace.classification else min(fit.performance)
    if missed > (MOST_MISLABELLED if trace.classification else MOST_ERROR):
        yield Alarm("underfits a single batch", None, 0)
    least = min(fit.losses)
    if least <= NO_LOSS or (least <= LITTLE_LOSS and smoothness(np.array(fit.losses)) > TOO_SMOOTH):
        yield Alarm("zero loss", None, 0)


def _overfit(fit: BatchFit) -> Iterator[Alarm]:
    """Apply what is checked every tenth iteration to the layers."""
    for look, recent in zip(fit.looks, fit.recent_outputs, strict=True):
        names = list(look.layers)
        for name, layer in look.layers.items():
            if name != names[-1]:
                yield from (Alarm(rule, name, look.step) for rule in _activations(layer, recent[name]))
            yield from (Alarm(rule, name, look.step) for rule in _weights(layer, fit.weight_means[name], look.step))
            yield from (Alarm(rule, name, look.step) for rule in _gradients(fit.gradient_means[name], look.step))
            yield from (Alarm(rule, name, look.step) for rule in _updates(fit.update_ratios[name], look.step))


def _activations(layer: LayerLook, outputs: Array) -> Iterator[str]:
    if not np.isfinite(outputs).all():
        yield "activation not finite"
        return
    if layer.activation in {"sigmoid", "tanh"}:
        low = -1.0 if layer.activation == "tanh" else 0.0
        if float(np.mean([_saturation(column, low) > SATURATED for column in outputs.T])) > UNITS_SHARE:
            yield "saturated layer"
    elif float((np.percentile(np.abs(outputs), DEAD_PERCENTILE, axis=0) < DEAD_BELOW).mean()) > UNITS_SHARE:
        yield "dead layer"
    std = float(outputs.std())
    bound = LEAST_STD if std < LEAST_STD else MOST_STD
    if not LEAST_STD <= std <= MOST_STD and _f_ratio(outputs, bound**2) > F_CRITICAL:
        yield "unstable activation distribution"


def _saturation(outputs: Array, low: float) -> float:
    """Give Rakitianskaia & Engelbrecht's ρ_B of a unit's outputs `(n,)` between `low` and 1, over fifty bins."""
    scaled = (outputs - low) / (1.0 - low)
    bins = np.digitize(scaled, np.arange(0.0, 1.0, 1.0 / BINS))
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=scaled)[counts > 0] / counts[counts > 0]
    return float((np.abs(2.0 * means - 1.0) * counts[counts > 0]).sum() / counts.sum())


def _weights(layer: LayerLook, means: Sequence[float], step: int) -> Iterator[str]:
    weight = layer.weight
    if not np.isfinite(weight).all():
        yield "weights not finite"
        return
    if float((weight < 0.0).mean()) > NEGATIVE_WEIGHTS:
        yield "negative weights"
    if float((np.abs(weight) < DEAD_BELOW).mean()) > DEAD_WEIGHTS:
        yield "dead weights"
    if means[step] > LARGE_WEIGHTS or _all_rates(means[: step + 1], at_least=GROWTH):
        yield "diverging weights"


def _gradients(means: Sequence[float], step: int) -> Iterator[str]:
    now = means[step]
    if not np.isfinite(now):
        yield "gradient not finite"
        return
    if now < SMALL_GRADIENTS or _all_rates(means[: step + 1], at_most=DECAY):
        yield "vanishing gradient"
    if now > LARGE_GRADIENTS or _all_rates(means[: step + 1], at_least=GROWTH):
        yield "exploding gradient"


def _all_rates(means: Sequence[float], *, at_least: float = -np.inf, at_most: float = np.inf) -> bool:
    """Tell whether every change over the window is by such a factor."""
    window = np.array(means[-WINDOW:])
    rates = window[1:] / window[:-1]
    return len(window) == WINDOW and bool(((rates >= at_least) & (rates <= at_most)).all())


def _updates(ratios: Sequence[float], step: int) -> Iterator[str]:
    """Judge the mean log₁₀ of update over weight in the last ten iterations."""
    logs = [np.log10(ratio) if ratio > 0.0 else 0.0 for ratio in ratios[step - PERIOD + 1 : step + 1]]
    mean = float(np.mean(logs))
    if mean == 0.0:
        yield "untrained weights"
    elif mean > FAST:
        yield "weights change too fast"
    elif mean < SLOW:
        yield "weights change too slowly"


def _loss_curve(fit: BatchFit) -> Iterator[Alarm]:
    """Judge the loss over windows of ten iterations."""
    if not np.isfinite(fit.losses).all():
        yield Alarm("loss not finite", None, len(fit.losses))
        return
    count = len(fit.losses) // PERIOD
    losses = np.array(fit.losses[: count * PERIOD]).reshape(count, PERIOD).mean(axis=1)
    performance = np.array(fit.performance[: count * PERIOD]).reshape(count, PERIOD).mean(axis=1)
    for end in range(1, count + 1):
        so_far, step = losses[:end], end * PERIOD
        recent = so_far[-WINDOW:]
        if end >= WINDOW:
            if ((recent[:-1] - recent[1:]) / recent[:-1] < LEAST_DECREASE).all():
                yield Alarm("stagnated loss", None, step)
            if (recent[1:] / recent[:-1] >= GROWTH).all():
                yield Alarm("diverging loss", None, step)
        if smoothness(so_far[-SWITCHES:]) < LEAST_SMOOTH:
            yield Alarm("fluctuating loss", None, step)
        if end > 2 and abs(np.corrcoef(so_far, performance[:end])[0, 1]) < LEAST_CORRELATION:
            yield Alarm("loss does not represent the performance", None, step)
