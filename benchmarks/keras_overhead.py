"""What watching costs a Keras `fit`, and a training in JAX that sends its own events.

    KERAS_BACKEND=torch python benchmarks/keras_overhead.py [--rounds N] [--json FILE]
    KERAS_BACKEND=jax python benchmarks/keras_overhead.py

Two trainings of one network take turns, some steps each: bare, and watched at the default rhythm with data, loss and
event files. On JAX the example of docs/protocol.md is measured too. Times are CPU seconds of this process, float32, one
thread, one core. What is done before the first turn, where everything is compiled, and after the last is reported
apart.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from machine import describe_machine, pin_to_one_core

from gradvitals import watch

layers: Any = keras.layers

TURN_SECONDS = 0.2
WARM_STEPS = 60  # in which both are compiled
LIMIT = 0.03
GUIDE = Path(__file__).parents[1] / "docs" / "protocol.md"


@dataclass(frozen=True, slots=True)
class Case:
    """A network, the shape of its samples, and how it is trained.

    `updates` of `planned` are timed: of the long trainings the first part.
    """

    name: str
    parts: Callable[[], list[Any]]
    shape: tuple[int, ...]
    batch: int
    rows: int
    planned: int
    updates: int


CASES = (
    Case(
        "mlp 784-256-128-10",
        lambda: [layers.Dense(256, activation="relu"), layers.Dense(128, activation="relu"), layers.Dense(10)],
        (784,),
        128,
        20000,
        4690,
        1200,
    ),
    Case(
        "cnn 2 conv, batch norm",
        lambda: [
            *(part for width in (16, 32) for part in _convolution(width)),
            layers.Flatten(),
            layers.Dense(10),
        ],
        (28, 28, 1),
        64,
        4000,
        2000,
        400,
    ),
    Case("lstm 64, 28 time steps", lambda: [layers.LSTM(64), layers.Dense(10)], (28, 28), 64, 4000, 2000, 600),
)
PROTOCOL = Case("protocol example, mlp", list, (784,), 128, 20000, 4690, 1200)


def _convolution(width: int) -> list[Any]:
    return [layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()]


class Turns:
    """Lets trainings, each in a thread of its own, take turns of some steps, and counts their seconds.

    A training calls `step` before every step; it is held there until its turn. JAX computes while Python goes on: so
    that nobody pays for what another has begun, a turn ends when all is computed.
    """

    def __init__(self, trainings: list[Callable[[Callable[[], None]], None]], settle: Callable[[], object]) -> None:
        """Make the threads; `settle` waits for what is still being computed."""
        self._settle = settle
        self._left = [0] * len(trainings)
        self._may = [threading.Semaphore(0) for _ in trainings]
        self._done = [threading.Semaphore(0) for _ in trainings]
        self._ended = [False] * len(trainings)
        self.threads = [
            threading.Thread(target=self._run, args=(place, training), daemon=True)
            for place, training in enumerate(trainings)
        ]

    def take(self, place: int, steps: int) -> float:
        """Let one take some steps; give the CPU seconds."""
        self._left[place] = steps
        started = time.process_time()
        if not self.threads[place].is_alive():
            self.threads[place].start()
        else:
            self._may[place].release()
        self._done[place].acquire()
        return time.process_time() - started

    def finish(self, place: int) -> float:
        """Stop one: its next step raises StopTraining; give the CPU seconds until it has ended."""
        self._ended[place] = True
        started = time.process_time()
        self._may[place].release()
        self.threads[place].join()
        return time.process_time() - started

    def _run(self, place: int, training: Callable[[Callable[[], None]], None]) -> None:
        def step() -> None:
            if self._left[place] == 0:
                self._settle()
                self._done[place].release()
                self._may[place].acquire()
            if self._ended[place]:
                raise StopTraining
            self._left[place] -= 1

        try:
            training(step)
        except StopTraining:
            pass
        finally:
            self._done[place].release()


class StopTraining(Exception):  # noqa: N818 - no error
    """Ends a training whose time is up."""


class Pace(keras.callbacks.Callback):  # type: ignore[misc]
    """Waits for its turn before every step."""

    def __init__(self, step: Callable[[], None]) -> None:
        """Take what waits."""
        super().__init__()
        self._step = step

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras's own
        """Wait."""
        self._step()


def make_data(case: Case) -> tuple[Any, Any]:
    """Draw samples and the labels of a linear teacher."""
    generator = np.random.default_rng(2)
    inputs = generator.standard_normal((case.rows, *case.shape)).astype(np.float32)
    return inputs, (inputs.reshape(case.rows, -1) @ generator.standard_normal((inputs[0].size, 10))).argmax(axis=1)


def keras_training(case: Case, data: tuple[Any, Any], folder: str | None) -> Callable[[Callable[[], None]], None]:
    """Give a `fit`, watched if there is a folder."""

    def training(step: Callable[[], None]) -> None:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([layers.Input(case.shape), *case.parts()])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
        epochs = -(-case.planned // -(-case.rows // case.batch))
        settings = {"batch_size": case.batch, "epochs": epochs, "verbose": 0}
        if folder is None:
            model.fit(*data, callbacks=[Pace(step)], **settings)
            return
        with watch(model, data=data, logdir=folder) as monitor:
            model.fit(*data, callbacks=[Pace(step), monitor], **settings)

    return training


def protocol_training(case: Case, data: tuple[Any, Any], folder: str | None) -> Callable[[Callable[[], None]], None]:
    """Give the training that docs/protocol.md shows, at this size."""
    program = GUIDE.read_text(encoding="utf-8").partition("```python\n")[2].partition("# One training with a fault")[0]
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own guide
    inputs, targets = data[0], np.float32(np.eye(10)[data[1]])

    def training(step: Callable[[], None]) -> None:
        model = names["WatchableMlp"](names["make_parameters"]((784, 256, 128, 10), seed=0))
        own_step = names["sgd_step"]

        def paced(*given: Any) -> Any:  # noqa: ANN401 - the example's own
            step()
            return own_step(*given)

        epochs = -(-case.planned // -(-case.rows // case.batch))
        generator = np.random.default_rng(0)
        settings = {"epochs": epochs, "batch_size": case.batch, "learning_rate": 0.01, "generator": generator}
        train = names["train"]
        own = type(train)(train.__code__, names | {"sgd_step": paced}, "train", train.__defaults__)
        own.__kwdefaults__ = train.__kwdefaults__
        if folder is None:
            own(model, inputs, targets, **settings)
            return
        with watch(model, data=(inputs, targets), logdir=folder):
            own(model, inputs, targets, **settings)

    return training


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of watching one training, as shares of the bare steps' time.

    What both do before the timed steps, as compiling, is taken off the start.
    """

    training: str
    planned: int
    steps: int
    step_microseconds: float
    during: float
    at_start: float
    at_end: float


