"""Verdicts read back: a file may hold anything under our name, so every field is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gradvitals.diagnostics.findings import Finding, Judged, Severity
from gradvitals.diagnostics.tensorboard.strict_json import decode_json


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A diagnosis that says nothing, with the reason."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A run's verdict as it was recorded.

    Attributes:
        verdict: In a word.
        findings: Roots first, standing before cleared.
        not_judged: The diagnoses that could say nothing.
        never_called: Parts of the model that a forward pass does not come by.
    """

    verdict: Judged
    findings: tuple[Finding, ...]
    not_judged: tuple[Unjudged, ...] = ()
    never_called: tuple[str, ...] = ()

    @property
    def serious(self) -> Sequence[Finding]:
        """The warnings and errors that stand, roots first."""
        return [finding for finding in self.findings if finding.standing and finding.severity > Severity.INFO]


_VERDICT = TypeAdapter(RecordedVerdict)


def read_verdict(content: bytes) -> RecordedVerdict | None:
    """Read what was recorded as a verdict; None for what is none, such as that of another version."""
    try:
        data: Any = decode_json(content)
        findings = [finding | {"severity": Severity[finding["severity"].upper()]} for finding in data["findings"]]
        return _VERDICT.validate_python(data | {"findings": findings})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, ValidationError):
        return None
