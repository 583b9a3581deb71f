"""What rules about the state before the first update have in common: the training shows what it costs."""

import math
from collections.abc import Callable

from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.vanishing_gradient import gradient_ratio
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gate import CONFIDENCE, Arm, Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.recurrence import Recurrence
from gradvitals.diagnostics.scoring import SURE
from gradvitals.diagnostics.start_notes import Propagation
from gradvitals.diagnostics.wording import times

STOPPED = frozenset(Arm) - {Arm.MEMORISING}
"""Of a network that learns nothing; one that memorises has learned from its inputs and targets as they are."""

USUAL = (0.1, 10.0)
"""Standard deviations of pre-activations that no activation minds."""

UNUSUAL = (0.01, 100.0)
"""Standard deviations beyond which none escapes."""

LEAST_SLOPE, LARGEST_FADING, LARGEST_GROWTH, LARGEST_FIRST_LOSS = 0.2, 1e3, 30.0, 3.0
"""Of a network that may be trained: S of a layer, q_last/q_first and q_first/q_last, the first loss."""

LARGEST_GROWTH_BACK = 10.0
"""Factor by which a gradient may grow on its way back through time."""


def settle_start(
    record: Record,
    gate: Gate,
    mild: Severity,
    *,
    grave: bool,
    harms: frozenset[Arm] = STOPPED,
    over: Callable[[Probe], bool] | None = None,
    costly: bool = False,
    too_large: bool = False,
    lost: bool = False,
) -> Standing:
    """Say what stands of something that was there before the first update.

    Args:
        record: With a probe at the start.
        gate: Over the record's probes.
        mild: What it is by itself.
        grave: Whether it is an error if the network is impaired at two probes in a row, or at a last one for good. Not
            to learn where simple models find nothing either is no impairment.
        harms: The impairments that it can explain.
        costly: Whether it is a warning if the network ended behind simple models.
        too_large: Whether it is one already if the network is likely to have ended behind them.
        lost: Whether it is one if the network ended behind them even though it had no time to catch up.
        over: Whether a probe shows that it is history, so that it clears; it is again what it was if that changes.
    """
    checks = []
    counting = harms
    if shows_no_signal(record, SURE):
        counting -= {Arm.NOT_LEARNING}
    impaired = False
    harmed = any(
        (check.behind and costly) or (check.behind_early and lost) or (check.likely_behind and too_large)
        for check in gate.checks[-1:]
    )
    for probe, check in zip(record.notes(Probe), gate.checks, strict=True):
        before, impaired = impaired, bool(check.arms & counting)
        lasting = impaired and (before or check.final)
        severity: Severity | None = mild
        if grave and lasting:
            severity = Severity.ERROR
        elif harmed and check.last:
            severity = max(mild, Severity.WARNING)
        elif over is not None and over(probe) and not harmed:
            severity = None
        checks.append(Check(probe.step, severity, 0.0))
    return settle(checks, 1) or Standing(mild, 0, record.last_step, cleared=False, value=0.0)


def killed_on_the_way(record: Record, gate: Gate, over: Callable[[Probe], bool]) -> str:
    """Say of which layer units died before a start was history, and still are a warning; nothing if of none.

    Args:
        record: With a probe at the start.
        gate: Over the record's probes.
        over: Whether a probe shows that it is history.
    """
    found = DeadUnits().judge(record, gate).findings
    serious = (finding for finding in found if finding.severity > Severity.INFO)
    early = (finding for finding in serious if _came_early(record, finding.first_step, over))
    return next((f"units of {finding.layer} died on the way" for finding in early), "")


def _came_early(record: Record, step: int, over: Callable[[Probe], bool]) -> bool:
    """Tell whether what was first seen at a step came after the start, and before anything was seen to be over."""
    before = [probe for probe in record.notes(Probe) if probe.step < step]
    return bool(before) and not any(over(probe) for probe in before)


def is_half_done(probe: Probe) -> bool:
    """Tell whether half of the loss that the best constant has is gone."""
    return probe.loss_ratio is not None and probe.loss_ratio < 0.5


def beats_constant(probe: Probe) -> bool:
    """Tell whether the network is surely better than the best constant."""
    return probe.gain is not None and probe.gain_se is not None and probe.gain > CONFIDENCE * probe.gain_se


