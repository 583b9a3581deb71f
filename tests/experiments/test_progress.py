"""Runs that are not done: told apart in words, with what they have come to so far."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.html_report.page_tree import Element, Reader

from gradvitals.diagnostics.signs import SYMBOLS
from gradvitals.experiments.progress import Progress, ago, unfinished_text

COMMAND = str(Path(sys.executable).parent / "gradvitals")
CONFIG = """
name = "open"
[data]
source = "moons"
n = 400
[model]
hidden = [8, 8]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
epochs = 1000000
[sweep]
"model.init" = ["he_normal", "zeros"]
"training.batch_size" = [20, 40]
"""  # two blocks, of which one worker comes to the first only
PATIENCE = 60.0  # seconds, for a busy machine

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def progress(status: str, *, silent: float | None = 5.0, total: int | None = 2_000) -> Progress:
    return Progress(status, 1_500, total, silent, {"training": {"loss": 0.5}, "validation": {"loss": 0.75}})


@pytest.mark.parametrize(
    ("status", "word", "so_far", "gap", "told"),
    [
        (
            "running",
            "no end so far",
            " so far, at step 1,500 of 2,000",
            "no end so far: the record reaches step 1,500 of 2,000",
            "so far loss 0.75 on validation; last written 5 s ago",
        ),
        (
            "interrupted",
            "interrupted",
            " so far, at step 1,500 of 2,000",
            "the training was interrupted at step 1,500 of 2,000",
            "so far loss 0.75 on validation",
        ),
        (
            "failed",
            "failed",
            " so far, at step 1,500 of 2,000",
            "the training failed at step 1,500 of 2,000",
            "so far loss 0.75 on validation",
        ),
    ],
)
def test_every_state_has_its_words(status: str, word: str, so_far: str, gap: str, told: str) -> None:
    found = progress(status)
    assert (found.word, found.so_far, found.gap, found.told) == (word, so_far, gap, told)


@pytest.mark.parametrize("status", ["completed", "early_stopping", "non_finite"])
def test_of_a_run_that_is_done_there_is_no_more_to_say(status: str) -> None:
    found = progress(status)
    assert (found.word, found.so_far, found.gap) == (status.replace("_", " "), "", "")


def test_a_training_of_unknown_length_has_its_step_alone() -> None:
    assert progress("running", total=None).reached == "step 1,500"


def test_a_sweep_says_how_many_of_its_runs_are_in_which_state() -> None:
    states = [progress("running", silent=300.0), progress("running"), None, None, None, progress("failed")]
    assert unfinished_text(9, [*states, progress("interrupted")]) == (
        "7 of 9 runs are not done: 2 have no end so far (last written 5 s ago), 1 was interrupted, 1 failed,"
        " 3 have not begun"
    )
    assert unfinished_text(9, [None]) == "1 of 9 runs is not done: 1 has not begun"


def test_a_time_ahead_of_the_clock_is_now() -> None:
    assert ago(-3.0) == "0 s ago"


@pytest.fixture(scope="module", params=[signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Stop a sweep while its first block is in training; give what became of it, and its folder."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "open.toml").write_text(CONFIG, encoding="utf-8")
    command = [COMMAND, "sweep", "open.toml", "--workers", "1", "--no-pin", "--quiet"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + PATIENCE
    while len(list(folder.rglob("validation/*tfevents*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2.0)
    os.killpg(process.pid, request.param)
    process.wait(PATIENCE)
    return ("running" if request.param == signal.SIGKILL else "interrupted"), folder / "logs" / "open"


@on_posix
def test_check_tells_what_is_not_done_and_what_is_known_of_it(
    stopped: tuple[str, Path], gradvitals: Callable[..., Any]
) -> None:
    status, sweep = stopped
    said = gradvitals("check", sweep)
    assert said.code == 3  # nobody knows which run will be the best
    state = r"2 have no end so far \(last written \d+ (s|min) ago\)" if status == "running" else "2 were interrupted"
    how = "unless it still runs, --resume goes on with it" if status == "running" else "--resume goes on with it"
    assert re.search(f"open: 4 of 4 runs are not done: {state}, 2 have not begun; {how}", said.out)
    said = gradvitals("check", sweep, "--require", "all")
    assert said.code == 1  # an error stands already
    assert re.search(r"✗ init=zeros,\S+: error so far, at step [\d,]+ of [\d,]+", said.out)
    assert re.search(r"so far loss [\d.e-]+, accuracy [\d.]+ on validation", said.out)
    gap = "no end so far: the record reaches" if status == "running" else "the training was interrupted at"
    assert re.search(rf"not judged: record: {gap} step [\d,]+ of [\d,]+", said.out)


@on_posix
def test_the_report_shows_what_is_not_done_with_its_scores_and_its_last_verdict(
    stopped: tuple[str, Path], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    status, sweep = stopped
    said = gradvitals("report", sweep, "-o", tmp_path / "page.html")
    assert (said.code, said.out.splitlines()[0]) == (0, "2 runs: 1 error, 1 not judged")
    page: Element = Reader().read(tmp_path / "page.html")
    words = "no end so far" if status == "running" else "interrupted"
    assert "4 of 4 runs are not done: 2 " in page.one("section", "sweep").text
    cells = list(page.one("table", "map").every("a"))
    assert len(cells) == 2
    assert {link.one(cls="symbol").text for link in cells} >= {SYMBOLS["running" if status == "running" else "failed"]}
    assert all(link.one(cls="score").text for link in cells)
    assert all(f"{words}: step " in link.attributes["aria-label"] for link in cells)
    rows = list(page.one("table", "runs").one("tbody").every("tr"))
    assert all(words in row.text for row in rows)
    headings = [section.one("h2").text for section in page.every("section", "run")]
    assert [bool(re.search(r"(error|not judged) so far, at step [\d,]+ of [\d,]+", text)) for text in headings] == [
        True,
        True,
    ]


@on_posix
def test_the_list_has_what_a_run_without_an_end_has_come_to(
    stopped: tuple[str, Path], gradvitals: Callable[..., Any]
) -> None:
    status, sweep = stopped
    runs = json.loads(gradvitals("list", sweep, "--format", "json").out)["runs"]
    assert [(run["status"], run["verdict"]) for run in runs] == [(status, "not_judged"), (status, "error")]
    assert all(run["steps"] > 0 and run["accuracy"] > 0.0 and run["loss"] > 0.0 for run in runs)
    assert any(key.startswith("dead_units@") for key in runs[1]["findings"])


@on_posix
def test_a_record_that_lost_its_end_is_not_taken_for_a_run_that_goes_on(
    trained: Callable[..., Path], gradvitals: Callable[..., Any]
) -> None:
    run = trained()
    (file,) = run.glob("*tfevents*")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    said = gradvitals("check", run)
    assert said.code == 3
    assert "the record was cut short: it does not reach the end of the training" in said.out


def test_a_run_that_failed_says_what_went_wrong(
    trained: Callable[..., Path], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    run = trained()
    for file in run.rglob("*tfevents*"):
        file.unlink()
    summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
    changed = {"status": "failed", "steps": 0, "error": "MemoryError: no luck"}
    (run / "run.json").write_text(json.dumps(summary | changed), encoding="utf-8")
    said = gradvitals("check", run)
    assert said.code == 3
    assert "not judged: record: the training failed at step 0: MemoryError: no luck" in said.out
    shutil.rmtree(tmp_path / "logs")
