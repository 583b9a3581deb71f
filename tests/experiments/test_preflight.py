"""The pre-flight: what it judges before the first update, and what it leaves to the training."""

from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.experiments.config.load import load_config, parse_config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fault_cases import FAULT_CASES, FaultCase
from gradvitals.experiments.plan import PlannedRun, expand
from gradvitals.experiments.preflight import TOO_EARLY, preflight, set_aside
from gradvitals.experiments.runner import Place, run_one
from gradvitals.experiments.sweep import make_plan, place_runs

BEFORE_TRAINING = [case for case in FAULT_CASES if case.means == "preflight"]
SEEDS = range(5)


def judged(config: str, *overrides: str, overfit: bool = False) -> Verdict:
    """Give a bundled config's verdict before training."""
    loaded = load_config(config, overrides)
    (planned,) = expand(loaded.config, origin=loaded.origin)
    return preflight(planned, Place(Path(), loaded.origin, loaded.base_dir, {}), overfit=overfit)


def alarms(verdict: Verdict) -> list[str]:
    return [f"{finding.severity} {finding.key}" for finding in verdict.standing if finding.severity > Severity.INFO]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dose", [0, 1, 2])
@pytest.mark.parametrize("case", BEFORE_TRAINING, ids=[case.id for case in BEFORE_TRAINING])
def test_a_sick_config_is_found_sick_before_it_trains(case: FaultCase, dose: int, seed: int) -> None:
    verdict = judged(case.config, *((), *case.doses)[dose], f"seed={seed}")
    found = [finding for finding in verdict.standing if finding.id == case.id]
    assert [(str(finding.severity), finding.layer) for finding in found] == [(case.severity, case.layer)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", BEFORE_TRAINING, ids=[case.id for case in BEFORE_TRAINING])
def test_its_twin_is_silent_before_training_and_after(case: FaultCase, seed: int, tmp_path: Path) -> None:
    assert alarms(judged(case.twin, f"seed={seed}")) == []
    plan = make_plan(load_config(case.twin, [f"seed={seed}"]), tmp_path)
    ((planned, place),), _ = place_runs(plan, "refuse")
    assert alarms(run_one(planned, place)[1]) == []


def test_what_is_wrong_from_the_start_is_found_at_step_0() -> None:
    verdict = judged("dying_relu")
    root, *others = (finding for finding in verdict.standing if finding.severity > Severity.INFO)
    assert (root.key, root.severity, root.first_step, root.last_step) == (
        "dead_units@hidden_1",
        Severity.ERROR,
        0,
        0,
    )
    assert {finding.explained_by for finding in others} == {root.key}
    assert [finding.harm for finding in verdict.findings] == [None] * len(verdict.findings)


def test_what_needs_a_training_is_set_aside() -> None:
    verdict, early = set_aside(judged("dying_relu_healthy"))
    assert {"no_learning", "frozen_parameters"} <= set(early) < {diagnosis.id for diagnosis in CATALOGUE}
    assert not {judgement.id for judgement in verdict.judgements}.intersection(early)
    assert {"non_finite", "dead_units", "gradient_check"} <= {each.id for each in verdict.judgements if not each.reason}
    assert verdict.outcome == "healthy"


def test_a_trial_that_could_not_judge_is_not_set_aside() -> None:
    verdict, early = set_aside(judged("dying_relu_healthy", "model.hidden=[1]", overfit=True))
    (judgement,) = (each for each in verdict.judgements if each.id == "cannot_overfit")
    assert (judgement.status, "cannot_overfit" in early) == ("not_judged", False)
    assert judgement.reason not in {"", TOO_EARLY}


@pytest.mark.parametrize(
    ("overrides", "overfit", "ids"),
    [
        ((), False, {"gradient_check"}),
        ((), True, {"gradient_check", "cannot_overfit"}),
        (("diagnostics.cannot_overfit.enabled=true",), False, {"gradient_check", "cannot_overfit"}),
        (("diagnostics.cannot_overfit.error=0.2",), False, {"gradient_check", "cannot_overfit"}),
    ],
    ids=["not asked", "by its flag", "by its table", "by its limit"],
)
def test_the_trial_of_examples_is_made_only_where_it_is_asked_for(
    overrides: tuple[str, ...],
    overfit: bool,  # noqa: FBT001
    ids: set[str],
) -> None:
    verdict = judged("dying_relu_healthy", *overrides, overfit=overfit)
    assert {each.id for each in verdict.judgements} == ids | {diagnosis.id for diagnosis in CATALOGUE}


@pytest.mark.parametrize("trial", ["gradient_check", "cannot_overfit"])
def test_a_trial_that_is_switched_off_is_not_made_and_the_reason_is_kept(trial: str) -> None:
    verdict = judged("dying_relu_healthy", f'diagnostics.{trial}={{enabled=false, why="a test"}}', overfit=True)
    assert [(each.id, each.reason) for each in verdict.switched_off] == [(trial, "a test")]


def test_a_limit_that_a_trial_does_not_have_is_told() -> None:
    with pytest.raises(UserError, match=r"gradient_check\.warn: this diagnosis has no such limit"):
        judged("dying_relu_healthy", "diagnostics.gradient_check.warn=0.1")


@pytest.mark.parametrize("gradient", ["numeric", "random_search"])
def test_without_backpropagation_there_is_no_gradient_to_check(gradient: str) -> None:
    verdict = judged("dying_relu_healthy", f"training.gradient={gradient}")
    assert [each.status for each in verdict.judgements if each.id == "gradient_check"] == ["not_applicable"]


def test_a_config_that_does_not_fit_its_data_is_a_users_error() -> None:
    with pytest.raises(UserError, match=r"training\.loss"):
        judged("dying_relu_healthy", "training.loss=mse")


HEALTHY: dict[str, dict[str, Any]] = {
    "xor in three units": {"data": {"source": "xor"}, "model": {"hidden": [3], "activation": "tanh"}},
    "a head that starts at zero": {
        "data": {"source": "digits"},
        "model": {"hidden": [32], "init": ["he_normal", "zeros"]},
    },
    "a single layer from zero weights": {"data": {"source": "iris"}, "model": {"hidden": [], "init": "zeros"}},
    "raw digits": {"data": {"source": "digits", "scale": "none"}},
    "digits between 0 and 1": {"data": {"source": "digits", "scale": "minmax"}, "model": {"activation": "sigmoid"}},
    "raw wine": {"data": {"source": "wine", "scale": "none"}, "training": {"optimizer": {"learning_rate": 0.01}}},
    "standardised diabetes": {"data": {"source": "diabetes", "scale_targets": "standard"}},
    "absolute errors": {
        "data": {"source": "diabetes", "scale_targets": "standard"},
        "training": {"loss": "mae", "optimizer": {"learning_rate": 0.003}},
    },
    "deep sigmoids": {
        "data": {"source": "digits"},
        "model": {"hidden": [24] * 4, "activation": "sigmoid", "init": "glorot_uniform"},
        "training": {"optimizer": {"learning_rate": 0.01}},
    },
    "twelve relus": {"data": {"source": "digits"}, "model": {"hidden": [32] * 12}},
    "a small learning rate": {
        "data": {"source": "digits"},
        "training": {"optimizer": {"kind": "sgd", "learning_rate": 0.003}},
    },
    "adam at ten times its rate": {"data": {"source": "moons"}, "training": {"optimizer": {"learning_rate": 0.01}}},
    "strong regularisation": {
        "data": {"source": "digits"},
        "model": {"dropout": 0.8},
        "training": {"l2": 0.1, "optimizer": {"kind": "adamw", "weight_decay": 10.0}},
    },
    "a recurrent network": {
        "data": {"source": "delayed_copy"},
        "model": {"kind": "rnn", "sequence_length": 8, "hidden": [16], "init": "glorot_uniform"},
        "training": {"optimizer": {"learning_rate": 0.01}},
    },
    "a prior for rare classes": {"data": {"source": "breast_cancer"}, "model": {"output_bias": "prior"}},
    "hinge": {"data": {"source": "wine"}, "training": {"loss": "hinge"}},
    "full batches at the edge of stability": {
        "data": {"source": "moons"},
        "training": {"batch_size": 1000, "optimizer": {"kind": "sgd", "learning_rate": 0.5, "momentum": 0.9}},
    },
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_that_look_unusual_pass(name: str) -> None:
    planned = PlannedRun(parse_config({"name": "healthy", **HEALTHY[name]}), {}, "healthy")
    verdict = preflight(planned, Place(Path(), "healthy", Path(), {}), overfit=True)
    assert [alarm for alarm in alarms(verdict) if alarm.startswith("error")] == []
    assert {each.status for each in verdict.judgements if each.id in {"gradient_check", "cannot_overfit"}} == {"clear"}
