"""The data sets of the PyTorch zoo: flat ones, images, series, tokens and texts, each split once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_friedman1
from sklearn.preprocessing import scale
from torch import Tensor
from torch_zoo_models import FLAT, IMAGES, LANGUAGE, SERIES, TOKENS, Build
from zoo_data import DataSet

ROWS = 900
HELD_OUT = 0.3
WORDS = 12


@dataclass(frozen=True, slots=True)
class Task:
    """A data set and the modules that suit it.

    Attributes:
        about: What the zoo's selection must know of it.
        architectures: By name.
        features: Features, channels or words of a sample's parts.
        outputs: Of a module.
        make: Makes inputs and targets.
    """

    about: DataSet
    architectures: Mapping[str, Build]
    features: int
    outputs: int
    make: Callable[[], tuple[NDArray[np.generic], NDArray[np.generic]]]

    def split(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Give training and validation set; inputs are float32 or tokens, targets float32 `(n, 1)` or classes."""
        inputs, targets = self.make()
        order = np.random.default_rng(7).permutation(len(inputs))
        held_out = int(HELD_OUT * len(inputs))
        kind = torch.int64 if self.architectures in (TOKENS, LANGUAGE) else torch.float32
        x = torch.from_numpy(inputs[order]).to(kind)
        y = torch.from_numpy(targets[order]).to(torch.int64 if self.about.classes else torch.float32)
        y = y if self.about.classes else y.reshape(-1, 1)
        return (x[held_out:], y[held_out:]), (x[:held_out], y[:held_out])


def tasks() -> dict[str, Task]:
    """Give all of them by name."""
    every = (
        _task("digits", FLAT, 64, 10, lambda: _digits((64,))),
        _task("breast cancer", FLAT, 30, 2, lambda: _scaled(load_breast_cancer(return_X_y=True))),
        _task("wine", FLAT, 13, 3, lambda: _scaled(load_wine(return_X_y=True))),
        _task("diabetes", FLAT, 10, 0, lambda: _scaled(load_diabetes(return_X_y=True), targets=True)),
        _task("friedman", FLAT, 10, 0, lambda: _scaled(make_friedman1(ROWS, noise=1.0, random_state=0), targets=True)),
        _task("digit images", IMAGES, 1, 10, lambda: _digits((1, 8, 8))),
        _task("bars", IMAGES, 1, 4, _bars),
        _task("digits, row by row", SERIES, 8, 10, lambda: _digits((8, 8))),
        _task("waves", SERIES, 1, 3, _waves),
        _task("forecast", SERIES, 1, 0, _forecast),
        _task("commonest token", TOKENS, WORDS, WORDS, _commonest),
        _task("first token", TOKENS, WORDS, WORDS, _first),
        _task("counting text", LANGUAGE, WORDS, WORDS, _counting),
    )
    return {task.about.name: task for task in every}


def _task(
    name: str,
    architectures: Mapping[str, Build],
    features: int,
    classes: int,
    make: Callable[[], tuple[NDArray[np.generic], NDArray[np.generic]]],
) -> Task:
    about = DataSet(f"torch: {name}", {}, "accuracy" if classes else "r2", ROWS, classes)
    return Task(about, architectures, features, classes or 1, make)


def _digits(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    data, target = load_digits(return_X_y=True)
    return data.reshape(-1, *shape) / 16.0, target


def _scaled(
    data: tuple[NDArray[np.float64], NDArray[np.generic]], *, targets: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.generic]]:
    return scale(data[0]), scale(data[1]) if targets else data[1]


def _bars() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make noisy images 12 × 12 of a horizontal bar, a vertical one, both, or a filled square."""
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 4, ROWS)
    images = generator.normal(0.0, 0.5, (ROWS, 1, 12, 12))
    for image, label, (row, column) in zip(images[:, 0], labels, generator.integers(1, 8, (ROWS, 2)), strict=True):
        if label in {0, 2}:
            image[row, :] += 1.5
        if label in {1, 2}:
            image[:, column] += 1.5
        if label == 3:
            image[row : row + 4, column : column + 4] += 1.5
    return images, labels


def _waves() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make noisy waves of 24 steps, one of three frequencies, at any phase."""
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 3, ROWS)
    phases = generator.uniform(0.0, 2.0 * np.pi, (ROWS, 1))
    angles = np.arange(24) * np.array([0.25, 0.5, 1.0])[labels][:, None] + phases
    return (np.sin(angles) + generator.normal(0.0, 0.2, angles.shape))[..., None], labels


def _forecast() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make a noisy sum of two waves, in windows of 16 steps and the step after each."""
    generator = np.random.default_rng(3)
    time = np.arange(ROWS + 16)
    series = scale(np.sin(0.2 * time) + 0.5 * np.sin(0.73 * time) + generator.normal(0.0, 0.1, len(time)))
    windows = np.lib.stride_tricks.sliding_window_view(series, 16)[:ROWS]
    return windows[..., None].copy(), series[16:].copy()


def _commonest() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make sequences of 10 tokens, with the commonest of each."""
    generator = np.random.default_rng(4)
    labels = generator.integers(0, WORDS, ROWS)
    tokens = generator.integers(0, WORDS, (ROWS, 10))
    tokens = np.where(generator.random(tokens.shape) < 0.6, labels[:, None], tokens)
    return tokens, labels


def _first() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make sequences of 6 tokens, with the first of each, which must be remembered."""
    tokens = np.random.default_rng(5).integers(0, WORDS, (ROWS, 6))
    return tokens, tokens[:, 0].copy()


def _counting() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make texts of 8 tokens that count up by 1, 2 or 3, and their successors."""
    generator = np.random.default_rng(6)
    starts, strides = generator.integers(0, WORDS, (ROWS, 1)), generator.integers(1, 4, (ROWS, 1))
    tokens = (starts + strides * np.arange(9)) % WORDS
    return tokens[:, :-1].copy(), tokens[:, 1:].copy()
