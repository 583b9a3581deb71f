"""Whole sweeps, watched and logged: in blocks, run by run, and as the same trainings in PyTorch with the same monitor.

    python benchmarks/sweeps.py [--quick] [--json FILE]

64 runs: 4 rates × 4 initialisations × 4 seeds, float32, SGD with momentum, scores of both sets at every epoch, the
default rhythm, event files up to the closed folder. The first table is of CPU seconds a run in one process on one core
with one thread, start-up aside, contenders in turns: run by run and in PyTorch only some of the runs. The second is of
sweeps of 8 to 512 runs, likewise. The third is of wall time of whole commands, in two processes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from machine import describe_machine, pin_to_one_core
from sweeps_torch import train_runs
from threadpoolctl import threadpool_limits

from gradvitals.experiments.blocks import Run, cut_into_blocks
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.stacked_runner import run_stacked
from gradvitals.experiments.sweep import make_plan, place_runs

SWEEP = """
    [data]
    {data}
    [model]
    hidden = {hidden}
    [training]
    optimizer = {{kind = "sgd", learning_rate = 0.1, momentum = 0.9}}
    batch_size = {batch}
    epochs = {epochs}
    [sweep]
    "training.optimizer.learning_rate" = [0.001, 0.01, 0.1, 0.3]
    "model.init" = ["he_normal", "glorot_uniform", "lecun_normal", "he_uniform"]
    seed = {seeds}
"""
RUNS_PER_SEED, FOUR = 16, [0, 1, 2, 3]
FEW = 4
"""Runs of a sweep that are trained one by one, to know what one takes."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sweep, and by how many times it is to be faster.

    Attributes:
        name: What is trained.
        settings: What its config says.
        than_alone: Than our own runs one by one.
        than_torch: Than PyTorch's.
        as_command: Than PyTorch's, whole commands.
    """

    name: str
    settings: dict[str, object]
    than_alone: float
    than_torch: float
    as_command: float | None = None


CASES = (
    Case(
        "toy 2-16-16-2, 5,000 steps",
        {"data": 'source = "moons"\nn = 1250', "hidden": [16, 16], "batch": 32, "epochs": 157},
        than_alone=5.0,
        than_torch=60.0,
        as_command=20.0,
    ),
    Case(
        "digits 64-64-32-10, 2,000 steps",
        {"data": 'source = "digits"', "hidden": [64, 32], "batch": 64, "epochs": 87},
        than_alone=1.3,
        than_torch=8.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds a run, each the median of its rounds, and the medians of the rounds' ratios."""

    name: str
    runs: int
    stacked: float
    alone: float
    torch: float
    than_alone: float
    than_torch: float


def write_sweep(case: Case, folder: Path, seeds: Sequence[int]) -> Path:
    """Write its config."""
    path = folder / "sweep.toml"
    path.write_text(SWEEP.format(**case.settings, seeds=list(seeds)), encoding="utf-8")
    return path


def place_sweep(case: Case, folder: Path, seeds: Sequence[int]) -> list[Run]:
    """Plan a sweep's runs, in a folder of their own."""
    return place_runs(make_plan(load_config(write_sweep(case, folder, seeds)), folder / "logs"), "refuse")[0]


def seconds_a_run(case: Case, seeds: Sequence[int], act: Callable[[list[Run]], int]) -> float:
    """Time what is done with the runs of a sweep; it gives how many it did."""
    with tempfile.TemporaryDirectory() as folder:
        runs = place_sweep(case, Path(folder), seeds)
        started = time.process_time()
        done = act(runs)
        return (time.process_time() - started) / done


def in_blocks(runs: list[Run]) -> int:
    """Train all in blocks."""
    for block in cut_into_blocks(runs, workers=1):
        run_stacked(block)
    return len(runs)


