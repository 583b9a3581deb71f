"""A check in the format asked for; a format's module, and the library it needs, is loaded for it alone."""

from typing import Any

from gradvitals.experiments.files import json_text
from gradvitals.experiments.formats.outcome import CheckOutcome, path_gaps

FORMATS = ("text", "json", "junit", "sarif", "github", "markdown")
"""What `check --format` takes."""


def render(form: str, outcome: CheckOutcome) -> str | None:
    """Write the document; None for text, which is the terminal's."""
    match form:
        case "json":
            return json_text(_as_json(outcome))
        case "junit":
            from gradvitals.experiments.formats.junit import junit_report

            return junit_report(outcome)
        case "sarif":
            from gradvitals.experiments.formats.sarif import sarif_report

            return sarif_report(outcome)
        case "github":
            from gradvitals.experiments.formats.github import github_report

            return github_report(outcome)
        case "markdown":
            from gradvitals.experiments.formats.markdown import markdown_report

            return markdown_report(outcome)
        case _:
            return None


def _as_json(outcome: CheckOutcome) -> dict[str, Any]:
    gaps = [{"path": str(found.path), "reason": gap} for found in outcome.checked for gap in path_gaps(found)]
    return {"version": 1, "runs": [run.to_json() for _, run in outcome.runs], "not_judged": gaps}
