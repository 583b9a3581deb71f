"""The tab on a sweep that runs, and on one that was killed: verdicts long before the end, and they stay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS

Ask: TypeAlias = Callable[..., Any]
Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]

COMMAND = str(Path(sys.executable).parent / "gradvitals")
ENDLESS = """
name = "endless"
[data]
source = "moons"
n = 400
[model]
hidden = [8, 8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
epochs = 1000000
[sweep]
"training.optimizer.learning_rate" = [0.01, 0.1, 0.3]
"model.init" = ["he_normal", "zeros"]
"""
SICK, WELL = "zeros", "he_normal"
PATIENCE = 60.0  # seconds, for a busy machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sweep that has no end, and end it."""
    started: list[subprocess.Popen[bytes]] = []

    def start_sweep(*arguments: str) -> "subprocess.Popen[bytes]":
        (tmp_path / "endless.toml").write_text(ENDLESS, encoding="utf-8")
        command = [COMMAND, "sweep", "endless.toml", "--quiet", "--no-pin", *arguments]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True))
        return started[-1]

    yield start_sweep
    for process in started:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command outright, and all of its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def wait_for(found: Callable[[], Any], process: "subprocess.Popen[bytes]") -> Any:
    """Wait until something is there."""
    deadline = time.monotonic() + PATIENCE
    while not (it := found()):
        assert process.poll() is None, "the sweep has ended"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return it


def first_epochs(logs: Path) -> int:
    """Count the runs that are in training."""
    return len(list(logs.rglob("validation/*tfevents*")))


def verdicts(logs: Path) -> dict[str, list[int]]:
    """Give the steps at which every run was judged so far; files are read as far as they are whole."""
    folders = [path.parent for path in logs.glob("endless/*/run.json")]
    return {folder.name: [step for step, _ in read_run(folder).tensors.get(FINDINGS, [])] for folder in folders}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_map_of_a_running_sweep_has_verdicts_within_seconds_and_then_fresh_ones(
    workers: str, start: Start, open_tab: Callable[[Path], Ask], tmp_path: Path
) -> None:
    process, logs = start("--workers", workers), tmp_path / "logs"
    wait_for(lambda: first_epochs(logs) == 6, process)
    begun = time.monotonic()
    wait_for(lambda: all(verdicts(logs).values()), process)
    assert time.monotonic() - begun < 15.0  # a second on a quiet machine
    ask = open_tab(logs)
    runs = {run["name"]: run for run in ask("runs").json["runs"]}
    assert {run["status"] for run in runs.values()} == {"running"}
    assert {run["root"] for name, run in runs.items() if WELL in name} == {"running"}
    cells = [cell for cell in ask("map", sweep="endless").json["cells"] if SICK in cell["runs"][0]]
    assert [(cell["verdict"], cell["running"]) for cell in cells] == [("error", 1)] * 3
    assert all(cell["root"] not in {"", "running"} for cell in cells)
    assert ask("run", run=cells[0]["runs"][0]).json["findings"]["roots"] != []
    wait_for(lambda: all(len(steps) >= 3 for steps in verdicts(logs).values()), process)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_sweep_that_is_ended_in_its_third_second_keeps_its_verdicts(
    number: signal.Signals, start: Start, open_tab: Callable[[Path], Ask], tmp_path: Path
) -> None:
    process, logs = start("--workers", "1"), tmp_path / "logs"
    wait_for(lambda: first_epochs(logs) == 6, process)
    time.sleep(2.5)
    os.killpg(process.pid, number)
    process.wait(PATIENCE)
    runs = {run["name"]: run for run in open_tab(logs)("runs").json["runs"]}
    assert len(runs) == 6
    assert {run["status"] for run in runs.values()} == {"running" if number == signal.SIGKILL else "interrupted"}
    assert {run["verdict"] for name, run in runs.items() if SICK in name} == {"error"}
    assert {run["verdict"] for name, run in runs.items() if WELL in name} <= {"not_judged", "warning"}
