"""The guide to reports: its commands run as shown, and its numbers are those of the program."""

import re
import shlex
from pathlib import Path

import pytest

from gradvitals.experiments.cli.main import run_command
from gradvitals.experiments.cli.report_command import command
from gradvitals.experiments.html_report.chart import STYLES
from gradvitals.experiments.html_report.thinning import MOST_POINTS

GUIDE = (Path(__file__).parents[1] / "docs" / "report.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a small sweep in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    small = ["--set", "training.epochs=1", "--set", 'sweep."training.optimizer.learning_rate"=[0.1]']
    assert run_command(["sweep", "learning_rate_x_initialization", "--workers", "1", "--no-pin", "-q", *small]) == 0


@pytest.mark.usefixtures("logs")
def test_the_commands_run_as_shown(tmp_path: Path) -> None:
    shown = [line for block in blocks("console") for line in block.splitlines()]
    (in_the_job,) = re.findall(r"run: (gradvitals .*)", blocks("yaml")[0])
    assert len(shown) == 3
    for line in (*shown, f"{in_the_job} --force"):
        assert run_command(shlex.split(line)[1:]) == 0, line
    assert {"report.html", "sweep.html"} <= {path.name for path in tmp_path.iterdir()}


def test_it_names_every_option_and_the_numbers() -> None:
    options = {option.name: option for option in command.params}
    assert all(f"--{name}" in GUIDE for name in options if name not in {"logdir", "quiet"})
    assert f"Curves are drawn for {options['curves'].default} runs" in GUIDE
    assert (MOST_POINTS, STYLES) == (2 * 100, 8)
    assert "a hundred\n  stretches" in GUIDE
    assert "more than eight layers" in GUIDE
