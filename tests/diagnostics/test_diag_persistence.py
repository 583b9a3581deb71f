"""Persistence: what stands after a row of checks. I, W and E are severities, a dot is nothing."""

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle

LETTERS = {".": None, "I": Severity.INFO, "W": Severity.WARNING, "E": Severity.ERROR}


def checks(said: str, held: str = "", *, final: bool = False) -> list[Check]:
    """Make checks at steps 10, 20, …; `held` in the same letters; `final` concerns the last one."""
    return [
        Check(
            10 * number,
            LETTERS[letter],
            float(number),
            held=LETTERS[(held or "." * len(said))[number - 1]],
            final=final and number == len(said),
        )
        for number, letter in enumerate(said, start=1)
    ]


def outcome(standing: Standing | None) -> str:
    if standing is None:
        return "never"
    return f"cleared {standing.last_step}" if standing.cleared else f"{standing.severity} since {standing.first_step}"


@pytest.mark.parametrize(
    ("said", "persistence", "expected"),
    [
        ("", 1, "never"),
        ("...", 1, "never"),
        ("E", 1, "error since 10"),
        ("EE", 3, "never"),
        ("EEE", 3, "error since 10"),
        ("E.EE", 3, "never"),
        ("..EEE", 3, "error since 30"),
        ("WWEE", 3, "warning since 10"),
        ("WWEEE", 3, "error since 10"),
        ("IIE", 3, "info since 10"),
        ("EEEW", 3, "warning since 10"),
        ("EEEWE", 3, "warning since 10"),
        ("EEEWEEE", 3, "error since 10"),
        ("EEEI", 3, "info since 10"),
        ("EEE.", 3, "cleared 30"),
        ("EEE..WWW", 3, "warning since 60"),
        ("WW.WW.WW", 2, "warning since 70"),
    ],
)
def test_a_severity_stands_after_k_checks_sinks_at_once_and_clears(said: str, persistence: int, expected: str) -> None:
    assert outcome(settle(checks(said), persistence)) == expected


@pytest.mark.parametrize(
    ("said", "held", "expected"),
    [
        ("EEE..", "EEEEE", "error since 10"),
        ("EEE..", "EEEE.", "cleared 40"),
        ("EEE.", "EEEW", "warning since 10"),
        ("EEE.W", "EEEEE", "warning since 10"),
        ("EEE.E", "EEEEE", "error since 10"),
        ("WWW.", "WWWE", "warning since 10"),
        ("EE..", "EEEE", "never"),
        ("EEE..E", "EEE.EE", "cleared 30"),
    ],
)
def test_between_fire_at_and_clear_at_a_finding_goes_on_but_never_grows(said: str, held: str, expected: str) -> None:
    assert outcome(settle(checks(said, held), 3)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [("E", "error since 10"), ("..E", "error since 30"), ("WWE", "error since 10"), ("EE.", "never")],
)
def test_a_final_check_needs_no_persistence(said: str, expected: str) -> None:
    assert outcome(settle(checks(said, final=True), 3)) == expected


def test_first_and_last_step_and_value_are_those_of_what_stood() -> None:
    standing = settle(checks(".WWEE."), 2)
    assert standing == Standing(Severity.INFO, first_step=20, last_step=50, cleared=True, value=5.0)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, Standing(Severity.WARNING, 900, 900, cleared=False, value=0.5)),
        (Standing(Severity.INFO, 3, 800, cleared=False, value=0.1), Standing(Severity.WARNING, 3, 900, False, 0.5)),  # noqa: FBT003 - as its fields are
        (Standing(Severity.ERROR, 3, 500, cleared=True, value=0.1), Standing(Severity.WARNING, 3, 900, False, 0.5)),  # noqa: FBT003 - as its fields are
        (Standing(Severity.ERROR, 3, 900, cleared=False, value=0.1), Standing(Severity.ERROR, 3, 900, False, 0.1)),  # noqa: FBT003 - as its fields are
    ],
    ids=["nothing", "milder", "cleared", "worse"],
)
def test_what_needs_no_persistence_stands_unless_worse_does(before: Standing | None, expected: Standing) -> None:
    assert at_least(before, Check(900, Severity.WARNING, 0.5)) == expected
