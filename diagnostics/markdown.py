"""A verdict as Markdown, for TensorBoard's Text tab and for job summaries."""

from gradvitals.diagnostics.findings import Finding, Prescription, Verdict


def verdict_markdown(verdict: Verdict) -> str:
    """Write the verdict, every standing finding with its evidence and cures, then what cleared or was not judged."""
    parts = [f"**{verdict.outcome.replace('_', ' ')}**"]
    parts += [finding_markdown(finding) for finding in verdict.standing]
    cleared = [finding for finding in verdict.findings if finding.cleared]
    if cleared:
        parts.append(
            "Cleared: " + ", ".join(f"{finding.key} (last at step {finding.last_step})" for finding in cleared)
        )
    if verdict.not_judged:
        reasons = ", ".join(f"{judgement.id} ({judgement.reason})" for judgement in verdict.not_judged)
        parts.append(f"Not judged: {reasons}")
    return "\n\n".join(parts)


def finding_markdown(finding: Finding) -> str:
    """Write one finding."""
    origin = "root" if finding.explained_by is None else f"explained by {finding.explained_by}"
    lines = [
        f"### {finding.severity}: {finding.key}",
        f"*{origin}, since step {finding.first_step}*",
        f"{sentence(finding.evidence)} {finding.explanation}",
    ]
    lines += [f"- {prescription_text(prescription)}" for prescription in finding.prescriptions]
    return "\n\n".join(lines)


def prescription_text(prescription: Prescription) -> str:
    """Write a cure, with the config keys that make it."""
    if not prescription.set:
        return prescription.why
    keys = ", ".join(f"{key} = {_toml(value)}" for key, value in prescription.set.items())
    return f"{prescription.why}: `{keys}`"


def sentence(text: str) -> str:
    """Give the text a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)
