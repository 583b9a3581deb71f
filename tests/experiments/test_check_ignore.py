"""`[check.ignore]`: what it lets pass, until when, and what is said of it."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.checking import CheckedRun, check_path
from gradvitals.experiments.config.check import Ignore
from gradvitals.experiments.config.diagnostics import DIAGNOSIS_IDS
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.ignoring import apply_ignores, today_utc

LAST, NEXT = date(2027, 3, 1), date(2027, 3, 2)
UNITS, LEARNING = "dead_units", "no_learning"
JUDGED = {UNITS, LEARNING, "non_finite", "vanishing_gradient"}
ALONE = [f"diagnostics.{name}={{enabled=false, why='others'}}" for name in DIAGNOSIS_IDS if name not in JUDGED]
"""Overrides that leave only these diagnoses, so that it is known what a sick run shows."""

TERMS = {"why": "sparse codes\nare intended", "until": "2027-03-01"}


def table(key: str, until: str = "2027-03-01", why: str = "sparse codes\\nare intended") -> str:
    return f'[check.ignore."{key}"]\nwhy = "{why}"\nuntil = {until}\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a sick, a healthy and a diverging run once for all tests; nobody writes here."""
    from gradvitals.experiments.config.load import load_config
    from gradvitals.experiments.runner import run_one
    from gradvitals.experiments.sweep import make_plan, place_runs

    folder = tmp_path_factory.mktemp("made")
    for name, base, overrides in (
        ("sick", "dying_relu", []),
        ("healthy", "dying_relu_healthy", []),
        ("diverging", "dying_relu_healthy", ["training.optimizer.learning_rate=1e20"]),
    ):
        plan = make_plan(load_config(base, [*ALONE, *overrides]), folder / "logs")
        ((planned, place),), _ = place_runs(plan, "new")
        run_one(planned, place)
        place.folder.rename(folder / name)
    return folder


@pytest.fixture
def give(made: Path, tmp_path: Path) -> Callable[..., Path]:
    """Give a copy of a run whose config has further tables."""

    def copy(name: str, *tables: str, check: str = 'fail_on = "error"') -> Path:
        folder = tmp_path / name
        shutil.copytree(made / name, folder)
        path = folder / "config.toml"
        text = path.read_text(encoding="utf-8")
        assert "ignore" not in text
        path.write_text(text.replace('fail_on = "error"', check) + "\n" + "\n".join(tables), encoding="utf-8")
        return folder

    return copy


def check(folder: Path, today: date = LAST, **limits: float) -> CheckedRun:
    (run,) = check_path(folder, limits, "best", today=today).runs
    return run


def states(run: CheckedRun) -> dict[str, str]:
    return {exemption.key: exemption.state for exemption in run.exemptions}


def ignored(run: CheckedRun) -> dict[str, Any]:
    return {finding["key"]: finding["ignored"] for finding in run.to_json()["findings"]}


# --- what passes ---


def test_an_ignored_finding_passes_to_the_end_of_its_day_and_not_a_day_longer(give: Callable[..., Path]) -> None:
    folder = give("sick", table(UNITS), table(LEARNING))
    run = check(folder, LAST)
    assert (run.exit, run.outcome, run.to_json()["verdict"]) == (Exit.DONE, "healthy", "healthy")
    assert ignored(run) == dict.fromkeys(["dead_units@hidden_1", "dead_units@hidden_2", LEARNING], TERMS)
    assert states(run) == {UNITS: "active", LEARNING: "active"}
    run = check(folder, NEXT)
    assert (run.exit, run.outcome, run.to_json()["verdict"]) == (Exit.FAILED, "error", "error")
    assert set(ignored(run).values()) == {None}
    assert states(run) == {UNITS: "expired", LEARNING: "expired"}


def test_what_an_ignored_root_explains_still_fails(give: Callable[..., Path]) -> None:
    run = check(give("sick", table(UNITS)))
    assert run.exit == Exit.FAILED
    assert ignored(run)[LEARNING] is None
    (learning,) = (finding for finding in run.to_json()["findings"] if finding["id"] == LEARNING)
    assert (learning["root"], learning["explained_by"]) == (False, "dead_units@hidden_1")


