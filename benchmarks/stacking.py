"""What stacking runs gains: steps of R networks at once against as many one after the other.

    python benchmarks/stacking.py [--quick] [--json FILE]

CPU seconds of this process, float32, SGD with momentum, one BLAS thread, one core; contenders take turns, medians of
five rounds. It is of the engine alone: microseconds per run and step, and how many times faster that is.
`sweeps.py` has whole sweeps, watched and logged.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine, pin_to_one_core
from threadpoolctl import threadpool_limits

from gradvitals.engine.initializers import he_normal
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.stack import Training
from gradvitals.engine.train_many import train_many
from gradvitals.engine.training import Samples, train


@dataclass(frozen=True, slots=True)
class Shape:
    """A network, its data, how many epochs are timed, and stacks of how many runs."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int
    epochs: int
    stacks: tuple[int, ...]


SHAPES = (
    Shape("toy", (2, 16, 16, 2), 32, 1000, 10, (4, 16, 64, 256)),
    Shape("digits", (64, 64, 32, 10), 64, 1437, 6, (4, 16, 64)),
    Shape("deep", (64, *[64] * 10, 10), 128, 1437, 3, (2, 4)),
    Shape("mnist", (784, 256, 128, 10), 128, 5000, 1, (2, 4)),
)


@dataclass(frozen=True, slots=True)
class Gain:
    """Time of one run by itself and as one of many, and their ratio."""

    what: str
    at_once: int
    alone: float
    stacked: float

    @property
    def ratio(self) -> float:
        """How many times faster."""
        return self.alone / self.stacked


def make_trainings(shape: Shape, count: int) -> list[Training]:
    """Make networks that differ in their weights, rates and batches."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((shape.rows, shape.sizes[0]), np.float32)
    labels = generator.integers(0, shape.sizes[-1], shape.rows)
    samples = Samples(inputs, np.eye(shape.sizes[-1], dtype=np.float32)[labels])
    trainings = []
    for seed in range(count):
        network = perceptron(
            shape.sizes,
            ["relu"] * (len(shape.sizes) - 2),
            "cross_entropy",
            initializers=[he_normal] * (len(shape.sizes) - 1),
            generator=np.random.default_rng(seed),
        )
        optimizer = Sgd(0.01 * (1 + seed % 4), momentum=0.9)
        trainings.append(Training(network, samples, optimizer, shape.epochs, shape.batch, np.random.default_rng(seed)))
    return trainings


def cpu_seconds(act: Callable[[], object]) -> float:
    """Time one call."""
    started = time.process_time()
    act()
    return time.process_time() - started


def train_alone(training: Training) -> None:
    """Train it by itself."""
    train(
        training.network,
        training.samples,
        training.optimizer,
        epochs=training.epochs,
        batch_size=training.batch_size,
        generator=training.generator,
    )


def measure_steps(shape: Shape, rounds: int) -> list[Gain]:
    """Time stacks of every size against single runs, in turns; microseconds per run and step."""
    steps = shape.epochs * -(-shape.rows // shape.batch)
    times: dict[int, list[float]] = {}
    for _ in range(rounds):
        for count in (1, *shape.stacks):
            trainings = make_trainings(shape, count)
            act = (lambda: train_alone(trainings[0])) if count == 1 else (lambda: train_many(trainings))  # noqa: B023
            times.setdefault(count, []).append(1e6 * cpu_seconds(act) / (count * steps))
    alone = statistics.median(times[1])
    return [Gain(shape.name, count, alone, statistics.median(times[count])) for count in shape.stacks]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    machine, rounds = describe_machine(), 1 if options.quick else 5
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}\n")
    gains: list[Gain] = []
    with threadpool_limits(1):
        measure_steps(SHAPES[0], 1)  # imports and caches
        print(f"{'network':<10}{'at once':>9}{'alone, µs':>12}{'stacked, µs':>13}{'faster':>9}")
        for shape in SHAPES:
            for gain in measure_steps(shape, rounds):
                gains.append(gain)
                times = f"{gain.alone:>12.1f}{gain.stacked:>13.1f}{gain.ratio:>8.2f}×"
                print(f"{gain.what:<10}{gain.at_once:>9}{times}")
    if options.json is not None:
        record = {"machine": machine, "gains": [{**asdict(gain), "ratio": gain.ratio} for gain in gains]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
