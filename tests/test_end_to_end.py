"""The whole way, as a user goes it: the installed command, real data, and the exit code that CI sees."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).parent / "gradvitals")

SICK = {
    "dying_relu": ("dead_units@hidden_1", "dead_units@hidden_1"),
    "saturated_sigmoid": ("initialization_scale@hidden_1", "saturated_units@hidden_1"),
    "vanishing_sigmoid_stack": ("vanishing_gradient@hidden_1", "vanishing_gradient@hidden_1"),
    "exploding_initialization": ("initialization_scale@hidden_1", "exploding_gradient@hidden_1"),
}
"""Sick configs, the root that each must have, and the symptom that it is named for."""


def gradvitals(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def judged(done: "subprocess.CompletedProcess[str]") -> Any:
    """Give the one run of a JSON report."""
    (run,) = json.loads(done.stdout)["runs"]
    return run


@pytest.mark.parametrize("name", SICK)
def test_a_sick_config_fails_with_its_diagnosis_and_layer(name: str, tmp_path: Path) -> None:
    done = gradvitals(tmp_path, "check", name, "--format", "json")
    assert (done.returncode, done.stderr) == (1, "")
    findings = {finding["key"]: finding for finding in judged(done)["findings"]}
    root = judged(done)["findings"][0]
    key, symptom = SICK[name]
    assert (root["key"], root["root"], root["severity"]) == (key, True, "error")
    assert findings[symptom]["severity"] == "error"
    assert findings[symptom]["explained_by"] == (None if symptom == key else key)
    assert [prescription["set"] for prescription in root["prescriptions"]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SICK)
def test_its_healthy_twin_passes(name: str, tmp_path: Path) -> None:
    done = gradvitals(tmp_path, "check", f"{name}_healthy", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert judged(done)["verdict"] == "healthy"


def test_an_empty_folder_cannot_be_judged(tmp_path: Path) -> None:
    done = gradvitals(tmp_path, "check", ".")
    assert (done.returncode, done.stdout) == (3, ".: no runs here: no event files and no run.json\n")


def test_a_misspelt_key_names_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[data]\nsource = "digits"\n[training]\nlearning_rat = 0.1\n', encoding="utf-8")
    done = gradvitals(tmp_path, "check", "x.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gradvitals: x.toml: training.learning_rat: no such key — did you mean 'training.optimizer.learning_rate'?\n"
    )


def test_a_run_is_judged_live_as_it_is_from_its_folder(tmp_path: Path) -> None:
    ran = gradvitals(tmp_path, "run", "dying_relu", COLUMNS="100")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "error dead_units@hidden_1 since step 0" in ran.stdout
    done = gradvitals(tmp_path, "check", "logs", "--format", "json")
    (path,) = tmp_path.rglob("findings.json")
    live = json.loads(path.read_text(encoding="utf-8"))
    assert done.returncode == 1
    again = judged(done)
    for added in ("ignored", "baseline"):
        assert [finding.pop(added) for finding in again["findings"]] == [None] * len(live["findings"])
    for key in ("verdict", "findings", "not_judged", "switched_off"):
        assert live[key] == again[key]


def test_a_prescription_that_is_followed_cures(tmp_path: Path) -> None:
    short = ("dying_relu", "--set", "training.epochs=10")
    sick = judged(gradvitals(tmp_path, "check", *short, "--format", "json"))
    ((key, value),) = sick["findings"][0]["prescriptions"][0]["set"].items()
    cured = gradvitals(tmp_path, "check", *short, "--set", f"{key}={value}")
    assert cured.returncode == 0


def test_the_bundled_sweep_makes_its_map_and_its_best_run_is_healthy(tmp_path: Path) -> None:
    done = gradvitals(tmp_path, "sweep", "learning_rate_x_initialization", COLUMNS="100")
    folder = tmp_path / "logs" / "learning_rate_x_initialization"
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(folder.glob("*/run.json"))) == 48
    assert (folder / "map.png").stat().st_size > 10_000
    summaries = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/run.json")]
    unlearned = [each for each in summaries if each["axes"]["model.init"] == "zeros"]
    assert all(each["findings"][0].startswith("symmetric_units@hidden_1") for each in unlearned)
    best = max(each["scores"]["validation"]["accuracy"] for each in summaries)
    assert best > 0.95
    assert gradvitals(tmp_path, "check", "logs").returncode == 0
    assert gradvitals(tmp_path, "check", str(folder), "--require", "all", "--quiet").returncode == 1
    listed = json.loads(gradvitals(tmp_path, "list", "logs", "--format", "json").stdout)
    assert len(listed["runs"]) == 48
