"""What every contender of the step benchmark is given: a shape, its samples, the batches' rows, the same weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradvitals.engine.initializers import he_normal
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron

Array: TypeAlias = NDArray[Any]
Rule: TypeAlias = Literal["sgd", "adam"]

LEARNING_RATE = 1e-3
MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
BATCHES = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and its batch, with the ratio to the inlined step that the engine must not exceed."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    limit: float


SHAPES = (
    Shape("toy", (2, 16, 16, 2), 32, 2.0),
    Shape("digits", (64, 64, 32, 10), 64, 1.5),
    Shape("deep", (64, *[64] * 10, 10), 128, 1.1),
    Shape("mnist", (784, 256, 128, 10), 128, 1.06),
    Shape("wide", (784, 1024, 1024, 10), 256, 1.06),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to train a problem's network.

    Attributes:
        train: Takes a step for each row of `(steps, batch)`, the rows of the samples that are its batch; gives their
            losses, `(steps,)`, if it has parameters to show.
        parameters: Gives the weights `(fan_in, fan_out)` and the bias of each layer as one vector, in that order; None
            for what does not train from the given weights.
    """

    train: Callable[[Array], Any]
    parameters: Callable[[], Array] | None = None


class Problem:
    """Random samples of a shape, the batches' rows, and networks that all start from the same weights.

    Attributes:
        shape: Of the network.
        rule: How parameters are updated.
        inputs: `(samples, features)`, float32.
        labels: `(samples,)`.
        targets: The same, one-hot.
        batches: `(batches, batch)`, each sample's row once.
    """

    def __init__(self, shape: Shape, rule: Rule) -> None:
        generator = np.random.default_rng(0)
        self.shape, self.rule = shape, rule
        rows = BATCHES * shape.batch
        self.inputs = generator.normal(size=(rows, shape.sizes[0])).astype(np.float32)
        self.labels = generator.integers(0, shape.sizes[-1], rows)
        self.targets = np.eye(shape.sizes[-1], dtype=np.float32)[self.labels]
        self.batches = generator.permutation(rows).reshape(-1, shape.batch)

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

    def weights(self) -> list[tuple[Array, Array]]:
        """Give the weight and the bias that each layer starts from."""
        layers = self.network().parameters_by_layer().values()
        return [(layer["weight"].copy(), layer["bias"].copy()) for layer in layers]

    def rows(self, steps: int) -> Array:
        """Give the rows of so many batches, `(steps, batch)`, the same again and again."""
        return np.take(self.batches, np.arange(steps) % len(self.batches), axis=0)


def as_vector(layers: list[tuple[Array, Array]]) -> Array:
    """Put weights and biases behind each other."""
    return np.concatenate([np.ravel(array) for layer in layers for array in layer])
