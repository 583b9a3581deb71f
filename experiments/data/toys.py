"""Two-dimensional toy data, made on the spot: each shows one thing a network must be able to do."""

from typing import assert_never

import numpy as np

from gradvitals.experiments.config.data import Toy
from gradvitals.experiments.data.dataset import Floats, Labels, Table

DEFAULT_N = 1_000
DEFAULT_NOISE: dict[Toy, float] = {"moons": 0.1, "circles": 0.05, "spiral": 0.1, "xor": 0.2, "blobs": 1.0}


def make_toy(kind: Toy, n: int | None, noise: float | None, rng: np.random.Generator) -> Table:
    """Return `n` examples with Gaussian noise of the given standard deviation, in classes of equal size.

    Args:
        kind: Which toy.
        n: Number of examples, 1000 by default.
        noise: Standard deviation of the noise in both coordinates; by default one that leaves the toy solvable.
        rng: Where the randomness comes from.
    """
    count = DEFAULT_N if n is None else n
    match kind:
        case "moons":
            points, labels = _moons(count)
        case "circles":
            points, labels = _circles(count)
        case "spiral":
            points, labels = _spiral(count)
        case "xor":
            points, labels = _xor(count)
        case "blobs":
            points, labels = _blobs(count)
        case _:
            assert_never(kind)
    points += rng.normal(0.0, DEFAULT_NOISE[kind] if noise is None else noise, points.shape)
    order = rng.permutation(count)
    return Table(
        inputs=points[order],
        labels=labels[order],
        feature_names=("x1", "x2"),
        task="classification",
        description=f"{kind}, {count} points made with noise",
    )


def _moons(n: int) -> tuple[Floats, Labels]:
    """Two half circles that reach into each other: the boundary must bend."""
    labels = np.arange(n) % 2
    angle = np.pi * _along(n, 2)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    lower = np.column_stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)])
    return np.where(labels[:, None] == 0, upper, lower), labels


def _circles(n: int) -> tuple[Floats, Labels]:
    """A circle within a circle: the boundary must close."""
    labels = np.arange(n) % 2
    angle = 2.0 * np.pi * _along(n, 2)
    radius = np.where(labels == 0, 1.0, 0.5)
    return radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), labels


def _spiral(n: int) -> tuple[Floats, Labels]:
    """Three arms that wind round each other, as in cs231n's "neural-networks-case-study"; no line separates them."""
    labels = np.arange(n) % 3
    along = _along(n, 3)
    angle = 4.0 * (along + labels)
    return along[:, None] * np.column_stack([np.sin(angle), np.cos(angle)]), labels


def _xor(n: int) -> tuple[Floats, Labels]:
    """The four corners of a square, opposite ones alike: the least problem that needs a hidden layer."""
    corner = np.arange(n) % 4
    points = np.column_stack([np.where(corner < 2, -1.0, 1.0), np.where(corner % 2 == 0, -1.0, 1.0)])
    return points, (points[:, 0] * points[:, 1] < 0.0).astype(np.int64)


def _blobs(n: int) -> tuple[Floats, Labels]:
    """Three clouds around the corners of a triangle: a linear layer will do."""
    labels = np.arange(n) % 3
    angle = 2.0 * np.pi * labels / 3.0
    return 4.0 * np.column_stack([np.cos(angle), np.sin(angle)]), labels


def _along(n: int, classes: int) -> Floats:
    """Return evenly spaced positions in [0, 1] along each class's curve, for examples that take turns."""
    steps = max((n - 1) // classes, 1)
    return np.asarray((np.arange(n) // classes) / steps, dtype=np.float64)
