"""Optimizers by themselves: the first steps by hand, what they leave alone, what they refuse."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.optimizers import Adam, Optimizer, RmsProp, Sgd

ALL: dict[str, Callable[[], Optimizer]] = {
    "sgd": lambda: Sgd(0.1),
    "momentum": lambda: Sgd(0.1, momentum=0.9),
    "nesterov": lambda: Sgd(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RmsProp(0.1, momentum=0.5),
    "adam": lambda: Adam(0.1),
}


def path(optimizer: Optimizer, gradients: list[float]) -> list[float]:
    parameters, taken = np.zeros(1), []
    for gradient in gradients:
        optimizer.step(parameters, np.array([gradient]))
        taken.append(float(parameters[0]))
    return taken


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Sgd(0.5), [-1.0, -1.5]),
        (Sgd(0.5, momentum=0.5), [-1.0, -2.0]),
        (Sgd(0.5, momentum=0.5, nesterov=True), [-1.5, -2.5]),
        (RmsProp(0.5, alpha=0.75, epsilon=0.0), [-1.0, -1.0 - 0.5 / 1.0]),
        (Adam(0.5, epsilon=0.0), [-0.5, -0.5 - 0.5 * ((0.18 + 0.1) / 0.19) / math.sqrt(0.004996 / 0.001999)]),
    ],
    ids=["sgd", "momentum", "nesterov", "rmsprop", "adam"],
)
def test_first_steps_are_those_of_the_textbook(optimizer: Optimizer, expected: list[float]) -> None:
    assert path(optimizer, [2.0, 1.0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_step_changes_the_parameters_in_place_and_nothing_else(name: str, dtype: DTypeLike) -> None:
    whole = np.ones(9, dtype)
    parameters, gradients = whole[2:7], np.full(5, 0.5, dtype)
    optimizer = ALL[name]()
    for _ in range(3):
        optimizer.step(parameters, gradients)
    assert (whole[[0, 1, 7, 8]] == 1.0).all()
    assert (whole[2:7] < 1.0).all()
    assert whole.dtype == dtype
    assert (gradients == 0.5).all()


@pytest.mark.parametrize("name", ALL)
def test_a_learning_rate_changed_between_steps_counts_from_the_next(name: str) -> None:
    optimizer = ALL[name]()
    parameters = np.zeros(1)
    optimizer.step(parameters, np.ones(1))
    optimizer.learning_rate = 0.0
    before = parameters.copy()
    optimizer.step(parameters, np.ones(1))
    assert parameters == before


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        Sgd(0.1, nesterov=True)
