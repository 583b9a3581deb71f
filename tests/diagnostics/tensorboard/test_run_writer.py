"""Scalars may be held back for a moment; everything else is written at once, and in the order of the training."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard import run_writer
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_writer import LONGEST_HELD, MEASUREMENTS, MOST_HELD, RunWriter
from gradvitals.engine.events import EpochEnded, Scores


def steps_on_disk(folder: Path) -> list[int]:
    series = read_run(folder).scalars
    return [int(step) for step in series["gradient_norm/global"].steps] if series else []


@pytest.fixture
def writer(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunWriter]:
    """Give a writer that has just written: what follows is held back, on a slow machine too."""
    monkeypatch.setattr(run_writer, "LONGEST_HELD", getattr(request, "param", 3600.0))
    writer = RunWriter(tmp_path)
    writer.scalars(1, {"gradient_norm/global": 1.0})
    yield writer
    writer.close()


def test_the_first_scalars_are_on_disk_at_once(writer: RunWriter, tmp_path: Path) -> None:
    writer.scalars(2, {"gradient_norm/global": 1.0})
    assert steps_on_disk(tmp_path) == [1]


def test_as_many_as_are_held_at_most_are_written_together(writer: RunWriter, tmp_path: Path) -> None:
    for step in range(2, MOST_HELD + 2):
        assert steps_on_disk(tmp_path) == [1]
        writer.scalars(step, {"gradient_norm/global": 1.0})
    assert steps_on_disk(tmp_path) == list(range(1, MOST_HELD + 2))


@pytest.mark.parametrize("writer", [LONGEST_HELD], indirect=True)
def test_after_a_second_scalars_wait_no_longer(writer: RunWriter, tmp_path: Path) -> None:
    writer.scalars(2, {"gradient_norm/global": 1.0})
    time.sleep(LONGEST_HELD)
    writer.scalars(3, {"gradient_norm/global": 1.0})
    assert steps_on_disk(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda writer: writer.histograms(2, {}), id="histograms"),
        pytest.param(lambda writer: writer.close(), id="close"),
        pytest.param(lambda writer: writer.top, id="whoever asks for the file"),
    ],
)
def test_another_event_never_overtakes_scalars(
    writer: RunWriter, tmp_path: Path, event: Callable[[RunWriter], object]
) -> None:
    writer.scalars(2, {"gradient_norm/global": 1.0})
    event(writer)
    assert steps_on_disk(tmp_path) == [1, 2]


def test_notes_are_held_back_as_scalars_are_and_keep_their_place(writer: RunWriter, tmp_path: Path) -> None:
    writer.note(Ending(2, "completed"))
    writer.scalars(3, {"gradient_norm/global": 1.0})
    assert MEASUREMENTS not in read_run(tmp_path).tensors
    writer.close()
    assert steps_on_disk(tmp_path) == [1, 3]
    assert [step for step, _ in read_run(tmp_path).tensors[MEASUREMENTS]] == [2]


def test_an_epochs_scores_are_held_back_too_each_for_its_own_file(writer: RunWriter, tmp_path: Path) -> None:
    for step in (2, 4):
        writer.epoch(EpochEnded(step // 2, step, 0.1, Scores(0.5, 0.75), Scores(0.625, None)))
    assert read_run(tmp_path / "train").scalars == {}
    writer.close()
    found = {part: read_run(tmp_path / part).scalars for part in ("train", "validation")}
    assert {part: sorted(series) for part, series in found.items()} == {
        "train": ["epoch_accuracy", "epoch_loss", "learning_rate"],
        "validation": ["epoch_loss"],
    }
    assert found["validation"]["epoch_loss"].steps.tolist() == [2, 4]
    assert found["validation"]["epoch_loss"].values.tolist() == [0.625, 0.625]


WRITES_AND_ENDS = """
import os, signal, sys
from pathlib import Path
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
writer = RunWriter(Path(sys.argv[1]))
for step in range(1, 4):
    writer.scalars(step, {"gradient_norm/global": 1.0})
"""


@pytest.mark.parametrize(
    ("end", "code", "steps"),
    [
        pytest.param("", 0, [1, 2, 3], id="the end of the script"),
        pytest.param("raise SystemExit(3)", 3, [1, 2, 3], id="an exit"),
        pytest.param("1 / 0", 1, [1, 2, 3], id="an error"),
        pytest.param("os.fork() or os._exit(0)", 0, [1, 2, 3], id="a fork"),
        pytest.param("os.fork() or sys.exit(0)", 0, [1, 2, 3], id="a fork that ends as the process does"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, [1], id="a kill"),
    ],
)
def test_only_a_kill_loses_scalars_of_a_writer_that_nobody_closed(
    tmp_path: Path, end: str, code: int, steps: list[int]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITES_AND_ENDS + end, tmp_path], check=False, capture_output=True, env=dict(os.environ)
    )
    assert done.returncode == code, done.stderr
    assert steps_on_disk(tmp_path) == steps
    assert read_run(tmp_path).damage == ()
