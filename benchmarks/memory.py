"""How much memory training on 60,000 × 784 inputs takes: alone, as a block, in several processes.

    python benchmarks/memory.py [--quick] [--json FILE]

The data are a folder of MNIST's size and form with made-up pixels: 60,000 rows to train on and 10,000 to validate with,
220 MB in float32. Every case is a process of its own, with its workers; meanwhile all of them are looked at some twenty
times a second. Counted is the proportional set size: what several processes share is divided among them, so that their
sum is what the machine must have. Files that are mapped count while they are in memory. Linux only.
"""

import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine

ROWS, HELD_OUT, PIXELS = 60_000, 10_000, (28, 28)
LOOKS_PER_SECOND = 20
MEGABYTE = 2**20

CONFIG = """
[data]
source = "images"
[model]
hidden = {hidden}
[training]
optimizer = {{kind = "sgd", learning_rate = 0.01, momentum = 0.9}}
batch_size = 128
epochs = {epochs}
[sweep]
"training.optimizer.learning_rate" = {rates}
"""
MNIST, SMALL = [256, 128], [16]


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained: networks of some hidden sizes, how many at once, by how many workers."""

    name: str
    hidden: list[int]
    runs: int
    workers: int


CASES = (
    Case("1 run", MNIST, 1, 1),
    Case("a block of 4", SMALL, 4, 1),
    Case("a block of 16", SMALL, 16, 1),
    Case("4 runs, 2 workers", MNIST, 4, 2),
    Case("8 runs, 4 workers", MNIST, 8, 4),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Megabytes of a case.

    Attributes:
        case: Its name.
        imports: Of one process that has imported what it needs and done nothing.
        training: Of all processes together while they train, median.
        peak: Of all processes together at the worst moment, which is when the data are read.
        private: Of the worker that holds most, what it shares with nobody, median while it trains.
    """

    case: str
    imports: float
    training: float
    peak: float
    private: float


def write_images(folder: Path) -> None:
    """Write a data set of MNIST's size and form, of four faint patterns and noise."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 60, (10, *PIXELS), np.uint8)
    folder.mkdir()
    for split, rows in (("train", ROWS), ("t10k", HELD_OUT)):
        labels = generator.integers(0, 10, rows).astype(np.uint8)
        images = generator.integers(0, 196, (rows, *PIXELS), np.uint8) + patterns[labels]
        header = struct.pack(">4B3I", 0, 0, 8, 3, rows, *PIXELS)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, rows) + labels.tobytes())


def train(config: Path, case: Case | None) -> None:
    """Train a case's runs, in this process or its workers; without one, import what that takes."""
    from gradvitals.experiments.blocks import cut_into_blocks
    from gradvitals.experiments.config.load import load_config
    from gradvitals.experiments.executor import run_many
    from gradvitals.experiments.stacked_runner import run_stacked
    from gradvitals.experiments.sweep import make_plan, place_runs

    if case is None:
        time.sleep(1.0)
        return
    with tempfile.TemporaryDirectory() as folder:
        runs, _ = place_runs(make_plan(load_config(config), Path(folder)), "refuse")
        if case.hidden == SMALL:
            run_stacked(runs)
            return
        assert len(cut_into_blocks(runs, case.workers)) == case.runs  # noqa: S101 - what the table says
        for outcome in run_many(runs, case.workers):
            assert not outcome.error, outcome.error  # noqa: S101 - no figure of a failure


def processes_below(pid: int) -> list[int]:
    """Give a process and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in processes_below(int(child)))]


def look_at(pid: int) -> tuple[float, float]:
    """Give the megabytes of a process that count as its own, and of these what it shares with nobody."""
    fields: dict[str, float] = {}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
            name, kilobytes, *_ = line.split()
            fields[name] = float(kilobytes) / 1024
    except OSError:  # it has ended meanwhile
        return 0.0, 0.0
    return fields.get("Pss:", 0.0), fields.get("Private_Clean:", 0.0) + fields.get("Private_Dirty:", 0.0)


def watch(arguments: list[str]) -> tuple[float, float, float]:
    """Run this file with some arguments and look at its processes: see `Usage`."""
    sums: list[float] = []
    largest: list[float] = []
    with subprocess.Popen([sys.executable, __file__, *arguments]) as process:  # noqa: S603 - this very file
        while process.poll() is None:
            looks = [look_at(pid) for pid in processes_below(process.pid)]
            if looks:
                sums.append(sum(own for own, _ in looks))
                largest.append(max(private for _, private in looks[1:] or looks))
            time.sleep(1.0 / LOOKS_PER_SECOND)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    late = slice(len(sums) // 2, -max(len(sums) // 10, 1))  # it trains then
    return statistics.median(sums[late]), max(sums), statistics.median(largest[late])


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer epochs and cases")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--case", nargs=2, metavar=("CONFIG", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        config, number = options.case
        train(Path(config), CASES[int(number)] if int(number) >= 0 else None)
        return
    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    usages: list[Usage] = []
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "images")
        _, imports, _ = watch(["--case", "", "-1"])
        print(f"\na process that has imported what it needs: {imports:.0f} MB")
        print(f"{'case':<20}{'training, MB':>14}{'at the peak':>13}{'a worker holds alone':>22}")
        for number, case in enumerate(CASES):
            config = Path(folder) / "case.toml"
            rates = [0.01 * 2.0**-index for index in range(case.runs)]
            epochs = (2 if options.quick else 4) * (4 if case.hidden == SMALL else 1)
            config.write_text(CONFIG.format(hidden=case.hidden, epochs=epochs, rates=rates), encoding="utf-8")
            usage = Usage(case.name, imports, *watch(["--case", str(config), str(number)]))
            usages.append(usage)
            print(f"{usage.case:<20}{usage.training:>14.0f}{usage.peak:>13.0f}{usage.private:>22.0f}", flush=True)
    if options.json is not None:
        record = {"machine": machine, "usages": [asdict(usage) for usage in usages]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
