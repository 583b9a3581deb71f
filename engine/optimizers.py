"""Optimizers over one flat parameter vector; PyTorch's update rules and defaults are the definition.

An optimizer keeps its state in arrays of the parameters' shape, made at the first step, and changes the parameters in
place. Only the last axis is the parameters', so `(R, P)` with learning rates `(R, 1)` trains R runs at once. Here are
the protocol and the three in daily use; `adaptive_optimizers` has the others.
"""

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from gradvitals.engine.events import Array, OptimizerInfo

FLUSH_EVERY = 256
"""Steps between two looks for subnormal numbers in what an optimizer remembers.

A dead unit's velocity is one after 830 steps at momentum .9, and stays it: .9 times the smallest number is rounded to
itself. Arithmetic on them is slower by two orders on some processors.
"""

PART = 2**16
"""Parameters of a run that are updated at once: a quarter of a megabyte of each array, so that they stay in the cache
from one pass over them to the next."""


class Optimizer(Protocol):
    """What the training loop and a checkpoint need of an optimizer."""

    learning_rate: float

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        ...

    def state_arrays(self) -> dict[str, Array]:
        """Copy what the optimizer remembers, by name; its settings and its learning rate are not among it."""
        ...

    def restore(self, arrays: Mapping[str, Array], parameters: Array) -> None:
        """Continue, to the bit, from the `state_arrays` of an optimizer with the same settings."""
        ...


class Stateful:
    """What the optimizers share: a count of steps, and named arrays of the parameters' shape."""

    def __init__(self, *names: str, scratch: int = 1, initial: float = 0.0) -> None:
        self._names, self._scratch, self._initial = names, scratch, initial
        self._steps = 0
        self._arrays: tuple[Array, ...] = ()

    def state_arrays(self) -> dict[str, Array]:
        """Copy the number of steps and the arrays by name; before the first step there are none."""
        arrays = zip(self._names, self._arrays, strict=False)  # scratch space lies behind them
        return {"steps": np.array(self._steps)} | {name: array.copy() for name, array in arrays}

    def restore(self, arrays: Mapping[str, Array], parameters: Array) -> None:
        """Continue, to the bit, from the `state_arrays` of an optimizer with the same settings.

        Args:
            arrays: They are copied.
            parameters: What the next step will change.

        Raises:
            ValueError: If these are not the arrays that belong to this optimizer and these parameters.
        """
        steps = int(arrays.get("steps", 0))
        names = self._names if steps else ()
        if set(arrays) != {"steps", *names}:
            wanted, found = (", ".join(given) or "nothing" for given in (("steps", *names), arrays))
            msg = f"after {steps} steps the state of {type(self).__name__} consists of {wanted}; got {found}"
            raise ValueError(msg)
        for name in names:
            wanted, found = (f"{array.dtype} of shape {array.shape}" for array in (parameters, arrays[name]))
            if found != wanted:
                msg = f"{name} must be as the parameters are, {wanted}; got {found}"
                raise ValueError(msg)
        self._steps, self._arrays = steps, ()
        if steps:
            self._arrays = (*(arrays[name].copy() for name in names), *self._make_scratch(parameters))

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        self._steps += 1
        if not self._steps % FLUSH_EVERY:
            self._flush()
        arrays = self._arrays or self._make_arrays(parameters)
        count = parameters.shape[-1]
        if count <= PART:
            self._update(parameters, gradients, *arrays)
            return
        kept, scratch = arrays[: len(self._names)], arrays[len(self._names) :]
        for start in range(0, count, PART):
            part, width = slice(start, start + PART), min(PART, count - start)
            own = (*(array[..., part] for array in kept), *(array[..., :width] for array in scratch))
            self._update(parameters[..., part], gradients[..., part], *own)

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        """Change some parameters in place, with the arrays of the same ones by name and scratch space behind them."""
        raise NotImplementedError

    def _flush(self) -> None:
        """Make 0 of what is subnormal: too little to move a parameter, and slow to compute with."""
        for _, array in zip(self._names, self._arrays, strict=False):
            np.copyto(array, 0.0, where=np.abs(array) < np.finfo(array.dtype).tiny)

    def _make_arrays(self, parameters: Array) -> tuple[Array, ...]:
        state = (np.full_like(parameters, self._initial) for _ in self._names)
        self._arrays = (*state, *self._make_scratch(parameters))
        return self._arrays

    def _make_scratch(self, parameters: Array) -> list[Array]:
        return [np.empty_like(parameters[..., :PART], order="C") for _ in range(self._scratch)]


