"""A verdict as Markdown, for TensorBoard's Text tab and for job summaries."""

from collections.abc import Sequence

from gradvitals.diagnostics.findings import Finding, Prescription, Severity, Verdict

PARTS_SHOWN = 8


def verdict_markdown(verdict: Verdict) -> str:
    """Write the verdict and every standing finding, then what cleared, was not judged or is switched off."""
    parts = [f"**{verdict.outcome.replace('_', ' ')}**"]
    telling = say_what_it_costs(verdict.standing)
    parts += [finding_markdown(finding, costs=finding.key in telling) for finding in verdict.standing]
    cleared = [finding for finding in verdict.findings if finding.cleared]
    if cleared:
        parts.append(
            "Cleared: " + ", ".join(f"{finding.key} (last at step {finding.last_step})" for finding in cleared)
        )
    if verdict.not_judged:
        reasons = ", ".join(f"{judgement.id} ({judgement.reason})" for judgement in verdict.not_judged)
        parts.append(f"Not judged: {reasons}")
    if verdict.switched_off:
        reasons = ", ".join(f"{judgement.id} ({one_line(judgement.reason)})" for judgement in verdict.switched_off)
        parts.append(f"Switched off: {reasons}")
    if verdict.never_called:
        parts.append(f"Never called: {list_parts(verdict.never_called)}")
    return "\n\n".join(parts)


def finding_markdown(finding: Finding, *, costs: bool = True) -> str:
    """Write one finding, with what it costs unless another one says so."""
    origin = "root" if finding.explained_by is None else f"explained by {finding.explained_by}"
    lines = [
        f"### {finding.severity}: {finding.key}",
        f"*{origin}, since step {finding.first_step}*",
        f"{sentence(finding.evidence)} {finding.explanation}",
    ]
    if finding.defect and is_serious_root(finding):
        lines.append(f"**Wrong:** {one_line(finding.defect)}")
    if finding.harm is not None and is_serious_root(finding) and costs:
        lines.append(f"**Costs:** {one_line(finding.harm.text)}")
    lines += [f"- {prescription_text(prescription)}" for prescription in finding.prescriptions]
    return "\n\n".join(lines)


def say_what_it_costs(findings: Sequence[Finding]) -> set[str]:
    """Give the keys of the serious roots that say so; what several cost together, the first alone says."""
    telling: dict[str, str] = {}
    for finding in findings:
        if finding.harm is not None and is_serious_root(finding):
            telling.setdefault(finding.harm.text, finding.key)
    return set(telling.values())


def is_serious_root(finding: Finding) -> bool:
    """Tell whether what is wrong with a finding, and what it costs, is worth a line each."""
    return finding.explained_by is None and finding.severity > Severity.INFO


def prescription_text(prescription: Prescription) -> str:
    """Write a cure, with the config keys that make it, and with what became of it where it was tried."""
    if not prescription.set:
        return prescription.why
    return f"{prescription.why}: `{settings_text(prescription)}`{outcome_text(prescription)}"


def settings_text(prescription: Prescription) -> str:
    """Write the config keys that make a cure, as TOML; empty where there are none."""
    return ", ".join(f"{key} = {_toml(value)}" for key, value in (prescription.set or {}).items())


def outcome_text(prescription: Prescription) -> str:
    """Say what became of a cure, to follow it; empty where it was not tried."""
    return "" if prescription.outcome == "untested" else f" ({prescription.outcome} by trial)"


def list_parts(names: Sequence[str]) -> str:
    """List parts of a model, of many the first few.

    >>> list_parts(["encoder", "head"]), list_parts([f"block_{n}" for n in range(30)])
    ('modules encoder, head', 'modules block_0, block_1, block_2, block_3, block_4, block_5, block_6, block_7, … (30)')
    """
    more = f", … ({len(names)})" if len(names) > PARTS_SHOWN else ""
    return f"module{'' if len(names) == 1 else 's'} {', '.join(map(one_line, names[:PARTS_SHOWN]))}{more}"


def sentence(text: str) -> str:
    """Give the text a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def one_line(text: str) -> str:
    """Give a text that people wrote without its line breaks."""
    return " ".join(text.split())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)
