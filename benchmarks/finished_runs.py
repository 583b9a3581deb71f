"""Campaigns of trainings that can be stopped and gone on with: a line for every finished run, and processes that train.

The workers write the lines, each in one piece: other processes write to the same file.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

RUNS = "runs.jsonl"


class Line(Protocol):
    """A dataclass, one line of the file."""

    @property
    def key(self) -> str:
        """What its run is known by."""
        ...


L = TypeVar("L", bound=Line)


def read_lines(folder: Path, kind: type[L]) -> dict[str, L]:
    """Read the finished runs by key, the last line of each; a torn line is none."""
    lines: dict[str, L] = {}
    path = folder / RUNS
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = kind(**json.loads(text))
        except (ValueError, TypeError):
            continue
        lines[line.key] = line
    return lines


def end_torn_line(folder: Path) -> None:
    """End the last line of the file: one that was cut short must not spoil the next."""
    with (folder / RUNS).open("a+b") as file:
        if not file.tell():
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def add_line(folder: Path, line: Any) -> None:  # noqa: ANN401 - any dataclass
    """Add a line to the file."""
    with (folder / RUNS).open("ab", buffering=0) as file:
        file.write(json.dumps(asdict(line)).encode() + b"\n")


def train_each(work: Callable[..., None], runs: Sequence[Any], workers: int, *more: Any) -> None:  # noqa: ANN401 - what it takes
    """Call work(run, *more) for each run, here or in processes of one BLAS thread; say how far it has come.

    Ctrl-C lets the runs under way finish, and have their lines.
    """
    for done, _ in enumerate(_each(work, runs, workers, more), start=1):
        if done % 100 == 0 or done == len(runs):
            print(f"  {done} of {len(runs)} trained", flush=True)


def _each(work: Callable[..., None], runs: Sequence[Any], workers: int, more: Sequence[Any]) -> Iterator[None]:
    if workers == 1 or not runs:
        with threadpool_limits(1):
            for run in runs:
                work(run, *more)
                yield
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy BLAS threads and locks half alive
    with ProcessPoolExecutor(workers, context, initializer=_settle) as pool:
        try:
            for future in as_completed([pool.submit(work, run, *more) for run in runs]):
                future.result()
                yield
        finally:
            pool.shutdown(cancel_futures=True)


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


def finish(main: Callable[[], int]) -> None:
    """Run a campaign's main, and end with its exit code."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; the finished runs are kept, the same command goes on", file=sys.stderr)
        sys.exit(130)
    except BrokenProcessPool:
        sys.exit("a worker process died (out of memory?); the finished runs are kept, the same command goes on")
