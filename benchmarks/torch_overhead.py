"""What `watch` costs a PyTorch training, against no hooks, and against hand-written hooks at every step.

    python benchmarks/torch_overhead.py [--quick] [--alone] [--json FILE]

Three trainings of one network take turns, some steps each: bare, watched at the default rhythm (with data, loss and
event files), and with the hooks people write themselves: at every step the mean, the deviation and the share of zeros
of every activation, and the norms of every gradient, weight and update. Times are CPU seconds of this process, float32,
one thread, one core. What is done before the first step and after the last is reported apart. With `--alone`, `watch`
is given neither data nor loss, and takes them from the loop.

Rounds are compared step by step: a step's time is its mean over the rounds, in units of its round's median bare step,
after what is beyond 1.5 times the median of that very step has been cut off. What recurs, however long it takes, stays;
what happens to a shared machine in one round does not.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine, pin_to_one_core
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from gradvitals import watch

TURN_SECONDS = 0.2
LIMIT = 0.03


@dataclass(frozen=True, slots=True)
class Case:
    """A network, the shape of its samples, and how it is trained.

    `updates` of `planned` are timed: of the long trainings the first part.
    """

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    rows: int
    planned: int
    updates: int


class LastState(nn.Module):  # type: ignore[misc]  # it has no types
    """An LSTM over pixels, row by row, and a linear layer on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give logits `(batch, 10)` of `(batch, 28, 28)`."""
        states, _ = self.lstm(inputs)
        logits: Tensor = self.head(states[:, -1])
        return logits


def mlp() -> nn.Module:
    """Build 784-256-128-10."""
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )  # the shape of DESIGN's mnist


def cnn() -> nn.Module:
    """Build two convolutions with batch norm and pooling, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )


CASES = (
    Case("mlp 784-256-128-10", mlp, (784,), 128, 20000, 4690, 4690),
    Case("cnn 2 conv, batch norm", cnn, (1, 28, 28), 64, 4000, 2000, 400),
    Case("lstm 64, 28 time steps", LastState, (28, 28), 64, 4000, 2000, 2000),
)


