"""The time of one training step, against a hand-inlined NumPy step of the same work in the same process.

    python benchmarks/step.py [--quick] [--json FILE]

A step is: gather a batch by its rows, forward, loss, accuracy, backward, SGD with momentum .9; float32, one BLAS
thread, one core. The variants take turns, so that a noisy neighbour slows them all: trust ratios and minima, not
medians.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from machine import describe_machine, pin_to_one_core
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gradvitals.engine.initializers import he_normal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, Trainer

Array: TypeAlias = NDArray[Any]
Step: TypeAlias = Callable[[Array], float]
"""Trains on the batch of these rows and gives its loss before the update."""

LEARNING_RATE = 1e-3
MOMENTUM = 0.9
ROUND_SECONDS = 0.02
AGREEING_STEPS = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and its batch, with the ratio to the inlined step that the engine must not exceed."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    limit: float


SHAPES = (
    Shape("toy", (2, 16, 16, 2), 32, 3.0),
    Shape("digits", (64, 64, 32, 10), 64, 2.0),
    Shape("deep", (64, *[64] * 10, 10), 128, 1.15),
    Shape("mnist", (784, 256, 128, 10), 128, 1.15),
    Shape("wide", (784, 1024, 1024, 10), 256, 1.15),
)


class Problem:
    """Random samples of a shape, the batches' rows, and networks that all start from the same weights."""

    def __init__(self, shape: Shape) -> None:
        generator = np.random.default_rng(0)
        self.shape = shape
        rows = 16 * shape.batch
        self.inputs = generator.normal(size=(rows, shape.sizes[0])).astype(np.float32)
        self.labels = generator.integers(0, shape.sizes[-1], rows)
        self.targets = np.eye(shape.sizes[-1], dtype=np.float32)[self.labels]
        self.batches = list(generator.permutation(rows).reshape(-1, shape.batch))

    def network(self) -> Network:
        """Build the shape's network, ReLU and cross-entropy."""
        layers = len(self.shape.sizes) - 1
        return perceptron(
            self.shape.sizes,
            ["relu"] * (layers - 1),
            "cross_entropy",
            initializers=[he_normal] * layers,
            generator=np.random.default_rng(1),
        )


Variant: TypeAlias = tuple[str, Callable[[Problem], Step]]


# First half: what the engine costs over the arithmetic alone.


def make_inlined(problem: Problem) -> Step:  # noqa: PLR0915 - inlined is the point
    """Write the step out by hand, with every trick known to help.

    One flat parameter vector; each bias is the last column of an augmented weight `(fan_out, fan_in + 1)` and meets a
    row of ones in buffers `(units + 1, batch)`, so that no bias is added and none summed; `out=` everywhere; softmax
    over axis 0.
    """
    sizes, batch = problem.shape.sizes, problem.shape.batch
    fans = list(pairwise(sizes))
    flat = np.empty(sum((fan_in + 1) * fan_out for fan_in, fan_out in fans), np.float32)
    gradient, velocity, scratch = np.empty_like(flat), np.zeros_like(flat), np.empty_like(flat)
    weights, weight_gradients = _augmented(flat, fans), _augmented(gradient, fans)
    for array, layer in zip(weights, problem.network().parameters_by_layer().values(), strict=True):
        array[:, :-1], array[:, -1] = layer["weight"].T, layer["bias"]

    samples = np.concatenate([problem.inputs, np.ones((len(problem.inputs), 1), np.float32)], axis=1)
    gathered = np.empty((batch, sizes[0] + 1), np.float32)
    hidden = [np.ones((size + 1, batch), np.float32) for size in sizes[1:-1]]
    hidden_gradients = [np.empty((size + 1, batch), np.float32) for size in sizes[1:-1]]
    logits = np.empty((sizes[-1], batch), np.float32)
    probs, one_hot = np.empty_like(logits), np.empty_like(logits)
    largest, sums = np.empty(batch, np.float32), np.empty(batch, np.float32)
    labels, eye = np.empty(batch, problem.labels.dtype), np.eye(sizes[-1], dtype=np.float32)
    per_sample, momentum, rate = (np.float32(number) for number in (1.0 / batch, MOMENTUM, LEARNING_RATE))

    # What each call needs, bound once: the product, its operand and where it goes.
    layer_inputs = [gathered.T, *hidden]
    rectified = [(array[:-1], np.zeros_like(array[:-1])) for array in hidden]
    forwards = [
        (weight.dot, inputs, output, zeros)
        for weight, inputs, (output, zeros) in zip(weights, layer_inputs, rectified, strict=False)
    ]
    delta_views = [*(array[:-1] for array in hidden_gradients), probs]
    masks = [np.empty(array.shape, np.bool_) for array, _ in rectified]
    backwards = [
        (
            delta_views[index].dot,
            layer_inputs[index].T,
            weight_gradients[index],
            weights[index].T.dot,
            delta_views[index],
            hidden_gradients[index - 1],
            hidden[index - 1][:-1],
            masks[index - 1],
            delta_views[index - 1],
        )
        for index in range(len(fans) - 1, 0, -1)
    ]
    last_product = weights[-1].dot
    zero = np.float32(0.0)
    correct = np.zeros(1, np.intp)

    def step(rows: Array) -> float:
        samples.take(rows, 0, gathered, "clip")
        problem.labels.take(rows, 0, labels, "clip")
        for product, inputs, output, zeros in forwards:
            product(inputs, output)
            np.maximum(output, zeros, out=output)
        last_product(layer_inputs[-1], logits)
        correct[0] = np.count_nonzero(logits.argmax(0) == labels)

        np.maximum.reduce(logits, axis=0, out=largest)
        np.subtract(logits, largest, logits)
        np.exp(logits, probs)
        np.add.reduce(probs, axis=0, out=sums)
        np.divide(probs, sums, probs)
        eye.take(labels, 1, one_hot, "clip")
        np.log(sums, sums)
        loss = (float(np.add.reduce(sums)) - float(np.vdot(one_hot, logits))) / batch

        np.subtract(probs, one_hot, probs)
        np.multiply(probs, per_sample, probs)
        for weight_product, inputs, out, input_product, delta, wide, fired, mask, narrow in backwards:
            weight_product(inputs, out)
            input_product(delta, wide)
            np.greater(fired, zero, mask)
            np.multiply(narrow, mask, narrow)
        delta_views[0].dot(gathered, weight_gradients[0])

        np.multiply(velocity, momentum, velocity)
        np.add(velocity, gradient, velocity)
        np.multiply(velocity, rate, scratch)
        np.subtract(flat, scratch, flat)
        return loss

    return step


