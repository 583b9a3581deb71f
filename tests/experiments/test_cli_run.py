"""`gradvitals run`: one training, and a folder that is never overwritten unasked."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def files(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_says_how_it_went_and_where_it_is(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    said = gradvitals("run", config())
    (folder,) = (tmp_path / "logs" / "tiny").iterdir()
    assert (said.code, said.err) == (0, "")
    assert "120 updates in " in said.out
    assert f"✓ {folder.name}: healthy" in said.out
    assert f"in logs/tiny/{folder.name} — look at it with: gradvitals board logs/tiny" in said.out


def test_a_runs_folder_holds_what_it_promises(trained: Callable[..., Path]) -> None:
    folder = trained()
    names = {path.name.partition(".tfevents")[0] for path in folder.iterdir()}
    assert names == {"events.out", "train", "validation", "config.toml", "run.json", "findings.json"}
    assert tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))["training"]["epochs"] == 30
    summary = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["steps"], summary["name"]) == ("completed", 120, folder.name)
    assert summary["model"]["parameters"] == 2 * 8 + 8 + 8 * 2 + 2
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    assert (findings["run"], findings["verdict"]) == (folder.name, "healthy")


def test_a_run_that_exists_is_refused_and_left_alone(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("run", config())
    before = files(tmp_path)
    said = gradvitals("run", "tiny.toml")
    assert said.code == 2
    assert "exists already (completed) — use --resume to keep what is finished, or --force-new" in said.err
    assert files(tmp_path) == before


def test_resume_keeps_a_finished_run_and_shows_it(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("run", config())
    before = files(tmp_path)
    said = gradvitals("run", "tiny.toml", "--resume")
    assert said.code == 0
    assert ": healthy" in said.out
    assert "finished before, in logs/tiny/" in said.out
    assert files(tmp_path) == before


def test_force_new_numbers_another_folder(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    gradvitals("run", config())
    assert gradvitals("run", "tiny.toml", "--force-new").code == 0
    assert gradvitals("run", "tiny.toml", "--force-new").code == 0
    names = sorted(path.name for path in (tmp_path / "logs" / "tiny").iterdir())
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]
    assert json.loads((tmp_path / "logs" / "tiny" / names[2] / "run.json").read_text())["name"] == names[2]


def test_a_dry_run_names_the_run_and_writes_nothing(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    said = gradvitals("run", config(), "--dry-run", "--seed", "7")
    assert said.code == 0
    assert "1 run of 30 epochs on moons, in logs/tiny:\n  seed=7-" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_quiet_prints_the_verdict_alone(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    assert gradvitals("run", config(), "--quiet").out.count("\n") == 1


def test_check_makes_the_exit_code_the_verdicts(gradvitals: Callable[..., Any]) -> None:
    assert gradvitals("run", "dying_relu").code == 0
    assert gradvitals("run", "dying_relu", "--resume", "--check").code == 1
    assert gradvitals("run", "dying_relu", "--force-new", "--check").code == 1


def test_a_limit_of_the_config_counts_for_check(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    assert gradvitals("run", config("[check]\nmin_accuracy = 1.0\n"), "--check").code == 1


def test_a_sweep_is_sent_to_the_sweep_command(gradvitals: Callable[..., Any]) -> None:
    said = gradvitals("run", "learning_rate_x_initialization")
    assert said.code == 2
    assert "a sweep of 48 runs — use `gradvitals sweep learning_rate_x_initialization`" in said.err


@pytest.mark.parametrize("logdir", ["occupied", "occupied/below"])
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_file_where_a_folder_should_be_is_one_sentence(
    logdir: str, command: str, gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "occupied").touch()
    said = gradvitals(command, config(), "--logdir", logdir)
    assert (said.code, said.err) == (2, "gradvitals: occupied: a file; a folder is needed here for the runs\n")


def test_a_folder_that_is_read_only_is_one_sentence(
    gradvitals: Callable[..., Any], config: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradvitals.experiments.run_folder.os.access", lambda *_: False)  # root may write anywhere
    said = gradvitals("run", config())
    assert (said.code, said.err) == (2, "gradvitals: .: cannot be written to — use --logdir for another folder\n")


def test_paths_may_have_spaces_and_any_letters(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "mein Ordner ü"
    folder.mkdir()
    rows = "\n".join(f"{i},{i * i % 7},{'ja' if i % 2 else 'nein'}" for i in range(40))
    (folder / "größe 1.csv").write_text(f"höhe,b,antwort\n{rows}", encoding="utf-8")
    assert gradvitals("init", folder / "größe 1.csv", "-o", folder / "ein versuch.toml").code == 0
    said = gradvitals("run", folder / "ein versuch.toml", "--logdir", folder / "läufe", "--set", "training.epochs=1")
    assert (said.code, said.err) == (0, "")
    assert gradvitals("list", folder / "läufe").out.count("completed") == 1


@pytest.mark.parametrize("again", [[], ["--resume"]], ids=["trained now", "finished before"])
def test_a_run_that_is_checked_says_which_limit_it_exceeds(again: list[str], gradvitals: Callable[..., Any]) -> None:
    command = ["run", "dying_relu_healthy", "--set", "check.max_update_ratio=1e-9"]
    if again:
        assert gradvitals(*command).code == 0
    said = gradvitals(*command, "--check", *again)
    assert said.code == 1
    assert "max_update_ratio@" in said.out
    assert "error" in said.out
