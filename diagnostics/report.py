"""A verdict for the terminal: the root first, what it explains, the evidence, the cures."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.markdown import prescription_text, sentence

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "healthy": "green", "not_judged": "magenta"}
SYMBOLS = {"error": "✗", "warning": "!", "healthy": "✓", "not_judged": "?"}


def report(name: str, verdict: Verdict, *, verbose: bool = False) -> RenderableType:
    """Render a run's verdict.

    Args:
        name: Of the run.
        verdict: What to show.
        verbose: Also show info findings and those that have cleared.
    """
    outcome = verdict.outcome
    heading = Text(f"{SYMBOLS[outcome]} {name}: {outcome.replace('_', ' ')}", STYLES[outcome])
    parts: list[RenderableType] = [heading]
    shown = [finding for finding in verdict.standing if verbose or finding.severity > Severity.INFO]
    roots = [finding for finding in shown if finding.explained_by is None]
    consequences = [finding for finding in shown if finding.explained_by is not None]
    parts += [_root(finding, [c for c in consequences if c.explained_by == finding.key]) for finding in roots]
    hidden = len(verdict.findings) - len(shown)
    if hidden and not verbose:
        parts.append(Text(f"  {hidden} of no consequence (--verbose shows them)", "dim"))
    if verbose:
        parts += [_cleared(finding) for finding in verdict.findings if finding.cleared]
    parts += [Text(f"  not judged: {judgement.id}: {judgement.reason}", "dim") for judgement in verdict.not_judged]
    return Group(*parts)


def _root(finding: Finding, consequences: list[Finding]) -> RenderableType:
    heading = Text.assemble(
        (f"{finding.severity} ", STYLES[str(finding.severity)]),
        (finding.key, "bold"),
        f" since step {finding.first_step}",
    )
    body: list[RenderableType] = [
        Text(sentence(finding.evidence)),
        Text(finding.explanation, "dim"),
        *(Text(f"→ {prescription_text(prescription)}") for prescription in finding.prescriptions),
    ]
    if consequences:
        body.append(Text("it explains:"))
        body += [Padding(_consequence(consequence), (0, 0, 0, 2)) for consequence in consequences]
    return Group(Padding(heading, (0, 0, 0, 2)), Padding(Group(*body), (0, 0, 0, 4)))


def _consequence(finding: Finding) -> Text:
    style = STYLES[str(finding.severity)]
    return Text.assemble((f"{finding.severity} ", style), (finding.key, "bold"), f": {sentence(finding.evidence)}")


def _cleared(finding: Finding) -> Text:
    steps = f"steps {finding.first_step} to {finding.last_step}"
    return Text(f"  cleared: {finding.key} ({steps}): {finding.evidence}", "dim")
