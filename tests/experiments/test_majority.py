"""The verdict by majority, from runs judged one by one."""

from dataclasses import replace
from datetime import date
from math import nan
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.ignoring import Exemption
from gradvitals.experiments.majority import combine, judge_by_majority, majority_severity

CLEAR = Judgement("dead_units", "clear")
FIRED = Judgement("dead_units", "fired")
GAP = Judgement("record", "not_judged", "the run was cut short")


def finding(
    severity: Severity = Severity.ERROR, value: float = 0.9, layer: str | None = "hidden_1", **more: Any
) -> Finding:
    told = {"id": "dead_units", "tier": "fact", "evidence": f"{value} are dead", "explanation": "It hurts."}
    return Finding(
        **(told | more), severity=severity, layer=layer, first_step=0, last_step=9, value=value, threshold=0.5
    )


def checked(seed: int, *findings: Finding, unjudged: bool = False) -> CheckedRun:
    failing = frozenset(each.key for each in findings if each.severity is Severity.ERROR)
    judgements = (FIRED if findings else CLEAR, *((GAP,) if unjudged else ()))
    code = Exit.FAILED if failing else Exit.NOT_JUDGED if unjudged else Exit.DONE
    config = loads(f"seed = {seed}\n[data]\nsource = 'iris'")
    return CheckedRun(
        f"iris/seed={seed}-0a1b2c",
        Path("logs") / "iris" / f"seed={seed}",
        Verdict(judgements, findings),
        code,
        failing=failing,
        demanded=frozenset({"record"} if unjudged else ()),
        config=config,
        scores={"validation": {"accuracy": 0.9 + 0.01 * seed}},
    )


@pytest.mark.parametrize(
    ("severities", "majority"),
    [([3], 3), ([3, 0], 0), ([3, 3, 0], 3), ([3, 2, 0], 2), ([3, 2, 2, 0], 2), ([3, 3, 0, 0], 0), ([0, 0, 3], 0)],
    ids=str,
)
def test_the_severity_that_most_reach(severities: list[int], majority: int) -> None:
    assert majority_severity(severities) == majority


@pytest.mark.parametrize(("sick", "code"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1)])
def test_a_finding_stands_if_it_stands_in_more_than_half_of_the_seeds(sick: int, code: int) -> None:
    runs = [checked(seed, *([finding(value=0.6 + 0.05 * seed)] if seed < sick else [])) for seed in range(5)]
    combined = combine(runs)
    assert combined.exit == code
    assert combined.outcome == ("error" if code else "healthy")
    assert [judgement.status for judgement in combined.verdict.judgements] == ["fired" if code else "clear"]
    if code:
        (stands,) = combined.verdict.standing
        assert stands.evidence.startswith(f"in {sick} of 5 seeds, such as seed {(sick - 1) // 2}: ")
        assert combined.failing == {"dead_units@hidden_1"}
    else:
        assert combined.verdict.standing == ()
        assert combined.notes == ((f"in {sick} of 5 seeds only: dead_units@hidden_1",) if sick else ())


def test_one_seed_is_judged_as_without_others() -> None:
    run = checked(3, finding())
    assert combine([run]) is run


def test_half_of_the_seeds_is_no_majority() -> None:
    assert combine([checked(0, finding()), checked(1)]).exit is Exit.DONE


def test_two_layers_that_take_turns_are_two_findings() -> None:
    runs = [checked(seed, finding(layer=f"hidden_{1 + seed % 2}")) for seed in range(4)]
    assert combine(runs).exit is Exit.DONE


def test_a_divergence_is_one_finding_wherever_it_shows() -> None:
    runs = [checked(seed, finding(id="non_finite", layer=f"hidden_{1 + seed % 2}")) for seed in range(4)]
    assert combine(runs).exit is Exit.FAILED


def test_the_severity_is_the_one_that_most_seeds_reach() -> None:
    warning = finding(Severity.WARNING)
    (stands,) = combine([checked(0, finding()), checked(1, warning), checked(2, warning)]).verdict.standing
    assert stands.severity is Severity.WARNING
    assert stands.evidence.startswith("in 3 of 3 seeds")


def test_a_cause_that_does_not_stand_by_majority_explains_nothing() -> None:
    cause = finding(id="numerics")
    effect = finding(explained_by=cause.key)
    (stands,) = combine([checked(0, cause, effect), checked(1, effect), checked(2, effect)]).verdict.standing
    assert (stands.id, stands.explained_by) == ("dead_units", None)


