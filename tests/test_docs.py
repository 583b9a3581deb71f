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
from gradvitals.experiments.config.load import load_config, loads
from gradvitals.experiments.config.model import ModelConfig
from gradvitals.experiments.config.training import TrainingConfig
from gradvitals.experiments.plan import expand
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
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


def test_the_program_of_the_q_learning_guide_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "q_learning.md").read_text(encoding="utf-8")
    (program,), (shown,) = blocks(text, "python"), blocks(text, "text")
    exec(compile(program, "q_learning.md", "exec"), {})  # noqa: S102 - our own document
    rows = [[line.split() for line in output.splitlines()[1:]] for output in (capsys.readouterr().out, shown)]
    printed, expected = ({name: [float(word) for word in words] for name, *words in lines} for lines in rows)
    assert list(printed) == list(expected) == ["clipped_delta", "huber"]
    best = [20.0]
    while len(best) < 5:
        best.insert(0, 0.9 * best[0] - 0.1)
    for name, numbers in expected.items():
        assert printed[name] == pytest.approx(numbers, abs=0.3), name  # another BLAS rounds otherwise
    assert printed["huber"][1:] == pytest.approx(best, abs=0.2)
    assert max(printed["clipped_delta"][1:]) < 0.0


def test_the_program_that_trains_many_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = blocks((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"), "python")
    exec(compile(program, "performance.md", "exec"), {})  # noqa: S102 - our own document
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [words[:2] for words in told] == [[rate, "completed"] for rate in ("0.001", "0.01", "0.1", "1000000.0")]
    assert told[-1][-1] == "error"


def test_the_readme_names_every_command() -> None:
    assert all(f"| `gradvitals {name}" in README for name in COMMANDS)


def test_the_config_of_the_docs_is_valid_and_sweeps() -> None:
    block, _ = blocks(CONFIG_DOC, "toml")
    assert len(expand(loads(block))) == 6


def test_the_sequence_of_the_docs_is_learned_and_healthy(tmp_path: Path) -> None:
    _, block = blocks(CONFIG_DOC, "toml")
    path = tmp_path / "sequence.toml"
    path.write_text(block, encoding="utf-8")
    ((planned, place),), _ = place_runs(make_plan(load_config(path), tmp_path / "logs"), "refuse")
    summary, verdict = run_one(planned, place)
    assert (summary.scores["validation"]["accuracy"] or 0.0) >= 0.97
    assert verdict.outcome == "healthy"


@pytest.mark.parametrize(
    "model", [DataConfig, ModelConfig, TrainingConfig, CheckConfig], ids=lambda model: model.__name__
)
def test_the_docs_name_every_key(model: type[DataConfig]) -> None:
    block, _ = blocks(CONFIG_DOC, "toml")
    named = set(re.findall(r"^(?:# )?(\w+) = ", block, flags=re.MULTILINE))
    assert set(model.model_fields) <= named


def test_commented_keys_of_the_docs_are_valid_too() -> None:
    block, _ = blocks(CONFIG_DOC, "toml")
    for line in block.splitlines():
        if line.startswith("# ") and " = " in line and not line.startswith("# [") and "     {" not in line:
            tomllib.loads(line.removeprefix("# "))


def test_the_docs_say_of_every_diagnosis_when_it_warns() -> None:
    text = (ROOT / "docs" / "diagnoses" / "index.md").read_text(encoding="utf-8")
    assert all(f"| `{diagnosis.id}` |" in text for diagnosis in CATALOGUE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE):
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table.splitlines()[0]