def test_an_exception_for_a_layer_is_for_that_layer(give: Callable[..., Path]) -> None:
    run = check(give("sick", table("dead_units@hidden_2"), table(LEARNING)))
    assert run.exit == Exit.FAILED
    assert [key for key, terms in ignored(run).items() if terms is None] == ["dead_units@hidden_1"]


def test_a_run_without_exceptions_is_as_before(give: Callable[..., Path]) -> None:
    run = check(give("sick"))
    assert (run.exit, run.to_json()["ignores"], set(ignored(run).values())) == (Exit.FAILED, [], {None})


def test_the_run_s_own_files_know_of_no_exception(give: Callable[..., Path], made: Path) -> None:
    folder = give("sick", table(UNITS), table(LEARNING))
    assert check(folder).exit == Exit.DONE
    for name in ("findings.json", "run.json"):
        assert (folder / name).read_bytes() == (made / "sick" / name).read_bytes()
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    assert findings["verdict"] == "error"
    assert all("ignored" not in finding for finding in findings["findings"])


@pytest.mark.parametrize(
    ("check_table", "tables", "code"),
    [
        ('fail_on = "warning"', [UNITS, LEARNING], Exit.DONE),
        ('fail_on = "info"', [UNITS, LEARNING], Exit.DONE),
        ('fail_on = "info"', [UNITS], Exit.FAILED),
        ('fail_on = ["dead_units"]', [UNITS], Exit.DONE),
        ('fail_on = ["dead_units"]', [LEARNING], Exit.FAILED),
        ('fail_on = ["dead_units", "no_learning"]', [UNITS], Exit.FAILED),
        ('fail_on = ["non_finite"]', [], Exit.DONE),
    ],
    ids=str,
)
def test_it_goes_with_whatever_fails_the_check(
    check_table: str, tables: list[str], code: Exit, give: Callable[..., Path]
) -> None:
    assert check(give("sick", *map(table, tables), check=check_table)).exit == code


@pytest.mark.parametrize(
    ("limit", "value"), [("max_update_ratio", 1e-9), ("max_loss_ratio", 1e-9), ("min_accuracy", 1.0)]
)
def test_a_limit_can_be_ignored_too(limit: str, value: float, give: Callable[..., Path]) -> None:
    folder = give("healthy", table(limit), check=f"{limit} = {value}")
    run = check(folder)
    assert (run.exit, run.outcome, states(run)) == (Exit.DONE, "healthy", {limit: "active"})
    assert TERMS in ignored(run).values()
    run = check(folder, NEXT)
    assert (run.exit, run.outcome, states(run)) == (Exit.FAILED, "error", {limit: "expired"})


def test_a_limit_given_as_a_flag_is_ignored_by_the_config_of_the_run(give: Callable[..., Path]) -> None:
    folder = give("healthy", table("min_accuracy"))
    assert states(check(folder)) == {"min_accuracy": "unused"}
    assert check(folder, min_accuracy=1.0).exit == Exit.DONE
    assert check(folder, min_accuracy=1.0, max_loss_ratio=1e-9).exit == Exit.FAILED


# --- what becomes of exceptions ---


def test_an_exception_that_nothing_needs_is_told_and_does_no_harm(give: Callable[..., Path]) -> None:
    folder = give("healthy", table(UNITS), table("non_finite", "2000-01-01"))
    run = check(folder)
    assert (run.exit, states(run)) == (Exit.DONE, {UNITS: "unused", "non_finite": "unused"})
    assert run.to_json()["ignores"] == [
        {"key": UNITS, **TERMS, "state": "unused"},
        {"key": "non_finite", "why": TERMS["why"], "until": "2000-01-01", "state": "unused"},
    ]


