"""A verdict for the terminal: the root first, what it explains, the evidence, what it costs, the cures."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.markdown import is_serious_root, one_line, prescription_text, say_what_it_costs, sentence

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "healthy": "green", "not_judged": "magenta"}
SYMBOLS = {"error": "✗", "warning": "!", "healthy": "✓", "not_judged": "?"}


def report(
    name: str, verdict: Verdict, *, verbose: bool = False, ignored: Mapping[str, str] | None = None
) -> RenderableType:
    """Render a run's verdict.

    Args:
        name: Of the run.
        verdict: What to show.
        verbose: Also show info findings and those that have cleared.
        ignored: For the keys of standing findings that do not count here, until when and why.
    """
    ignored = ignored or {}
    outcome = verdict.without(ignored).outcome
    number = f" ({len(ignored)} ignored)" if ignored else ""
    heading = Text(f"{SYMBOLS[outcome]} {name}: {outcome.replace('_', ' ')}{number}", STYLES[outcome])
    parts: list[RenderableType] = [heading]
    shown = [
        finding for finding in verdict.standing if verbose or finding.severity > Severity.INFO or finding.key in ignored
    ]
    telling = say_what_it_costs(sorted(shown, key=lambda finding: finding.key in ignored))  # those in brief do not
    for finding in shown:
        if finding.explained_by is None:
            consequences = [other for other in shown if other.explained_by == finding.key]
            parts += _root(finding, consequences, ignored, costs=finding.key in telling, verbose=verbose)
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
    return Group(*parts)


def _root(
    finding: Finding, consequences: Sequence[Finding], ignored: Mapping[str, str], *, costs: bool, verbose: bool
) -> list[RenderableType]:
    """Render a root and what it explains; in brief where all of it is ignored."""
    since = Text.assemble(_name(finding, ignored), f" since step {finding.first_step}")
    terms = ignored.get(finding.key)
    body: list[RenderableType] = [] if terms is None else [Text(one_line(terms), "dim")]
    body.append(Text(sentence(finding.evidence)))
    if verbose or not all(each.key in ignored for each in (finding, *consequences)):
        body.append(Text(finding.explanation, "dim"))
        if finding.defect and is_serious_root(finding):
            body.append(_labelled("wrong", finding.defect))
        if finding.harm is not None and costs:
            body.append(_labelled("costs", finding.harm.text))
        body += [Text(f"→ {prescription_text(prescription)}") for prescription in finding.prescriptions]
    if consequences:
        body.append(Text("it explains:"))
        body += [Padding(_consequence(consequence, ignored), (0, 0, 0, 2)) for consequence in consequences]
    return [Padding(since, (0, 0, 0, 2)), Padding(Group(*body), (0, 0, 0, 4))]


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"{label}: ", "bold"), one_line(text))


def _consequence(finding: Finding, ignored: Mapping[str, str]) -> Text:
    terms = ignored.get(finding.key)
    marked = "" if terms is None else f" ({one_line(terms)})"
    return Text.assemble(_name(finding, ignored), (marked, "dim"), f": {sentence(finding.evidence)}")


def _name(finding: Finding, ignored: Mapping[str, str]) -> Text:
    severity, is_ignored = str(finding.severity), finding.key in ignored
    style = "dim" if is_ignored else STYLES[severity]
    return Text.assemble((f"{'ignored ' * is_ignored}{severity} ", style), (finding.key, "bold"))


def _cleared(finding: Finding) -> Text:
    steps = f"steps {finding.first_step} to {finding.last_step}"
    return Text(f"  cleared: {finding.key} ({steps}): {finding.evidence}", "dim")
