"""Findings: what a diagnosis says, in a form that terminals, JSON and dashboards share."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal, TypeAlias

from gradvitals.diagnostics.margin import Reading, margin

Tier: TypeAlias = Literal["fact", "test", "hint"]
Outcome: TypeAlias = Literal["untested", "confirmed", "refuted"]
Status: TypeAlias = Literal["fired", "clear", "not_applicable", "not_judged", "switched_off"]
Judged: TypeAlias = Literal["healthy", "warning", "error", "not_judged"]

NOT_RECORDED = "not recorded"
"""Why a rule cannot judge a record that lacks what it reads."""

NO_DATA = "no training set was given: add data=(inputs, targets), or data=loader, to watch(…)"
"""The same where the rule reads what is measured on a training set, and there was none."""


class Severity(IntEnum):
    """How bad it is; ordered."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()

    def __eq__(self, other: object) -> bool:
        """Be equal to one's own name, not to the number: whoever writes `severity == "error"` means it."""
        return str(self) == other if isinstance(other, str) else self is other

    def __ne__(self, other: object) -> bool:
        return not self == other  # an int's own knows no names

    def __hash__(self) -> int:
        return hash(str(self))  # so that `severity in {"warning", "error"}` is true where an `==` is


@dataclass(frozen=True, slots=True)
class Prescription:
    """A cure to try: a hypothesis until it was re-run.

    Attributes:
        why: What to change and why it should help, in one sentence.
        set: Config keys and their new values; None where there is no config, or no key for it.
        outcome: Whether a re-run bore it out.
    """

    why: str
    set: Mapping[str, Any] | None = None
    outcome: Outcome = "untested"


@dataclass(frozen=True, slots=True)
class Harm:
    """What the training lacks while a finding stands, as far as its record can tell.

    Attributes:
        value: Share of H, the best constant's loss, that is still lost on the probe: 0 a perfect network, 1 a constant.
        se: Its standard error; NaN where the loss is so large that a mean of floored samples no longer tells it.
        text: The same in words.
    """

    value: float
    se: float
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is or was wrong.

    Attributes:
        id: The diagnosis.
        tier: `fact` (exact), `test` (statistical) or `hint`.
        severity: As it stands; a cleared finding is info.
        layer: Where; None for the whole run.
        first_step: When it was first seen.
        last_step: When it was last seen.
        cleared: Whether it has gone away again.
        value: What was measured.
        threshold: What it was held against.
        evidence: The measurement in words, with its unit.
        explanation: What it means and what it does to learning, in two sentences.
        explained_by: Key of the finding that causes this one; None for a root.
        defect: What is provably wrong, whatever it costs; empty for a symptom, which is wrong only with impairment.
        harm: What it measurably costs; None where nothing could be compared, and for what has cleared.
        prescriptions: Cures to try.
    """

    id: str
    tier: Tier
    severity: Severity
    layer: str | None
    first_step: int
    last_step: int
    value: float
    threshold: float
    evidence: str
    explanation: str
    prescriptions: tuple[Prescription, ...] = ()
    cleared: bool = False
    explained_by: str | None = None
    defect: str = ""
    harm: Harm | None = None

    @property
    def key(self) -> str:
        """`id@layer`, or the id alone."""
        return self.id if self.layer is None else f"{self.id}@{self.layer}"

    @property
    def standing(self) -> bool:
        """Whether it counts for the verdict."""
        return not self.cleared

    @property
    def summary(self) -> str:
        """What was found, in one line."""
        return f"{self.severity} {self.key}: {self.evidence}"

    @property
    def margin(self) -> float | None:
        """How far its value is past its threshold, in units of it; None where that is not what it stands by."""
        past = margin(self.id, self.value, self.threshold)
        by_another = past is not None and past < 0.0 and self.standing and self.severity > Severity.INFO
        return None if by_another else past

    def to_json(self) -> dict[str, Any]:
        """Give the finding as the JSON contract words it."""
        data = asdict(self)
        data["severity"] = str(self.severity)
        return {"key": self.key, **data, "margin": self.margin, "root": self.explained_by is None}

    def _repr_html_(self) -> str:
        from gradvitals.diagnostics.notebook import finding_html

        return finding_html(self)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one diagnosis says of one run.

    Attributes:
        id: The diagnosis.
        status: `fired` if a finding stands, else `clear`, `not_applicable`, `not_judged` or, where the user does not
            want it, `switched_off`.
        reason: Why it was not judged, does not apply or is not wanted.
        findings: Standing and cleared findings.
        reading: What it measured last, where it came nearest to speaking; None where it goes by no single value.
    """

    id: str
    status: Status
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    reading: Reading | None = None

    @property
    def margin(self) -> float | None:
        """The largest margin of its standing findings, or else of its reading; None where it has none."""
        of_findings = [past for finding in self.findings if finding.standing and (past := finding.margin) is not None]
        if of_findings or self.reading is None:
            return max(of_findings, default=None)
        return margin(self.id, self.reading.value, self.reading.threshold)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all diagnoses together say of one run.

    Attributes:
        judgements: Of every diagnosis.
        findings: Of all of them, roots first.
        never_called: Parts of the model with parameters that a forward pass does not come by; worth a line, no fault.
    """

    judgements: tuple[Judgement, ...]
    findings: tuple[Finding, ...] = field(default=())
    never_called: tuple[str, ...] = ()

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The findings that have not cleared, roots first, then by severity."""
        return tuple(finding for finding in self.findings if finding.standing)

    @property
    def not_judged(self) -> tuple[Judgement, ...]:
        """The diagnoses that could say nothing, with their reasons."""
        return self._with_status("not_judged")

    @property
    def switched_off(self) -> tuple[Judgement, ...]:
        """The diagnoses that the user does not want, with their reasons."""
        return self._with_status("switched_off")

    @property
    def outcome(self) -> Judged:
        """`error`, `warning` or `healthy`; `not_judged` if nothing that applies could be judged."""
        worst = max((finding.severity for finding in self.standing), default=Severity.INFO)
        if worst is Severity.ERROR:
            return "error"
        if worst is Severity.WARNING:
            return "warning"
        silent = {"not_applicable", "switched_off"}
        applicable = [judgement for judgement in self.judgements if judgement.status not in silent]
        if all(judgement.status == "not_judged" for judgement in applicable):
            return "not_judged"
        return "healthy"

    def _repr_html_(self) -> str:
        from gradvitals.diagnostics.notebook import verdict_html

        return verdict_html(self)

    def without(self, keys: Collection[str]) -> "Verdict":
        """Give the verdict as it were without the findings of these keys."""
        return replace(self, findings=tuple(finding for finding in self.findings if finding.key not in keys))

    def to_json(self) -> dict[str, Any]:
        """Give verdict, findings and what was not judged or not wanted as the JSON contract words them."""
        return {
            "verdict": self.outcome,
            "findings": [finding.to_json() for finding in self.findings],
            "judged": [
                {"id": judgement.id, "status": judgement.status, "margin": judgement.margin}
                for judgement in self.judgements
                if judgement.status in {"fired", "clear"}
            ],
            "not_judged": [{"id": judgement.id, "reason": judgement.reason} for judgement in self.not_judged],
            "switched_off": [{"id": judgement.id, "why": judgement.reason} for judgement in self.switched_off],
            "never_called": list(self.never_called),
        }

    def _with_status(self, status: Status) -> tuple[Judgement, ...]:
        return tuple(judgement for judgement in self.judgements if judgement.status == status)
