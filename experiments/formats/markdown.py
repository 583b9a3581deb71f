"""A check as Markdown, for a comment on a pull request or the summary of a job: a table per run."""

import re
from collections.abc import Sequence

from gradvitals.diagnostics.findings import Finding, Judgement
from gradvitals.diagnostics.markdown import list_parts, one_line, prescription_text, say_what_it_costs, sentence
from gradvitals.diagnostics.report import SYMBOLS
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.formats.outcome import (
    CheckOutcome,
    exception_text,
    is_consequence,
    path_gaps,
    printable,
    run_gaps,
)

HEADINGS = {
    Exit.DONE: "passes",
    Exit.FAILED: "fails",
    Exit.USAGE: "could not be done",
    Exit.NOT_JUDGED: "could not judge",
}


def markdown_report(outcome: CheckOutcome) -> str:
    """Write the runs that count, each with its findings, and the numbers of all."""
    parts = [f"## gradvitals check {HEADINGS[outcome.exit]}"]
    parts += [f"**refused** {escape(text)}" for refused in outcome.refused for text in refused.sentences]
    for found in outcome.checked:
        for run in found.counting:
            parts += _run_parts(outcome, run)
        parts += [f"**not judged** {escape(str(found.path))}: {escape(gap)}" for gap in path_gaps(found)]
        parts += _path_parts(outcome, found)
    return printable("\n\n".join(parts) + "\n")


def _run_parts(outcome: CheckOutcome, run: CheckedRun) -> list[str]:
    """Write a run: its verdict, its findings as a table, and folded what was not judged."""
    known = len(run.excused) - len(run.ignored)
    counts = [f"{count} {word}" for count, word in ((len(run.ignored), "ignored"), (known, "known")) if count]
    number = f" ({', '.join(counts)})" if counts else ""
    parts = [f"### {SYMBOLS[run.outcome]} {escape(run.name)}: {run.outcome.replace('_', ' ')}{number}"]
    findings = outcome.shown(run)
    if findings:
        telling = say_what_it_costs(sorted(findings, key=lambda finding: finding.key in run.excused))
        rows = [_row(run, finding, costs=finding.key in telling) for finding in findings]
        parts.append("\n".join(["| finding | what is seen | what to try |", "|---|---|---|", *rows]))
    gaps = run_gaps(run)
    parts += [f"**not judged** {escape(id_)}: {escape(gap)}" for id_, gap in gaps.items()]
    if run.verdict.never_called:
        parts.append(f"never called: {escape(list_parts(run.verdict.never_called))}")
    parts += [escape(note) for note in run.notes]
    parts += [f"warning: {escape(warning)}" for warning in run.warnings]
    parts += [
        f"The exception for {escape(each.key)} ran out on {each.until}: {escape(each.reason)}"
        for each in run.exemptions
        if each.state == "expired"
    ]
    others = [each for each in (*run.verdict.not_judged, *run.verdict.switched_off) if each.id not in gaps]
    return parts + _folded(others)


def _row(run: CheckedRun, finding: Finding, *, costs: bool) -> str:
    """Write a finding; a consequence is indented below its root, which has the cures."""
    excuse = exception_text(run, finding)
    word = "ignored" if finding.key in run.ignored else "known"
    severity = f"**{finding.severity}**" if excuse is None else f"{word} {finding.severity}"
    name = f"{severity} {_code(finding.key)}<br>since step {finding.first_step}"
    if is_consequence(finding):
        name = f"↳ {name}"
    seen = [escape(sentence(one_line(finding.evidence)))]
    cures: list[str] = []
    if excuse is not None:
        seen.append(escape(sentence(excuse)))
    elif is_consequence(finding):
        cures = [f"explained by {_code(str(finding.explained_by))}"]
    else:
        seen.append(escape(finding.explanation))
        seen += [f"<b>Wrong:</b> {escape(finding.defect)}"] if finding.defect else []
        cures = [escape(prescription_text(cure)) for cure in finding.prescriptions]
    if costs and finding.harm is not None:
        seen.append(f"<b>Costs:</b> {escape(finding.harm.text)}")
    return f"| {name} | {'<br>'.join(seen)} | {'<br>'.join(cures)} |"


def _folded(judgements: Sequence[Judgement]) -> list[str]:
    """Fold away what was not judged, and does not matter to the check, with its reasons."""
    if not judgements:
        return []
    lines = [
        f"- {_code(judgement.id)} {judgement.status.replace('_', ' ')}: {escape(judgement.reason)}"
        for judgement in judgements
    ]
    return ["\n".join([f"<details><summary>{len(judgements)} not judged</summary>", "", *lines, "", "</details>"])]


def _path_parts(outcome: CheckOutcome, found: CheckedPath) -> list[str]:
    """Write what a path's runs have in common."""
    parts = [
        f"Nothing to ignore for {escape(each.key)} ({escape(each.text)}): remove it from `[check.ignore]`."
        for each in found.unused
    ]
    if len(found.runs) > len(found.counting):
        passing = sum(run.exit is Exit.DONE for run in found.runs)
        parts.append(f"{escape(str(found.path))}: {passing} of {len(found.runs)} runs pass; {outcome.which_count}.")
    return parts


def escape(text: str) -> str:
    r"""Give a text in one line, without what Markdown, its tables or HTML would take for theirs; code stays code.

    >>> print(escape("a|b <i> *c* hidden_1 [e](f) `x_y = [1]`"))
    a\|b &lt;i> \*c\* hidden_1 \[e](f) `x_y = [1]`
    """
    line = one_line(text)
    pieces = line.split("`")
    if len(pieces) % 2 == 0:  # a backtick of somebody's own
        return _prose(line).replace("`", "\\`")
    return "`".join(
        piece.replace("|", "\\|") if position % 2 else _prose(piece) for position, piece in enumerate(pieces)
    )


def _code(text: str) -> str:
    return escape("`" + text.replace("`", "'") + "`")


def _prose(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\|*\[]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
