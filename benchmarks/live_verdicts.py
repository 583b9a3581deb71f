"""How soon the runs of a sweep have a verdict, how fresh it stays, and what that costs.

    python benchmarks/live_verdicts.py [--rounds N] [--json FILE]

Every sweep is trained in its blocks, in one process on one core with one thread, with live verdicts and without them in
turns: without, the clock that they go by stands still.

first     Seconds from a run's first event to its first verdict: of half of the runs, and of nine in ten. A training
          that is over sooner has its first verdict at its end.
found     The same of runs in which something is wrong, to the first verdict that says so, half of the runs.
between   The longest time from a run's verdict to its next one, the one at its end included: the median of the runs.
verdicts  Of a run, the median, that at its end included.
ratio     CPU seconds of the whole sweep with live verdicts, over those without: median of the rounds, and their range.
share     Of a block's time, what went into live verdicts: the largest of all blocks, in percent.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from machine import describe_machine, pin_to_one_core
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.live_pace import LivePace
from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS
from gradvitals.experiments.blocks import cut_into_blocks
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.run_folder import find_runs
from gradvitals.experiments.stacked_runner import run_stacked
from gradvitals.experiments.sweep import make_plan, place_runs

DIGITS = "learning_rate_x_initialization"
TOYS = """
name = "toys"
[data]
source = "moons"
n = 1250
[model]
hidden = [16, 16]
[training]
optimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}
batch_size = 32
[sweep]
"training.optimizer.learning_rate" = {log = [1e-4, 10.0], n = 8}
"model.init" = ["he_normal", "glorot_uniform", "zeros", "he_uniform"]
"""
CASES = {
    "digits, 48 runs, 460 steps": (DIGITS, ["training.epochs=20"]),
    "digits, 48 runs, 4,600 steps": (DIGITS, ["training.epochs=200"]),
    "toy, 32 runs, 6,400 steps": (TOYS, ["training.epochs=200"]),
    "toy, 128 runs, 6,400 steps": (TOYS, ["training.epochs=200", 'sweep."seed"=[0,1,2,3]']),
}
"""A config, its name or its text, and what is set in it."""


@dataclass
class Measured:
    """What was measured of a sweep."""

    ratios: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    verdicts: list[int] = field(default_factory=list)

    @property
    def row(self) -> str:
        """A row of the table."""
        tenths = statistics.quantiles(self.first, n=10)
        ratio = f"{statistics.median(self.ratios):.3f} ({min(self.ratios):.3f} to {max(self.ratios):.3f})"
        return (
            f"{statistics.median(self.first):8.1f} {tenths[-1]:6.1f} {statistics.median(self.found):8.1f}"
            f" {statistics.median(self.between):9.1f} {statistics.median(self.verdicts):10.0f}"
            f"   {ratio} {100 * max(self.shares):7.2f}"
        )


class CountingPace(LivePace):
    """A pace that adds up what is spent on verdicts before the end; those at the end are due in any case."""

    spent_meanwhile = 0.0
    is_due = False

    def has_time(self, step: int, total_steps: int | None, *, first: bool) -> bool:
        """Remember what was said."""
        self.is_due = super().has_time(step, total_steps, first=first)
        return self.is_due

    def spend(self, step: int, seconds: float) -> None:
        """Add it up."""
        super().spend(step, seconds)
        self.spent_meanwhile += seconds if self.is_due else 0.0
        self.is_due = False


def train_sweep(config: str, settings: Sequence[str], folder: Path, *, live: bool) -> tuple[float, list[float]]:
    """Train a sweep; give its CPU seconds, and the share of every block's time that went into live verdicts."""
    path = folder / "sweep.toml"
    path.write_text(config, encoding="utf-8")
    loaded = load_config(path if "\n" in config else config, settings)
    runs, _ = place_runs(make_plan(loaded, folder / "logs"), "refuse")
    shares, began = [], time.process_time()
    for block in cut_into_blocks(runs, workers=1):
        pace = CountingPace() if live else CountingPace(lambda: 0.0)
        block_began = time.perf_counter()
        run_stacked(block, pace)
        shares.append(pace.spent_meanwhile / (time.perf_counter() - block_began))
    return time.process_time() - began, shares


def read_moments(folder: Path, measured: Measured) -> None:
    """Read from a sweep's event files when every run had its verdicts."""
    for run in find_runs(folder / "logs"):
        events = [
            Event.FromString(raw) for file in find_event_files(run) for raw in RawEventFileLoader(str(file)).Load()
        ]
        began = events[0].wall_time
        told = [
            (event.wall_time - began, json.loads(value.tensor.string_val[0])["verdict"])
            for event in events
            for value in event.summary.value
            if value.tag == FINDINGS
        ]
        times = [moment for moment, _ in told]
        measured.first.append(times[0])
        measured.verdicts.append(len(times))
        measured.between += [max(later - earlier for earlier, later in pairwise(times))] if times[1:] else []
        if told[-1][1] in {"warning", "error"}:
            measured.found.append(next(moment for moment, verdict in told if verdict in {"warning", "error"}))


def measure(config: str, settings: Sequence[str], rounds: int) -> Measured:
    """Train a sweep with live verdicts and without, in turns."""
    measured = Measured()
    for number in range(rounds):
        took: dict[bool, float] = {}
        for live in (True, False) if number % 2 else (False, True):
            with tempfile.TemporaryDirectory() as folder:
                took[live], shares = train_sweep(config, settings, Path(folder), live=live)
                if live:
                    measured.shares += shares
                    read_moments(Path(folder), measured)
        measured.ratios.append(took[True] / took[False])
    return measured


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}, load before: {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<32}{'first':>8} {'of 9/10':>6} {'found':>7} {'between':>9} {'verdicts':>10}   ratio {'share, %':>24}")
    found: dict[str, Measured] = {}
    with threadpool_limits(1):
        train_warm_up()
        for name, (config, settings) in CASES.items():
            found[name] = measure(config, settings, options.rounds)
            print(f"{name:<32}{found[name].row}", flush=True)
    if options.json is not None:
        numbers = {name: asdict(measured) for name, measured in found.items()}
        options.json.write_text(json.dumps({"machine": machine, "sweeps": numbers}, indent=1), encoding="utf-8")


def train_warm_up() -> None:
    """Train a little first, for imports and caches."""
    with tempfile.TemporaryDirectory() as folder:
        train_sweep(TOYS, ["training.epochs=2"], Path(folder), live=True)


if __name__ == "__main__":
    main()
