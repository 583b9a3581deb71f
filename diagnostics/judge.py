"""Judgement: a record in, a verdict out; the same function live, at the end of a run, and on a log read back."""

from collections.abc import Sequence
from dataclasses import replace

from gradvitals.diagnostics.behind import find_lag, find_likely_lag
from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.diagnoses.underfitting import Underfitting
from gradvitals.diagnostics.findings import NO_DATA, NOT_RECORDED, Finding, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.gradient_notes import UntakenGradients
from gradvitals.diagnostics.harm import measure_harm
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.roots import explain

UNFOUND = frozenset({"clear", "not_judged"})
"""What a diagnosis says that has found nothing."""


def judge(record: Record, diagnoses: Sequence[Diagnosis] = CATALOGUE) -> Verdict:
    """Let every diagnosis judge the record, and order what they find by cause."""
    gate = judge_gate(record)
    judgements = tuple(_as_observed(diagnosis, diagnosis.judge(record, gate), record) for diagnosis in diagnoses)
    findings = [_with_changes_only(finding, record) for judgement in judgements for finding in judgement.findings]
    ordered = explain(findings, record.context, _dead_at_start(record))
    explained = tuple(_with_harm(finding, record) for finding in ordered)
    return Verdict(judgements, explained, () if record.context is None else record.context.never_called)


def _dead_at_start(record: Record) -> frozenset[str]:
    """Name the layers that the first scan, before the first update, found dead, whole."""
    units = {} if record.context is None else {info.name: info.fan_out for info in record.context.layers}
    dead = [each for scan in record.notes(Scan)[:1] for each in scan.dead.items()]
    return frozenset(layer for layer, indices in dead if len(indices) == units.get(layer))


def _as_observed(diagnosis: Diagnosis, judgement: Judgement, record: Record) -> Judgement:
    """Leave a judgement open that says there is nothing, where some of what it needs was nowhere to be seen.

    Where nothing was recorded as nobody gave a training set to measure it on, or no step was seen, say so.
    """
    if judgement.status == "not_judged" and (why := _steps_unseen(record)):
        return replace(judgement, reason=why)
    if judgement.reason == NOT_RECORDED and record.context is not None and record.context.samples is None:
        return replace(judgement, reason=NO_DATA)
    hidden = {} if record.context is None else record.context.unobserved
    unseen = [hidden[event] for event in diagnosis.events if event in hidden]
    if not unseen or judgement.status not in UNFOUND:
        return judgement
    return Judgement(judgement.id, "not_judged", unseen[0], judgement.findings)


def _steps_unseen(record: Record) -> str:
    """Say why nothing was recorded of a training in which the parameters did move."""
    notes = record.notes(UntakenGradients)
    if not notes or not notes[-1].moved:
        return ""
    return (
        f"in {notes[-1].passes} backward passes the parameters moved, and no torch.optim optimizer took a step: steps"
        " taken by hand are followed where they write into the parameters, in models of up to 64 MB"
    )


def _with_changes_only(finding: Finding, record: Record) -> Finding:
    """Leave out prescriptions of what the config has already."""
    config = {} if record.context is None or record.context.config is None else record.context.config

    def changes_something(cure: Prescription) -> bool:
        return not cure.set or any(config.get(key) != value for key, value in cure.set.items())

    return replace(finding, prescriptions=tuple(filter(changes_something, finding.prescriptions)))


def _with_harm(finding: Finding, record: Record) -> Finding:
    """Say what the training lacks while a warning or an error stands."""
    probes = record.notes(Probe)
    if not finding.standing or finding.severity is Severity.INFO or not probes:
        return finding
    constant = None if record.context is None else record.context.constant_loss
    lag = None
    if finding.id != Underfitting.id:  # which says it itself
        lag = find_lag(probes[-1], record) or find_likely_lag(probes[-1], record)
    harm = measure_harm(probes[-1], constant, lag)
    return finding if harm is None else replace(finding, harm=harm)
