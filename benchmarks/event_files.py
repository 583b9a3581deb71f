"""Event files against tensorboardX, PyTorch's writer, TensorBoard's own reader and tbparse.

    python benchmarks/event_files.py [sink] [reader] [memory] [check] [--quick] [--json FILE]

One core, contenders take turns in one process, medians of five rounds; ratios are the medians of the rounds' own.

sink    One step of 64 runs with 400 scalars each, until all of it is with the operating system: `flush` where that
        waits, `close` where only that does. Files are open and have one step already. All are read back and compared.
reader  Folders of 100,000 scalars: 400 tags an event, and what a watched training of the digits records at every step;
        and of 25,000 with one tag an event, as other writers write. Each reader gives its own form; all are compared.
        `read_record` is what `check` calls.
memory  What reading takes at its peak beyond what the imports took, in a fresh process; Linux only.
check   `gradvitals check` on the digits' run as a command, its parts, and a command that only reads it otherwise.
"""

import argparse
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from machine import describe_machine, pin_to_one_core
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

Points: TypeAlias = dict[str, list[tuple[int, float]]]
"""Tag → (step, value)."""

RUNS, STEPS = 64, 250
TAGS = tuple(f"metric_{metric}/layer_{layer}" for metric in range(50) for layer in range(8))

DIGITS = """
    [data]
    source = "digits"
    [model]
    hidden = [64, 32]
    [training]
    optimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}
    batch_size = 64
    epochs = 370
    [diagnostics]
    every = 1
"""
RUN = "digits, every step"
PARTS = ("", "train", "validation")
"""Folders of a run with event files."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: median of the rounds; how many times longer than the first contender, round by round."""

    table: str
    what: str
    contender: str
    median: float
    unit: str
    times_ours: float | None = None
    note: str = ""


