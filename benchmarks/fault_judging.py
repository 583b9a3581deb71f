"""What our diagnoses say of an injected fault: whether it is named, as the first root, in its layer, and since when."""

from dataclasses import dataclass

import numpy as np
from fault_injections import Injection

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.note_kinds import NOTES
from gradvitals.diagnostics.notes import Probe


@dataclass(frozen=True, slots=True)
class JudgedFault:
    """An injection, its harm, and what is said of it.

    Attributes:
        injection: What was injected.
        harm: What it costs, in points of its yardstick; infinite where the run has no score.
        harmful: Whether that counts.
        alarms: Every warning and error that stands, as `severity key`.
        errors: Whether one is an error.
        named: Whether the diagnosis of a fault, or a right root of it, is among them.
        diagnosed: Whether the fault's own diagnosis is; of two faults, both.
        root_first: Whether the first root is a right one.
        layer_right: Whether the diagnosis is found in the fault's layer; None where it has none, or was not found.
        steps: Updates after which it was first named, by probes; None where it never was.
    """

    injection: Injection
    harm: float
    harmful: bool
    alarms: tuple[str, ...]
    errors: bool
    named: bool
    diagnosed: bool
    root_first: bool
    layer_right: bool | None
    steps: int | None

    @property
    def cluster(self) -> str:
        """What it shares with its other doses and seeds: base and faults."""
        faults = " + ".join(fault.name for fault in self.injection.faults)
        return f"{self.injection.base.name}: {faults}"


def judge_fault(one: Injection, record: Record, *, harm: float, harmful: bool) -> JudgedFault:
    """Hold the verdict on a record against what was injected."""
    verdict = judge(record)
    loud = [finding for finding in verdict.standing if finding.severity > Severity.INFO]
    own = [finding for finding in loud if finding.id in {fault.diagnosis for fault in one.faults}]
    placed = [_in_place(one, finding) for finding in own if _layer_of(one, finding.id) is not None]
    named = _names(verdict, one)
    return JudgedFault(
        one,
        harm,
        harmful,
        tuple(f"{finding.severity} {finding.key}" for finding in loud),
        errors=any(finding.severity is Severity.ERROR for finding in loud),
        named=named,
        diagnosed={finding.id for finding in own} >= {fault.diagnosis for fault in one.faults},
        root_first=bool(loud) and loud[0].id in _right_roots(one),
        layer_right=any(placed) if placed else None,
        steps=first_named(record, one) if named else None,
    )


def _right_roots(one: Injection) -> set[str]:
    return {root for fault in one.faults for root in fault.roots}


def _names(verdict: Verdict, one: Injection) -> bool:
    right = _right_roots(one)
    return any(finding.id in right and finding.severity > Severity.INFO for finding in verdict.standing)


def _layer_of(one: Injection, diagnosis: str) -> str | None:
    return next((fault.layer for fault in one.faults if fault.diagnosis == diagnosis), None)


def _in_place(one: Injection, finding: Finding) -> bool:
    return finding.layer == _layer_of(one, finding.id)


def first_named(record: Record, one: Injection) -> int | None:
    """Give the step of the first probe after which what was recorded so far names the fault."""
    for step in sorted({probe.step for probe in record.notes(Probe)} | {record.last_step}):
        if _names(judge(until(record, step)), one):
            return step
    return None


def until(record: Record, step: int) -> Record:
    """Give the part of a record that was there after a step, as a monitor had it then."""
    part = Record(record.context)
    for kind in NOTES.values():
        for note in record.notes(kind):
            if note.step <= step:
                part.add(note)
    for tag in record.tags():
        series = record.series(tag)
        count = int(np.searchsorted(series.steps, step, "right"))
        if count:
            part.add_series(tag, series.steps[:count], series.values[:count])
    return part
