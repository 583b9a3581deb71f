"""Findings and verdicts as a notebook shows them, on light and on dark paper: no colour of its own but in badges."""

from collections.abc import Sequence
from html import escape

from gradvitals.diagnostics.findings import Finding, Severity, Verdict
from gradvitals.diagnostics.markdown import list_parts, one_line, outcome_text, sentence, settings_text

BADGES = {
    "error": ("✗", "#b3261e"),
    "warning": ("!", "#8a5300"),
    "info": ("i", "#0b5f8a"),
    "healthy": ("✓", "#17693a"),
    "not_judged": ("?", "#6b3fa0"),
}
"""Symbol and colour of what is said: white on it is readable, whatever the paper."""

QUIET = "opacity:.75"
CARD = "margin:.5em 0;padding:.35em .8em;background:rgba(128,128,128,.12);border-radius:3px;border-left:4px solid"


def verdict_html(verdict: Verdict, when: str = "") -> str:
    """Show a verdict: what is wrong, roots first with what they explain, and in brief what was not judged."""
    shown = [finding for finding in verdict.standing if finding.severity > Severity.INFO]
    keys = {finding.key for finding in shown}
    roots = [finding for finding in shown if finding.explained_by not in keys]
    parts = [f"<div>{_badge(verdict.outcome)} <span style='{QUIET}'>{escape(when)}</span></div>"]
    parts += [_card(root, [other for other in shown if other.explained_by == root.key]) for root in roots]
    parts += [_details(title, lines) for title, lines in _asides(verdict) if lines]
    return _page(parts)


def finding_html(finding: Finding) -> str:
    """Show one finding."""
    return _page([_card(finding, ())])


def _page(parts: Sequence[str]) -> str:
    return f"<div style='max-width:62em;line-height:1.45;overflow-wrap:anywhere'>{''.join(parts)}</div>"


def _card(finding: Finding, consequences: Sequence[Finding]) -> str:
    severity = str(finding.severity)
    since = f"cleared, last seen at step {finding.last_step}" if finding.cleared else f"since step {finding.first_step}"
    cause = "" if finding.explained_by is None else f", explained by {escape(finding.explained_by)}"
    wrong = f" Wrong: {_ended(finding.defect)}" if finding.defect else ""
    costs = f" Costs: {_ended(finding.harm.text)}" if finding.harm is not None else ""
    lines = [
        f"{_badge(severity)} <b>{escape(finding.key)}</b> <span style='{QUIET}'>{since}{cause}</span>",
        f"{escape(sentence(finding.evidence))} {escape(finding.explanation)}{wrong}{costs}",
        *(f"→ {_cure(finding, index)}" for index in range(len(finding.prescriptions))),
        *(f"it explains: {escape(other.summary)}" for other in consequences),
    ]
    rows = "".join(f"<div style='margin:.2em 0'>{line}</div>" for line in lines)
    return f"<div style='{CARD} {BADGES[severity][1]}'>{rows}</div>"


def _cure(finding: Finding, index: int) -> str:
    cure = finding.prescriptions[index]
    keys = settings_text(cure)
    set_so = f": <code>{escape(keys)}</code>{escape(outcome_text(cure))}" if keys else ""
    return f"{escape(cure.why)}{set_so}"


def _asides(verdict: Verdict) -> list[tuple[str, list[str]]]:
    """Give what is worth a line each, but not at first sight."""
    of_no_consequence = [finding for finding in verdict.standing if finding.severity is Severity.INFO]
    cleared = [finding for finding in verdict.findings if finding.cleared]
    return [
        ("of no consequence", [f"{finding.key}: {finding.evidence}" for finding in of_no_consequence]),
        ("cleared", [f"{finding.key}: last seen at step {finding.last_step}" for finding in cleared]),
        ("not judged", [f"{judgement.id}: {judgement.reason}" for judgement in verdict.not_judged]),
        ("switched off", [f"{judgement.id}: {one_line(judgement.reason)}" for judgement in verdict.switched_off]),
        ("never called", [list_parts(verdict.never_called)] if verdict.never_called else []),
    ]


def _details(title: str, lines: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<details style='{QUIET}'><summary>{len(lines)} {title}</summary><ul>{rows}</ul></details>"


def _badge(what: str) -> str:
    symbol, colour = BADGES[what]
    style = f"color:#fff;background:{colour};border-radius:3px;padding:.05em .5em;font-weight:600;white-space:nowrap"
    return f"<span style='{style}'>{symbol} {what.replace('_', ' ')}</span>"


def _ended(text: str) -> str:
    return f"{escape(text.rstrip('.'))}."
