"""Margins: signed, in units of the threshold, and silent where a rule goes by no single value."""

import math
from dataclasses import replace

import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.margin import WORSE, Reading, margin, nearest

DEAD = Finding("dead_units", "fact", Severity.ERROR, "hidden_1", 0, 9, 0.75, 0.5, "seen", "Bad.")
WITHOUT = {
    "non_finite",
    "frozen_parameters",
    "loss_mismatch",
    "data_faults",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "update_ratio",
    "overfitting",
    "recurrent_gain",
}
"""Diagnoses that say yes or no, or weigh several things at once."""


@pytest.mark.parametrize(
    ("rule", "value", "threshold", "expected"),
    [
        ("dead_units", 0.75, 0.5, 0.5),
        ("dead_units", 0.5, 0.5, 0.0),
        ("dead_units", 0.0, 0.5, -1.0),
        ("exploding_gradient", math.inf, 30.0, math.inf),
        ("saturated_units", 0.05, 0.2, 0.75),
        ("saturated_units", 0.4, 0.2, -1.0),
        ("min_accuracy", 0.5, 1.0, 0.5),
        ("initialization_scale", 20.0, 10.0, 1.0),
        ("initialization_scale", 0.05, 0.1, 0.5),
        ("dead_units", math.nan, 0.5, None),
        ("dead_units", 1.0, 0.0, None),
        ("dead_units", 1.0, math.nan, None),
        ("dead_units", 1.0, math.inf, None),
        ("non_finite", 1.0, 1.0, None),
    ],
)
def test_a_margin_is_counted_towards_worse_in_units_of_the_threshold(
    rule: str, value: float, threshold: float, expected: float | None
) -> None:
    assert margin(rule, value, threshold) == pytest.approx(expected)


def test_every_diagnosis_has_a_margin_or_a_reason_for_none() -> None:
    assert {diagnosis.id for diagnosis in CATALOGUE} - WORSE.keys() == WITHOUT


@pytest.mark.parametrize(
    ("severity", "cleared", "expected"),
    [(Severity.INFO, False, -0.5), (Severity.WARNING, False, None), (Severity.WARNING, True, -0.5)],
    ids=["info", "standing by something else", "cleared"],
)
def test_what_a_finding_does_not_stand_by_is_no_margin(
    severity: Severity,
    cleared: bool,  # noqa: FBT001
    expected: float | None,
) -> None:
    found = replace(DEAD, value=0.25, severity=severity, cleared=cleared)
    assert found.margin == found.to_json()["margin"] == expected


@pytest.mark.parametrize(
    ("judgement", "expected"),
    [
        (Judgement("dead_units", "clear", reading=Reading(0.25, 0.5, "hidden_1")), -0.5),
        (Judgement("dead_units", "clear"), None),
        (Judgement("dead_units", "fired", findings=(DEAD, replace(DEAD, value=1.0))), 1.0),
        (Judgement("dead_units", "fired", findings=(DEAD,), reading=Reading(0.0, 0.5)), 0.5),
        (Judgement("dead_units", "clear", findings=(replace(DEAD, cleared=True),), reading=Reading(0.0, 0.5)), -1.0),
    ],
    ids=["reading", "none", "worst finding", "finding before reading", "cleared"],
)
def test_a_judgement_gives_its_worst_standing_finding_or_its_reading(
    judgement: Judgement, expected: float | None
) -> None:
    assert judgement.margin == expected
    entry = {"id": "dead_units", "status": judgement.status, "margin": expected}
    assert Verdict((judgement, Judgement("x", "not_judged", "y"))).to_json()["judged"] == [entry]


def test_of_several_layers_the_one_nearest_to_the_threshold_is_read() -> None:
    readings = (Reading(0.9, 0.2, "a"), Reading(0.3, 0.2, "b"), Reading(math.nan, 0.2, "c"))
    assert nearest("saturated_units", readings) == readings[1]
    assert nearest("dead_units", ()) is None
    assert nearest("dead_units", (readings[2],)) is None