@pytest.mark.parametrize("key", ["dead_units@hidden_9", "no_learning@hidden_1", "vanishing_gradient"])
def test_an_exception_beside_the_point_is_unused(key: str, give: Callable[..., Path]) -> None:
    run = check(give("sick", table(key)))
    assert (run.exit, states(run)) == (Exit.FAILED, {key: "unused"})


def test_of_what_is_not_judged_nobody_knows_whether_an_exception_is_needed(give: Callable[..., Path]) -> None:
    folder = give("healthy", table(UNITS), table("min_accuracy"), check="min_accuracy = 0.5")
    assert states(check(folder)) == {UNITS: "unused", "min_accuracy": "unused"}
    shutil.rmtree(folder / "validation")
    assert states(check(folder)) == {UNITS: "unused", "min_accuracy": "not_judged"}
    (events,) = folder.glob("*tfevents*")
    events.write_bytes(events.read_bytes()[:3000])
    assert set(states(check(folder)).values()) == {"not_judged"}


@pytest.mark.parametrize("key", ["gradient_check", "gradient_check@hidden_1"])
@pytest.mark.parametrize(("judged", "state"), [({UNITS}, "not_judged"), ({"gradient_check"}, "unused")], ids=str)
def test_what_is_judged_elsewhere_may_need_its_exception(key: str, judged: set[str], state: str) -> None:
    covered, (exemption,) = apply_ignores({key: ignore(date(2000, 1, 1))}, [finding(UNITS)], judged, LAST)
    assert (covered, exemption.state) == ({}, state)