def wait_for_jax() -> None:
    """Wait until every array that JAX has promised is there."""
    import jax

    jax.block_until_ready(jax.live_arrays())


def measure(case: Case, make: Callable[..., Callable[[Callable[[], None]], None]]) -> Cost:
    """Run the two trainings in turns."""
    settle = wait_for_jax if keras.backend.backend() == "jax" else lambda: None
    data = make_data(case)
    with tempfile.TemporaryDirectory() as folder:
        turns = Turns([make(case, data, None), make(case, data, folder)], settle)
        bare_start, watched_start = (turns.take(place, WARM_STEPS) for place in (0, 1))
        steps = max(5, round(TURN_SECONDS / (turns.take(0, 20) / 20)))
        turns.take(1, 20)
        seconds, done = [0.0, 0.0], 0
        while done < case.updates:
            for place in (0, 1) if (done // steps) % 2 else (1, 0):
                seconds[place] += turns.take(place, steps)
            done += steps
        bare_end, watched_end = (turns.finish(place) for place in (0, 1))
    base = seconds[0]
    return Cost(
        case.name,
        case.planned,
        done,
        1e6 * base / done,
        seconds[1] / base - 1.0,
        (watched_start - bare_start) / base,
        (watched_end - bare_end) / base,
    )


def main() -> None:
    """Measure every training and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds, whose median is given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
    machine = describe_machine() | {"keras": keras.__version__, "backend": backend}
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}\n")
    print(f"{'training':<24}{'planned':>8}{'timed':>7}{'step µs':>10}{'during':>9}{'limit':>7}{'start':>8}{'end':>8}")
    costs: list[Cost] = []
    programs = [(case, keras_training) for case in CASES]
    if backend == "jax":
        programs.append((PROTOCOL, protocol_training))
    for case, make in programs:
        rounds = [measure(case, make) for _ in range(options.rounds)]
        names = ("step_microseconds", "during", "at_start", "at_end")
        medians = (statistics.median(getattr(one, name) for one in rounds) for name in names)
        cost = Cost(case.name, case.planned, rounds[0].steps, *medians)
        costs.append(cost)
        print(
            f"{cost.training:<24}{cost.planned:>8}{cost.steps:>7}{cost.step_microseconds:>10.0f}"
            f"{100 * cost.during:>7.1f} %{100 * LIMIT:>5.0f} %{100 * cost.at_start:>6.1f} %{100 * cost.at_end:>6.1f} %",
            flush=True,
        )
    if options.json is not None:
        record = {"machine": machine, "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
