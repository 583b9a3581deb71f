"""Initialisers: how weights `(fan_in, fan_out)` are drawn before training.

Each is a function `(fan_in, fan_out, generator) -> array`, float64; those with a setting are made by a function of it.
Normal variants are not truncated, as in PyTorch.

References:
    LeCun et al. 1998, "Efficient BackProp", §4.6 (lecun); Glorot & Bengio 2010, eq. 16 (glorot);
    He et al. 2015, eq. 10 (he); Saxe et al. 2014, §3 (orthogonal); Le, Jaitly & Hinton 2015, §3 (identity).
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gradvitals.engine.events import Array

Initializer: TypeAlias = Callable[[int, int, np.random.Generator], Array]


def zeros(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:  # noqa: ARG001 - one signature for all
    """All zero: hidden units stay equal for ever; harmless only in a last layer."""
    return np.zeros((fan_in, fan_out))


def constant(value: float) -> Initializer:
    """All equal to the value: as symmetric as zeros."""

    def initialize(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:  # noqa: ARG001
        return np.full((fan_in, fan_out), float(value))

    return initialize


def normal(std: float) -> Initializer:
    """N(0, std²), whatever the layer's size."""

    def initialize(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
        return generator.normal(0.0, std, (fan_in, fan_out))

    return initialize


def uniform(limit: float) -> Initializer:
    """U(−limit, limit), whatever the layer's size."""

    def initialize(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
        return generator.uniform(-limit, limit, (fan_in, fan_out))

    return initialize


def glorot_normal(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 2 / (fan_in + fan_out): keeps activations and gradients at one scale under tanh."""
    return generator.normal(0.0, np.sqrt(2.0 / (fan_in + fan_out)), (fan_in, fan_out))


def glorot_uniform(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 2 / (fan_in + fan_out), uniform."""
    return _uniform_of_variance(2.0 / (fan_in + fan_out), fan_in, fan_out, generator)


def he_normal(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 2 / fan_in: makes up for the half of its inputs that a ReLU cuts off."""
    return generator.normal(0.0, np.sqrt(2.0 / fan_in), (fan_in, fan_out))


def he_uniform(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 2 / fan_in, uniform."""
    return _uniform_of_variance(2.0 / fan_in, fan_in, fan_out, generator)


def lecun_normal(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 1 / fan_in."""
    return generator.normal(0.0, np.sqrt(1.0 / fan_in), (fan_in, fan_out))


def lecun_uniform(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """Variance 1 / fan_in, uniform."""
    return _uniform_of_variance(1.0 / fan_in, fan_in, fan_out, generator)


def orthogonal(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    """A random (semi-)orthogonal matrix, uniform over all such: every singular value is 1."""
    tall = generator.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diagonal(r))  # without this the distribution is not uniform (Mezzadri 2007)
    return q if fan_in >= fan_out else np.ascontiguousarray(q.T)


def identity(scale: float = 1.0) -> Initializer:
    """The identity times a scale: as a recurrent weight it starts by remembering, at a scale below 1 fading out."""

    def initialize(fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:  # noqa: ARG001
        return scale * np.eye(fan_in, fan_out)

    return initialize


INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "orthogonal": orthogonal,
}
"""Those that need no setting, by the name configs use."""


def _uniform_of_variance(variance: float, fan_in: int, fan_out: int, generator: np.random.Generator) -> Array:
    limit = np.sqrt(3.0 * variance)
    return generator.uniform(-limit, limit, (fan_in, fan_out))