def seconds(act: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


# Writing.


class Sink(Protocol):
    """Writers of many runs."""

    def write(self, step: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Write one step of every run."""
        ...

    def settle(self) -> None:
        """Return when all that was written is with the operating system."""
        ...

    def close(self) -> None:
        """Write nothing more."""
        ...


class OurFiles:
    """One event file for each run; an event is written when its method returns."""

    def __init__(self, folder: Path) -> None:
        self._files = [EventFile(folder / f"{run}") for run in range(RUNS)]

    def write(self, step: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Write an event for each run."""
        for file, row in zip(self._files, rows, strict=True):
            file.scalars(step, row)

    def settle(self) -> None:
        """Nothing is pending."""

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class OurWriters:
    """What a watched training writes with: scalars are held for a moment."""

    def __init__(self, folder: Path) -> None:
        self._writers = [RunWriter(folder / f"{run}") for run in range(RUNS)]

    def write(self, step: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Hand every run its scalars."""
        for writer, row in zip(self._writers, rows, strict=True):
            writer.scalars(step, row)

    def settle(self) -> None:
        """Write what is held."""
        for writer in self._writers:
            _ = writer.top

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers:
            writer.close()


class SummaryWriters:
    """`add_scalar`, one call for each scalar, of tensorboardX or PyTorch."""

    def __init__(self, make: Callable[[str], Any], folder: Path, *, flush_waits: bool) -> None:
        self._writers = [make(str(folder / f"{run}")) for run in range(RUNS)]
        self._flush_waits = flush_waits

    def write(self, step: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Add every scalar of every run."""
        for writer, row in zip(self._writers, rows, strict=True):
            for tag, value in row.items():
                writer.add_scalar(tag, value, step)

    def settle(self) -> None:
        """Empty the queues."""
        for writer in self._writers:
            if self._flush_waits:
                writer.flush()
            else:
                writer.close()

    def close(self) -> None:
        """Close the writers, again where that was the only way to settle."""
        for writer in self._writers:
            writer.close()


class FileWriters:
    """`add_summary` of the file writer below `add_scalar`, with all scalars of a step as one event."""

    def __init__(self, make: Callable[[str], Any], summary: Any, folder: Path, *, flush_waits: bool) -> None:  # noqa: ANN401 - a generated class
        self._writers = [make(str(folder / f"{run}")) for run in range(RUNS)]
        self._summary, self._flush_waits = summary, flush_waits

    def write(self, step: int, rows: Sequence[Mapping[str, float]]) -> None:
        """Add one summary for each run."""
        make, value = self._summary, self._summary.Value
        for writer, row in zip(self._writers, rows, strict=True):
            writer.add_summary(make(value=[value(tag=tag, simple_value=one) for tag, one in row.items()]), step)

    def settle(self) -> None:
        """Empty the queues."""
        for writer in self._writers:
            if self._flush_waits:
                writer.flush()
            else:
                writer.close()

    def close(self) -> None:
        """Close the writers, again where that was the only way to settle."""
        for writer in self._writers:
            writer.close()


def sinks() -> dict[str, Callable[[Path], Sink]]:
    """Name the writers that are installed, ours first."""
    found: dict[str, Callable[[Path], Sink]] = {
        "EventFile, one event": OurFiles,
        "RunWriter, one event": OurWriters,
    }
    if find_spec("tensorboardX"):
        import tensorboardX
        from tensorboardX.proto.summary_pb2 import Summary

        found["tensorboardX add_scalar"] = partial(SummaryWriters, tensorboardX.SummaryWriter, flush_waits=False)
        found["tensorboardX, one event"] = partial(FileWriters, tensorboardX.FileWriter, Summary, flush_waits=False)
    if find_spec("torch"):
        from tensorboard.compat.proto.summary_pb2 import Summary as TensorboardSummary
        from torch.utils import tensorboard

        found["PyTorch add_scalar"] = partial(SummaryWriters, tensorboard.SummaryWriter, flush_waits=True)
        found["PyTorch, one event"] = partial(FileWriters, tensorboard.FileWriter, TensorboardSummary, flush_waits=True)
    return found


def measure_sinks(rounds: int) -> list[Line]:
    """Time one step of all runs."""
    generator = np.random.default_rng(0)
    contenders = sinks()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    first: dict[str, list[float]] = {name: [] for name in contenders}
    notes: dict[str, str] = {}
    for number in range(rounds):
        numbers = generator.normal(size=(2, RUNS, len(TAGS))).tolist()
        for place, name in enumerate(contenders if number % 2 else reversed(contenders)):
            tags = [f"{tag}.{number}{place}" for tag in TAGS]  # new, so that nobody has them encoded yet
            values = [[dict(zip(tags, row, strict=True)) for row in step] for step in numbers]
            with tempfile.TemporaryDirectory() as folder:
                threads = threading.active_count()
                sink = contenders[name](Path(folder))
                first[name].append(seconds(partial(sink.write, 0, values[0])))
                time.sleep(0.3)  # queues run empty
                threads = threading.active_count() - threads
                times[name].append(seconds(partial(sink.write, 1, values[1])) + seconds(sink.settle))
                sink.close()
                size = sum(file.stat().st_size for file in Path(folder).glob("*/*")) / (2 * RUNS * len(TAGS))
                notes[name] = f"{threads} threads, {size:.0f} bytes a scalar"
                if not number:
                    assert_written(Path(folder), values, name)
    return [
        *_lines("sink", "64 runs × 400 scalars, one step", times, "ms", notes),
        *_lines("sink", "the first step, until its calls return", first, "ms"),
    ]


def assert_written(folder: Path, values: Sequence[Sequence[Mapping[str, float]]], name: str) -> None:
    """Refuse to time writers that write something else; by TensorBoard's reader for two of the runs."""
    for run in range(RUNS):
        expected = {
            tag: [(step, float(np.float32(values[step][run][tag]))) for step in (0, 1)] for tag in values[0][run]
        }
        np.testing.assert_equal(our_points(read_run(folder / f"{run}")), expected, name)
        if run in {0, RUNS - 1}:
            np.testing.assert_equal(tensorboard_points(tensorboard_reload(folder / f"{run}")), expected, name)


# Reading.


def our_points(log: Any) -> Points:  # noqa: ANN401 - a log of either kind
    """Give what `read_run` read in the common form."""
    return {
        tag: list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
        for tag, series in log.scalars.items()
    }


def tensorboard_reload(folder: Path) -> Any:  # noqa: ANN401 - no stubs
    """Read with TensorBoard's own reader, told to keep every point."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def tensorboard_points(accumulator: Any) -> Points:  # noqa: ANN401 - no stubs
    """Give what TensorBoard's reader read in the common form."""
    return {
        tag: [(point.step, point.value) for point in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }


def tbparse_read(folder: Path) -> Any:  # noqa: ANN401 - a data frame
    """Read with tbparse, the files of this folder only."""
    import pandas as pd  # which tbparse requires
    from tbparse import SummaryReader

    frames = [SummaryReader(str(file), event_types={"scalars"}).scalars for file in sorted(folder.glob("events.*"))]
    return pd.concat(frames)


def tbparse_points(frame: Any) -> Points:  # noqa: ANN401 - a data frame
    """Give what tbparse read in the common form."""
    return {
        tag: list(zip(part.step.tolist(), map(float, part.value.tolist()), strict=True))
        for tag, part in frame.groupby("tag")
    }


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read one folder, and how to compare what was read."""

    read: Callable[[Path], Any]
    points: Callable[[Any], Points]


READERS = {
    "read_run": Reader(read_run, our_points),
    "EventAccumulator": Reader(tensorboard_reload, tensorboard_points),
    "tbparse": Reader(tbparse_read, tbparse_points),
}


def readers() -> dict[str, Reader]:
    """Name the readers that are installed, ours first."""
    return {name: reader for name, reader in READERS.items() if name != "tbparse" or find_spec("tbparse")}


def write_folders(folder: Path) -> dict[str, Path]:
    """Write what is to be read: the last is a run's."""
    generator = np.random.default_rng(0)
    rows = [dict(zip(TAGS, generator.normal(size=len(TAGS)).tolist(), strict=True)) for _ in range(STEPS)]
    with EventFile(folder / "wide") as wide, EventFile(folder / "narrow") as narrow:
        for step, row in enumerate(rows):
            wide.scalars(step, row)
            if step < STEPS // 4:
                narrow.moments([(time.time(), step, {tag: value}) for tag, value in row.items()])
    config = folder / "digits.toml"
    config.write_text(DIGITS, encoding="utf-8")
    ((planned, place),), _ = place_runs(make_plan(load_config(config), folder / "logs"), "refuse")
    run_one(planned, place)
    return {"400 tags an event": folder / "wide", "1 tag an event": folder / "narrow", RUN: place.folder}


def parts_of(run: Path) -> list[Path]:
    """Name the folders of a run that hold event files."""
    return [run / part for part in PARTS if (run / part).is_dir()]


def read_parts(reader: Reader, run: Path) -> list[Any]:
    """Read them all."""
    return [reader.read(part) for part in parts_of(run)]


def measure_readers(folders: Mapping[str, Path], rounds: int) -> list[Line]:
    """Time every reader on every folder; on the run's also what `check` calls."""
    lines = []
    for what, folder in folders.items():
        acts: dict[str, Callable[[], object]] = {
            name: partial(read_parts, reader, folder) for name, reader in readers().items()
        }
        if what == RUN:
            acts = {"read_record": partial(read_record, folder), **acts}
        count = assert_read_alike(folder)
        times: dict[str, list[float]] = {name: [] for name in acts}
        for number in range(rounds):
            for name in acts if number % 2 else reversed(acts):
                times[name].append(seconds(acts[name]))
        lines += _lines("reader", f"{what}: {count:,} scalars", times, "ms")
    return lines


def assert_read_alike(folder: Path) -> int:
    """Refuse to time readers that read something else; count the scalars."""
    count = 0
    for part in parts_of(folder):
        expected, *others = (
            {tag: found for tag, found in reader.points(reader.read(part)).items() if found}
            for reader in readers().values()
        )
        for other in others:
            np.testing.assert_equal(other, expected)
        count += sum(map(len, expected.values()))
    return count


# Memory.


def measure_memory(folders: Mapping[str, Path]) -> list[Line]:
    """Find the peak of every reader, each in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    lines = []
    for what, folder in folders.items():
        times = {}
        for name in readers():
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                times[name] = [pool.submit(peak_megabytes, name, folder).result()]
        lines += _lines("memory", what, times, "MB")
    return lines


def peak_megabytes(name: str, folder: Path) -> float:
    """Read once; how far memory rose above what it was before, imports and a reading of nothing done."""
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as empty:
        with EventFile(Path(empty)) as file:
            file.scalars(0, {"warm": 0.0})
        reader.read(Path(empty))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark starts anew
    before = _status_kilobytes("VmRSS")
    read = read_parts(reader, folder)
    peak = _status_kilobytes("VmHWM")
    del read
    return (peak - before) / 1024.0


def _status_kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


# The command.


def measure_check(run: Path, rounds: int) -> list[Line]:
    """Time `gradvitals check` as a command, what it consists of, and another reader's command that judges nothing."""
    imports = "import gradvitals.experiments.cli.check_command"
    other = "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator"
    loop = "\n".join(
        f"EventAccumulator({str(part)!r}, size_guidance={{'scalars': 0, 'tensors': 0}}).Reload()"
        for part in parts_of(run)
    )
    record = read_record(run).record
    acts: dict[str, Callable[[], object]] = {
        "gradvitals check": partial(_command, [str(Path(sys.executable).parent / "gradvitals"), "check", str(run)]),
        "  its Python and imports alone": partial(_command, [sys.executable, "-c", imports]),
        "  check_path, in process": partial(check_path, run, {}, "all"),
        "    of which read_record": partial(read_record, run),
        "    of which judge": partial(judge, record),
        "a command with EventAccumulator": partial(_command, [sys.executable, "-c", f"{other}\n{loop}"]),
        "  that one's Python and imports alone": partial(_command, [sys.executable, "-c", other]),
    }
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            times[name].append(seconds(act))
    return _lines("check", RUN, times, "ms")


def _command(words: Sequence[str]) -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


# Tables.


def _lines(
    table: str, what: str, times: Mapping[str, Sequence[float]], unit: str, notes: Mapping[str, str] | None = None
) -> list[Line]:
    factor = {"ms": 1e3, "MB": 1.0}[unit]
    ours = next(iter(times.values()))
    return [
        Line(
            table,
            what,
            name,
            factor * statistics.median(found),
            unit,
            statistics.median(one / own for one, own in zip(found, ours, strict=True)),
            (notes or {}).get(name, ""),
        )
        for name, found in times.items()
    ]


TABLES = ("sink", "reader", "memory", "check")


def measure(asked: Sequence[str], rounds: int) -> list[Line]:
    """Measure and print the tables asked for."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        if "sink" in asked:
            lines += _print(measure_sinks(rounds))
        if set(asked) <= {"sink"}:
            return lines
        folders = write_folders(Path(folder))
        if "reader" in asked:
            lines += _print(measure_readers(folders, rounds))
        if "memory" in asked:
            lines += _print(measure_memory(folders))
        if "check" in asked:
            lines += _print(measure_check(folders[RUN], rounds))
    return lines


def main() -> None:
    """Measure and print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; by default all")
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    asked = options.tables or TABLES
    if not set(asked) <= set(TABLES):
        parser.error(f"tables are {', '.join(TABLES)}")
    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}")
    for name in ("tensorboardX", "torch", "tbparse"):
        if not find_spec(name):
            print(f"not installed, so not measured: {name}")
    with threadpool_limits(1):
        lines = measure(asked, 1 if options.quick else 5)
    if options.json is not None:
        record = {"machine": machine, "lines": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _print(lines: Sequence[Line]) -> Sequence[Line]:
    what = ""
    for line in lines:
        if line.what != what:
            what = line.what
            print(f"\n{line.table}: {what}")
        print(f"  {line.contender:<34}{line.median:>10.2f} {line.unit}{line.times_ours:>10.2f}×  {line.note}".rstrip())
    return lines


if __name__ == "__main__":
    main()
