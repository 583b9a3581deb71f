"""The runs of a sweep as a program of PyTorch's would train them, watched and logged: a contender of `sweeps.py`.

    python benchmarks/sweeps_torch.py SWEEP.toml LOGDIR

trains all of them in two processes. They have the sweep's data, shapes, rates, initialisations, batches of the same
size in an order of their own, and scores of both sets at every epoch.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradvitals import watch
from gradvitals.experiments.blocks import Run
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.runner import load_dataset
from gradvitals.experiments.sweep import make_plan, place_runs

INITIALISATIONS: dict[str, Callable[[Tensor], object]] = {
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "he_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "glorot_uniform": nn.init.xavier_uniform_,
    "lecun_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
}


def train_runs(runs: list[Run]) -> None:
    """Train one after the other."""
    torch.set_num_threads(1)
    for planned, place in runs:
        train_run(planned, place)


def train_run(planned: Any, place: Any) -> None:  # noqa: ANN401 - a run of the sweep
    """Train one, watched, its event files in its folder."""
    config, data = planned.config, load_dataset(planned, place)
    torch.manual_seed(config.seed)
    inputs, labels = torch.tensor(data.inputs, dtype=torch.float32), torch.tensor(data.targets)
    unseen = torch.tensor(data.validation_inputs, dtype=torch.float32), torch.tensor(data.validation_targets)
    widths = (inputs.shape[1], *config.model.hidden, data.outputs)
    model = make_model(widths, INITIALISATIONS[config.model.init.kind])
    settings = config.training.optimizer
    optimizer = torch.optim.SGD(
        model.parameters(), lr=settings.learning_rate, momentum=settings.momentum, fused=True
    )  # its fastest setting at these sizes
    loss, epochs, batch = nn.CrossEntropyLoss(), config.training.epochs, config.training.batch_size
    steps = epochs * -(-len(inputs) // batch)
    watched = watch(
        model,
        data=(inputs, labels),
        validation=unseen,
        loss=loss,
        optimizer=optimizer,
        total_steps=steps,
        logdir=place.folder,
    )
    with watched:
        for _ in range(epochs):
            loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
            for rows in torch.randperm(len(inputs)).split(batch):
                optimizer.zero_grad()
                outputs, targets = model(inputs[rows]), labels[rows]
                value = loss(outputs, targets)
                value.backward()
                optimizer.step()
                loss_sum += value.detach() * len(rows)
                correct += (outputs.argmax(1) == targets).sum()
            score(model, loss, *unseen)
            if not torch.isfinite(loss_sum):
                break


def make_model(widths: tuple[int, ...], initialise: Callable[[Tensor], object]) -> nn.Sequential:
    """Build linear layers with ReLUs between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        linear = nn.Linear(fan_in, fan_out)
        initialise(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()  # type: ignore[untyped-decorator]  # it has no types
def score(model: nn.Module, loss: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """Give loss and accuracy."""
    outputs = model(inputs)
    return loss(outputs, labels).item(), (outputs.argmax(1) == labels).float().mean().item()


def main() -> None:
    """Train a sweep's runs in two processes."""
    path, logdir = map(Path, sys.argv[1:])
    runs = place_runs(make_plan(load_config(path), logdir), "refuse")[0]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(runs[half::2], half)) for half in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.exit(max(worker.exitcode or 0 for worker in workers))


def _work(runs: list[Run], half: int) -> None:
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[half % len(cores)]})
    train_runs(runs)


if __name__ == "__main__":
    main()
