"""A run's folder says how far the run came, whatever stopped it; started again, only the new part counts."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradvitals.diagnostics.live_pace import SHARE
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.engine.events import EpochEnded
from gradvitals.experiments import runner
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, run_one
from gradvitals.experiments.sweep import make_plan, place_runs
from gradvitals.experiments.watched_training import watch_experiment


@pytest.fixture
def planned(config: Callable[..., str], tmp_path: Path) -> tuple[PlannedRun, Place]:
    """Plan the small run."""
    plan = make_plan(load_config(tmp_path / config()), tmp_path / "logs")
    (pair,), _ = place_runs(plan, "refuse")
    return pair


def stop_at(epoch: int, error: BaseException) -> Callable[[EpochEnded], None]:
    """Make an observer that raises after some epochs."""

    def observe(event: EpochEnded) -> None:
        if event.epoch == epoch:
            raise error

    return observe


def summary(place: Place) -> dict[str, Any]:
    """Read a run's summary."""
    data: dict[str, Any] = json.loads((place.folder / "run.json").read_text(encoding="utf-8"))
    return data


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what TensorBoard sees."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it announces every restart
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in tags}


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "interrupted"), (SystemExit(143), "interrupted"), (ValueError("no"), "failed")],
    ids=["ctrl-c", "sigterm", "an error"],
)
def test_a_run_that_is_stopped_says_so(error: BaseException, status: str, planned: tuple[PlannedRun, Place]) -> None:
    with pytest.raises(type(error)):
        run_one(*planned, stop_at(4, error))
    place = planned[1]
    found = summary(place)
    assert (found["status"], found["steps"], found["verdict"]) == (status, 16, "not_judged")
    assert found["error"] == ("ValueError: no" if status == "failed" else "")
    record = read_record(place.folder)
    assert record.damage == ()
    assert record.record.last_step == 16
    assert json.loads((place.folder / "findings.json").read_text(encoding="utf-8"))["findings"] == []


@pytest.mark.parametrize("where", ["_started", "_ended", "_look"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")], ids=["ctrl-c", "an error"])
def test_a_run_stopped_before_its_first_step_or_after_its_last_is_not_completed(
    error: BaseException, where: str, planned: tuple[PlannedRun, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Monitor, where, fail)
    with pytest.raises(type(error)):
        run_one(*planned)
    status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    assert summary(planned[1])["status"] == status


def test_a_run_stopped_before_it_is_watched_is_not_completed(
    planned: tuple[PlannedRun, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "watch_experiment", fail)
    with pytest.raises(KeyboardInterrupt):
        run_one(*planned)
    assert summary(planned[1])["status"] == "interrupted"


def test_resume_begins_a_new_event_file_that_replaces_the_old_points(
    planned: tuple[PlannedRun, Place], trained: Callable[..., Path]
) -> None:
    whole = trained(logdir="whole")
    with pytest.raises(KeyboardInterrupt):
        run_one(*planned, stop_at(20, KeyboardInterrupt()))
    folder = planned[1].folder
    run_one(*planned)
    assert len(list(folder.glob("*tfevents*"))) == 2
    for part in ("", "train", "validation"):
        assert scalars(folder / part) == scalars(whole / part)
    assert (folder / "findings.json").read_bytes() == (whole / "findings.json").read_bytes()
    ours, theirs = (json.loads((path / "run.json").read_text(encoding="utf-8")) for path in (folder, whole))
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    resumed, at_once = (read_record(path).record for path in (folder, whole))
    assert resumed.tags() == at_once.tags()
    assert all(resumed.series(tag).values.tolist() == at_once.series(tag).values.tolist() for tag in resumed.tags())
    assert resumed.notes(Probe) == at_once.notes(Probe)


def test_early_stopping_finishes_a_run(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    stop = "training.early_stopping={patience=2, min_delta=10.0}"
    said = gradvitals("run", config(), "--set", stop, "--set", "training.epochs=200")
    assert said.code == 0
    assert said.out.startswith("12 updates in ")
    assert gradvitals("run", "tiny.toml", "--set", stop, "--set", "training.epochs=200", "--resume").code == 0


TASKS = {
    "regression": ('source = "diabetes"\nscale_targets = "standard"', "mse"),
    "binary in float64": ('source = "breast_cancer"', 'binary_cross_entropy"\ndtype = "float64'),
    "multilabel": ('source = "many.npz"', "binary_cross_entropy"),
}
"""The data of a task and its loss."""


@pytest.mark.parametrize(("data", "loss"), TASKS.values(), ids=TASKS.keys())
def test_every_task_is_learned_and_judged(data: str, loss: str, gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(400, 4))
    np.savez(tmp_path / "many.npz", x=inputs, y=(inputs[:, :3] > 0).astype(int))
    training = f'[training]\nloss = "{loss}"\noptimizer = {{kind = "adam", learning_rate = 0.01}}\nepochs = 15\n'
    (tmp_path / "x.toml").write_text(f"[data]\n{data}\n[model]\nhidden = [16]\n{training}", encoding="utf-8")
    assert gradvitals("run", "x.toml", "--check").code == 0
    (run,) = json.loads(gradvitals("list", "--format", "json").out)["runs"]
    assert (run["status"], run["verdict"]) == ("completed", "healthy")
    assert run["loss"] < 0.75 if run["accuracy"] is None else run["accuracy"] > 0.9


def test_a_run_of_ours_has_its_share_of_the_time_for_verdicts_meanwhile(
    planned: tuple[PlannedRun, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Monitor] = []

    def watched(*args: Any, **options: Any) -> Monitor:
        seen.append(watch_experiment(*args, **options))
        return seen[-1]

    monkeypatch.setattr(runner, "watch_experiment", watched)
    run_one(*planned)
    assert [monitor._reporter._turn.pace.share for monitor in seen] == [SHARE]
