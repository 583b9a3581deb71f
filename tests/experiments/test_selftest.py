"""The self-test demands every diagnosis of the catalogue, and says what is missing, misplaced, too mild or too loud."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradvitals.experiments import selftest
from gradvitals.experiments.diagnosis_guide import DIAGNOSES
from gradvitals.experiments.fault_cases import FAULT_CASES
from gradvitals.experiments.selftest import Injection, Result, injections, run_selftest
from gradvitals.experiments.wrong_gate import SLIPS, check_with_gate

EASY = "loss_mismatch"
"""Its sick config and its twin train in a tenth of a second each."""


def inject(root: Path, *wanted: Injection) -> list[Result]:
    return run_selftest(wanted, root, 1, lambda: None)


def first(id_: str) -> Injection:
    (one,) = injections(only={id_})
    return one


def test_every_diagnosis_is_demanded_once_and_with_all_doses_more_often() -> None:
    ids = [diagnosis.id for diagnosis in DIAGNOSES]
    assert list(dict.fromkeys(one.id for one in injections())) == ids
    assert len(injections()) == len(FAULT_CASES) + 1
    assert len(injections("all")) == sum(1 + len(case.doses) for case in FAULT_CASES) + len(SLIPS)
    assert len(set(injections("all"))) == len(injections("all"))


@pytest.mark.parametrize("id_", [EASY, "cannot_overfit", "gradient_check"], ids=["by run", "by preflight", "by gate"])
def test_a_fault_is_found_and_its_twin_is_silent(id_: str, tmp_path: Path) -> None:
    (one,) = inject(tmp_path, first(id_))
    assert (one.reasons, one.twin_alarms) == ((), ())
    assert one.found is not None
    assert (one.found["id"], one.found["layer"]) == (id_, one.injection.layer)


def test_what_does_not_match_is_named(tmp_path: Path) -> None:
    right = first(EASY)
    healthy = right.twin
    demands = (
        replace(right, sick=healthy),
        replace(right, layer="hidden_1"),
        replace(first("frozen_parameters"), severity="error"),
        replace(right, twin=right.sick),
    )
    reasons = [one.reasons for one in inject(tmp_path, *demands)]
    assert reasons == [
        ("loss_mismatch is missing on loss_mismatch_healthy; said was nothing",),
        ("loss_mismatch is found at loss_mismatch, not at hidden_1",),
        ("frozen_parameters@hidden_1 is only warning, not error",),
        ("loss_mismatch is healthy, and said was error loss_mismatch",),
    ]


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_gate_is_wrong_and_right_gates_are_right(slip: float) -> None:
    assert [finding.key for finding in check_with_gate(slip).standing] == ["gradient_check@hidden_2"]
    assert check_with_gate(None).outcome == "healthy"


def test_the_command_exits_with_0_and_leaves_nothing(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("selftest", "--only", EASY, "--only", "gradient_check", "--workers", "1")
    assert (said.code, said.err, list(tmp_path.iterdir())) == (0, "", [])
    *_, mismatch, check, sum_up = said.out.splitlines()
    assert mismatch.split() == ["loss_mismatch", "loss_mismatch", "found", "–", "step", "0", "silent"]
    assert " ".join(check.split()) == "gradient_check wrong_gate gradient × 1.001 found hidden_2 step 0 silent"
    assert sum_up.startswith("2 of 2 faults found, twins silent, in ")


def test_a_diagnosis_that_is_missing_fails_the_command_with_the_reason(
    gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in FAULT_CASES if case.id == EASY)
    blind = replace(case, config="frozen_parameters", doses=((), ()))
    monkeypatch.setattr(selftest, "FAULT_CASES", (blind,))
    said = gradvitals("selftest", "--only", EASY, "--format", "json", "--workers", "1")
    report = json.loads(said.out)
    reason = "loss_mismatch is missing on frozen_parameters; said was warning frozen_parameters@hidden_1"
    assert (said.code, said.sentences) == (1, [f"gradvitals: {reason}"])
    assert (report["passed"], report["injections"][0]["found"]) == (False, None)
    assert report["injections"][0]["reasons"] == [reason]


def test_a_misspelt_diagnosis_names_the_right_one(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("selftest", "--only", "dead_unit", "--dry-run")
    assert (said.code, said.err) == (2, "gradvitals: --only: no diagnosis 'dead_unit' — did you mean 'dead_units'?\n")


def test_a_dry_run_lists_what_would_be_injected(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("selftest", "--only", "dead_units@hidden_1", "--doses", "all", "--dry-run")
    assert said.out.splitlines()[0] == "dead_units: dying_relu; dying_relu_healthy"
    assert (len(said.out.splitlines()), list(tmp_path.iterdir())) == (3, [])
