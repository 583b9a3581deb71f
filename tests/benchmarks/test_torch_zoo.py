"""The PyTorch zoo: its modules fit their data, and its candidates are trained, scored and recorded."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_zoo_data import Task, tasks
from torch_zoo_training import drawn, train_module
from zoo_training import load_record, record_path, save_record

from gradvitals.diagnostics.judge import judge

TASKS = tasks()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_module_takes_its_task_s_samples_and_gives_its_outputs(task: Task) -> None:
    (x, y), (held_out, _) = task.split()
    assert len(x) > 2 * len(held_out) > 0
    for build in task.architectures.values():
        outputs = build(task.features, task.outputs)(x[:8])
        assert outputs.shape == (8, task.outputs, *y.shape[1:]) if task.about.classes else (8, 1)


def test_candidates_are_the_same_every_time_and_in_both_halves() -> None:
    every = [one for task in TASKS.values() for one in drawn(task)]
    assert [one.key for one in every] == [one.key for task in TASKS.values() for one in drawn(task)]
    assert {one.half for one in every} == {"tuning", "test"}


def test_a_candidate_is_trained_scored_and_recorded(tmp_path: Path) -> None:
    one = next(drawn(TASKS["torch: wine"]))
    settings = {"learning_rate": 0.01, "updates": 120, "schedule": "none", "clip_norm": None}
    scores, record = train_module(replace(one, optimizer="adam", config={**one.config, **settings}), tmp_path)
    assert scores["updates"] is not None
    assert scores["updates"] >= 120
    assert (scores["accuracy"] or 0.0) > (scores["majority"] or 1.0) + 0.3
    path = record_path(tmp_path, one.key)
    path.parent.mkdir()
    save_record(path, record)
    assert judge(load_record(path)).outcome == "healthy"