class Runner:
    """One of the trainings: takes its steps in turns, and counts its seconds."""

    def __init__(self, case: Case, inputs: Tensor, targets: Tensor) -> None:
        torch.manual_seed(0)
        self.model, self._case, self._inputs, self._targets = case.build(), case, inputs, targets
        self._loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self._batches = self._rows()
        self.seconds: list[float] = []
        self.after_step: Callable[[], None] = lambda: None

    def _rows(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(1)
        while True:
            order = torch.randperm(len(self._inputs), generator=generator)
            yield from order[: len(order) // self._case.batch * self._case.batch].split(self._case.batch)

    def take(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            started = time.process_time()
            rows = next(self._batches)
            self.optimizer.zero_grad()
            self._loss(self.model(self._inputs[rows]), self._targets[rows]).backward()
            self.optimizer.step()
            self.after_step()
            self.seconds.append(time.process_time() - started)


def hook_by_hand(runner: Runner) -> None:
    """Measure at every step what people measure, in the way they do."""
    seen: dict[str, float] = {}
    model = runner.model
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def note(name: str, outputs: Tensor) -> None:
        outputs = outputs.detach()
        seen[f"{name}/mean"], seen[f"{name}/std"] = outputs.mean().item(), outputs.std().item()
        seen[f"{name}/zeros"] = (outputs == 0).float().mean().item()

    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _module, _inputs, outputs, name=name: note(
                    name, outputs[0] if isinstance(outputs, tuple) else outputs
                )
            )

    def after_step() -> None:
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                seen[f"{name}/gradient"] = parameter.grad.norm().item()
            seen[f"{name}/norm"] = parameter.detach().norm().item()
            seen[f"{name}/update"] = (parameter.detach() - before[name]).norm().item()
            before[name].copy_(parameter.detach())

    runner.after_step = after_step


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one training's watchers, as shares of the bare steps' time."""

    training: str
    planned: int
    steps: int
    step_microseconds: float
    during: float
    by_hand: float
    at_start: float
    at_end: float


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of every step of the three trainings, and of what is done before the first and after the last."""

    bare: list[float]
    watched: list[float]
    by_hand: list[float]
    at_start: float
    at_end: float


def measure(case: Case, rounds: int, *, alone: bool) -> Cost:
    """Compare the trainings of some rounds."""
    taken = [run_round(case, alone=alone) for _ in range(rounds)]
    bare, watched, by_hand = (
        np.array([getattr(one, which) for one in taken]) for which in ("bare", "watched", "by_hand")
    )
    units = np.median(bare, axis=1, keepdims=True)
    base = typical(bare / units)
    seconds = base * float(np.median(units)) * case.updates
    return Cost(
        case.name,
        case.planned,
        bare.shape[1],
        1e6 * base * float(np.median(units)),
        typical(watched / units) / base - 1.0,
        typical(by_hand / units) / base - 1.0,
        statistics.median(one.at_start for one in taken) / seconds,
        statistics.median(one.at_end for one in taken) / seconds,
    )


def typical(times: NDArray[np.float64]) -> float:
    """Give the mean of `(rounds, steps)` without what happened in single rounds."""
    return float(np.minimum(times, 1.5 * np.median(times, axis=0)).mean())


def run_round(case: Case, *, alone: bool) -> Round:
    """Run the three trainings to their end, in turns."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(case.rows, *case.shape, generator=generator)
    teacher = torch.randn(inputs[0].numel(), 10, generator=generator)
    targets = (inputs.flatten(1) @ teacher).argmax(1)
    bare, watched, by_hand = (Runner(case, inputs, targets) for _ in range(3))
    hook_by_hand(by_hand)
    with tempfile.TemporaryDirectory() as folder:
        data, loss = torch.utils.data.TensorDataset(inputs, targets), nn.CrossEntropyLoss()
        started = time.process_time()
        given = {} if alone else {"data": torch.utils.data.DataLoader(data, case.batch), "loss": loss}
        monitor = watch(watched.model, **given, total_steps=case.planned, logdir=folder)
        with monitor:
            watched.take(1)  # what is measured at the start is measured here
            start = time.process_time() - started
            for runner in (bare, watched, by_hand):
                runner.take(5)
            turn = max(5, round(TURN_SECONDS / statistics.mean(bare.seconds)))
            for runner in (bare, watched, by_hand):
                runner.seconds.clear()
            done = 0
            while done < case.updates:
                steps = min(turn, case.updates - done)
                for runner in (bare, watched, by_hand) if (done // turn) % 2 else (by_hand, watched, bare):
                    runner.take(steps)
                done += steps
            ended = time.process_time()
        end = time.process_time() - ended
    return Round(bare.seconds, watched.seconds, by_hand.seconds, start, end)


def main() -> None:
    """Measure every training and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--alone", action="store_true", help="give `watch` neither data nor loss")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # NumPy's BLAS would wake a thread per core for what one is pinned to
    machine = describe_machine() | {"torch": torch.__version__}
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}\n")
    print(
        f"{'training':<24}{'planned':>8}{'timed':>7}{'step µs':>10}{'during':>9}{'limit':>7}{'by hand':>9}"
        f"{'start':>8}{'end':>8}"
    )
    costs: list[Cost] = []
    for case in CASES:
        cost = measure(case, 1 if options.quick else 5, alone=options.alone)
        costs.append(cost)
        print(
            f"{cost.training:<24}{cost.planned:>8}{cost.steps:>7}{cost.step_microseconds:>10.0f}"
            f"{100 * cost.during:>7.1f} %{100 * LIMIT:>5.0f} %{100 * cost.by_hand:>7.1f} %"
            f"{100 * cost.at_start:>6.1f} %{100 * cost.at_end:>6.1f} %"
        )
    if options.json is not None:
        record = {"machine": machine, "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
