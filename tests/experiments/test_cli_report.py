"""`gradvitals report`: where it writes, what it refuses, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.experiments.html_report import page


def test_it_writes_the_page_and_says_so(
    gradvitals: Callable[..., Any], trained: Callable[..., Path], tmp_path: Path
) -> None:
    trained()
    said = gradvitals("report", "logs")
    assert said.code == 0
    page_of = (tmp_path / "report.html").read_text(encoding="utf-8")
    kilobytes = round(len(page_of.encode()) / 1e3)
    assert kilobytes > 10
    assert said.out == f"1 run: 1 healthy\nwritten to report.html ({kilobytes} kB)\n"
    assert page_of.startswith("<!DOCTYPE html>\n<html")


def test_a_sick_run_is_a_report_all_the_same_and_quiet_is_quiet(
    gradvitals: Callable[..., Any], trained: Callable[..., Path], tmp_path: Path
) -> None:
    run = trained("dying_relu", "training.epochs=5")
    said = gradvitals("report", run, "-o", tmp_path / "sick.html", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert "dead_units@hidden_1" in (tmp_path / "sick.html").read_text(encoding="utf-8")


def test_a_file_that_is_there_stays_unless_forced(
    gradvitals: Callable[..., Any], trained: Callable[..., Path], tmp_path: Path
) -> None:
    trained()
    (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
    said = gradvitals("report", "logs", "-o", "mine.html")
    sentence = "gradvitals: --output: mine.html is there already — use --force to replace it, or another name"
    assert (said.code, said.sentences) == (2, [sentence])
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == "mine"
    assert gradvitals("report", "logs", "-o", "mine.html", "--force").code == 0
    assert (tmp_path / "mine.html").stat().st_size > 10_000


def test_nothing_to_report_ends_with_3_and_writes_nothing(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = gradvitals("report", "empty")
    assert (said.code, said.sentences) == (3, ["gradvitals: empty: no runs here: no event files and no run.json"])
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_logs_of_others_alone_are_nothing_to_report(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    with EventFile(tmp_path / "others" / "run") as file:
        file.scalars(1, {"loss": 1.0})
    said = gradvitals("report", "others")
    assert (said.code, said.out, len(said.sentences)) == (3, "", 1)
    assert said.sentences[0].startswith("gradvitals: others: only logs of others here: gradvitals run, sweep, or watch")
    assert not (tmp_path / "report.html").exists()


def test_logs_of_others_beside_ours_are_reported_as_not_judged(
    gradvitals: Callable[..., Any], trained: Callable[..., Path], tmp_path: Path
) -> None:
    trained()
    with EventFile(tmp_path / "logs" / "others") as file:
        file.scalars(1, {"loss": 1.0})
    said = gradvitals("report", "logs")
    assert (said.code, said.out.splitlines()[0]) == (0, "2 runs: 1 not judged, 1 healthy")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["tiny.toml"], "tiny.toml: a file; a folder with runs is wanted here"),
        (["logs", "-o", "logs"], "--output: logs is a folder; a file is wanted here"),
        (["logs", "-o", "a/b.html"], "--output: a/b.html cannot be written: no such folder, or it is not yours"),
        (["logs", "--curves", "-1"], "invalid value for '--curves': -1 is not in the range x>=0"),
        (["x" * 300], f"{'x' * 300}: no such folder"),
        ([], "missing argument 'LOGDIR'"),
    ],
    ids=["no folder", "a file", "onto a folder", "into no folder", "curves", "long", "nothing"],
)
def test_bad_usage_is_one_sentence(
    arguments: list[str], said: str, gradvitals: Callable[..., Any], trained: Callable[..., Path]
) -> None:
    trained()
    answer = gradvitals("report", *arguments)
    assert (answer.code, answer.out, len(answer.sentences)) == (2, "", 1)
    assert answer.sentences[0].startswith(f"gradvitals: {said}")


def test_a_report_that_cannot_be_finished_leaves_what_was_there(
    gradvitals: Callable[..., Any], trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained()
    (tmp_path / "report.html").write_text("before", encoding="utf-8")
    before = sorted(tmp_path.iterdir())

    def fail(*_: object) -> str:
        msg = "out of memory"
        raise MemoryError(msg)

    monkeypatch.setattr(page, "printable", fail)
    assert gradvitals("report", "logs", "--force").code == 4
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "before"
    assert sorted(tmp_path.iterdir()) == before


def test_runs_are_left_as_they_are(gradvitals: Callable[..., Any], trained: Callable[..., Path]) -> None:
    run = trained()
    before = {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()}
    assert gradvitals("report", "logs").code == 0
    assert {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()} == before