def is_usual(deviation: float) -> bool:
    """Tell whether pre-activations are neither far too small nor far too large, nor not finite."""
    return USUAL[0] <= deviation <= USUAL[1]


def loss_of_zeros(context: Context) -> float | None:
    """Give the loss of outputs that are all 0: no fault, though with rare classes far above the best constant's.

    None for a loss whose targets have a size of their own.
    """
    outputs = context.layers[-1].fan_out
    known = {
        "cross_entropy": math.log(outputs),
        "binary_cross_entropy": math.log(2.0),
        "hinge": outputs - 1.0,
        "binary_hinge": 1.0,
    }
    return known.get(context.loss)


def first_loss(context: Context, start: Propagation) -> float | None:
    """Give the first loss in units of what the best constant, and outputs of 0, lose; None for a regression.

    It is that on the inputs as they are or standardised, whichever is less.
    """
    zeros = loss_of_zeros(context)
    if zeros is None or context.constant_loss is None:
        return None
    own, other = start.loss, start.standardised_loss
    least = own if other is None else min(own, other)
    unit = max(context.constant_loss, zeros)
    return least / unit if unit > 0.0 else 0.0


def milder_signals(start: Propagation) -> dict[str, float]:
    """Give every layer's deviation, on the inputs as they are or standardised, whichever is nearer to 1."""
    other = start.standardised_deviations or start.deviations
    both = {name: (own, other.get(name, own)) for name, own in start.deviations.items()}
    milder = {name: min(pair, key=_distance_from_one) for name, pair in both.items()}
    return {name: size for name, size in milder.items() if not math.isnan(size)}


def what_was_broken(record: Record, *, fading: bool = True) -> str:
    """Say what was wrong with the network before its first update, so that none is to blame; nothing if all was well.

    The limits are those at which the rules of dead and saturated units, of gradients and of initial sizes speak.

    Args:
        record: Of the run.
        fading: Whether gradients that faded count: they do not explain units that were lost to an update.
    """
    context, probe = record.context, record.notes(Probe)[0]
    if context is None or probe.step > 0:
        return "nobody looked"
    if not math.isfinite(probe.loss):
        return "the loss was not finite"
    starts = record.notes(Propagation)[:1]
    signals = "".join(_broken_signals(context, start) for start in starts)
    return _broken_units(record, context, probe, fading=fading) or signals


def _broken_units(record: Record, context: Context, probe: Probe, *, fading: bool) -> str:
    units = {info.name: info.fan_out for info in context.layers}
    for scan in record.notes(Scan)[:1]:
        dead = [layer for layer, indices in scan.dead.items() if 2 * len(indices) >= units[layer]]
        if dead and scan.step == 0:
            return f"half of the units of {dead[0]} and more were dead"
    flat = [layer for layer, slope in probe.relative_slopes.items() if not slope >= LEAST_SLOPE]
    if flat:
        return f"{flat[0]} was saturated"
    back = [growth for note in record.notes(Recurrence)[:1] if note.step == 0 for growth in note.growth.values()]
    if max(back, default=0.0) > math.log(LARGEST_GROWTH_BACK):
        return "gradients grew on their way back through time"
    names = [*probe.preactivation_gradients]
    growth = gradient_ratio(probe, names[0], names[-1]) if names else None
    least = 1.0 / LARGEST_FADING if fading else 0.0
    is_odd = growth is not None and not least < growth < LARGEST_GROWTH
    return "gradients faded or grew over the layers" if is_odd else ""


def _broken_signals(context: Context, start: Propagation) -> str:
    """Say what was wrong with the first loss, or with a layer's signals; outputs may start at 0."""
    loss = first_loss(context, start)
    if loss is not None and loss > LARGEST_FIRST_LOSS:
        return f"the loss was {times(loss, 'that of a constant output')}"
    output = context.layers[-1].name
    signals = [(name, size) for name, size in milder_signals(start).items() if name != output or size != 0.0]
    odd = [size for _, size in signals if not UNUSUAL[0] <= size <= UNUSUAL[1]]
    return f"pre-activations had a standard deviation of {odd[0]:.3g}" if odd else ""


def _distance_from_one(size: float) -> float:
    return abs(math.log(size)) if 0.0 < size < math.inf else math.inf
