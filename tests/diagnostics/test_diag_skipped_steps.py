"""Diagnosis 1 on the steps that a loss scaler skipped: silence about what is normal, a word where nothing moves."""

import pytest

from gradvitals.diagnostics.diagnoses.non_finite import NonFinite
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.notes import Incident, SkippedSteps

CLEAN = 200, 0, 0, 0
OFTEN = 200, 11, 11, 0
UNDOING = 200, 40, 10, 0
STUCK = 200, 200, 165, 182
AT_THE_END = 30, 3, 3, 0


def judge(*notes: tuple[int, int, int, int], also: Incident | None = None) -> Finding | None:
    """Judge notes of (asked, skipped, falling, unscaled)."""
    record = Record()
    for place, (asked, skipped, falling, unscaled) in enumerate(notes):
        record.add(SkippedSteps(200 * (place + 1), asked, skipped, falling, unscaled, scale=0.25))
    if also is not None:
        record.add(also)
    judgement = NonFinite().judge(record, judge_gate(record))
    return judgement.findings[0] if judgement.findings else None


@pytest.mark.parametrize(
    ("notes", "severity", "cleared"),
    [
        ([CLEAN], None, False),
        ([(200, 2, 1, 0)], Severity.INFO, False),
        ([(200, 10, 10, 0)], Severity.INFO, False),
        ([OFTEN], Severity.WARNING, False),
        ([UNDOING], Severity.INFO, False),
        ([OFTEN, CLEAN], Severity.INFO, True),
        ([OFTEN, UNDOING], Severity.INFO, False),
        ([OFTEN, AT_THE_END], Severity.WARNING, False),
        ([CLEAN, (60, 12, 12, 0)], Severity.WARNING, False),
        ([AT_THE_END], Severity.INFO, False),
        ([CLEAN, STUCK], Severity.ERROR, False),
        ([(0, 0, 0, 20)], Severity.ERROR, False),
        ([(0, 0, 0, 19)], Severity.INFO, False),
        ([STUCK, CLEAN], Severity.INFO, True),
        ([STUCK, (25, 25, 0, 225)], Severity.ERROR, False),
    ],
    ids=[
        "none",
        "now and then",
        "5 %",
        "more",
        "growths undone",
        "no longer",
        "less",
        "a rest clears nothing",
        "a rest says enough",
        "a short run",
        "stuck",
        "never a step",
        "not long enough",
        "recovered",
        "still stuck",
    ],
)
def test_what_a_scaler_skips_is_normal_a_warning_or_a_training_that_stands_still(
    notes: list[tuple[int, int, int, int]], severity: Severity | None, *, cleared: bool
) -> None:
    finding = judge(*notes)
    if severity is None:
        assert finding is None
        return
    assert finding is not None
    assert (finding.severity, finding.cleared) == (severity, cleared)
    assert bool(finding.prescriptions) == (severity > Severity.INFO)


def test_a_number_that_is_not_finite_comes_before_what_a_scaler_skips() -> None:
    finding = judge(STUCK, also=Incident(3, 2, "parameters", "a"))
    assert finding is not None
    assert finding.layer == "a"


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (OFTEN, "skipped 11 of 200 steps, the last one at a scale of 0.25"),
        (STUCK, "skipped the last 182 steps at a scale of 1 or less, down to 0.25"),
        ((0, 0, 0, 3), "skipped every step, the last one at a scale of 0.25"),
    ],
    ids=["often", "stuck", "never a step"],
)
def test_the_evidence_counts_the_steps(note: tuple[int, int, int, int], text: str) -> None:
    finding = judge(note)
    assert finding is not None
    assert text in finding.evidence


def test_the_note_survives_json() -> None:
    note = SkippedSteps(400, 200, 12, 11, 0, 128.0)
    assert note_from_json("skipped_steps", note_to_json(note)) == note
