"""What watching costs: whole trainings with monitor and event files at the default rhythm, against the same without.

    python benchmarks/diagnostics.py [--quick] [--each] [--parts] [--floor] [--json FILE]

Two trainings of one network take turns, some steps each, one of them watched; times are CPU seconds of this process,
float32, one BLAS thread, one core. What the monitor does before the first step and after the last is reported apart.
The default rhythm follows the planned length; of the long trainings, the first part is timed. With `--each`, a second
table samples every step. With `--parts` the time of watching is taken apart, by a clock around its methods: medians of
wall time, with what the clocks themselves cost. With `--floor`, what no watching of this rhythm can be below is taken
too: the bare arithmetic of the step's metrics and the frozen passes of the looks, without an event, a record, a rule or
a file.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine, pin_to_one_core
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.dead_unit_scan import DeadUnitScanner
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.probing import PROBE_ROWS, Prober
from gradvitals.diagnostics.schedule import FROZEN_COST, Every, StepRhythm, plan_probes
from gradvitals.diagnostics.step_metrics import StepMetrics
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, LayerForward, TrainingEnded, TrainingStarted
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, Trainer

TURN_SECONDS = 0.05
LIMIT = 0.025
EACH_LIMITS = {"digits": 0.18, "deep": 0.08, "mnist": 0.04, "wide": 0.04}
"""Where every step is sampled."""


@dataclass(frozen=True, slots=True)
class Training:
    """A network, its data, how long it is to train, and for how many of these steps it is timed."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int
    planned: int
    steps: int


