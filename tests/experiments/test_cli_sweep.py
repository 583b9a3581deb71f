"""`gradvitals sweep`: a grid, its map and its summary; what is finished is kept, what fails does not stop the rest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradvitals.experiments import runner
from gradvitals.experiments.run_folder import read_sweep
from gradvitals.experiments.watched_training import watch_experiment

GRID = '[sweep]\n"training.optimizer.learning_rate" = [0.1, 1.0]\n"data.scale" = ["none", "standard", 1000]\n'


def sweep_file(folder: Path) -> Any:
    """Read a sweep's summary."""
    return json.loads((folder / "sweep.json").read_text(encoding="utf-8"))


def test_a_sweep_ends_with_its_map_and_where_to_look(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    said = gradvitals("sweep", config(GRID), "--workers", "1")
    folder = tmp_path / "logs" / "tiny"
    assert (said.code, said.err) == (0, "")
    assert "accuracy on validation, and what broke (scale →, learning_rate ↓)" in said.out
    assert "best: " in said.out
    assert "logs/tiny/map.png" in said.out
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    summary = sweep_file(folder)
    assert summary["axes"]["data.scale"] == ["none", "standard", 1000.0]
    assert {run["status"] for run in summary["runs"]} <= {"completed", "non_finite"}
    assert {run["name"] for run in summary["runs"]} == {path.parent.name for path in folder.glob("*/run.json")}


def test_a_dry_run_names_every_run(gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path) -> None:
    said = gradvitals("sweep", config(GRID), "--dry-run")
    assert said.out.startswith("6 runs of 30 epochs on moons, in logs/tiny:\n  learning_rate=0.1,scale=none,seed=0-")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_sweep_that_exists_is_refused_before_anything_starts(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("sweep", config(GRID), "--workers", "1", "--set", "training.epochs=1")
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    said = gradvitals("sweep", "tiny.toml", "--workers", "1", "--set", "training.epochs=1")
    assert said.code == 2
    assert "exists already (completed)" in said.err
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


def test_force_new_sweeps_again_beside_the_old_runs(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("sweep", config("[sweep]\nseed = [0, 1]\n"), "--workers", "1")
    gradvitals("sweep", "tiny.toml", "--workers", "1", "--force-new")
    folder = tmp_path / "logs" / "tiny"
    assert len(list(folder.glob("*/run.json"))) == 4
    assert all(run["name"].endswith("-2") for run in sweep_file(folder)["runs"])
    assert None not in read_sweep(folder).values()


def test_resume_takes_a_run_that_was_made_alone_into_the_sweep(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("run", config())
    said = gradvitals("sweep", "tiny.toml", "--workers", "1", "--resume", "--set", "sweep={seed=[0, 1]}")
    assert (said.code, said.err) == (0, "")
    assert [run["axes"] for run in sweep_file(tmp_path / "logs" / "tiny")["runs"]] == [{"seed": 0}, {"seed": 1}]


def test_a_run_that_fails_does_not_stop_the_others(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch_or_fail(config: Any, *arguments: Any, **others: Any) -> Any:
        if config.seed == 1:
            msg = "no luck"
            raise MemoryError(msg)
        return watch_experiment(config, *arguments, **others)

    monkeypatch.setattr(runner, "watch_experiment", watch_or_fail)
    said = gradvitals("sweep", config("[sweep]\nseed = [0, 1, 2]\n"), "--workers", "1")
    assert said.code == 4
    assert len(said.sentences) == 1
    assert said.err.startswith("gradvitals: seed=1-")
    assert said.err.endswith(": MemoryError: no luck\n")
    statuses = [run["status"] for run in sweep_file(tmp_path / "logs" / "tiny")["runs"]]
    assert statuses == ["completed", "missing", "completed"]
    checked = gradvitals("check", "logs")
    assert checked.code == 3
    assert "logs/tiny: 1 of 3 runs is not done: 1 failed; --resume goes on with it" in checked.out


def test_a_sweep_stopped_by_ctrl_c_says_what_is_missing(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch_or_stop(config: Any, *arguments: Any, **others: Any) -> Any:
        if config.seed == 1:
            raise KeyboardInterrupt
        return watch_experiment(config, *arguments, **others)

    monkeypatch.setattr(runner, "watch_experiment", watch_or_stop)
    said = gradvitals("sweep", config("[sweep]\nseed = [0, 1, 2]\n"), "--workers", "1")
    assert said.code == 130
    assert said.err.strip() == "gradvitals: interrupted; the same command with --resume goes on"
    assert [run["status"] for run in sweep_file(tmp_path / "logs" / "tiny")["runs"]] == ["missing"] * 3
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert gradvitals("sweep", "tiny.toml", "--workers", "1", "--resume").code == 0
    assert [run["status"] for run in sweep_file(tmp_path / "logs" / "tiny")["runs"]] == ["completed"] * 3


def test_check_judges_the_best_run(gradvitals: Callable[..., Any]) -> None:
    sick = 'sweep={"model.bias_init" = ["zeros", {kind = "constant", value = -50.0}]}'
    arguments = ("dying_relu", "--set", sick, "--set", "training.epochs=5")
    assert gradvitals("sweep", *arguments, "--workers", "1", "--check").code == 0
    assert gradvitals("check", "logs").code == 0
    assert gradvitals("check", "logs", "--require", "all").code == 1
    assert gradvitals("sweep", *arguments, "--workers", "1", "--resume", "--check").code == 0


@pytest.mark.parametrize("width", ["40", "60", "200"])
def test_the_map_fits_the_terminal(
    width: str, gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(
        '[data]\nsource = "moons"\nn = 20\n[training]\nepochs = 1\n[sweep]\n"training.optimizer.learning_rate" ='
        ' {log = [1e-4, 10.0], n = 8}\n"model.init" = ["he_normal", "glorot_uniform"]\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("COLUMNS", width)
    said = gradvitals("sweep", "x.toml", "--workers", "1")
    table = said.out.partition("best: ")[0]
    assert "…" not in table
    assert "glorot_uniform" in table
    assert max(map(len, table.splitlines())) <= max(int(width), 60)
