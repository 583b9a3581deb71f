"""What trainings cost that are watched and that are only scored: the constants of `intervention/prices.py`.

    python benchmarks/repair_prices.py
    python benchmarks/repair_prices.py --rounds 5

Times the bases that `repair` was tuned on, and networks that are larger, longer, or have larger batches, and fits the
constants to the processor time of all of them by non-negative least squares of the relative error. Then it shows how
far the prices that `repair` counts with are from what was measured.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from repair_bases import bases, write_tables
from repairs import laboratory, load_case
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.prices import MARGIN
from gradvitals.experiments.intervention.trials import Laboratory

COUNTS = (1, 2, 3, 5)
"""Seeds that are trained together."""

FURTHER = {
    "large": ("digits", [512, 512], 64, 6),
    "very large": ("digits", [1024, 1024], 256, 8),
    "wide": ("digits", [2000], 32, 3),
    "deep": ("digits", [64] * 8, 128, 15),
    "four layers": ("digits", [128] * 4, 128, 12),
    "whole batches": ("moons", [16, 16], 640, 300),
    "large batches": ("digits", [64], 1438, 120),
    "long, of few rows": ("iris", [16], 16, 1500),
    "long": ("moons", [16, 16], 32, 500),
    "longer": ("digits", [64], 64, 80),
}
"""Networks besides the bases: source, hidden layers, batch size, epochs."""

STEPS = ("SET_UP", "ALONE", "ALONE_PER_LAYER", "STACKED", "STACKED_PER_LAYER")
SUMS = ("PER_PRODUCT", "PER_PARAMETER", "PER_VALUE")
WATCHING = ("WATCHING_PER_PARAMETER", "WATCHING_PER_CHECK", "WATCHING_PER_LAYER")
NAMES = (*STEPS, *SUMS, *WATCHING)
"""The constants, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A training of a network, or several together.

    Attributes:
        name: Of the network.
        count: Trainings together; 0 for one that is watched.
        milliseconds: That all of them took.
        work: How much of what each constant is the price of.
    """

    name: str
    count: int
    milliseconds: float
    work: tuple[float, ...]


def networks() -> dict[str, LoadedConfig]:
    """Give the networks that are timed."""
    write_tables("tuning")
    found = {base.name: load_case(base.table, ()) for base in bases("tuning")}
    for name, (source, hidden, batch, epochs) in FURTHER.items():
        training = {"optimizer": {"kind": "sgd", "learning_rate": 0.001}, "batch_size": batch, "epochs": epochs}
        table = {"name": "base", "data": {"source": source}, "model": {"hidden": hidden}, "training": training}
        found[name] = load_case(table, ())
    return found


def measure(name: str, loaded: LoadedConfig, rounds: int) -> list[Measured]:
    """Time one network: watched, and only scored with several seeds at once."""
    arm = Arm(loaded.config, {}, "control")
    with tempfile.TemporaryDirectory() as folder:
        lab = laboratory(loaded, Path(folder))
        least_time(lab, arm, 1, 1, watched=True)  # so that nothing is read or imported for the first time below
        scored = [(count, least_time(lab, arm, count, rounds, watched=False)) for count in COUNTS]
        watched = least_time(lab, arm, 1, rounds, watched=True)
    found = [Measured(name, count, spent, work_of(lab, count, watched=False)) for count, spent in scored]
    return [*found, Measured(name, 0, watched, work_of(lab, 1, watched=True))]


def least_time(lab: Laboratory, arm: Arm, count: int, rounds: int, *, watched: bool) -> float:
    """Give the milliseconds that trainings with so many seeds take, the least of some rounds."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        lab.run([(arm, seed) for seed in range(1, count + 1)], watched=[arm] if watched else ())
        times.append(time.process_time() - started)
    return 1000.0 * min(times)


def work_of(lab: Laboratory, count: int, *, watched: bool) -> tuple[float, ...]:
    """Give how much of what each constant is the price of, in the order of `NAMES`."""
    prices = lab.prices
    config = prices.sick
    layers, parameters, values = prices.size(config)
    steps, batch = prices.steps(config), min(config.training.batch_size, prices.rows)
    blocks = -(-count // prices.most)
    sizes = [(index + 1) * count // blocks - index * count // blocks for index in range(blocks)]
    alone, stacked = (steps * sum((size == 1) == is_alone for size in sizes) for is_alone in (True, False))
    checks = prices.checks(config)
    calls = (alone, alone * layers, stacked, stacked * layers)
    sums = (count * steps * batch * parameters, count * steps * parameters, count * steps * batch * values)
    return (count, *calls, *sums, *((parameters, checks, checks * prices.layers(config)) if watched else (0, 0, 0)))


def main() -> None:
    """Measure, fit, and hold the prices against what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows: list[Measured] = []
    prices: dict[str, list[float]] = {}
    with threadpool_limits(1):
        for name, loaded in networks().items():
            rows += measure(name, loaded, options.rounds)
            with tempfile.TemporaryDirectory() as folder:
                reckoned = laboratory(loaded, Path(folder)).prices
                prices[name] = [reckoned.scored(loaded.config, count) for count in COUNTS]
            print(name, flush=True)
    relative = np.array([np.array(row.work) / row.milliseconds for row in rows])
    constants, _ = nnls(relative, np.ones(len(rows)))
    for constant, milliseconds in zip(NAMES, constants, strict=True):
        print(f"{constant:24} {milliseconds:.2g}")
    print(f"\n{'':28} each of 1, 2, 3, 5: counted, {MARGIN:g} times the mean, and measured (a watched one is 1)")
    for name, counted in prices.items():
        own = {row.count: row.milliseconds for row in rows if row.name == name}
        measured = (own[count] / count / own[0] for count in COUNTS)
        print(f"{name:28} {'  '.join(f'{each:.2f} {took:.2f}' for each, took in zip(counted, measured, strict=True))}")


if __name__ == "__main__":
    main()