def one_by_one(runs: list[Run]) -> int:
    """Train some, each by itself."""
    some = runs[:: len(runs) // FEW]
    for run in some:
        run_one(*run)
    return len(some)


def in_torch(runs: list[Run]) -> int:
    """Train some in PyTorch."""
    some = runs[:: len(runs) // FEW]
    train_runs(some)
    return len(some)


def measure(case: Case, rounds: int) -> Times:
    """Let the three take turns."""
    took = [
        [seconds_a_run(case, FOUR, contender) for contender in (in_blocks, one_by_one, in_torch)] for _ in range(rounds)
    ]
    stacked, alone, torch = (statistics.median(times) for times in zip(*took, strict=True))
    than_alone, than_torch = (statistics.median(one[k] / one[0] for one in took) for k in (1, 2))
    return Times(case.name, len(FOUR) * RUNS_PER_SEED, stacked, alone, torch, than_alone, than_torch)


def measure_growth(case: Case, rounds: int) -> dict[int, float]:
    """Time sweeps of 8 to 512 runs, seconds a run."""
    times: dict[int, list[float]] = {}
    for _ in range(rounds):
        times.setdefault(8, []).append(seconds_a_run(case, [0], lambda runs: in_blocks(runs[::2])))
        for seeds in (1, 4, 16, 32):
            took = seconds_a_run(case, range(seeds), in_blocks)
            times.setdefault(seeds * RUNS_PER_SEED, []).append(took)
    return {count: statistics.median(one) for count, one in times.items()}


def measure_commands(case: Case) -> tuple[float, float]:
    """Time whole commands, each with two processes: ours, and a program of PyTorch's."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(write_sweep(case, Path(folder), FOUR))
        command = str(Path(sys.executable).with_name("gradvitals"))
        sweep = [command, "sweep", path, "--logdir", f"{folder}/ours", "--workers", "2"]
        torch = [sys.executable, str(Path(__file__).with_name("sweeps_torch.py")), path, f"{folder}/torch"]
        return _wall_seconds(sweep), _wall_seconds(torch)


def _wall_seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - our own
    if done.returncode not in {0, 1}:  # runs that diverge are found unhealthy
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of five, and no whole commands")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    machine, rounds = describe_machine(), 1 if options.quick else 5
    for key, value in machine.items():
        print(f"{key}: {value}")
    allowed = os.sched_getaffinity(0) if sys.platform == "linux" else None
    print(f"core: {pin_to_one_core()}\n")
    with threadpool_limits(1):
        measure(CASES[0], 1)  # imports and caches
        print(
            f"{'64 runs':<34}{'in blocks, s':>14}{'alone, s':>10}{'faster':>9}{'at least':>10}"
            f"{'PyTorch, s':>12}{'faster':>9}{'at least':>10}"
        )
        times = []
        for case in CASES:
            one = measure(case, rounds)
            times.append(one)
            print(
                f"{one.name:<34}{one.stacked:>14.3f}{one.alone:>10.3f}{one.than_alone:>8.1f}×{case.than_alone:>9.1f}×"
                f"{one.torch:>12.2f}{one.than_torch:>8.1f}×{case.than_torch:>9.1f}×"
            )
        growth = measure_growth(CASES[0], 1)
    print(f"\n{CASES[0].name}: " + ", ".join(f"{count} runs {1e3 * one:.0f} ms a run" for count, one in growth.items()))
    commands = {}
    if not options.quick:
        if allowed is not None:
            os.sched_setaffinity(0, allowed)
        print(f"\n{'whole commands, two processes':<34}{'sweep, s':>10}{'PyTorch, s':>12}{'faster':>9}{'at least':>10}")
        for case in CASES:
            ours, torch = commands[case.name] = measure_commands(case)
            target = "" if case.as_command is None else f"{case.as_command:.0f}×"
            print(f"{case.name:<34}{ours:>10.1f}{torch:>12.1f}{torch / ours:>8.1f}×{target:>10}")
    if options.json is not None:
        record = {"machine": machine, "times": [asdict(one) for one in times], "growth": growth, "commands": commands}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
