"""The guide to CI: its commands run as shown, in its order, and its tests say what it says they do."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gradvitals.diagnostics.requirements import requirements_from_table

GUIDE = (Path(__file__).parents[1] / "docs" / "ci.md").read_text(encoding="utf-8")
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_the_commands_run_as_shown_on_a_starter_config(tmp_path: Path) -> None:
    made = [
        "gradvitals run experiment.toml --quiet",
        "gradvitals run experiment.toml --logdir logs/before --quiet",
        "gradvitals run experiment.toml --seed 1 --logdir logs/after --quiet",
        "gradvitals check experiment.toml --format json --output base.json --quiet",
        "gradvitals check experiment.toml --seed 1 --format json --output head.json --quiet",
    ]
    shown = [line for block in blocks("console") for line in block.splitlines() if line.startswith("gradvitals ")]
    assert len(shown) >= 8
    run("gradvitals init", tmp_path)
    config = tmp_path / "experiment.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("epochs = 20", "epochs = 4"), encoding="utf-8")
    for command in (*made, *shown):
        done = run(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert all((tmp_path / name).is_file() for name in ("gradvitals.xml", "gradvitals.sarif", "baseline.json"))


@pytest.mark.parametrize(
    ("block", "code", "said"),
    [
        pytest.param(0, 1, "gradvitals.UnhealthyTraining: dead_units@hidden_1: 32 of 32 units", id="dying relu"),
        pytest.param(
            1,
            0,
            "1 passed",
            id="pytorch",
            marks=pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"),
        ),
    ],
)
def test_its_tests_fail_and_pass_as_it_says(block: int, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "test_digits.py").write_text(blocks("python")[block], encoding="utf-8")
    done = run("pytest --vitals-logdir=logs --junitxml=report.xml", tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout
    assert ("gradvitals.finding" in (tmp_path / "report.xml").read_text(encoding="utf-8")) == bool(code)
    assert run("gradvitals check logs --quiet", tmp_path).returncode == code


def test_its_limits_are_valid() -> None:
    (table,) = blocks("toml")
    assert requirements_from_table(tomllib.loads(table)["tool"]["gradvitals"]).max_dead == 0.1
