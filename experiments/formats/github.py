"""A check as workflow commands of GitHub Actions: annotations beside the config's lines in a pull request.

References:
    GitHub, "Workflow commands for GitHub Actions", https://docs.github.com/actions; actions/toolkit, `command.ts`, for
    what is escaped.
"""

from dataclasses import dataclass
from pathlib import Path

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.markdown import one_line
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.formats.outcome import (
    CheckOutcome,
    finding_lines,
    path_gaps,
    printable,
    run_gaps,
)
from gradvitals.experiments.formats.places import Source, find_source, project_root, relative_path

SHOWN = 10
"""Annotations of a level that GitHub shows for a step."""

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
"""The workflow command of each severity, the gravest first."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A workflow command.

    Attributes:
        command: `error`, `warning` or `notice`.
        title: Its heading.
        message: Its text, of any number of lines.
        file: The file it stands beside, relative to the checkout; None for none.
        line: Of the file.
    """

    command: str
    title: str
    message: str
    file: str | None = None
    line: int = 1

    def __str__(self) -> str:
        place = "" if self.file is None else f"file={_property(self.file)},line={self.line},"
        return f"::{self.command} {place}title={_property(one_line(self.title))}::{_data(self.message)}"


def github_report(outcome: CheckOutcome) -> str:
    """Write an annotation per finding that stands, of each level the first that GitHub shows."""
    lines: list[str] = []
    annotations = _annotations(outcome)
    for command in COMMANDS.values():
        of_level = [each for each in annotations if each.command == command]
        lines += map(str, of_level[:SHOWN])
        if len(of_level) > SHOWN:
            lines.append(
                f"{len(of_level) - SHOWN} more of level {command}: GitHub shows {SHOWN} for a step; the formats"
                " markdown and sarif have all of them"
            )
    return printable("".join(f"{line}\n" for line in lines))


def _annotations(outcome: CheckOutcome) -> list[Annotation]:
    """Give all annotations: first what could not be judged, then roots before what they explain."""
    told = [
        Annotation("error", f"gradvitals: {refused.path}", sentence)
        for refused in outcome.refused
        for sentence in refused.sentences
    ]
    told += [
        Annotation("error", f"not judged: {found.path}", gap) for found in outcome.checked for gap in path_gaps(found)
    ]
    findings: list[tuple[bool, bool, Annotation]] = []
    root = project_root()
    for found, run in outcome.counting:
        source = find_source(found, run)
        told += [Annotation("error", f"not judged: {run.name}: {id_}", gap) for id_, gap in run_gaps(run).items()]
        findings += [
            (finding.key not in run.failing, finding.explained_by is not None, _annotation(run, finding, source, root))
            for finding in outcome.shown(run)
            if finding.key not in run.excused
        ]
    findings.sort(key=lambda entry: entry[:2])  # stable: runs and catalogue keep their order
    return [*told, *(annotation for *_, annotation in findings)]


def _annotation(run: CheckedRun, finding: Finding, source: Source | None, root: Path) -> Annotation:
    title = f"{finding.key} ({run.name})"
    message = "\n".join(finding_lines(finding))
    file = None if source is None else relative_path(source.path, root)
    line = 1 if source is None else source.line_of(finding)
    return Annotation(COMMANDS[finding.severity], title, message, file, line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
