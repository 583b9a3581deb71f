"""Reports read back: what two checks have in common, and what no report is."""

import json
from copy import deepcopy
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.run_report import (
    RunReport,
    Seen,
    badness,
    by_config,
    from_json,
    is_lower_worse,
    read_report,
    subject,
    without_seed,
)

FINDING = {
    "id": "dead_units",
    "layer": "hidden_1",
    "severity": "error",
    "value": 1.0,
    "threshold": 0.5,
    "root": True,
    "cleared": False,
}
RUN: dict[str, Any] = {
    "run": "seed=3-0a1b2c",
    "config": "abc",
    "seed": 3,
    "settings": {"model.hidden": [8]},
    "verdict": "error",
    "findings": [FINDING],
    "not_judged": [{"id": "memorising", "reason": "no validation set"}],
    "switched_off": [{"id": "numerics", "why": "known"}],
    "scores": {"training": {"loss": "NaN", "accuracy": None}, "validation": {}},
    "seeds": [],
}


def changed(**fields: object) -> dict[str, Any]:
    return {**deepcopy(RUN), **fields}


def run(seed: int | None, *findings: Seen, config: str | None = "abc", name: str = "run") -> RunReport:
    return RunReport(name, config, seed, "error", {}, {subject(each.id, each.layer): each for each in findings}, {})


def seen(severity: Severity, value: float, threshold: float = 0.5) -> Seen:
    return Seen("dead_units", "hidden_1", severity, value, threshold, root=True)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"version": 1, "runs": [RUN]}), encoding="utf-8")
    (report,) = read_report(path)
    assert (report.name, report.config, report.seed, report.verdict) == ("seed=3-0a1b2c", "abc", 3, "error")
    assert report.findings == {
        "dead_units@hidden_1": Seen("dead_units", "hidden_1", Severity.ERROR, 1.0, 0.5, root=True)
    }
    assert report.settings == {"model.hidden": [8]}
    assert report.scores.keys() == {"training loss"}
    assert report.scores["training loss"] != report.scores["training loss"]
    assert report.unjudged == {"memorising": "no validation set", "numerics": "switched off: known"}


def test_what_has_cleared_does_not_stand() -> None:
    (report,) = from_json(changed(findings=[{**FINDING, "cleared": True}]))
    assert report.findings == {}


def test_a_verdict_by_majority_comes_apart_into_its_seeds() -> None:
    members = [changed(seed=seed) for seed in (3, 4)]
    assert [report.seed for report in from_json(changed(seed=None, seeds=members))] == [3, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON, but no report"),
        ('{"runs": {}}', "JSON, but no report"),
        ('{"version": "2.1.0", "runs": []}', "JSON, but no report"),
        ('{"runs": []}', "JSON, but no report"),
        ('{"version": 2, "runs": []}', "a report of version 2; this gradvitals reads version 1"),
        ('{"version": 1, "runs": [null]}', "damaged, or of an older"),
        ('{"version": 1, "runs": [{"run": "a", "verdict": "healthy", "findings": []}]}', "damaged, or of an older"),
        *(
            (json.dumps({"version": 1, "runs": [changed(**{key: value})]}), "damaged, or of an older")
            for key, value in (
                ("run", 3),
                ("config", 3),
                ("seed", "x"),
                ("settings", [3]),
                ("seed", "Infinity"),
                ("scores", {"training": {"loss": 10**400}}),
                ("scores", []),
                ("scores", {"training": {"loss": "low"}}),
                ("findings", [{**FINDING, "severity": "bad"}]),
                ("findings", [{**FINDING, "value": None}]),
                ("findings", [{"id": "dead_units"}]),
                ("findings", None),
                ("not_judged", [3]),
                ("seeds", 3),
            )
        ),
    ],
    ids=lambda value: None if value is None else str(value)[-40:],
)
def test_what_is_no_report_is_refused_in_a_sentence(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        read_report(path, "--baseline")
    (sentence,) = refusal.value.sentences
    assert sentence.startswith(f"--baseline: {path}: ")
    assert said in sentence
    assert "check … --format json" in sentence or "version" in sentence


def test_a_folder_and_bytes_are_no_report(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder; a report is wanted here"):
        read_report(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not JSON"):
        read_report(tmp_path / "x")


@pytest.mark.parametrize(
    ("id_", "layer", "what"),
    [
        ("no_learning", None, "no_learning"),
        ("dead_units", "hidden_2", "dead_units@hidden_2"),
        ("max_dead", "hidden_2", "max_dead"),
        ("non_finite", "hidden_2", "non_finite"),
    ],
)
def test_a_subject_has_the_layer_that_the_diagnosis_is_about(id_: str, layer: str | None, what: str) -> None:
    assert subject(id_, layer) == what


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("seed=0-85e498", ""),
        ("logs/seed=0-85e498-2", "logs"),
        ("learning_rate=0.1,init=he_normal,seed=0-85e498", "learning_rate=0.1,init=he_normal"),
        ("learning_rate=0.1,seed=0-85e49885e498", "learning_rate=0.1"),
        ("seed=1,epochs=3-85e498", "epochs=3"),
        ("my run", "my run"),
    ],
)
def test_the_place_of_a_run_in_a_sweep(name: str, place: str) -> None:
    assert without_seed(name) == place


def test_runs_are_grouped_by_config_and_the_last_of_a_seed_counts() -> None:
    first, again, other, foreign = run(0), run(0, name="again"), run(1), run(None, config=None, name="theirs")
    assert by_config([first, again, other, foreign]) == {"abc": [again, other], "run theirs": [foreign]}


def test_how_bad_it_is_goes_by_severity_then_value() -> None:
    warning, error, broken = Severity.WARNING, Severity.ERROR, nan
    runs = [run(0), run(1, seen(warning, 0.9)), run(2, seen(error, 0.6)), run(3, seen(error, broken))]
    ordered = badness(runs, "dead_units@hidden_1", lower_is_worse=False)
    assert sorted(ordered, key=lambda seed: ordered[seed]) == [0, 1, 2, 3]
    assert ordered[3] == (3, inf)
    below = [run(0, seen(error, 0.1)), run(1, seen(error, 0.01))]
    turned = badness(below, "dead_units@hidden_1", lower_is_worse=True)
    assert turned[1] > turned[0]


@pytest.mark.parametrize(
    ("rule", "values", "lower"),
    [
        ("initialization_scale", [0.6, 0.9], False),
        ("initialization_scale", [0.1, 0.01], True),
        ("initialization_scale", [0.9, 0.1, 0.01], True),
        ("initialization_scale", [0.5], False),
        ("initialization_scale", [nan], False),
        ("non_finite", [0.1], True),
        ("symmetric_units", [0.1, 0.2], False),
        ("min_accuracy", [0.6], True),
        ("saturated_units", [0.6], True),
    ],
)
def test_the_direction_of_worse_is_the_rules_own_or_the_side_of_the_threshold(
    rule: str, values: list[float], *, lower: bool
) -> None:
    assert is_lower_worse(replace(seen(Severity.ERROR, value), id=rule) for value in values) is lower


def test_nothing_has_no_direction() -> None:
    assert is_lower_worse([]) is False