def _augmented(flat: Array, fans: Sequence[tuple[int, int]]) -> list[Array]:
    views, start = [], 0
    for fan_in, fan_out in fans:
        end = start + (fan_in + 1) * fan_out
        views.append(flat[start:end].reshape(fan_out, fan_in + 1))
        start = end
    return views


def make_engine(problem: Problem) -> Step:
    """Take the step with the engine, nobody watching."""
    trainer = Trainer(problem.network(), Sgd(LEARNING_RATE, momentum=MOMENTUM))
    samples = Samples(problem.inputs, problem.targets)
    return lambda rows: trainer.step(samples, rows)


ENGINE: tuple[Variant, ...] = (("inlined NumPy", make_inlined), ("engine", make_engine))
"""The first variant is what the others are measured against."""


# Second half: what diagnostics cost over the engine alone. A section is a title and its variants.


SECTIONS: tuple[tuple[str, tuple[Variant, ...]], ...] = (("training step", ENGINE),)


# Measuring.


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one variant on one shape, in µs per step; the ratio is the median over rounds."""

    section: str
    shape: str
    variant: str
    median: float
    minimum: float
    ratio: float
    limit: float | None


def assert_same_losses(problem: Problem, variants: Sequence[Variant]) -> None:
    """Refuse to time steps that do not train alike: losses must agree to float32 rounding."""
    batches = list(islice(cycle(problem.batches), AGREEING_STEPS))
    losses = [[step(rows) for rows in batches] for step in (make(problem) for _, make in variants)]
    for (name, _), other in zip(variants, losses, strict=True):
        np.testing.assert_allclose(other, losses[0], rtol=1e-5, err_msg=f"{problem.shape.name}: {name}")


def measure(problem: Problem, variants: Sequence[Variant], rounds: int) -> list[list[float]]:
    """Time the variants in turns, in changing order: a list of seconds per step for each."""
    steps = [make(problem) for _, make in variants]
    batches = cycle(problem.batches)
    for step in steps:
        _time(step, list(islice(batches, 10)))
    once = _time(steps[0], list(islice(batches, 10)))
    repeats = max(2, round(ROUND_SECONDS / once))
    times: list[list[float]] = [[] for _ in steps]
    for number in range(rounds):
        chosen = list(islice(batches, repeats))
        order = range(len(steps)) if number % 2 else reversed(range(len(steps)))
        for index in order:
            times[index].append(_time(steps[index], chosen))
    return times


def _time(step: Step, batches: list[Array]) -> float:
    start = time.perf_counter()
    for rows in batches:
        step(rows)
    return (time.perf_counter() - start) / len(batches)


def summarize(section: str, shape: Shape, variants: Sequence[Variant], times: list[list[float]]) -> list[Timing]:
    """Reduce the rounds to a line per variant."""
    lines = []
    for (name, _), seconds in zip(variants, times, strict=True):
        ratio = statistics.median(own / base for own, base in zip(seconds, times[0], strict=True))
        limit = shape.limit if name == "engine" else None
        lines.append(
            Timing(section, shape.name, name, 1e6 * statistics.median(seconds), 1e6 * min(seconds), ratio, limit)
        )
    return lines


def main() -> None:
    """Measure every section on every shape and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()

    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}\n")
    print(f"{'section':<15}{'shape':<8}{'variant':<16}{'median µs':>11}{'min µs':>11}{'ratio':>8}{'limit':>8}")
    timings: list[Timing] = []
    with threadpool_limits(1):
        for section, variants in SECTIONS:
            for shape in SHAPES:
                problem = Problem(shape)
                assert_same_losses(problem, variants)
                times = measure(problem, variants, 15 if options.quick else 101)
                for line in summarize(section, shape, variants, times):
                    limit = "" if line.limit is None else f"{line.limit:.2f}"
                    print(
                        f"{section:<15}{line.shape:<8}{line.variant:<16}"
                        f"{line.median:>11.1f}{line.minimum:>11.1f}{line.ratio:>8.2f}{limit:>8}"
                    )
                    timings.append(line)
    if options.json is not None:
        record = {"machine": machine, "timings": [asdict(timing) for timing in timings]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
