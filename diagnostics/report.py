"""A verdict for the terminal: the root first, what it explains, the evidence, what it costs, the cures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.markdown import (
    is_serious_root,
    list_parts,
    one_line,
    prescription_text,
    say_what_it_costs,
    sentence,
)

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "healthy": "green", "not_judged": "magenta"}
SYMBOLS = {"error": "✗", "warning": "!", "healthy": "✓", "not_judged": "?"}

Excuse: TypeAlias = tuple[str, str]
"""Why a finding does not count: in a word, and in a sentence."""


def report(
    name: str,
    verdict: Verdict,
    *,
    verbose: bool = False,
    ignored: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
    as_of: str = "",
) -> RenderableType:
    """Render a run's verdict.

    Args:
        name: Of the run.
        verdict: What to show.
        verbose: Also show info findings and those that have cleared.
        ignored: For the keys of standing findings that do not count here, until when and why.
        known: Likewise for those that do not count as they were there before: since when.
        as_of: Behind the verdict, of a training that has not ended: how far it has come.
    """
    excused = {key: ("known", text) for key, text in (known or {}).items()}
    excused |= {key: ("ignored", text) for key, text in (ignored or {}).items()}
    outcome = verdict.without(excused).outcome
    words = Counter(word for word, _ in excused.values())
    number = f" ({', '.join(f'{words[word]} {word}' for word in sorted(words))})" if words else ""
    heading = Text(f"{SYMBOLS[outcome]} {name}: {outcome.replace('_', ' ')}{as_of}{number}", STYLES[outcome])
    parts: list[RenderableType] = [heading]
    shown = [
        finding for finding in verdict.standing if verbose or finding.severity > Severity.INFO or finding.key in excused
    ]
    telling = say_what_it_costs(sorted(shown, key=lambda finding: finding.key in excused))  # those in brief do not
    for finding in shown:
        if finding.explained_by is None:
            consequences = [other for other in shown if other.explained_by == finding.key]
            parts += _root(finding, consequences, excused, costs=finding.key in telling, verbose=verbose)
    hidden = len(verdict.findings) - len(shown)
    if hidden and not verbose:
        parts.append(Text(f"  {hidden} of no consequence (--verbose shows them)", "dim"))
    if verbose:
        parts += [_cleared(finding) for finding in verdict.findings if finding.cleared]
    parts += [Text(f"  not judged: {judgement.id}: {judgement.reason}", "dim") for judgement in verdict.not_judged]
    parts += [
        Text(f"  switched off: {judgement.id}: {one_line(judgement.reason)}", "dim")
        for judgement in verdict.switched_off
    ]
    if verdict.never_called:
        parts.append(Text(f"  never called: {list_parts(verdict.never_called)}", "dim"))
    return Group(*parts)


def _root(
    finding: Finding, consequences: Sequence[Finding], excused: Mapping[str, Excuse], *, costs: bool, verbose: bool
) -> list[RenderableType]:
    """Render a root and what it explains; in brief where all of it is excused."""
    since = Text.assemble(_name(finding, excused), f" since step {finding.first_step}")
    excuse = excused.get(finding.key)
    body: list[RenderableType] = [] if excuse is None else [Text(one_line(excuse[1]), "dim")]
    body.append(Text(sentence(finding.evidence)))
    if verbose or not all(each.key in excused for each in (finding, *consequences)):
        body.append(Text(finding.explanation, "dim"))
        if finding.defect and is_serious_root(finding):
            body.append(_labelled("wrong", finding.defect))
        if finding.harm is not None and costs:
            body.append(_labelled("costs", finding.harm.text))
        body += [Text(f"→ {prescription_text(prescription)}") for prescription in finding.prescriptions]
    if consequences:
        body.append(Text("it explains:"))
        body += [Padding(_consequence(consequence, excused), (0, 0, 0, 2)) for consequence in consequences]
    return [Padding(since, (0, 0, 0, 2)), Padding(Group(*body), (0, 0, 0, 4))]


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"{label}: ", "bold"), one_line(text))


def _consequence(finding: Finding, excused: Mapping[str, Excuse]) -> Text:
    excuse = excused.get(finding.key)
    marked = "" if excuse is None else f" ({one_line(excuse[1])})"
    return Text.assemble(_name(finding, excused), (marked, "dim"), f": {sentence(finding.evidence)}")


def _name(finding: Finding, excused: Mapping[str, Excuse]) -> Text:
    severity, excuse = str(finding.severity), excused.get(finding.key)
    marked = Text(f"{severity} ", STYLES[severity]) if excuse is None else Text(f"{excuse[0]} {severity} ", "dim")
    return Text.assemble(marked, (finding.key, "bold"))


def _cleared(finding: Finding) -> Text:
    steps = f"steps {finding.first_step} to {finding.last_step}"
    return Text(f"  cleared: {finding.key} ({steps}): {finding.evidence}", "dim")
