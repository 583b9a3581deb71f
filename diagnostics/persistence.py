"""Persistence: a finding stands when K checks in a row agree, and clears only when the value is healthy again."""

from collections.abc import Sequence
from dataclasses import dataclass

from gradvitals.diagnostics.findings import Severity


@dataclass(frozen=True, slots=True)
class Check:
    """One look of one rule at one layer.

    Attributes:
        step: When.
        severity: What it would say by itself; None for nothing.
        value: What was measured.
        held: As what a standing finding goes on standing while not yet at `clear_at`; None once it is.
        final: Whether no persistence is needed: a fact that nothing after it can undo.
    """

    step: int
    severity: Severity | None
    value: float
    held: Severity | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """The outcome of a row of checks."""

    severity: Severity
    first_step: int
    last_step: int
    cleared: bool
    value: float


def settle(checks: Sequence[Check], persistence: int) -> Standing | None:
    """Walk through the checks and say what stands at the end; None if nothing ever stood.

    A severity stands once `persistence` checks in a row reached it; it sinks as soon as one check says less, and the
    finding clears at the first check that is not even `held`. `first_step` is that of the row's first check.
    """
    severity: Severity | None = None
    first = last = began = 0
    value = 0.0
    ever = False
    for position, check in enumerate(checks):
        if check.severity is not None and (position == 0 or checks[position - 1].severity is None):
            began = check.step
        needed = 1 if check.final else persistence
        recent = [other.severity or 0 for other in checks[max(position - needed + 1, 0) : position + 1]]
        sustained = min(recent) if len(recent) >= needed else 0
        if sustained:
            if severity is None:
                first = began
            severity = Severity(sustained)
        elif severity is not None:
            mildest = check.severity or check.held
            severity = None if mildest is None else min(severity, mildest)
        if severity is not None:
            ever, last, value = True, check.step, check.value
    if not ever:
        return None
    return Standing(severity or Severity.INFO, first, last, severity is None, value)


def at_least(standing: Standing | None, last: Check) -> Standing:
    """Let a last check stand that needs no persistence, unless what stands already is as serious.

    Args:
        standing: What the checks before it, and itself, came to.
        last: With a severity; it is not what makes an error final.
    """
    severity = last.severity or Severity.INFO
    if standing is not None and not standing.cleared and standing.severity >= severity:
        return standing
    first = last.step if standing is None else standing.first_step
    return Standing(severity, first, last.step, cleared=False, value=last.value)