class Sgd(Stateful):
    """v ← momentum · v + g; p ← p − learning_rate · v, or with Nesterov − learning_rate · (g + momentum · v).

    References:
        Sutskever et al. 2013, "On the importance of initialization and momentum"; `torch.optim.SGD`.
    """

    def __init__(self, learning_rate: float = 1e-3, *, momentum: float = 0.0, nesterov: bool = False) -> None:
        if nesterov and momentum == 0.0:
            msg = "nesterov needs a momentum above 0"
            raise ValueError(msg)
        super().__init__(*["velocity"] if momentum else [])
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        *velocity, scratch = arrays
        direction = gradients
        if velocity:
            direction = velocity[0]
            direction *= self.momentum
            direction += gradients
            if self.nesterov:
                np.multiply(direction, self.momentum, out=scratch)
                scratch += gradients
                direction = scratch
        np.multiply(direction, as_rate(self.learning_rate, scratch), out=scratch)
        parameters -= scratch


class RmsProp(Stateful):
    """s ← alpha · s + (1 − alpha) · g²; p ← p − learning_rate · g / (√s + epsilon), with momentum on the quotient.

    References:
        Hinton 2012, lecture 6e; `torch.optim.RMSprop`.
    """

    def __init__(
        self, learning_rate: float = 1e-2, *, alpha: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0
    ) -> None:
        super().__init__("squares", *["velocity"] if momentum else [])
        self.learning_rate, self.alpha, self.epsilon, self.momentum = learning_rate, alpha, epsilon, momentum

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        squares, *velocity, scratch = arrays
        add_to_mean_square(squares, self.alpha, gradients, scratch)
        np.sqrt(squares, out=scratch)
        scratch += self.epsilon
        np.divide(gradients, scratch, out=scratch)
        if velocity:
            velocity[0] *= self.momentum
            velocity[0] += scratch
            np.copyto(scratch, velocity[0])
        scratch *= as_rate(self.learning_rate, scratch)
        parameters -= scratch


class Adam(Stateful):
    """p ← p − learning_rate · m̂ / (√v̂ + epsilon), m̂ and v̂ the bias-corrected running means of g and g².

    References:
        Kingma & Ba 2015, algorithm 1; `torch.optim.Adam`.
    """

    def __init__(
        self, learning_rate: float = 1e-3, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__("mean", "squares")
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        mean, squares, scratch = arrays
        add_to_mean(mean, self.beta1, gradients, scratch)
        add_to_mean_square(squares, self.beta2, gradients, scratch)
        np.sqrt(squares, out=scratch)
        unbiased = math.sqrt(1.0 - self.beta2**self._steps)  # is left on both sides of the fraction, to save a pass
        scratch += self.epsilon * unbiased
        np.divide(mean, scratch, out=scratch)
        scratch *= as_rate(self.learning_rate * unbiased / (1.0 - self.beta1**self._steps), scratch)
        parameters -= scratch


def add_to_mean(mean: Array, decay: float, values: Array, scratch: Array) -> None:
    """Write decay · mean + (1 − decay) · values into `mean`."""
    np.multiply(values, 1.0 - decay, out=scratch)
    mean *= decay
    mean += scratch


def add_to_mean_square(squares: Array, decay: float, values: Array, scratch: Array) -> None:
    """Write decay · squares + (1 − decay) · values² into `squares`."""
    np.multiply(values, values, out=scratch)
    scratch *= 1.0 - decay
    squares *= decay
    squares += scratch


def as_rate(rate: float | Array, parameters: Array) -> Array:
    """Round a learning rate, or the `(R, 1)` of R runs, to the parameters' dtype, so that stacked runs equal single."""
    return np.asarray(rate, parameters.dtype)


def describe_optimizer(
    optimizer: Optimizer, rate_factor: Callable[[int], float] | None = None, *, clips: bool = False
) -> OptimizerInfo | None:
    """Describe an optimizer that trains a whole network; None of one that is no optimizer of this package.

    Args:
        optimizer: One of this package.
        rate_factor: What a step's learning rate is multiplied by, where a schedule changes it.
        clips: Whether its gradients are clipped.
    """
    if not isinstance(optimizer, Stateful):
        return None
    factor = 1.0 if rate_factor is None else rate_factor(1)
    momentum, nesterov = getattr(optimizer, "momentum", 0.0), getattr(optimizer, "nesterov", False)
    kind = type(optimizer).__name__.lower()
    return OptimizerInfo(kind, float(optimizer.learning_rate * factor), float(momentum), bool(nesterov), clips)
