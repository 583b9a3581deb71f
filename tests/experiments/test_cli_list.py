"""`gradvitals list` and `gradvitals clean`: what is there, and what may go."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboardX import SummaryWriter


@pytest.fixture
def logs(trained: Callable[..., Path]) -> Path:
    """Train a healthy run and a sick one."""
    trained()
    return trained("dying_relu", "training.epochs=5").parent.parent


def test_a_list_has_a_line_for_each_run(gradvitals: Callable[..., Any], logs: Path) -> None:
    lines = gradvitals("list", logs).out.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["error", "completed"], ["healthy", "completed"]]
    assert lines[2].rstrip().endswith("dead_units@hidden_1 dead_units@hidden_2 collapsed_output@output no_learning")


def test_a_list_as_csv_and_json_says_the_same(gradvitals: Callable[..., Any], logs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(gradvitals("list", logs, "--format", "csv").out)))
    data = json.loads(gradvitals("list", logs, "--format", "json").out)
    assert data["version"] == 1
    assert [run["run"] for run in data["runs"]] == [row["run"] for row in rows]
    assert [run["verdict"] for run in data["runs"]] == ["error", "healthy"]
    assert [str(run["accuracy"]) for run in data["runs"]] == [row["accuracy"] for row in rows]
    assert rows[0]["findings"].split() == data["runs"][0]["findings"]


def test_runs_of_other_programs_are_listed_as_foreign(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "elsewhere" / "run1")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    assert gradvitals("list", "elsewhere").out.split()[-2:] == ["foreign", "run1"]


def test_an_empty_folder_has_no_runs(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    assert gradvitals("list", tmp_path).out == f"{tmp_path}: no runs\n"


@pytest.mark.parametrize("content", ["", "[]", '{"name": 3}', '{"name": "x", "status": [], "axes": 1}', "\xff"])
def test_a_damaged_summary_is_no_traceback(content: str, gradvitals: Callable[..., Any], logs: Path) -> None:
    for path in logs.rglob("run.json"):
        path.write_text(content, encoding="utf-8")
    assert gradvitals("list", logs).out.count("foreign") == 2
    assert gradvitals("clean", logs, "--yes").out == f"{logs}: no runs of gradvitals\n"
    assert gradvitals("check", logs).code == 1


def test_clean_says_which_runs_and_asks_nobody_without_a_terminal(gradvitals: Callable[..., Any], logs: Path) -> None:
    before = sorted(logs.rglob("*"))
    said = gradvitals("clean", logs, "--dry-run")
    assert (said.code, said.out.splitlines()[-1]) == (0, "2 runs would be removed")
    said = gradvitals("clean", logs)
    assert (said.code, said.err) == (
        2,
        "gradvitals: nobody to ask whether to remove these runs — use --yes\n",
    )
    assert sorted(logs.rglob("*")) == before


def test_clean_removes_runs_and_leaves_everything_else(
    gradvitals: Callable[..., Any], logs: Path, tmp_path: Path
) -> None:
    (logs / "notes.txt").touch()
    mine = next(logs.rglob("run.json")).with_name("mine.txt")
    mine.touch()
    with SummaryWriter(str(logs / "foreign")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    (tmp_path / "elsewhere").mkdir()
    (logs / "link").symlink_to(tmp_path / "elsewhere")
    foreign = set((logs / "foreign").iterdir())
    assert gradvitals("clean", logs, "--yes").out.endswith("removed 2 runs\n")
    left = {path for path in logs.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert left == {logs / "notes.txt", mine, logs / "link", *foreign}


def test_clean_removes_a_sweeps_summary_with_its_last_run(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("sweep", config("[sweep]\nseed = [0, 1]\n"), "--workers", "1")
    gradvitals("clean", "logs", "--yes")
    assert not (tmp_path / "logs" / "tiny").exists()
