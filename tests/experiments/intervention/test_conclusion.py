"""What is concluded from trials made by hand: what to try next, the cure, the root, what vanishes with it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
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
from gradvitals.experiments.intervention.as_json import to_json
from gradvitals.experiments.intervention.choice import Choice
from gradvitals.experiments.intervention.conclusion import conclude
from gradvitals.experiments.intervention.effects import Effect, compare_arms
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.show import intervention_lines, table_of
from gradvitals.experiments.intervention.trials import Trial
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

SEEDS = (1, 2, 3, 4, 5)
RATE = {"training.optimizer.learning_rate": 0.01}
SLOWER = {"training.optimizer.learning_rate": 0.001}
FASTER = {"training.optimizer.learning_rate": 30.0}
ADAM = {"training.optimizer": {"kind": "adam", "learning_rate": 0.001}}
INIT = {"model.init": "he_normal"}
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
SICK: Config = loads(
    "data = {source = 'iris'}\nmodel = {hidden = [8], init = {kind = 'normal', std = 5.0}}\n"
    "training = {optimizer = {kind = 'sgd', learning_rate = 1.0}}"
)

DATASET = load_dataset(PlannedRun(SICK, {}, "test"), Place(Path(), "test", Path(), {}))


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
        ([finding("dead_units", INIT), finding("underfitting", RATE)], "underfitting"),
        ([finding("dead_units", FASTER), finding("saturated_units", SLOWER)], "saturated_units"),
        ([finding("dead_units", INIT), finding("learning_rate_too_high", ADAM)], "learning_rate_too_high"),
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
        "a symptom that prescribes it, where nothing else speaks of it",
        "what prescribes a lower rate, where one is lifted by it",
        "what prescribes another optimizer, with its rate",
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


def test_of_a_change_of_two_keys_what_speaks_of_the_second_is_a_second_cause() -> None:
    slow, unscaled = finding("learning_rate_too_low", SLOWER), finding("unscaled_inputs", {"data.scale": "minmax"})
    both = tried({**RATE, "data.scale": "minmax"}, 0.6)
    found = intervention([slow, unscaled, finding("dead_units", explained_by="learning_rate_too_low")], both)
    concluded = conclude(found)
    assert concluded.root is not None
    assert (concluded.root.id, [each.id for each in concluded.seconds]) == (
        "learning_rate_too_low",
        ["unscaled_inputs"],
    )
    said = list(intervention_lines(found, concluded))
    explained = {each.id: each.explained_by for each in concluded.verdict.findings}
    assert explained == {
        "learning_rate_too_low": None,
        "unscaled_inputs": None,
        "dead_units": "learning_rate_too_low",
    }
    assert "a second cause: unscaled_inputs, which speaks of data.scale" in said
    assert not any(line.startswith("not the root") for line in said)
    assert to_json(found, concluded)["second_causes"] == ["unscaled_inputs"]
    alone = conclude(intervention([slow, unscaled], tried(RATE, 0.6)))
    assert alone.seconds == ()


def test_a_root_that_prescribes_nothing_of_what_was_changed_is_not_called_confirmed() -> None:
    found = intervention([finding("dead_units", INIT)], tried(RATE, 0.6))
    concluded = conclude(found)
    assert concluded.root is not None
    said = next(line for line in intervention_lines(found, concluded) if "root: dead_units, " in line)
    assert said.startswith("likely root: dead_units, though it prescribes nothing of the kind: ")
    assert to_json(found, concluded)["confirmed"] is False
    found = intervention([finding("dead_units", RATE)], tried(RATE, 0.6))
    assert any(line.startswith("confirmed root: dead_units") for line in intervention_lines(found, conclude(found)))
    assert to_json(found, conclude(found))["confirmed"] is True


def test_what_was_only_screened_is_not_said_to_have_been_tried_in_full() -> None:
    found = intervention([finding("dead_units", RATE)], screened(RATE, 0.9), screened(INIT, 0.3))
    said = list(intervention_lines(found, conclude(found)))
    assert "nothing of what was tried lifts the impairment: 2 changes of one key, none of them in full" in said
    best = next(line for line in said if line.startswith("the best by the screening alone"))
    assert "learning_rate = 0.01 (accuracy +0.600" in best


def test_what_was_only_probed_is_held_against_what_cures_on_the_same_seed() -> None:
    cure, probed = tried(RATE, 0.6), screened(SLOWER, 0.7)
    cure.probed, probed.probed = {0: screened(RATE, 0.9).screened[0]}, probed.screened
    found = intervention([finding("dead_units", RATE)], cure, probed)
    cells = [str(cell) for cell in table_of(found, conclude(found)).columns[3].cells]
    assert any(cell.startswith("-0.200 ±") and cell.endswith("0 of 1, beside what cures") for cell in cells)


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


def screened(changes: Mapping[str, Any], score: float, *prescribed_by: str) -> Tried:
    """Give an arm that was screened on one seed, on which the control scored .3, and has not been tried."""
    config = changed(SICK, changes)
    assert config is not None
    arm = Tried(Arm(config, changes, prescribed_by=prescribed_by))
    rows, control = np.zeros(100), np.zeros(100)
    rows[: round(100 * score)], control[:30] = 1.0, 1.0
    arm.screened[0] = RowScores(rows, np.zeros(100), "validation", broken=False)
    arm.screening = compare_arms(
        arm.screened, {0: RowScores(control, control, "validation", broken=False)}, same_rows=True
    )
    return arm


def chosen(found: Intervention, *arms: Tried) -> list[Mapping[str, Any]]:
    return [each.arm.changes for each in Choice.worth_trying(found, arms)]


def test_the_smaller_kind_of_change_comes_first_and_of_one_key_the_value_that_scores_best() -> None:
    found = intervention([finding("learning_rate_too_high", SLOWER)])
    slower, rate = screened(SLOWER, 0.9, "learning_rate_too_high"), screened(RATE, 0.92)
    adam, init = screened(ADAM, 0.95), screened(INIT, 0.9)
    assert chosen(found, adam, slower, rate, init) == [INIT, RATE, SLOWER, ADAM]
    assert chosen(found, adam, screened(RATE, 0.5), screened(INIT, 0.3)) == [ADAM]  # within 3 SE of the best only


def test_what_a_root_prescribes_comes_first_of_as_many_keys_where_it_leads() -> None:
    root = finding("learning_rate_too_low", ADAM)
    found = intervention([root, finding("no_learning", RATE, explained_by=root.key)])
    both, rate = screened({**INIT, **RATE}, 0.95), screened(RATE, 0.92, "no_learning")
    for score, expected in ((0.94, [ADAM, RATE]), (0.91, [RATE, ADAM])):
        arms = both, screened(ADAM, score, root.key), rate
        assert chosen(found, *arms) == [*expected, {**INIT, **RATE}], score


def test_how_long_steps_are_is_no_root_whose_prescriptions_come_first() -> None:
    found = intervention([finding("update_ratio", ADAM, severity=WARNING)])
    assert chosen(found, screened(ADAM, 0.94, "update_ratio"), screened(RATE, 0.92)) == [RATE, ADAM]


def test_another_value_that_screened_no_better_than_one_that_failed_is_not_tried() -> None:
    failed = tried(RATE, 0.1)
    failed.screened = screened(RATE, 0.9).screened
    found = intervention([finding("dead_units", RATE)], failed)
    assert chosen(found, screened(SLOWER, 0.85), screened(ADAM, 0.85)) == [ADAM]
    assert chosen(found, screened(SLOWER, 0.95), screened(ADAM, 0.9)) == [SLOWER, ADAM]


def test_a_cause_that_outlived_one_change_is_not_left_alone_by_the_next() -> None:
    equal, both = finding("symmetric_units", INIT), {**ADAM, **INIT}
    found = intervention([equal], tried(RATE, 0.6, equal))
    assert chosen(found, screened(ADAM, 0.9), screened(INIT, 0.9), screened(both, 0.9)) == [INIT, both]
    spared = intervention([equal], tried(RATE, 0.6, finding("symmetric_units", INIT, severity=WARNING)))
    assert chosen(spared, screened(ADAM, 0.9)) == [ADAM]
    symptom = intervention([equal], tried(RATE, 0.6, finding("dead_units", INIT)))
    assert chosen(symptom, screened(ADAM, 0.9)) == [ADAM]


def test_half_a_cure_is_none_as_long_as_it_leaves_a_cause_that_can_be_mended() -> None:
    remark = finding("unscaled_inputs", {"data.scale": "standard"}, severity=INFO)
    half, whole = (tried(RATE, 0.56, *left) for left in ((remark,), ()))
    for each in (half, whole):
        each.against_sane = Effect(-0.04, 0.01, 0.01, 5, 0)
    found = intervention([finding("dead_units", RATE)], half, whole)
    assert [(found.may_cure(each), found.fails(each), found.cures_all(each)) for each in (half, whole)] == [
        (True, True, False),
        (True, False, True),
    ]
    assert found.cures(half)  # where nothing better is found


def test_scores_alone_confirm_and_refute_nothing_where_they_are_good() -> None:
    scored = tried(RATE, 0.6)
    scored.trials = {1: scored.trials[1]}
    concluded = conclude(intervention([finding("dead_units", RATE)], scored))
    assert (concluded.cure, concluded.lifting) == (None, None)
    assert concluded.verdict.findings[0].prescriptions[0].outcome == "untested"
    scored.effect = Effect(0.01, 0.01, 0.01, 5, 3)
    concluded = conclude(intervention([finding("dead_units", RATE)], scored))
    assert concluded.verdict.findings[0].prescriptions[0].outcome == "refuted"


def test_what_has_cleared_can_prove_to_be_the_root() -> None:
    cleared = replace(finding("unscaled_targets", RATE, severity=INFO), cleared=True)
    arm = tried(RATE, 0.6)
    concluded = conclude(intervention([finding("update_ratio", SLOWER, severity=WARNING), cleared], arm))
    assert concluded.root is not None
    assert concluded.root.id == "unscaled_targets"
    first = concluded.verdict.findings[0]
    assert (first.id, first.severity, first.cleared) == ("unscaled_targets", WARNING, False)
    again = conclude(intervention([finding("update_ratio", SLOWER), cleared], tried(RATE, 0.6, cleared)))
    assert again.root is not None
    assert again.root.id == "update_ratio"  # it was there with the change, too


def test_what_leaves_every_root_is_not_watched_on_more_seeds() -> None:
    root = finding("initialization_scale", INIT, severity=WARNING)
    found = intervention([root, finding("dead_units", severity=WARNING, explained_by=root.key)], tried(RATE, 0.6, root))
    assert not found.fails(found.tried[0])  # an impaired run is lifted all the same
    found.sick = replace(found.sick, impaired=False)
    assert found.fails(found.tried[0])
    assert not found.fails(tried(INIT, 0.6))


def test_pairs_begin_with_what_a_change_left_then_with_parts_of_the_sane_defaults() -> None:
    sane = changed(SICK, {**ADAM, **INIT, "data.scale": "minmax"})
    assert sane is not None
    found = intervention([finding("dead_units", RATE)], tried(RATE, 0.2, finding("symmetric_units", INIT)))
    found.sane = Tried(
        Arm(sane, {**ADAM, **INIT, "data.scale": "minmax"}, "sane_defaults"), effect=Effect(0.6, 0.01, 0.01, 5, 5)
    )
    singles = [*found.tried, screened(INIT, 0.9), screened({"training.clip_norm": 1.0}, 0.9)]
    choice = Choice(found, SICK, DATASET, singles)
    pairs = [set(each.arm.changes) for each in choice.pairs(10)]
    assert pairs[:4] == [
        {*RATE, *INIT},
        {*ADAM, *INIT},
        {*ADAM, "data.scale"},
        {*INIT, "data.scale"},
    ]
    assert {*INIT, "training.clip_norm"} in pairs[4:]
    assert len(choice.pairs(2)) == 2
    found.sane.effect = Effect(0.01, 0.01, 0.01, 5, 3)  # nothing is known to help then
    assert {*ADAM, "data.scale"} not in [set(each.arm.changes) for each in choice.pairs(10)]


def test_two_of_the_sane_defaults_are_tried_at_the_values_that_helped() -> None:
    sane = changed(SICK, {**ADAM, **INIT})
    assert sane is not None
    found = intervention([finding("dead_units", RATE)])
    found.sane = Tried(Arm(sane, {**ADAM, **INIT}, "sane_defaults"), effect=Effect(0.6, 0.01, 0.01, 5, 5))
    adam, rate, init = screened(ADAM, 0.5), screened(RATE, 0.7), screened(INIT, 0.3)
    choice = Choice(found, SICK, DATASET, [adam, rate, init])
    assert [each.arm.changes for each in choice.followed(9)] == [{**RATE, **INIT}]
    choice = Choice(found, SICK, DATASET, [screened(ADAM, 0.8), rate, init])
    assert [each.arm.changes for each in choice.followed(9)] == [{**ADAM, **INIT}]


def test_seeds_that_disagree_do_not_keep_a_change_from_being_tried() -> None:
    arm = screened(RATE, 0.5)
    arm.screening = Effect(0.35, 0.3, 0.03, 2, 1)
    found = intervention([finding("dead_units", RATE)])
    choice = Choice(found, SICK, DATASET, [arm])
    assert choice.helps(arm)
    arm.screening = Effect(0.05, 0.03, 0.03, 2, 1)
    assert not choice.helps(arm)


def test_a_larger_cure_takes_the_place_of_the_smallest_only_where_it_is_surely_better() -> None:
    alone, both, other = tried(RATE, 0.6), tried({**RATE, **INIT}, 0.61), tried({**INIT, **ADAM}, 0.69)
    found = intervention([finding("dead_units", RATE)], alone, both, other)
    assert found.cure is alone  # five times 100 rows alike have a standard error of 0.0045
    better = tried({**RATE, **INIT}, 0.7)
    found.tried = [alone, better, other]
    assert found.surpasses(better, alone)
    assert found.cure is better
    assert conclude(found).cure is better
    found.tried = [alone, other]
    assert found.cure is alone  # what it changes is left as it is by the other


@pytest.mark.parametrize(
    ("changes", "score", "takes_its_place"),
    [(SLOWER, 0.604, False), (SLOWER, 0.61, True), ({**RATE, **INIT}, 0.61, False), ({**RATE, **INIT}, 0.62, True)],
)
def test_another_value_takes_less_to_surpass_a_cure_than_another_key(
    changes: Mapping[str, Any], score: float, *, takes_its_place: bool
) -> None:
    alone, other = tried(RATE, 0.6), tried(changes, score)  # with a standard error of 0.0045
    found = intervention([finding("dead_units", RATE)], alone, other)
    assert found.surpasses(other, alone) is takes_its_place


OUTPUT = {"model.output": "linear"}
WRONG = finding("loss_mismatch", OUTPUT, severity=WARNING)
REMARK = replace(WRONG, severity=INFO)


@pytest.mark.parametrize(
    ("changes", "score", "left", "takes_its_place"),
    [
        ({**RATE, **OUTPUT}, 0.6, (), True),
        ({**RATE, **OUTPUT}, 0.59, (), True),
        ({**RATE, **OUTPUT}, 0.58, (), False),
        ({**RATE, **OUTPUT}, 0.6, (REMARK,), False),
        ({**RATE, **INIT}, 0.6, (), False),
        ({**ADAM, **OUTPUT}, 0.6, (), False),
    ],
    ids=["as good", "hardly worse", "surely worse", "leaves it too", "of another key", "leaves the first key"],
)
def test_a_cure_that_leaves_the_program_wrong_yields_to_one_that_mends_it_and_is_no_worse(
    changes: Mapping[str, Any], score: float, left: tuple[Finding, ...], *, takes_its_place: bool
) -> None:
    alone, both = tried(RATE, 0.6, REMARK), tried(changes, score, *left)  # with a standard error of 0.0045
    found = intervention([WRONG, finding("no_learning", RATE)], alone, both)
    assert found.cures(alone)
    assert found.cure is (both if takes_its_place else alone)
    assert intervention([finding("no_learning", RATE)], alone, both).cure is alone  # a remark from the start


def test_a_fault_of_the_program_presses_though_it_is_but_a_remark_beside_a_cure() -> None:
    rate, other = tried(RATE, 0.6, REMARK), tried(INIT, 0.6, finding("unscaled_inputs", ADAM, severity=INFO))
    choice = Choice(intervention([WRONG, finding("unscaled_inputs", ADAM)], rate, other), SICK, DATASET, [rate, other])
    assert [each.arm.changes for each in choice.pressing(rate)] == [{**RATE, **OUTPUT}]
    assert choice.pressing(other) == []  # a matter of degree may be left
    assert choice.pressing(tried({**RATE, **INIT}, 0.6, REMARK)) == []  # two keys are enough


def test_pairs_that_work_with_some_seeds_are_varied_by_the_other_values_of_their_keys() -> None:
    glorot, norm = {"model.init": "glorot_uniform"}, {"training.clip_norm": 1.0}
    split, whole, worse = tried({**RATE, **INIT}, 0.3), tried({**ADAM, **INIT}, 0.3), tried({**norm, **INIT}, 0.3)
    split.effect, worse.effect = Effect(0.3, 0.1, 0.04, 5, 3), Effect(-0.1, 0.1, 0.04, 5, 1)
    known = tried({**RATE, "model.init": "zeros"}, 0.1)
    found = intervention([finding("dead_units", INIT)], split, whole, worse, known)
    singles = [tried(each, 0.1) for each in (INIT, glorot, {"model.init": "zeros"}, SLOWER, norm)]
    choice = Choice(found, SICK, DATASET, singles)
    assert [each.arm.changes for each in choice.varied(9)] == [{**RATE, **glorot}, {**SLOWER, **INIT}]
    assert [each.arm.changes for each in choice.varied(1)] == [{**RATE, **glorot}]
    found.tried = [tried(RATE, 0.3), whole]
    found.tried[0].effect = split.effect
    assert choice.varied(9) == []  # of single changes all values were screened


def test_what_comes_nearest_is_the_best_of_what_lifts_or_else_of_what_helps() -> None:
    lasting = finding("symmetric_units", INIT)
    helps, lifts = tried(ADAM, 0.5, impaired=True), tried(RATE, 0.4, lasting)
    no_gain = tried({"training.clip_norm": 1.0}, 0.02)
    no_gain.effect = Effect(0.02, 0.01, 0.01, 5, 3)
    found = intervention([finding("dead_units", RATE), lasting], helps, lifts, no_gain)
    assert Choice(found, SICK, DATASET, []).nearest() is lifts
    found.tried = [helps, no_gain]
    assert Choice(found, SICK, DATASET, []).nearest() is helps
    found.tried = [no_gain]
    assert Choice(found, SICK, DATASET, []).nearest() is None


def test_a_rate_that_made_up_for_a_spared_cause_is_lowered_with_its_cure() -> None:
    rate = tried(RATE, 0.6)
    found = intervention([finding("initialization_scale", INIT)], rate)
    rivals = [each.arm.changes for each in Choice(found, SICK, DATASET, [rate]).improvements(rate)]
    lowered = [each["training.optimizer.learning_rate"] for each in rivals if each.keys() == {*RATE, *INIT}]
    assert lowered == [0.01, 0.003, 0.001]
    assert [each for each in rivals if each.keys() == {*RATE}] == [
        {"training.optimizer.learning_rate": value} for value in (0.003, 0.03, 0.1)
    ]


def test_what_leaves_the_rate_is_tried_with_others_where_it_is_behind_the_sane_defaults() -> None:
    init = tried(INIT, 0.5)
    found = intervention([finding("initialization_scale", INIT)], init)
    choice = Choice(found, SICK, DATASET, [init])
    assert choice.improvements(init) == []
    init.against_sane = Effect(-0.1, 0.01, 0.01, 5, 0)
    rivals = choice.improvements(init)
    assert [each.arm.changes["training.optimizer.learning_rate"] for each in rivals] == [0.1, 0.3, 3.0, 10.0]
    assert {each.keys for each in rivals} == {frozenset({*INIT, *RATE})}


def test_what_a_change_leaves_in_some_seeds_presses_though_most_are_rid_of_it() -> None:
    rate = tried(RATE, 0.5)
    found = intervention([finding("no_learning")], rate)
    choice = Choice(found, SICK, DATASET, [rate])
    assert choice.pressing(rate) == []
    left = finding("symmetric_units", INIT, severity=WARNING)
    rate.trials[2] = trial(rate.arm, 2, [left], 0.4, impaired=False)
    assert found.left(rate) == ()
    assert [each.arm.changes for each in choice.pressing(rate)] == [{**RATE, **INIT}]
    both = tried({**RATE, "model.bias_init": "zeros"}, 0.5, left)
    assert choice.pressing(both) == []  # two keys are enough


def test_watched_seeds_decide_once_most_of_them_agree() -> None:
    left = finding("dead_units", severity=WARNING)
    arm = tried(RATE, 0.6)
    found, trials = intervention([left], arm), dict(arm.trials)
    arm.trials = {seed: trials[seed] for seed in SEEDS[:2]}
    assert not found.is_watched(arm)
    arm.trials = {seed: trials[seed] for seed in SEEDS[:3]}
    assert found.is_watched(arm)
    for odd in (
        trial(arm.arm, 3, [left], 0.9, impaired=False),
        trial(arm.arm, 3, [], 0.9, impaired=True),
    ):
        arm.trials[3] = odd
        assert not found.is_watched(arm)
    arm.trials = {**trials, 3: odd}
    assert found.is_watched(arm)
    arm.trials[3] = trial(arm.arm, 3, [finding("no_learning", severity=INFO)], 0.9, impaired=False)
    assert found.is_watched(arm)
    arm.trials = {seed: trials[seed] for seed in SEEDS[:3]}
    arm.scores |= dict.fromkeys(range(7, 12), arm.scores[1])
    assert found.is_watched(arm)  # those of which the first seeds made nobody sure are not watched on more


def test_what_gains_half_of_the_sane_defaults_with_some_seed_is_not_hopeless() -> None:
    arm = tried(RATE, 0.6)
    found = intervention([finding("dead_units", RATE)], arm)
    assert found.sane is not None
    for each, gain in ((found.control, 0.0), (found.sane, 0.6)):
        each.scores = {seed: trial(arm.arm, seed, [], 0.3 + gain, impaired=False).scores for seed in SEEDS}
    gains = {1: 0.25, 2: 0.25}
    arm.scores = {seed: trial(arm.arm, seed, [], 0.3 + gain, impaired=False).scores for seed, gain in gains.items()}
    assert found.is_hopeless(arm)
    arm.scores[2] = trial(arm.arm, 2, [], 0.3 + 0.35, impaired=False).scores
    assert not found.is_hopeless(arm)
    arm.scores[2] = arm.scores[1]
    found.sick = replace(found.sick, impaired=False)
    assert not found.is_hopeless(arm)


def test_what_is_better_by_more_than_one_and_less_than_three_errors_is_unsure() -> None:
    arm = tried(RATE, 0.2)
    found = intervention([finding("dead_units", RATE)], arm)
    for mean, se, unsure in ((0.2, 0.07, True), (0.2, 0.06, False), (0.2, 0.21, False), (0.04, 0.02, False)):
        arm.effect = Effect(mean, se, 0.01, 5, 4)
        assert found.is_unsure(arm.effect) is unsure
        assert found.may_be_as_good(arm) is unsure
    arm.effect, arm.against_sane = Effect(0.2, 0.07, 0.01, 5, 4), Effect(-0.4, 0.01, 0.01, 5, 0)
    assert not found.may_be_as_good(arm)


@pytest.mark.parametrize(
    ("behind", "level", "near"),
    [(0.0, True, True), (0.02, True, True), (0.04, False, True), (0.06, False, False)],
)
def test_what_is_behind_the_sane_defaults_by_more_than_one_error_is_not_level_with_them(
    behind: float, *, level: bool, near: bool
) -> None:
    arm = tried(RATE, 0.5)
    arm.against_sane = Effect(-behind, 0.1, 0.03, 5, 1)  # seeds that differ are no excuse
    found = intervention([finding("dead_units", RATE)], arm)
    assert found.is_level(arm) is level
    assert found.is_near(arm) is near


def test_another_value_is_tried_where_one_worked_with_some_seeds_only() -> None:
    failed = tried(RATE, 0.3)
    failed.screened = screened(RATE, 0.9).screened
    found = intervention([finding("dead_units", RATE)], failed)
    assert chosen(found, screened(SLOWER, 0.85)) == []
    failed.effect = Effect(0.3, 0.1, 0.04, 5, 4)
    assert chosen(found, screened(SLOWER, 0.85)) == [SLOWER]
    for se, better in ((0.1, 0), (0.1, 5), (0.05, 4)):
        failed.effect = Effect(0.3, se, 0.04, 5, better)
        assert chosen(found, screened(SLOWER, 0.85)) == []


def test_a_second_key_that_shows_no_gain_is_not_tried_beside_what_gained_too_little() -> None:
    failed, both = tried(RATE, 0.3), {**RATE, **INIT}
    failed.screened = screened(RATE, 0.6).screened
    failed.against_sane = Effect(-0.3, 0.01, 0.01, 5, 0)
    found = intervention([finding("dead_units", RATE)], failed)
    assert chosen(found, screened(both, 0.6), screened({**SLOWER, **INIT}, 0.6)) == [{**SLOWER, **INIT}]
    assert chosen(found, screened(both, 0.61)) == [both]
    failed.against_sane = Effect(0.0, 0.01, 0.01, 5, 2)  # it gained enough, and left an error, say
    assert chosen(found, screened(both, 0.6)) == [both]


def test_a_screening_that_was_luck_is_no_bar_to_a_second_key() -> None:
    lucky, both = tried(RATE, 0.0), {**RATE, **INIT}
    lucky.screened, lucky.effect = screened(RATE, 0.9).screened, Effect(0.0, 0.01, 0.01, 5, 0)
    found = intervention([finding("dead_units", RATE)], lucky)
    assert chosen(found, screened(both, 0.8)) == []
    lucky.screening = Effect(0.6, 0.02, 0.02, 2, 2)
    assert chosen(found, screened(both, 0.8)) == [both]


def test_another_value_is_tried_where_one_worked_with_the_seeds_of_the_screening_only() -> None:
    failed = tried(RATE, 0.0)
    failed.effect, failed.screened = Effect(0.0, 0.01, 0.01, 5, 0), screened(RATE, 0.9).screened
    found = intervention([finding("dead_units", RATE)], failed)
    assert chosen(found, screened(SLOWER, 0.9)) == []
    failed.screening = Effect(0.6, 0.02, 0.02, 2, 2)
    assert chosen(found, screened(SLOWER, 0.9)) == [SLOWER]


def test_of_one_key_the_value_that_a_finding_names_comes_first_unless_it_is_behind() -> None:
    found = intervention([finding("underfitting", {"model.activation": "tanh"})])
    other = screened({"model.activation": "elu"}, 0.9)
    named = [screened({"model.activation": "tanh"}, score, "underfitting") for score in (0.9, 0.89, 0.85)]
    firsts = [chosen(found, other, each)[0]["model.activation"] for each in named]
    assert firsts == ["tanh", "tanh", "elu"]


def test_what_helps_on_one_of_two_seeds_is_tried() -> None:
    arm = screened(RATE, 0.6)
    arm.screening = Effect(0.3, 0.3, 0.03, 2, 1)  # two seeds say nothing of their spread
    assert chosen(intervention([finding("dead_units", RATE)]), arm) == [RATE]


def test_most_telling_is_the_smallest_that_may_cure_in_part_or_else_the_best() -> None:
    lasting = finding("no_learning")
    rate, adam, both = tried(RATE, 0.3, lasting), tried(ADAM, 0.2, lasting), tried({**RATE, **INIT}, 0.6)
    no_gain = tried(SLOWER, 0.6)
    no_gain.effect = Effect(0.02, 0.01, 0.01, 5, 3)
    for each in (rate, adam):
        each.against_sane = Effect(-0.3, 0.01, 0.01, 5, 0)
    found = intervention([finding("dead_units", RATE), lasting], adam, rate, both, no_gain)
    assert Choice.most_telling(found) is both
    best = tried({**ADAM, **INIT}, 0.7, lasting)
    found.tried = [adam, best, both]
    assert Choice.most_telling(found) is both  # the best leaves an error
    found.tried = [adam, rate, no_gain]
    assert Choice.most_telling(found) is rate
    found.tried = [no_gain]
    assert Choice.most_telling(found) is None


def test_a_cure_is_improved_by_its_rate_and_by_causes_that_it_spares() -> None:
    spared = finding("initialization_scale", INIT, severity=WARNING)
    mended = finding("unscaled_inputs", {"data.scale": "minmax"}, {"data.columns": {0: "minmax"}})
    cure = tried({"data.scale": "minmax"}, 0.6, finding("learning_rate_too_low", RATE, severity=INFO))
    found = intervention([spared, mended], cure)
    choice = Choice(found, SICK, DATASET, [cure])
    assert [each.arm.changes for each in choice.improvements(cure)] == [
        {"data.scale": "minmax", **RATE},
        {"data.scale": "minmax", **INIT},
    ]
    rate = tried({**RATE, **INIT}, 0.6)
    rates = [each.arm.changes["training.optimizer.learning_rate"] for each in choice.improvements(rate)]
    assert rates == [0.003, 0.03, 0.1]  # two keys are enough
