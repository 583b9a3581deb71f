"""What is concluded from trials: the cure, the root, what vanishes with it; trials made by hand."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Verdict
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.intervention.arms import Arm, changed
from gradvitals.experiments.intervention.conclusion import conclude
from gradvitals.experiments.intervention.effects import Effect
from gradvitals.experiments.intervention.evidence import Intervention, Tried
from gradvitals.experiments.intervention.trials import Trial
from gradvitals.experiments.intervention.yardstick import RowScores

SEEDS = (1, 2, 3, 4, 5)
RATE = {"training.optimizer.learning_rate": 0.01}
SLOWER = {"training.optimizer.learning_rate": 0.001}
ADAM = {"training.optimizer": {"kind": "adam", "learning_rate": 0.001}}
INIT = {"model.init": "he_normal"}
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
SICK: Config = loads(
    "data = {source = 'iris'}\nmodel = {hidden = [8], init = {kind = 'normal', std = 5.0}}\n"
    "training = {optimizer = {kind = 'sgd', learning_rate = 1.0}}"
)


def finding(
    name: str, *cures: Mapping[str, Any], severity: Severity = ERROR, explained_by: str | None = None
) -> Finding:
    return Finding(
        id=name,
        tier="fact",
        severity=severity,
        layer=None,
        first_step=0,
        last_step=9,
        value=1.0,
        threshold=0.5,
        evidence="seen",
        explanation="Bad.",
        prescriptions=tuple(Prescription("try it", cure) for cure in cures),
        explained_by=explained_by,
    )


def trial(arm: Arm, seed: int, findings: Iterable[Finding], score: float, *, impaired: bool) -> Trial:
    standing = tuple(findings)
    checked = CheckedRun(
        f"iris/seed={seed}-0a1b2c",
        Path(),
        Verdict((Judgement("dead_units", "clear"),), standing),
        Exit.FAILED if standing else Exit.DONE,
        config=arm.config.model_copy(update={"seed": seed}),
    )
    rows = np.full(100, score)
    return Trial(arm, seed, RowScores(rows, np.zeros(100), "validation", broken=False), checked, impaired)


def tried(changes: Mapping[str, Any], better: float, *left: Finding, impaired: bool = False) -> Tried:
    """Give an arm that was tried on five seeds, better than the control by so much, in which these findings stand."""
    config = changed(SICK, changes)
    assert config is not None
    arm = Arm(config, changes)
    trials = {seed: trial(arm, seed, left, 0.3 + better, impaired=impaired) for seed in SEEDS}
    effect = Effect(better, 0.01, 0.01, len(SEEDS), len(SEEDS))
    scores = {seed: each.scores for seed, each in trials.items()}
    return Tried(arm, scores=scores, trials=trials, effect=effect, against_sane=Effect(0.0, 0.01, 0.01, 5, 2))


def intervention(findings: Iterable[Finding], *arms: Tried) -> Intervention:
    control = Arm(SICK, {}, "control")
    sick = trial(control, 0, findings, 0.3, impaired=True)
    sane = Tried(Arm(SICK, {}, "sane_defaults"), effect=Effect(0.6, 0.01, 0.01, 5, 5))
    return Intervention(sick, "classification", Tried(control), sane, list(arms), SEEDS, 1.0)


def test_the_smallest_of_several_cures_is_the_cure_not_the_best() -> None:
    found = intervention([finding("dead_units", ADAM, RATE)], tried(ADAM, 0.62), tried(RATE, 0.6))
    cure = conclude(found).cure
    assert cure is not None
    assert cure.arm.changes == RATE


def test_without_a_cure_the_best_of_what_lifts_it_speaks_for_the_root() -> None:
    rate, adam = tried(RATE, 0.2, finding("no_learning")), tried(ADAM, 0.3, finding("no_learning"))
    concluded = conclude(intervention([finding("dead_units", RATE), finding("no_learning")], rate, adam))
    assert concluded.cure is None
    assert concluded.lifting is adam


@pytest.mark.parametrize(
    ("findings", "root"),
    [
        (
            [finding("dead_units", RATE), finding("learning_rate_too_high", RATE, explained_by="dead_units")],
            "dead_units",
        ),
        ([finding("dead_units", INIT), finding("learning_rate_too_high", RATE)], "learning_rate_too_high"),
        ([finding("dead_units", INIT), finding("saturated_units", {**RATE, **INIT})], "saturated_units"),
        ([finding("dead_units", SLOWER), finding("learning_rate_too_high", RATE)], "dead_units"),
        (
            [finding("dead_units", INIT), finding("saturated_units", SLOWER), finding("exploding_gradient", RATE)],
            "exploding_gradient",
        ),
        ([finding("non_finite"), finding("dead_units", explained_by="non_finite")], "non_finite"),
        ([finding("no_learning")], "no_learning"),
        ([finding("dead_units", RATE), finding("unscaled_inputs", RATE, severity=INFO)], "unscaled_inputs"),
        ([finding("dead_units", RATE), finding("initialization_scale", RATE, severity=INFO)], "initialization_scale"),
        ([finding("dead_units", RATE), finding("numerics", RATE, severity=WARNING)], "numerics"),
        ([finding("dead_units", RATE), finding("unscaled_inputs", INIT, severity=INFO)], "dead_units"),
        ([finding("initialization_scale", RATE), finding("loss_mismatch", RATE)], "initialization_scale"),
    ],
    ids=[
        "the provisional one, which prescribes it",
        "what prescribes it",
        "what prescribes another value of its key",
        "the provisional one, which prescribes another value, before what prescribes it",
        "what prescribes it before what prescribes another value",
        "the provisional one where nothing prescribes it",
        "a consequence alone",
        "a remark about the data that prescribes it",
        "one about the weights",
        "one about numbers",
        "a remark that prescribes something else",
        "the provisional one among causes by nature",
    ],
)
def test_the_root_is_what_is_wrong_with_the_thing_that_was_changed(findings: list[Finding], root: str) -> None:
    concluded = conclude(intervention(findings, tried(RATE, 0.6)))
    assert concluded.root is not None
    assert concluded.root.id == root


def test_a_consequence_is_no_root_beside_a_cause_that_vanishes_too() -> None:
    lasting = finding("vanishing_gradient")
    consequence = finding("no_learning", explained_by="vanishing_gradient")
    roots = [lasting, consequence, finding("dead_units")]
    concluded = conclude(intervention(roots, tried(RATE, 0.6, lasting)))
    assert concluded.root is not None
    assert concluded.root.id == "dead_units"


def test_what_vanishes_is_explained_by_the_root_and_what_outlives_it_stands_for_itself() -> None:
    lasting = finding("frozen_parameters", severity=WARNING, explained_by="dead_units")
    sick = [
        finding("dead_units", INIT),
        finding("learning_rate_too_high", RATE, explained_by="dead_units"),
        finding("no_learning", explained_by="dead_units"),
        lasting,
    ]
    concluded = conclude(intervention(sick, tried(RATE, 0.6, lasting)))
    assert [(each.id, each.explained_by) for each in concluded.verdict.findings] == [
        ("learning_rate_too_high", None),
        ("frozen_parameters", None),
        ("dead_units", "learning_rate_too_high"),
        ("no_learning", "learning_rate_too_high"),
    ]
    assert {each.id for each in concluded.vanished} == {"dead_units", "no_learning"}
    assert [each.outcome for each in concluded.verdict.findings[0].prescriptions] == ["confirmed"]
    assert [each.outcome for each in concluded.verdict.findings[2].prescriptions] == ["untested"]


def test_a_remark_that_proves_to_be_the_root_is_as_severe_as_what_it_explains() -> None:
    remark = finding("unscaled_inputs", RATE, severity=INFO)
    first = conclude(intervention([finding("dead_units", RATE), remark], tried(RATE, 0.6))).verdict.findings[0]
    assert (first.id, first.severity) == ("unscaled_inputs", ERROR)


def test_a_verdict_that_does_not_know_the_root_explains_nothing_by_it() -> None:
    sick = [finding("learning_rate_too_high", RATE), finding("no_learning", explained_by="learning_rate_too_high")]
    of_more_seeds = Verdict((), (finding("no_learning"),))
    revised = conclude(intervention(sick, tried(RATE, 0.6)), of_more_seeds).verdict
    assert [(each.id, each.explained_by) for each in revised.findings] == [("no_learning", None)]


def test_an_arm_that_stays_impaired_lifts_nothing() -> None:
    concluded = conclude(intervention([finding("dead_units", RATE)], tried(RATE, 0.6, impaired=True)))
    assert (concluded.cure, concluded.lifting, concluded.root) == (None, None, None)
    assert concluded.verdict.findings[0].prescriptions[0].outcome == "refuted"
