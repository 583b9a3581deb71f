"""A run's findings as a page shows them, in the words of the terminal: roots first, each with what it explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.markdown import (
    is_serious_root,
    list_parts,
    one_line,
    prescription_text,
    say_what_it_costs,
    sentence,
)
from gradvitals.diagnostics.report import Excuse
from gradvitals.diagnostics.signs import symbol_of
from gradvitals.experiments.checking import CheckedRun


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding.

    Attributes:
        key: Which it is.
        symbol: Its sign on the map and in the charts.
        severity: In a word.
        excuse: Why it does not count, in a word and in a sentence; None if it does.
        since: The step at which it began.
        evidence: A sentence.
        explanation: What it means; empty for what another finding explains, or has an exception with all it explains.
        wrong: What is provably wrong; empty for nothing.
        costs: What it costs; empty where that is not known, or another finding says so.
        cures: What to try.
        explains: What it is the root of.
    """

    key: str
    symbol: str
    severity: str
    excuse: Excuse | None
    since: int
    evidence: str
    explanation: str = ""
    wrong: str = ""
    costs: str = ""
    cures: tuple[str, ...] = ()
    explains: tuple["FindingView", ...] = ()


def view_findings(run: CheckedRun) -> tuple[FindingView, ...]:
    """Give the standing findings that matter: warnings, errors, and whatever fails the check or has an exception."""
    excuses = excuses_of(run)
    shown = shown_findings(run)
    telling = say_what_it_costs(sorted(shown, key=lambda finding: finding.key in excuses))
    keys = {finding.key for finding in shown}
    return tuple(
        _root(finding, [other for other in shown if other.explained_by == finding.key], excuses, telling)
        for finding in shown
        if finding.explained_by not in keys
    )


def shown_findings(run: CheckedRun) -> list[Finding]:
    """Choose the findings of a run that stand and are more than info, or fail or would fail the check."""
    matter = run.failing | run.excused.keys()
    return [each for each in run.verdict.standing if each.severity > Severity.INFO or each.key in matter]


def excuses_of(run: CheckedRun) -> Mapping[str, Excuse]:
    """Give why findings do not count, by their keys: in a word and in a sentence."""
    return {key: ("ignored" if key in run.ignored else "known", one_line(text)) for key, text in run.excused.items()}


def view_asides(run: CheckedRun) -> dict[str, list[str]]:
    """Say what is of no consequence, has cleared, was not judged or is switched off, a line each."""
    shown = {finding.key for finding in shown_findings(run)}
    verdict = run.verdict
    asides = {
        "of no consequence": [each.summary for each in verdict.standing if each.key not in shown],
        "cleared": [
            f"{each.key} (steps {each.first_step} to {each.last_step}): {each.evidence}"
            for each in verdict.findings
            if each.cleared
        ],
        "not judged": [f"{each.id}: {each.reason}" for each in verdict.not_judged if each.id not in run.demanded],
        "switched off": [f"{each.id}: {one_line(each.reason)}" for each in verdict.switched_off],
        "never called": [list_parts(verdict.never_called)] if verdict.never_called else [],
    }
    return {word: lines for word, lines in asides.items() if lines}


def _root(
    finding: Finding, consequences: Sequence[Finding], excuses: Mapping[str, Excuse], telling: set[str]
) -> FindingView:
    view = replace(_consequence(finding, excuses), explains=tuple(_consequence(each, excuses) for each in consequences))
    if all(each.key in excuses for each in (finding, *consequences)):
        return view  # nobody asks for a cure
    return replace(
        view,
        explanation=finding.explanation,
        wrong=one_line(finding.defect) if is_serious_root(finding) else "",
        costs=one_line(finding.harm.text) if finding.harm is not None and finding.key in telling else "",
        cures=tuple(prescription_text(each) for each in finding.prescriptions),
    )


def _consequence(finding: Finding, excuses: Mapping[str, Excuse]) -> FindingView:
    return FindingView(
        finding.key,
        symbol_of(finding.id),
        str(finding.severity),
        excuses.get(finding.key),
        finding.first_step,
        sentence(finding.evidence),
    )
