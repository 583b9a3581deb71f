"""Sweeps in processes of their own: the same results with any number of workers, and no trace after an interruption."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.tensorboard.reader import read_run

COMMAND = str(Path(sys.executable).parent / "gradvitals")
EVERYTHING_ELSE = {"seconds"}
GRID = """
[data]
source = "moons"
n = 100
[model]
hidden = [8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
epochs = 30
[sweep]
"training.optimizer.learning_rate" = [0.1, 1.0, 1e20]
"model.init" = ["he_normal", "zeros"]
"""
LONG = GRID.replace("epochs = 30", "epochs = 100000").replace("1e20", "0.5")  # of which none ends by itself

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a command as the leader of a process group, as a shell does."""
    return subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must happen soon."""
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def group_is_gone(group: int) -> bool:
    """Tell whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def results(folder: Path) -> dict[str, Any]:
    """Read everything a sweep found out, event files included, by run."""
    found: dict[str, Any] = {"sweep": (folder / "sweep.json").read_bytes()}
    for run in sorted(path.parent for path in folder.glob("*/run.json")):
        summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
        scalars = {
            f"{part}/{tag}": (series.steps.tobytes(), series.values.tobytes())
            for part in (".", "train", "validation")
            for tag, series in read_run(run / part).scalars.items()
        }
        known = {key: value for key, value in summary.items() if key not in EVERYTHING_ELSE}
        found[run.name] = ((run / "findings.json").read_bytes(), known, scalars)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweep with one worker."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "x.toml").write_text(GRID, encoding="utf-8")
    subprocess.run([COMMAND, "sweep", "x.toml", "--workers", "1"], cwd=folder, check=True, capture_output=True)
    return folder / "logs" / "x"


def test_two_workers_find_bit_for_bit_what_one_finds(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GRID, encoding="utf-8")
    done = subprocess.run(
        [COMMAND, "sweep", "x.toml", "--workers", "2"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    both = results(tmp_path / "logs" / "x"), results(alone)
    assert len(both[0]) == 7
    assert both[0] == both[1]


@pytest.mark.parametrize(
    "ending",
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["ctrl-c", "sigterm"],
)
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_signal_leaves_whole_folders_and_no_process(
    command: str, ending: tuple[signal.Signals, int, str], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    number, code, word = ending
    text = LONG if command == "sweep" else LONG.partition("[sweep]")[0]
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    process = start(tmp_path, command, "x.toml", "--workers", "2")
    under_way = 2 if command == "sweep" else 1
    wait_for(lambda: len(list(tmp_path.rglob("validation/*tfevents*"))) >= under_way, "the first epochs")
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err.strip() == f"gradvitals: {word}; the same command with --resume goes on"
    wait_for(lambda: group_is_gone(process.pid), "the end of every worker")
    summaries = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("run.json")]
    assert {summary["status"] for summary in summaries} == {"interrupted"}
    assert len(summaries) >= under_way
    assert all(read_run(path.parent).damage == () for path in tmp_path.rglob("run.json"))
    assert (tmp_path / "logs" / "x" / "sweep.json").exists() == (command == "sweep")
    assert gradvitals("check", "logs").code == 3


def test_a_sweep_killed_and_resumed_finds_what_an_undisturbed_one_finds(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GRID, encoding="utf-8")
    process = start(tmp_path, "sweep", "x.toml", "--workers", "2")
    wait_for(lambda: len(list(tmp_path.rglob("validation/*tfevents*"))) >= 3, "the second batch of runs")
    process.kill()  # the parent alone: its workers must notice
    process.communicate(timeout=60)
    wait_for(lambda: group_is_gone(process.pid), "the end of every worker")
    finished = {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("run.json") if b"completed" in path.read_bytes()
    }
    subprocess.run(
        [COMMAND, "sweep", "x.toml", "--workers", "2", "--resume"], cwd=tmp_path, check=True, capture_output=True
    )
    assert results(tmp_path / "logs" / "x") == results(alone)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
