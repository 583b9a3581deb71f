"""A run's findings as the tab tells them, in the words of the terminal: roots first, each with what it explains."""

from collections.abc import Sequence
from dataclasses import replace

from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.diagnostics.markdown import (
    is_serious_root,
    list_parts,
    one_line,
    prescription_text,
    say_what_it_costs,
    sentence,
)
from gradvitals.diagnostics.signs import look_of
from gradvitals.diagnostics.tensorboard.strict_json import Json
from gradvitals.diagnostics.tensorboard.vitals_tab.recorded_verdict import RecordedVerdict


def tell_findings(verdict: RecordedVerdict) -> dict[str, Json]:
    """Tell what stands, roots first with what they explain, and aside what is of no consequence."""
    serious = verdict.serious
    keys = {finding.key for finding in serious}
    telling = say_what_it_costs(serious)
    roots = [
        _told(
            finding,
            [other for other in serious if other.explained_by == finding.key],
            costs=finding.key in telling,
        )
        for finding in serious
        if finding.explained_by not in keys
    ]
    return {"roots": list(roots), "asides": _asides(verdict)}


def _told(finding: Finding, consequences: Sequence[Finding] = (), *, costs: bool = False) -> Json:
    look = look_of(finding.id, "error")
    return {
        "key": finding.key,
        "id": finding.id,
        "layer": finding.layer,
        "symbol": look.symbol,
        "colour": look.colour,
        "ink": look.ink,
        "severity": str(finding.severity),
        "since": finding.first_step,
        "last": finding.last_step,
        "evidence": sentence(finding.evidence),
        "explanation": finding.explanation,
        "wrong": one_line(finding.defect) if is_serious_root(finding) else "",
        "costs": one_line(finding.harm.text) if costs and finding.harm is not None else "",
        "cures": [_cure(each) for each in finding.prescriptions],
        "explains": [_told(each) for each in consequences],
    }


def _cure(prescription: Prescription) -> Json:
    """Tell what to try; what became of it stands beside it."""
    text = prescription_text(replace(prescription, outcome="untested"))
    return {"text": text, "outcome": prescription.outcome}


def _asides(verdict: RecordedVerdict) -> dict[str, Json]:
    """Say what is of no consequence, has cleared or was not judged, a line each."""
    asides: dict[str, list[Json]] = {
        "of no consequence": [
            each.summary for each in verdict.findings if each.standing and each.severity is Severity.INFO
        ],
        "cleared": [
            f"{each.key} (steps {each.first_step} to {each.last_step}): {each.evidence}"
            for each in verdict.findings
            if each.cleared
        ],
        "not judged": [f"{each.id}: {one_line(each.reason)}" for each in verdict.not_judged],
        "never called": [list_parts(verdict.never_called)] if verdict.never_called else [],
    }
    return {word: lines for word, lines in asides.items() if lines}
