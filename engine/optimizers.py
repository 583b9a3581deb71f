"""Optimizers over one flat parameter vector; PyTorch's update rules and defaults are the definition.

An optimizer keeps its state in arrays of the parameters' shape, made at the first step, and changes the parameters in
place. Only the last axis is the parameters', so `(R, P)` with learning rates `(R, 1)` trains R runs at once.
"""

import math
from typing import Protocol

import numpy as np

from gradvitals.engine.events import Array


class Optimizer(Protocol):
    """What the training loop needs of an optimizer."""

    learning_rate: float

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        ...


class Sgd:
    """v ← momentum · v + g; p ← p − learning_rate · v, or with Nesterov − learning_rate · (g + momentum · v).

    References:
        Sutskever et al. 2013, "On the importance of initialization and momentum"; `torch.optim.SGD`.
    """

    def __init__(self, learning_rate: float = 1e-3, *, momentum: float = 0.0, nesterov: bool = False) -> None:
        if nesterov and momentum == 0.0:
            msg = "nesterov needs a momentum above 0"
            raise ValueError(msg)
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self._velocity: Array | None = None
        self._scratch: Array | None = None

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        if self._scratch is None:
            self._scratch = np.empty_like(parameters)
        scratch = self._scratch
        direction = gradients
        if self.momentum:
            if self._velocity is None:
                self._velocity = np.zeros_like(parameters)
            direction = self._velocity
            direction *= self.momentum
            direction += gradients
            if self.nesterov:
                np.multiply(direction, self.momentum, out=scratch)
                scratch += gradients
                direction = scratch
        np.multiply(direction, _as_rate(self.learning_rate, scratch), out=scratch)
        parameters -= scratch


class RmsProp:
    """s ← alpha · s + (1 − alpha) · g²; p ← p − learning_rate · g / (√s + epsilon), with momentum on the quotient.

    References:
        Hinton 2012, lecture 6e; `torch.optim.RMSprop`.
    """

    def __init__(
        self, learning_rate: float = 1e-2, *, alpha: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0
    ) -> None:
        self.learning_rate, self.alpha, self.epsilon, self.momentum = learning_rate, alpha, epsilon, momentum
        self._state: tuple[Array, Array, Array] | None = None

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        if self._state is None:
            self._state = (np.zeros_like(parameters), np.zeros_like(parameters), np.empty_like(parameters))
        squares, velocity, scratch = self._state
        np.multiply(gradients, gradients, out=scratch)
        scratch *= 1.0 - self.alpha
        squares *= self.alpha
        squares += scratch
        np.sqrt(squares, out=scratch)
        scratch += self.epsilon
        np.divide(gradients, scratch, out=scratch)
        if self.momentum:
            velocity *= self.momentum
            velocity += scratch
            np.copyto(scratch, velocity)
        scratch *= _as_rate(self.learning_rate, scratch)
        parameters -= scratch


class Adam:
    """p ← p − learning_rate · m̂ / (√v̂ + epsilon), m̂ and v̂ the bias-corrected running means of g and g².

    References:
        Kingma & Ba 2015, algorithm 1; `torch.optim.Adam`.
    """

    def __init__(
        self, learning_rate: float = 1e-3, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self._steps = 0
        self._state: tuple[Array, Array, Array] | None = None

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        if self._state is None:
            self._state = (np.zeros_like(parameters), np.zeros_like(parameters), np.empty_like(parameters))
        mean, square, scratch = self._state
        self._steps += 1
        np.multiply(gradients, 1.0 - self.beta1, out=scratch)
        mean *= self.beta1
        mean += scratch
        np.multiply(gradients, gradients, out=scratch)
        scratch *= 1.0 - self.beta2
        square *= self.beta2
        square += scratch
        np.sqrt(square, out=scratch)
        scratch *= 1.0 / math.sqrt(1.0 - self.beta2**self._steps)
        scratch += self.epsilon
        np.divide(mean, scratch, out=scratch)
        scratch *= _as_rate(self.learning_rate / (1.0 - self.beta1**self._steps), scratch)
        parameters -= scratch


def _as_rate(rate: float | Array, parameters: Array) -> Array:
    """Round a learning rate, or the `(R, 1)` of R runs, to the parameters' dtype, so that stacked runs equal single."""
    return np.asarray(rate, parameters.dtype)
