"""Every diagnosis fires on its sick config, at every dose and seed, in the right layer, and is silent on the twin."""

from pathlib import Path

import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.experiments.config.dump import as_plain, flatten
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.fault_cases import FAULT_CASES, FaultCase
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

SEEDS = range(5)
BY_RUN = [case for case in FAULT_CASES if case.means == "run"]


def verdict_of(config: str, overrides: tuple[str, ...], seed: int, logdir: Path) -> Verdict:
    plan = make_plan(load_config(config, [*overrides, f"seed={seed}"]), logdir)
    ((planned, place),), _ = place_runs(plan, "refuse")
    return run_one(planned, place)[1]


def alarms(verdict: Verdict) -> list[str]:
    return [f"{finding.severity} {finding.key}" for finding in verdict.standing if finding.severity > Severity.INFO]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dose", [0, 1, 2])
@pytest.mark.parametrize("case", BY_RUN, ids=[case.id for case in BY_RUN])
def test_a_sick_config_is_found_sick(case: FaultCase, dose: int, seed: int, tmp_path: Path) -> None:
    overrides = ((), *case.doses)[dose]
    verdict = verdict_of(case.config, overrides, seed, tmp_path)
    found = [finding for finding in verdict.standing if finding.id == case.id]
    assert found, alarms(verdict)
    assert str(found[0].severity) in {case.severity, "error"}
    assert found[0].layer == case.layer


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", BY_RUN, ids=[case.id for case in BY_RUN])
def test_its_twin_is_silent(case: FaultCase, seed: int, tmp_path: Path) -> None:
    verdict = verdict_of(case.twin, (), seed, tmp_path)
    assert alarms(verdict) == []
    assert verdict.outcome == "healthy"


@pytest.mark.parametrize("case", FAULT_CASES, ids=[case.id for case in FAULT_CASES])
def test_a_twin_differs_only_in_the_fault(case: FaultCase) -> None:
    """Besides its name and what is said of it, one key, or what must change with it."""
    sick, healthy = (flatten(as_plain(load_config(name).config)) for name in (case.config, case.twin))
    changed = {key for key in sick.keys() | healthy.keys() if sick.get(key) != healthy.get(key)} - {"name"}
    assert 1 <= len({key.rpartition(".")[0] if key.count(".") > 1 else key for key in changed}) <= 2, changed


def test_every_diagnosis_has_a_case() -> None:
    assert {case.id for case in FAULT_CASES} >= {diagnosis.id for diagnosis in CATALOGUE}
