"""What a baseline knows, and what it does not excuse."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.experiments.baseline import NO_RUN, hold_against, make_baseline
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.majority import combine
from gradvitals.experiments.run_report import from_json

WARNING, ERROR = Severity.WARNING, Severity.ERROR


def dead(severity: Severity, value: float = 0.6, layer: str = "hidden_1") -> Finding:
    return Finding("dead_units", "fact", severity, layer, 0, 9, value, 0.5, f"{value} are dead", "It hurts.")


def run(seed: int, *findings: Finding, rate: float = 0.1, unjudged: Sequence[str] = ()) -> CheckedRun:
    failing = frozenset(each.key for each in findings if each.severity is ERROR)
    judgements = (Judgement("numerics", "clear"), *(Judgement(id_, "not_judged", "too short") for id_ in unjudged))
    config = loads(
        f"seed = {seed}\n[data]\nsource = 'iris'\n[training]\noptimizer = {{kind = 'sgd', learning_rate = {rate}}}"
    )
    code = Exit.FAILED if failing else Exit.DONE
    folder = Path("logs") / f"seed={seed}"
    return CheckedRun(f"seed={seed}", folder, Verdict(judgements, findings), code, failing=failing, config=config)


def held(base: Sequence[CheckedRun], *head: CheckedRun) -> CheckedPath:
    baseline = make_baseline(report for each in base for report in from_json(each.to_json()))
    return hold_against(CheckedPath(Path("logs"), head, Exit.FAILED, head), baseline)


@pytest.mark.parametrize(
    ("before", "now", "state", "code"),
    [
        ([dead(ERROR)], dead(ERROR), "known", 0),
        ([dead(ERROR, 0.5)], dead(ERROR, 1.0), "known", 0),
        ([dead(WARNING)], dead(ERROR), "worse", 1),
        ([dead(ERROR)], dead(WARNING), "known", 0),
        ([dead(ERROR, layer="hidden_2")], dead(ERROR), "new", 1),
        ([], dead(ERROR), "new", 1),
    ],
    ids=["the same", "a larger value of one seed", "a higher severity", "a lower severity", "another layer", "nothing"],
)
def test_one_seed_against_one(before: list[Finding], now: Finding, state: str, code: int) -> None:
    found = held([run(0, *before)], run(7, now))
    (one,) = found.runs
    assert one.baseline is not None
    assert one.baseline.states == {now.key: state}
    assert (found.exit, one.exit) == (code, code)
    assert one.failing == ({now.key} if code else set())
    (told,) = one.to_json()["findings"]
    assert told["baseline"] == state
    assert one.outcome == ("error" if code else "healthy")


def test_a_config_that_the_baseline_does_not_have_is_judged_as_without_one() -> None:
    found = held([run(0, dead(ERROR))], run(0, dead(ERROR), rate=0.2))
    assert found.exit is Exit.FAILED
    assert found.runs[0].notes == (NO_RUN,)
    assert found.runs[0].to_json()["baseline"] == {"seeds": 0, "mended": []}


def test_seed_name_and_limits_do_not_make_another_config() -> None:
    base = run(0, dead(ERROR))
    assert base.config is not None
    other = base.config.model_copy(
        update={"name": "other", "seed": 9, "check": loads("[data]\nsource = 'iris'\n[check]\nmax_dead = 0.1").check}
    )
    assert held([base], replace(run(9, dead(ERROR)), config=other)).exit is Exit.DONE


def test_five_seeds_against_five_tell_what_is_worse() -> None:
    base = [run(seed, dead(ERROR, 0.5 + 0.01 * seed)) for seed in range(5)]
    for shift, code in ((0.02, 0), (0.2, 1)):
        head = combine([run(seed, dead(ERROR, 0.45 + 0.01 * seed + shift)) for seed in range(5, 10)])
        found = held(base, head)
        assert found.exit == code
        assert found.runs[0].baseline is not None
        (state,) = found.runs[0].baseline.states.values()
        assert state == ("worse" if code else "known")
    assert "beyond the spread of 5 seeds there and 5 now" in found.runs[0].notes[-1]


def test_the_gravest_seed_of_the_baseline_decides_what_is_graver() -> None:
    assert held([run(0, dead(ERROR)), run(1, dead(WARNING))], run(9, dead(ERROR))).exit is Exit.DONE


def test_what_stood_in_one_of_several_seeds_is_known() -> None:
    base = [run(0, dead(ERROR)), *(run(seed) for seed in range(1, 5))]
    assert held(base, run(9, dead(ERROR))).exit is Exit.DONE


@pytest.mark.parametrize(
    ("head", "mended"),
    [
        (run(7), ("dead_units@hidden_1",)),
        (run(7, dead(Severity.INFO)), ()),
        (run(7, unjudged=["dead_units"]), ()),
        (run(7, unjudged=["record"]), ()),
    ],
    ids=["gone", "still there", "not judged", "cut short"],
)
def test_what_is_gone_is_mended_if_it_was_looked_for(head: CheckedRun, mended: tuple[str, ...]) -> None:
    (one,) = held([run(0, dead(ERROR))], head).runs
    assert one.baseline is not None
    assert one.baseline.mended == mended


def test_what_was_only_info_is_not_mended() -> None:
    (one,) = held([run(0, dead(Severity.INFO))], run(7)).runs
    assert one.baseline is not None
    assert one.baseline.mended == ()


def test_new_is_also_what_the_baseline_did_not_judge() -> None:
    (one,) = held([run(0, unjudged=["dead_units"])], run(7, dead(ERROR))).runs
    assert one.notes == ("new since the baseline: dead_units@hidden_1: not judged there: too short",)


def test_a_known_finding_does_not_make_a_run_judged_that_is_not() -> None:
    cut = replace(run(7, dead(ERROR), unjudged=["record"]), demanded=frozenset({"record"}))
    found = held([run(0, dead(ERROR))], cut)
    assert (found.exit, found.runs[0].outcome) == (Exit.NOT_JUDGED, "not_judged")