TRAININGS = (
    Training("toy", (2, 16, 16, 2), 32, 1000, 5000, 5000),
    Training("digits", (64, 64, 32, 10), 64, 1437, 2000, 2000),
    Training("deep", (64, *[64] * 10, 10), 128, 1437, 2000, 2000),
    Training("mnist", (784, 256, 128, 10), 128, 20000, 4690, 1200),  # ten epochs of 60,000 rows
    Training("wide", (784, 1024, 1024, 10), 256, 20000, 2350, 300),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of watching one training, as shares of the unwatched steps' time."""

    training: str
    planned: int
    steps: int
    step_microseconds: float
    during: float
    at_start: float
    at_end: float


class Runner:
    """One of the two trainings: takes its steps in turns, and counts its seconds."""

    def __init__(self, training: Training, samples: Samples) -> None:
        self._training, self._samples = training, samples
        self._generator = np.random.default_rng(0)
        hidden = ["relu"] * (len(training.sizes) - 2)
        self.network = perceptron(
            training.sizes,
            hidden,
            "cross_entropy",
            initializers=[he_normal] * (len(hidden) + 1),
            generator=self._generator,
        )
        self._trainer = Trainer(self.network, Sgd(0.01, momentum=0.9))
        self._order = np.empty(0, np.int64)
        self.seconds = 0.0

    def take(self, steps: int) -> None:
        """Take some steps."""
        started = time.process_time()
        for _ in range(steps):
            if len(self._order) < self._training.batch:
                self._order = self._generator.permutation(len(self._samples))
            rows, self._order = self._order[: self._training.batch], self._order[self._training.batch :]
            self._trainer.step(self._samples, rows)
        self.seconds += time.process_time() - started


PARTS: tuple[tuple[str, type[Any], str], ...] = (
    ("sampled step, before the update", Trainer, "_emit_before_update"),
    ("  outputs of a layer", StepMetrics, "forward"),
    ("  gradient norms", StepMetrics, "gradients"),
    ("sampled step, after the update", Trainer, "_emit_after_update"),
    ("  weight norms and update ratios", StepMetrics, "ended"),
    ("  one event, encoded and written", EventFile, "scalars"),
    ("    written", EventFile, "_write"),
    ("  looks between start and end", Monitor, "_look_due"),
    ("probe, all", Prober, "take"),
    ("exact scan, all", DeadUnitScanner, "scan"),
)
"""What `--parts` times: a name, indented below what it is a part of, and the method.

Probes and scans are those of start and end too; the ones between are part of the looks, and these of a step.
"""


@contextmanager
def clocks(times: dict[str, list[float]]) -> Iterator[None]:
    """Time the methods of PARTS in a `with` block."""
    originals = [(cls, method, getattr(cls, method)) for _, cls, method in PARTS]
    for name, cls, method in PARTS:
        setattr(cls, method, _clocked(getattr(cls, method), times.setdefault(name, [])))
    try:
        yield
    finally:
        for cls, method, original in originals:
            setattr(cls, method, original)


def _clocked(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any method
        started = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - started)

    return timed


def print_parts(training: Training) -> None:
    """Print what each part takes, once and over the training."""
    times: dict[str, list[float]] = {}
    with clocks(times):
        measure(training)
    print(f"\n{training.name:<36}{'times':>7}{'median µs':>11}{'least µs':>10}{'sum ms':>9}")
    for name, seconds in times.items():
        if seconds:
            micro = 1e6 * statistics.median(seconds), 1e6 * min(seconds)
            print(f"{name:<36}{len(seconds):>7}{micro[0]:>11.1f}{micro[1]:>10.1f}{1e3 * sum(seconds):>9.1f}")


def measure(training: Training, every: Every = "auto") -> Cost:
    """Run both trainings to their end, in turns."""
    samples = make_samples(training)
    inputs, targets = samples.inputs, samples.targets
    plain, watched = Runner(training, samples), Runner(training, samples)
    with tempfile.TemporaryDirectory() as folder:
        held_out = slice(0, max(training.rows // 5, 2))
        data = WatchedData(inputs, targets, inputs[held_out], targets[held_out])
        monitor = Monitor(watched.network, data, every=every, sinks=(RunWriter(Path(folder)),))
        start = _timed(watched.network, TrainingStarted(0, training.planned, training.batch))
        plain.take(5)
        watched.take(5)
        turn = max(5, round(TURN_SECONDS / (plain.seconds / 5)))
        plain.seconds, done = 0.0, 0
        watched.seconds = 0.0
        while done < training.steps - 5:
            steps = min(turn, training.steps - 5 - done)
            for runner in (plain, watched) if (done // turn) % 2 else (watched, plain):
                runner.take(steps)
            done += steps
        end = _timed(watched.network, TrainingEnded(training.steps, "completed"))
        monitor.detach()
    base = plain.seconds
    return Cost(
        training.name,
        training.planned,
        training.steps,
        1e6 * base / done,
        watched.seconds / base - 1.0,
        start / base,
        end / base,
    )


class Floor:
    """The arithmetic alone, into arrays made before: at sampled steps and at looks, as often as a monitor has them."""

    def __init__(self, training: Training, runner: Runner, samples: Samples) -> None:
        """Make every array and view."""
        network = runner.network
        self._runner, self._samples, self._network = runner, samples, network
        seen: list[Array] = []
        network.probe(samples.inputs[: training.batch], samples.targets[: training.batch], self._keep(seen))
        self._outputs = [outputs.copy() for outputs in seen]
        self._sums = [np.zeros(outputs.shape[1], outputs.dtype) for outputs in seen]
        self._ones = np.ones(training.batch, network.dtype)
        self._parameters, self._gradients = network.parameters, network.gradients
        self._updates = np.zeros_like(self._parameters)
        sizes = [sum(array.size for array in group.values()) for group in network.parameters_by_layer().values()]
        self._layers = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
        self._norms = np.zeros(3 * len(sizes), network.dtype)
        self._squares = [self._norms[i : i + 1].reshape(()) for i in range(len(self._norms))]
        rhythm, total, held_out = StepRhythm("auto", training.planned), training.planned, max(training.rows // 5, 2)
        self._sampled = {step for step in range(1, total + 1) if rhythm.next_after(step - 1) == step}
        cost = PROBE_ROWS + FROZEN_COST * min(PROBE_ROWS, held_out)
        self._looks = set(plan_probes(total, training.batch, cost)) - {0, total}
        self._unseen = slice(0, min(PROBE_ROWS, held_out))

    def take(self, steps: int, done: int) -> None:
        """Take some steps, and what a monitor has to compute at them."""
        started, runner = time.process_time(), self._runner
        for step in range(done + 1, done + steps + 1):
            sampled = step in self._sampled
            if sampled:
                self._before_update()
            runner.take(1)
            if sampled:
                self._after_update()
            if step in self._looks:
                self._network.probe(*self._rows(slice(0, PROBE_ROWS)), _ignore)
                self._network.probe(*self._rows(self._unseen))
        runner.seconds = time.process_time() - started

    def _rows(self, rows: slice) -> tuple[Array, Array]:
        return self._samples.inputs[rows], self._samples.targets[rows]

    def _before_update(self) -> None:
        for outputs, sums in zip(self._outputs, self._sums, strict=True):
            self._ones.dot(outputs, sums)
        for layer, square in zip(self._layers, self._squares, strict=False):
            gradient = self._gradients[layer]
            gradient.dot(gradient, square)
        np.copyto(self._updates, self._parameters)

    def _after_update(self) -> None:
        np.subtract(self._parameters, self._updates, out=self._updates)
        count = len(self._layers)
        for index, layer in enumerate(self._layers):
            weight, update = self._parameters[layer], self._updates[layer]
            weight.dot(weight, self._squares[count + index])
            update.dot(update, self._squares[2 * count + index])

    @staticmethod
    def _keep(seen: list[Array]) -> Callable[[Any], None]:
        return lambda event: seen.append(event.outputs) if isinstance(event, LayerForward) else None


def _ignore(_: object) -> None:
    """Take an event of a probe."""


def measure_floor(training: Training) -> float:
    """Run a bare training and one with the bare arithmetic, in turns; give its share."""
    samples = make_samples(training)
    plain, watched = Runner(training, samples), Runner(training, samples)
    floor = Floor(training, watched, samples)
    plain.take(5)
    turn = max(5, round(TURN_SECONDS / (plain.seconds / 5)))
    floor.take(5, 0)
    seconds, done = [0.0, 0.0], 5
    while done < training.steps:
        steps = min(turn, training.steps - done)
        for place in (0, 1) if (done // turn) % 2 else (1, 0):
            if place:
                floor.take(steps, done)
                seconds[1] += watched.seconds
            else:
                plain.seconds = 0.0
                for _ in range(steps):
                    plain.take(1)
                seconds[0] += plain.seconds
        done += steps
    return seconds[1] / seconds[0] - 1.0


def make_samples(training: Training) -> Samples:
    """Draw inputs, and labels of a linear teacher."""
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((training.rows, training.sizes[0]), np.float32)
    teacher = generator.standard_normal((training.sizes[0], training.sizes[-1]), np.float32)
    return Samples(inputs, np.eye(training.sizes[-1], dtype=np.float32)[(inputs @ teacher).argmax(axis=1)])


def _timed(network: Network, event: TrainingStarted | TrainingEnded) -> float:
    started = time.process_time()
    network.hooks.emit(event)
    return time.process_time() - started


def print_costs(rounds: int, every: Every, limits: Mapping[str, float]) -> list[Cost]:
    """Measure every training in a rhythm, and print the table."""
    print(f"\n{'every step' if every == 1 else 'default rhythm'}")
    print(f"{'training':<10}{'planned':>8}{'timed':>7}{'step µs':>10}{'during':>9}{'limit':>8}{'start':>8}{'end':>8}")
    costs = []
    for training in TRAININGS:
        taken = [measure(training, every) for _ in range(rounds)]
        cost = Cost(
            training.name,
            training.planned,
            training.steps,
            *(
                statistics.median(getattr(one, name) for one in taken)
                for name in ("step_microseconds", "during", "at_start", "at_end")
            ),
        )
        costs.append(cost)
        limit = f"{100 * limits[training.name]:.1f} %" if training.name in limits else ""
        print(
            f"{cost.training:<10}{cost.planned:>8}{cost.steps:>7}{cost.step_microseconds:>10.1f}"
            f"{100 * cost.during:>7.1f} %{limit:>8}{100 * cost.at_start:>6.1f} %{100 * cost.at_end:>6.1f} %"
        )
    return costs


def main() -> None:
    """Measure every training and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--each", action="store_true", help="sample every step too")
    parser.add_argument("--parts", action="store_true", help="take the time of watching apart")
    parser.add_argument("--floor", action="store_true", help="measure the bare arithmetic of watching too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}\n")
    rounds = 1 if options.quick else 5
    with threadpool_limits(1):
        measure(TRAININGS[1])  # imports and caches
        costs = print_costs(rounds, "auto", {one.name: LIMIT for one in TRAININGS if one.name != "toy"})
        each = print_costs(rounds, 1, EACH_LIMITS) if options.each else []
        for training in TRAININGS if options.floor else ():
            share = statistics.median(measure_floor(training) for _ in range(rounds))
            print(f"{training.name:<10} the arithmetic alone: {100 * share:.1f} %")
        for training in TRAININGS if options.parts else ():
            print_parts(training)
    if options.json is not None:
        record = {"machine": machine, "costs": [asdict(one) for one in costs], "each": [asdict(one) for one in each]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
