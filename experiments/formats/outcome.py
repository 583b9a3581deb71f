"""What a check found, as the reports of all formats need it: every path, those refused, and what counts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.markdown import one_line, prescription_text, sentence
from gradvitals.experiments.checking import CheckedPath, CheckedRun, severest
from gradvitals.experiments.exits import Exit

NO_RUNS = "no runs here: no event files and no run.json"
"""Why there is nothing to say of a folder."""

ONLY_FOREIGN = (
    "only logs of others here: gradvitals run, sweep, or watch(model, logdir=…) record what there is to report"
)
"""Why there is nothing to say of a folder with event files that nobody of us wrote."""

NOTHING_JUDGED = "nothing that applies to the run could be judged"
"""Why a run that was recorded without gaps is not called healthy."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A path that could not be checked at all.

    Attributes:
        path: As given.
        sentences: What is wrong with it, one each.
    """

    path: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """All that a check has to report.

    Attributes:
        checked: The paths that were checked, in the order given.
        refused: Those that could not be.
        which_count: Which runs of a path count, in words, where not all do.
        verbose: Whether to report also what is only info.
    """

    checked: tuple[CheckedPath, ...]
    refused: tuple[Refused, ...]
    which_count: str
    verbose: bool

    @property
    def exit(self) -> Exit:
        """What the check ends with."""
        return severest([*(found.exit for found in self.checked), *(Exit.USAGE for _ in self.refused)])

    @property
    def runs(self) -> Iterator[tuple[CheckedPath, CheckedRun]]:
        """Every run, with its path."""
        return ((found, run) for found in self.checked for run in found.runs)

    @property
    def counting(self) -> Iterator[tuple[CheckedPath, CheckedRun]]:
        """The runs that count for their paths."""
        return ((found, run) for found in self.checked for run in found.counting)

    def shown(self, run: CheckedRun) -> tuple[Finding, ...]:
        """Give the standing findings of a run that are reported, roots first, each followed by what it explains."""
        shown = [
            finding
            for finding in run.verdict.standing
            if self.verbose
            or finding.severity > Severity.INFO
            or finding.key in run.failing
            or finding.key in run.ignored
        ]
        keys = {finding.key for finding in shown}
        ordered: list[Finding] = []
        for root in (finding for finding in shown if finding.explained_by not in keys):
            ordered += [root, *(other for other in shown if other.explained_by == root.key)]
        return tuple(ordered)


def path_gaps(found: CheckedPath) -> tuple[str, ...]:
    """Say why a path as a whole could not be judged, a sentence each; nothing if it could be, or a run says why."""
    return found.gaps if found.runs else (NO_RUNS,)


def run_gaps(run: CheckedRun) -> Mapping[str, str]:
    """Say what of a run was not judged although it had to be, and why, by id."""
    gaps: dict[str, str] = {}
    for judgement in (*run.verdict.not_judged, *run.verdict.switched_off):
        if judgement.id in run.demanded:
            before = f"{gaps[judgement.id]}; " if judgement.id in gaps else ""
            gaps[judgement.id] = f"{before}{_status(judgement.status)}: {one_line(judgement.reason)}"
    return gaps or ({"verdict": NOTHING_JUDGED} if run.exit is Exit.NOT_JUDGED else {})


def finding_lines(finding: Finding) -> list[str]:
    """Say all there is to say of a finding, a line for each thing."""
    lines = [sentence(one_line(finding.evidence)), one_line(finding.explanation)]
    if is_consequence(finding):
        lines.append(f"A consequence of {finding.explained_by}: mend that first.")
    if finding.defect:
        lines.append(f"Wrong: {sentence(one_line(finding.defect))}")
    if finding.harm is not None:
        lines.append(f"Costs: {sentence(one_line(finding.harm.text))}")
    if finding.explained_by is None:
        lines += [f"Try: {one_line(prescription_text(prescription))}" for prescription in finding.prescriptions]
    return lines


def is_consequence(finding: Finding) -> bool:
    """Tell whether a finding is put down to another; what is only info stands for itself."""
    return finding.explained_by is not None and finding.severity > Severity.INFO


def exception_text(run: CheckedRun, finding: Finding) -> str | None:
    """Say why a finding does not fail the check although it stands: an exception, or a baseline; None if it may."""
    reason = run.excused.get(finding.key)
    return None if reason is None else one_line(reason)


def printable(text: str) -> str:
    r"""Replace what no XML file, and no reader of UTF-8, takes: control characters and lone surrogates.

    >>> printable("a\x00b\tc\ud800")
    'a�b\tc�'
    """
    return re.sub("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]", "�", text)


def _status(status: str) -> str:
    return status.replace("_", " ")
