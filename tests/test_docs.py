"""Every command and code block of the README and the docs runs as shown."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.experiments.cli.main import COMMANDS
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.config.model import ModelConfig
from gradvitals.experiments.config.training import TrainingConfig
from gradvitals.experiments.plan import expand

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIG_DOC = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
SCRIPTS = Path(sys.executable).parent
EXPECTED = {"gradvitals check logs --format json --output report.json": 1}
"""Exit codes other than 0: the logs then hold a sick run."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks(README, "console") for line in block.splitlines()]
    return [line for line in lines if line.startswith("gradvitals ")]


def test_the_two_set_up_lines_are_the_first_that_begin_with_pip_install() -> None:
    lines = [line for block in blocks(README, "console") for line in block.splitlines()]
    assert [line for line in lines if line.startswith("pip install")] == [
        "pip install . && gradvitals sweep experiments/learning_rate_x_initialization.toml",
        'pip install -e ".[test]" && pytest',
    ]


def test_the_commands_of_the_readme_run_as_shown(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "OPENBLAS_NUM_THREADS": "1"}
    (tmp_path / "logs").mkdir()
    for command in commands():
        words = shlex.split(command)
        if words[1] == "board":
            look_at_board(words, tmp_path, environment)
            continue
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == EXPECTED.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "report.json").is_file()


def look_at_board(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as board:
        try:
            assert board.stdout is not None
            address = board.stdout.readline().split()[0]
            with urllib.request.urlopen(address, timeout=30) as page:  # noqa: S310 - our own server on localhost
                assert b"TensorBoard" in page.read()
        finally:
            board.send_signal(signal.SIGINT)
        assert board.wait(30) == 0


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_the_python_of_the_readme_finds_the_dead_layer(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert "error dead_units@hidden_1" in capsys.readouterr().out


def test_the_readme_names_every_command() -> None:
    assert all(f"| `gradvitals {name}" in README for name in COMMANDS)


def test_the_config_of_the_docs_is_valid_and_sweeps() -> None:
    (block,) = blocks(CONFIG_DOC, "toml")
    assert len(expand(loads(block))) == 6


@pytest.mark.parametrize(
    "model", [DataConfig, ModelConfig, TrainingConfig, CheckConfig], ids=lambda model: model.__name__
)
def test_the_docs_name_every_key(model: type[DataConfig]) -> None:
    (block,) = blocks(CONFIG_DOC, "toml")
    named = set(re.findall(r"^(?:# )?(\w+) = ", block, flags=re.MULTILINE))
    assert set(model.model_fields) <= named


def test_commented_keys_of_the_docs_are_valid_too() -> None:
    (block,) = blocks(CONFIG_DOC, "toml")
    for line in block.splitlines():
        if line.startswith("# ") and " = " in line and not line.startswith("# [") and "     {" not in line:
            tomllib.loads(line.removeprefix("# "))


def test_the_docs_say_of_every_diagnosis_when_it_warns() -> None:
    text = (ROOT / "docs" / "diagnoses" / "index.md").read_text(encoding="utf-8")
    assert all(f"| `{diagnosis.id}` |" in text for diagnosis in CATALOGUE)
