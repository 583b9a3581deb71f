"""A diagnosis that a config does not want is named in every report, with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS


def test_what_is_switched_off_is_told_in_every_report(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    rules = {"dead_units": "sparse", "no_learning": "a test", "cannot_overfit": "too slow"}
    sets = [
        word
        for rule, why in rules.items()
        for word in ("--set", f'diagnostics.{rule}={{enabled = false, why = "{why}"}}')
    ]
    run = gradvitals("run", "dying_relu_healthy", *sets)
    checked = gradvitals("check", "logs")
    for said in (run, checked):
        assert all(f"  switched off: {rule}: {why}\n" in said.out for rule, why in rules.items())
    assert checked.code == 0
    (judged,) = json.loads(gradvitals("check", "logs", "--format", "json").out)["runs"]
    assert not {each["id"] for each in judged["not_judged"]}.intersection(rules)
    (folder,) = tmp_path.glob("logs/*/*")
    log = read_run(folder)
    for data in (judged, json.loads((folder / "findings.json").read_text()), json.loads(log.tensors[FINDINGS][-1][1])):
        assert {each["id"]: each["why"] for each in data["switched_off"]} == rules
    last = log.texts["findings"][-1][1].decode().splitlines()[-1]
    assert last.startswith("Switched off: ")
    assert all(f"{rule} ({why})" in last for rule, why in rules.items())


def test_a_diagnosis_that_is_demanded_and_switched_off_is_not_judged(gradvitals: Callable[..., Any]) -> None:
    off = 'diagnostics.dead_units={enabled = false, why = "a test"}'
    said = gradvitals("check", "dying_relu_healthy", "--workers", "1", "--set", off, "--fail-on", "dead_units")
    assert said.code == 3
    assert "switched off: dead_units: a test" in said.out


def test_a_diagnosis_that_is_demanded_and_only_a_pre_flight_judges_is_not_judged(
    gradvitals: Callable[..., Any],
) -> None:
    said = gradvitals("check", "dying_relu_healthy", "--workers", "1", "--fail-on", "gradient_check")
    assert said.code == 3
    assert "not judged: gradient_check: only a pre-flight judges it: check CONFIG --preflight" in said.out
    before = gradvitals("check", "dying_relu_healthy", "--preflight", "--fail-on", "gradient_check")
    assert before.code == 0
