"""The command line in this process: in a folder of its own, with its exit code and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gradvitals.experiments.cli.main import run_command
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

TINY = """
[data]
source = "moons"
n = 100
[model]
hidden = [8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
batch_size = 20
epochs = 30
"""
"""Trains within a tenth of a second, and is healthy."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


Command: TypeAlias = Callable[..., Said]


@pytest.fixture
def gradvitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in the test's folder, as wide as a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., str]:
    """Write a small config, with more tables behind it; give its name."""

    def write(more: str = "", name: str = "tiny.toml") -> str:
        (tmp_path / name).write_text(TINY + more, encoding="utf-8")
        return name

    return write


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Path]:
    """Train a bundled or small config with some keys set; give its run's folder."""

    def train(base: str = "", *overrides: str, logdir: str = "logs") -> Path:
        path: Any = base or tmp_path / "tiny.toml"
        if not base:
            path.write_text(TINY, encoding="utf-8")
        plan = make_plan(load_config(path, overrides), tmp_path / logdir)
        ((planned, place),), _ = place_runs(plan, "refuse")
        run_one(planned, place)
        return place.folder

    return train
