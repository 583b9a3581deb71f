"""The time of one training step against others of the same work: by hand in NumPy, PyTorch, JAX, scikit-learn.

    python benchmarks/step.py [--quick] [--shapes NAME…] [--rules sgd adam] [--json FILE]

A step is: gather a batch by its rows, forward, loss, right answers, backward, update (SGD with momentum .9, or Adam);
float32, one thread, one core. Contenders take turns in one process, so that a noisy neighbour slows them all: trust the
ratios. Before anything is timed, all that train from the same weights must have moved them alike.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np
from machine import describe_machine, pin_to_one_core
from step_frameworks import STEPS_IN_SCAN, absent, installed
from step_numpy import make_engine, make_inlined, make_products
from step_problem import BATCHES, SHAPES, Array, Contender, Problem, Rule, Shape
from threadpoolctl import threadpool_limits

BASE, ENGINE = "by hand, NumPy", "engine"
TURN_SECONDS = 0.05
AGREEING_STEPS = 20
LOSSES_APART = 1e-5
"""How far the engine's losses may be from those by hand at any of these steps, relative: float32 rounding."""

SHARE_APART = 1e-2
"""How far two contenders' parameters may be from one another, as a share of how far they have come.

Rounding does that only where a unit stands at its kink, or Adam divides what is nearly 0: mostly it is 1e-6.
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one contender on one shape, in µs per step; the ratio to the step by hand is the median over rounds."""

    rule: Rule
    shape: str
    contender: str
    median: float
    minimum: float
    ratio: float
    limit: float | None


def assert_alike(contenders: Mapping[str, Contender], problem: Problem) -> None:
    """Refuse to time contenders that do not train alike."""
    start = problem.network().parameters.copy()
    losses: dict[str, Array] = {}
    ended: dict[str, Array] = {}
    for name, contender in contenders.items():
        if contender.parameters is not None:
            losses[name] = np.asarray(contender.train(problem.rows(AGREEING_STEPS)))
            ended[name] = contender.parameters()
    where = f"{problem.shape.name}, {problem.rule}"
    np.testing.assert_allclose(losses[ENGINE], losses[BASE], rtol=LOSSES_APART, err_msg=where)
    way = np.linalg.norm(ended[BASE] - start)
    for name, parameters in ended.items():
        apart = np.linalg.norm(parameters - ended[BASE]) / way
        if not apart <= SHARE_APART:
            msg = f"{where}: {name} is {apart:.1e} of the way apart from {BASE}"
            raise AssertionError(msg)


def measure(contenders: Mapping[str, Contender], problem: Problem, rounds: int) -> dict[str, list[float]]:
    """Time the contenders in turns, in changing order: seconds per step, for each round."""
    batches = {name: problem.rows(_turn(contender, problem)) for name, contender in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in contenders if number % 2 else reversed(list(contenders)):
            times[name].append(_seconds(contenders[name], batches[name]))
    return times


def _turn(contender: Contender, problem: Problem) -> int:
    """Give how many steps a turn has: as many as take some time, in whole scans and, if more, whole passes."""
    for steps in (STEPS_IN_SCAN, BATCHES):  # caches and compilers
        contender.train(problem.rows(steps))
    steps = max(2, round(TURN_SECONDS / _seconds(contender, problem.rows(STEPS_IN_SCAN))))
    whole = BATCHES if steps > BATCHES else STEPS_IN_SCAN if steps > 2 else 2
    return -(-steps // whole) * whole


def _seconds(contender: Contender, batches: Array) -> float:
    start = time.perf_counter()
    contender.train(batches)
    return (time.perf_counter() - start) / len(batches)


def summarize(shape: Shape, rule: Rule, times: Mapping[str, list[float]]) -> list[Timing]:
    """Reduce the rounds to a line per contender."""
    lines = []
    for name, seconds in times.items():
        ratio = statistics.median(own / base for own, base in zip(seconds, times[BASE], strict=True))
        limit = shape.limit if name == ENGINE else None
        lines.append(Timing(rule, shape.name, name, 1e6 * statistics.median(seconds), 1e6 * min(seconds), ratio, limit))
    return lines


def main() -> None:
    """Measure every contender on every shape and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--shapes", nargs="+", choices=[shape.name for shape in SHAPES], help="these only")
    parser.add_argument("--rules", nargs="+", choices=get_args(Rule), default=get_args(Rule), help="these only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    rounds = 7 if options.quick else 41
    core = pin_to_one_core()
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    contestants: dict[str, Callable[[Problem], Contender]] = {
        BASE: make_inlined,
        ENGINE: make_engine,
        **installed(),
        "its products alone": make_products,
    }
    machine = describe_machine()
    for key, value in chain(machine.items(), [("core", core), ("absent", ", ".join(absent()) or "nobody")]):
        print(f"{key}: {value}")
    print(f"\n{'rule':<6}{'shape':<8}{'contender':<22}{'median µs':>11}{'least µs':>11}{'ratio':>8}{'target':>8}")
    timings: list[Timing] = []
    for rule in options.rules:
        for shape in SHAPES:
            if options.shapes and shape.name not in options.shapes:
                continue
            problem = Problem(shape, rule)
            contenders = {name: make(problem) for name, make in contestants.items()}
            with threadpool_limits(1):  # here, as importing a contender may bring a pool of its own
                assert_alike(contenders, problem)
                times = measure(contenders, problem, rounds)
            for line in summarize(shape, rule, times):
                limit = "" if line.limit is None else f"≤ {line.limit:.2f}"
                print(
                    f"{line.rule:<6}{line.shape:<8}{line.contender:<22}"
                    f"{line.median:>11.1f}{line.minimum:>11.1f}{line.ratio:>8.2f}{limit:>8}"
                )
                timings.append(line)
    if options.json is not None:
        record = {"machine": machine, "absent": absent(), "timings": [asdict(timing) for timing in timings]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