def test_a_run_cut_short_is_not_healthy_because_its_errors_are_ignored(give: Callable[..., Path]) -> None:
    folder = give("sick", table(UNITS), table(LEARNING))
    (events,) = folder.glob("*tfevents*")
    content = events.read_bytes()
    events.write_bytes(content[: len(content) // 2])
    assert UNITS in {finding.id for finding in check(folder).verdict.standing}
    run = check(folder)
    assert (run.exit, run.outcome) == (Exit.NOT_JUDGED, "not_judged")


def finding(diagnosis: str, layer: str | None = None) -> Finding:
    return Finding(diagnosis, "fact", Severity.ERROR, layer, 0, 9, 1.0, 0.5, "seen", "Bad.")


def ignore(until: date, why: str = "known") -> Ignore:
    return Ignore(why=why, until=until)


def test_the_exception_for_the_layer_goes_first_and_both_are_needed() -> None:
    ignores = {UNITS: ignore(LAST, "all"), "dead_units@hidden_1": ignore(LAST, "this")}
    covered, exemptions = apply_ignores(ignores, [finding(UNITS, "hidden_1"), finding(UNITS, "hidden_2")], (), LAST)
    assert {key: exemption.why for key, exemption in covered.items()} == {
        "dead_units@hidden_1": "this",
        "dead_units@hidden_2": "all",
    }
    assert [exemption.state for exemption in exemptions] == ["active", "active"]


@pytest.mark.parametrize(
    ("layers", "expected"), [(["hidden_1"], "unused"), (["hidden_1", "hidden_2"], "expired"), ([], "unused")]
)
def test_an_exception_that_ran_out_is_not_missed_where_another_one_stands(layers: list[str], expected: str) -> None:
    ignores = {UNITS: ignore(date(2000, 1, 1)), "dead_units@hidden_1": ignore(LAST)}
    found = [finding(UNITS, layer) for layer in layers]
    covered, (every, _) = apply_ignores(ignores, found, {UNITS}, LAST)
    assert set(covered) == {"dead_units@hidden_1"}.intersection(each.key for each in found)
    assert every.state == expected


def test_today_is_the_day_in_utc() -> None:
    before = datetime.now(UTC).date()
    assert before <= today_utc() <= datetime.now(UTC).date()


def test_the_clock_is_asked_where_no_day_is_given(give: Callable[..., Path]) -> None:
    folder = give("sick", table(UNITS, "9999-12-31"), table(LEARNING, "9999-12-31"))
    assert check_path(folder, {}, "best").exit == Exit.DONE
    config = folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("9999-12-31", "2000-01-01"), encoding="utf-8")
    assert check_path(folder, {}, "best").exit == Exit.FAILED


# --- on the command line ---


def test_the_report_says_what_is_ignored_until_when_and_why(
    gradvitals: Callable[..., Any], give: Callable[..., Path]
) -> None:
    folder = give("sick", table(UNITS, "9999-12-31"), table(LEARNING, "9999-12-30", "data are noise"))
    said = gradvitals("check", folder)
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[0].rstrip() == "✓ sick: healthy (3 ignored)"
    assert lines[1].rstrip() == "  ignored error dead_units@hidden_1 since step 0"
    assert lines[2].rstrip() == "    until 9999-12-31: sparse codes are intended"
    assert "ignored error no_learning (until 9999-12-30: data are noise): After" in said.out
    assert "model.bias_init" not in said.out
    assert "model.bias_init" in gradvitals("check", folder, "--verbose").out


@pytest.mark.parametrize("flags", [[], ["--quiet"], ["--verbose"], ["--output", "report.txt"]], ids=" ".join)
def test_the_report_says_what_ran_out_and_what_is_not_needed(
    flags: list[str], gradvitals: Callable[..., Any], give: Callable[..., Path], tmp_path: Path
) -> None:
    folder = give("sick", table(UNITS, "2026-01-31"), table("non_finite", "9999-12-31", "never"))
    said = gradvitals("check", folder, *flags)
    text = (tmp_path / "report.txt").read_text(encoding="utf-8") if "--output" in flags else said.out
    assert said.code == 1
    assert "✗ sick: error\n" in text
    assert "  the exception for dead_units ran out on 2026-01-31: sparse codes are intended\n" in text
    assert "nothing to ignore for non_finite (until 9999-12-31: never): remove it from [check.ignore]\n" in text


def test_json_marks_what_is_ignored(gradvitals: Callable[..., Any], give: Callable[..., Path]) -> None:
    folder = give("sick", table("dead_units@hidden_1", "9999-12-31"), table(LEARNING, "2026-01-31"))
    said = gradvitals("check", folder, "--format", "json")
    (run,) = json.loads(said.out)["runs"]
    assert (said.code, run["verdict"]) == (1, "error")
    assert {each["key"]: each["ignored"] for each in run["findings"]} == {
        "dead_units@hidden_1": {"why": TERMS["why"], "until": "9999-12-31"},
        "dead_units@hidden_2": None,
        LEARNING: None,
    }
    assert [(each["key"], each["state"]) for each in run["ignores"]] == [
        ("dead_units@hidden_1", "active"),
        (LEARNING, "expired"),
    ]


def test_a_config_is_checked_with_its_exceptions(gradvitals: Callable[..., Any]) -> None:
    keys = [f"check.ignore.{key}.{entry}" for key in (UNITS, LEARNING) for entry in ("why=known", "until=9999-12-31")]
    sets = [word for key in (*ALONE, *keys) for word in ("--set", key)]
    said = gradvitals("check", "dying_relu", "--workers", "1", *sets)
    assert (said.code, said.err) == (0, "")
    assert "healthy (3 ignored)" in said.out


def test_an_exception_that_some_run_of_a_sweep_needs_is_not_called_unused(
    gradvitals: Callable[..., Any], config: Callable[..., str]
) -> None:
    name = config(
        table("non_finite", "9999-12-31")
        + table(UNITS, "9999-12-31")
        + '[sweep]\n"training.optimizer.learning_rate" = [0.1, 1e20]\n'
    )
    said = gradvitals("check", name, "--workers", "1", "--require", "all", "--logdir", "logs")
    assert "nothing to ignore for dead_units" in said.out
    assert "nothing to ignore for non_finite" not in said.out
    runs = json.loads(gradvitals("check", "logs", "--format", "json").out)["runs"]
    assert {run["ignores"][0]["state"] for run in runs} == {"active", "unused"}
