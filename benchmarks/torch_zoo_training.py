"""The candidates of the PyTorch zoo, and one of them trained as a user would: a loop, and one line that watches it."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import Tensor, nn
from torch_zoo_data import Task, tasks
from zoo_grid import Candidate
from zoo_training import Scores

from gradvitals import watch
from gradvitals.diagnostics.measurements import Record

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, float], tuple[float, ...]]] = {
    "sgd": (torch.optim.SGD, {}, (0.03, 0.1, 0.3)),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}, (0.01, 0.03, 0.1)),
    "adam": (torch.optim.Adam, {}, (0.001, 0.003, 0.01)),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.01}, (0.001, 0.003, 0.01)),
    "rmsprop": (torch.optim.RMSprop, {}, (0.0003, 0.001, 0.003)),
}
FAMILIES, VARIANTS = 3, 2
"""Optimizers drawn for each architecture on a data set, and candidates of each."""


def drawn(task: Task) -> Iterator[Candidate]:
    """Draw candidates for a task, seeded by its name: optimizers, rates, lengths, batches, schedules, clipping."""
    seed = int.from_bytes(hashlib.sha256(f"torch grid {task.about.name}".encode()).digest()[:8])
    generator = np.random.default_rng(seed)

    def one_of(*choices: Any) -> Any:  # noqa: ANN401 - keeps the choices' types, unlike an array of them
        return choices[int(generator.integers(len(choices)))]

    names = [*OPTIMIZERS]
    for architecture in task.architectures:
        for index in generator.permutation(len(names))[:FAMILIES]:
            for _ in range(VARIANTS):
                config = {
                    "data": task.about.name,
                    "architecture": architecture,
                    "optimizer": names[index],
                    "learning_rate": one_of(*OPTIMIZERS[names[index]][2]),
                    "batch_size": one_of(16, 32, 32, 64),
                    "updates": one_of(300, 500, 800, 1200),
                    "schedule": one_of("none", "none", "cosine", "warm-up", "one cycle"),
                    "clip_norm": one_of(None, None, None, 1.0),
                    "seed": int(generator.integers(5)),
                }
                yield Candidate(task.about.name, architecture, names[index], "drawn", config, "")


def train_module(candidate: Candidate, _: Path, *, alone: bool = False) -> tuple[Scores, Record]:
    """Train a candidate's module under a monitor, which is given neither data nor loss if `alone`.

    Returns:
        Its scores on the validation set, the trivial predictor's beside them, and what the monitor recorded.
    """
    config, task = candidate.config, _tasks()[candidate.data_set]
    (x, y), validation = task.split()
    torch.manual_seed(config["seed"])
    module = task.architectures[candidate.architecture](task.features, task.outputs)
    criterion: nn.Module = nn.CrossEntropyLoss() if task.about.classes else nn.MSELoss()
    kind, settings, _rates = OPTIMIZERS[candidate.optimizer]
    optimizer = kind(module.parameters(), lr=config["learning_rate"], **settings)
    batches = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), config["batch_size"], shuffle=True, drop_last=True
    )
    epochs = math.ceil(config["updates"] / len(batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _factor(config, epochs * len(batches)))
    steps = epochs * len(batches)
    given = {} if alone else {"data": (x, y), "validation": validation, "loss": criterion, "total_steps": steps}
    with watch(module, **given) as monitor:
        for _epoch in range(epochs):
            for inputs, targets in batches:
                optimizer.zero_grad()
                criterion(module(inputs), targets).backward()
                if config["clip_norm"]:
                    nn.utils.clip_grad_norm_(module.parameters(), config["clip_norm"])
                optimizer.step()
                schedule.step()
    return {**_score(module, task, y, validation), "updates": float(epochs * len(batches))}, monitor.record


@lru_cache(maxsize=1)
def _tasks() -> Mapping[str, Task]:
    return tasks()


def _factor(config: Mapping[str, Any], steps: int) -> Callable[[int], float]:
    """Give the learning rate at a step, in units of the config's."""
    kind, warm_up = config["schedule"], max(steps // 10, 1)

    def at(step: int) -> float:
        up = min((step + 1) / warm_up, 1.0) if kind in {"warm-up", "one cycle"} else 1.0
        down = 0.5 + 0.5 * math.cos(math.pi * min(step / steps, 1.0)) if kind in {"cosine", "one cycle"} else 1.0
        return up * down

    return at


def _score(module: nn.Module, task: Task, seen: Tensor, validation: tuple[Tensor, Tensor]) -> Scores:
    """Score a trained module on the validation set."""
    inputs, targets = validation
    module.eval()
    with torch.no_grad():
        outputs: Tensor = module(inputs)
    if not bool(torch.isfinite(outputs).all()):
        return {"accuracy": None, "majority": None, "r2": None}
    if not task.about.classes:
        return {"r2": float(r2_score(targets.numpy(), outputs.numpy()))}
    commonest = torch.bincount(seen.flatten()).argmax()
    return {
        "accuracy": float((outputs.argmax(dim=1) == targets).float().mean()),
        "majority": float((targets == commonest).float().mean()),
    }