@pytest.mark.parametrize(
    ("sick", "unjudged", "code"),
    [
        (0, 1, Exit.DONE),
        (0, 2, Exit.DONE),
        (0, 3, Exit.NOT_JUDGED),
        (1, 1, Exit.DONE),
        (2, 1, Exit.NOT_JUDGED),
        (3, 2, Exit.FAILED),
    ],
)
def test_seeds_that_were_not_judged_matter_where_they_could_make_a_majority(
    sick: int, unjudged: int, code: Exit
) -> None:
    runs = [
        checked(seed, *([finding()] if seed < sick else []), unjudged=sick <= seed < sick + unjudged)
        for seed in range(5)
    ]
    combined = combine(runs)
    assert combined.exit is code
    assert combined.outcome == {Exit.DONE: "healthy", Exit.FAILED: "error", Exit.NOT_JUDGED: "not_judged"}[code]
    told = [judgement.reason for judgement in combined.verdict.not_judged if judgement.id == "seeds"]
    assert bool(told) == (code is not Exit.DONE)
    assert all(reason == f"{unjudged} of 5 seeds could not be judged: the run was cut short" for reason in told)


def test_a_seed_that_fails_and_was_not_judged_is_one_seed() -> None:
    both, healthy = checked(0, finding(), unjudged=True), [checked(seed) for seed in (1, 2)]
    assert combine([both, *healthy]).exit is Exit.DONE
    assert combine([both, checked(1, unjudged=True), healthy[1]]).exit is Exit.NOT_JUDGED
    assert combine([checked(0, finding()), checked(1, unjudged=True), healthy[1]]).exit is Exit.NOT_JUDGED


@pytest.mark.parametrize(
    ("exempt", "code", "outcome"),
    [((0, 1), Exit.FAILED, "error"), ((0, 2, 4), Exit.DONE, "healthy"), ((0, 1, 2, 3), Exit.DONE, "healthy")],
    ids=str,
)
def test_what_is_ignored_in_one_layer_and_shows_in_another_counts_as_the_exit_code_does(
    exempt: tuple[int, ...], code: Exit, outcome: str
) -> None:
    runs = []
    for seed in range(5):
        found = finding(id="non_finite", value=nan, layer="hidden_1" if seed in exempt else "hidden_2")
        run = checked(seed, found)
        exemption = Exemption(found.key, "meant", date(2030, 1, 2), "active")
        if seed in exempt:
            run = replace(run, exit=Exit.DONE, failing=frozenset(), ignored={found.key: exemption})
        runs.append(run)
    combined = combine(runs)
    assert (combined.exit, combined.outcome) == (code, outcome)
    assert combined.failing.isdisjoint(combined.ignored)


def test_a_value_that_is_no_number_still_has_words() -> None:
    runs = [checked(seed, finding(id="non_finite", value=float("nan"))) for seed in range(3)]
    assert combine(runs).verdict.standing[0].evidence == "in 3 of 3 seeds, such as seed 0: nan are dead"


def test_all_seeds_are_in_the_report_and_scores_are_their_means() -> None:
    combined = combine([checked(seed) for seed in (2, 0, 1)])
    data = combined.to_json()
    assert combined.name == "iris (3 seeds)"
    assert data["seed"] is None
    assert [member["seed"] for member in data["seeds"]] == [0, 1, 2]
    assert {member["config"] for member in data["seeds"]} == {data["config"]}
    assert data["scores"]["validation"]["accuracy"] == pytest.approx(0.91)


def test_too_few_seeds_are_not_judged() -> None:
    runs = tuple(checked(seed) for seed in range(3))
    found = CheckedPath(Path("logs"), runs, Exit.DONE, runs)
    assert judge_by_majority(found, 3, "best").exit is Exit.DONE
    lacking = judge_by_majority(found, 4, "best")
    assert (lacking.exit, lacking.gaps) == (Exit.NOT_JUDGED, ("iris (3 seeds): 3 of 4 seeds are there",))


def test_configs_without_scores_have_no_best(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"runs": [{"name": "0"}]}', encoding="utf-8")
    runs = tuple(
        replace(
            checked(seed),
            folder=tmp_path / f"{source}-{seed}",
            config=loads(f"seed = {seed}\n[data]\nsource = {source!r}"),
            scores={},
        )
        for source in ("iris", "wine")
        for seed in (0, 1)
    )
    found = judge_by_majority(CheckedPath(tmp_path, runs, Exit.DONE, runs), 2, "best")
    gap = f"{tmp_path}: no run of the sweep can be called the best by its scores"
    assert (found.exit, found.counting, found.gaps) == (Exit.NOT_JUDGED, (), (gap,))


def test_a_sweep_that_was_cut_short_stays_so() -> None:
    runs = tuple(checked(seed) for seed in range(3))
    cut = judge_by_majority(CheckedPath(Path("logs"), runs, Exit.NOT_JUDGED, (), ("it was cut short",)), 3, "best")
    assert (cut.exit, cut.gaps) == (Exit.NOT_JUDGED, ("it was cut short",))
