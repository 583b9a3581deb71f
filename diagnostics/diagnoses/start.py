"""What rules about the state before the first update have in common: the training shows what it costs."""

import math
from collections.abc import Callable

from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gate import CONFIDENCE, Arm, Gate
from gradvitals.diagnostics.generalisation import SURE
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle

STOPPED = frozenset(Arm) - {Arm.MEMORISING}
"""Of a network that learns nothing; one that memorises has learned from its inputs and targets as they are."""

USUAL = (0.1, 10.0)
"""Standard deviations of pre-activations that no activation minds."""


def settle_start(
    record: Record,
    gate: Gate,
    mild: Severity,
    *,
    grave: bool,
    harms: frozenset[Arm] = STOPPED,
    over: Callable[[Probe], bool] | None = None,
) -> Standing:
    """Say what stands of something that was there before the first update.

    Args:
        record: With a probe at the start.
        gate: Over the record's probes.
        mild: What it is by itself.
        grave: Whether it is an error if the network is impaired at two probes in a row, or at a last one for good. Not
            to learn where simple models find nothing either is no impairment.
        harms: The impairments that it can explain.
        over: Whether a probe shows that it is history, so that it clears; it is again what it was if that changes.
    """
    checks = []
    counting = harms
    if shows_no_signal(record, SURE):
        counting -= {Arm.NOT_LEARNING}
    impaired = False
    for probe, check in zip(record.notes(Probe), gate.checks, strict=True):
        before, impaired = impaired, bool(check.arms & counting)
        lasting = impaired and (before or check.final)
        severity: Severity | None = mild
        if grave and lasting:
            severity = Severity.ERROR
        elif over is not None and over(probe):
            severity = None
        checks.append(Check(probe.step, severity, 0.0))
    return settle(checks, 1) or Standing(mild, 0, record.last_step, cleared=False, value=0.0)


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
