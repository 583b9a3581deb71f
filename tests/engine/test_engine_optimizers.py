"""Optimizers by themselves: by hand, against PyTorch, for stacked runs, saved and restored, and what they refuse."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.events import Array
from gradvitals.engine.optimizers import PART, Adam, Optimizer, RmsProp, Sgd

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
RUNS = 5
Make: TypeAlias = Callable[[Any], Optimizer]

ALL: dict[str, Make] = {
    "sgd": Sgd,
    "momentum": lambda rate: Sgd(rate, momentum=0.9),
    "nesterov": lambda rate: Sgd(rate, momentum=0.9, nesterov=True),
    "adagrad": Adagrad,
    "adagrad, other settings": lambda rate: Adagrad(rate, learning_rate_decay=0.1, initial_accumulator=0.5),
    "adadelta": Adadelta,
    "rmsprop": RmsProp,
    "rmsprop, momentum": lambda rate: RmsProp(rate, momentum=0.5),
    "adam": Adam,
    "adamw": lambda rate: AdamW(rate, weight_decay=0.1),
    "adamax": Adamax,
    "nadam": Nadam,
}
EVERY = pytest.mark.parametrize("name", ALL)


def bits(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def path(optimizer: Optimizer, gradients: list[float]) -> list[float]:
    parameters, taken = np.zeros(1), []
    for gradient in gradients:
        optimizer.step(parameters, np.array([gradient]))
        taken.append(float(parameters[0]))
    return taken


MEAN, SQUARE = (0.18 + 0.1) / 0.19, math.sqrt(0.004996 / 0.001999)
"""Adam's m̂ and √v̂ after the gradients 2 and 1."""


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Sgd(0.5), [-1.0, -1.5]),
        (Sgd(0.5, momentum=0.5), [-1.0, -2.0]),
        (Sgd(0.5, momentum=0.5, nesterov=True), [-1.5, -2.5]),
        (Adagrad(0.5, epsilon=0.0), [-0.5, -0.5 - 0.5 / math.sqrt(5.0)]),
        (Adagrad(0.5, epsilon=0.0, learning_rate_decay=1.0), [-0.5, -0.5 - 0.25 / math.sqrt(5.0)]),
        (Adagrad(0.5, epsilon=0.0, initial_accumulator=5.0), [-1.0 / 3.0, -1.0 / 3.0 - 0.5 / math.sqrt(10.0)]),
        (Adadelta(0.5, rho=0.5, epsilon=2.0), [-1 / math.sqrt(2), -1 / math.sqrt(2) - 0.5 * math.sqrt(3.0 / 3.5)]),
        (RmsProp(0.5, alpha=0.75, epsilon=0.0), [-1.0, -1.0 - 0.5 / 1.0]),
        (Adam(0.5, epsilon=0.0), [-0.5, -0.5 - 0.5 * MEAN / SQUARE]),
        (AdamW(0.5, epsilon=0.0, weight_decay=0.5), [-0.5, -0.375 - 0.5 * MEAN / SQUARE]),
        (Adamax(0.5, epsilon=0.0), [-0.5, -0.5 - 0.5 * MEAN / 1.998]),
        (
            Nadam(0.5, epsilon=0.0, beta1=0.9, momentum_decay=0.0),  # μ is .45 throughout
            [
                -0.5 * (1.0 + 0.2 / 2.0 * 0.45 / (1.0 - 0.45**2)),
                -0.5 * (1.0 + 0.2 / 2.0 * 0.45 / (1.0 - 0.45**2))
                - 0.5 * (0.55 / (1.0 - 0.45**2) + 0.28 * 0.45 / (1.0 - 0.45**3)) / SQUARE,
            ],
        ),
    ],
    ids=[
        "sgd",
        "momentum",
        "nesterov",
        "adagrad",
        "adagrad, decay",
        "adagrad, accumulator",
        "adadelta",
        "rmsprop",
        "adam",
        "adamw",
        "adamax",
        "nadam",
    ],
)
def test_first_steps_are_those_of_the_textbook(optimizer: Optimizer, expected: list[float]) -> None:
    assert path(optimizer, [2.0, 1.0]) == pytest.approx(expected, rel=1e-12)


@DTYPES
@EVERY
def test_step_changes_the_parameters_in_place_and_nothing_else(name: str, dtype: DTypeLike) -> None:
    whole = np.ones(9, dtype)
    parameters, gradients = whole[2:7], np.full(5, 0.5, dtype)
    optimizer = ALL[name](0.1)
    for _ in range(3):
        optimizer.step(parameters, gradients)
    assert (whole[[0, 1, 7, 8]] == 1.0).all()
    assert (whole[2:7] < 1.0).all()
    assert whole.dtype == dtype
    assert (gradients == 0.5).all()


@EVERY
def test_a_learning_rate_changed_between_steps_counts_from_the_next(name: str) -> None:
    optimizer = ALL[name](0.1)
    parameters = np.zeros(1)
    optimizer.step(parameters, np.ones(1))
    optimizer.learning_rate = 0.0
    before = parameters.copy()
    optimizer.step(parameters, np.ones(1))
    assert parameters == before


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        Sgd(0.1, nesterov=True)


# Against PyTorch.

TORCH: dict[str, tuple[Callable[[], Optimizer], str, dict[str, Any]]] = {
    "sgd": (lambda: Sgd(0.1), "SGD", {"lr": 0.1}),
    "momentum": (lambda: Sgd(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (
        lambda: Sgd(0.05, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "adagrad": (Adagrad, "Adagrad", {}),
    "adagrad, other settings": (
        lambda: Adagrad(0.3, learning_rate_decay=0.05, initial_accumulator=0.2, epsilon=1e-3),
        "Adagrad",
        {"lr": 0.3, "lr_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-3},
    ),
    "adadelta": (Adadelta, "Adadelta", {}),
    "adadelta, other settings": (
        lambda: Adadelta(0.7, rho=0.6, epsilon=1e-3),
        "Adadelta",
        {"lr": 0.7, "rho": 0.6, "eps": 1e-3},
    ),
    "rmsprop": (RmsProp, "RMSprop", {}),
    "rmsprop, other settings": (
        lambda: RmsProp(3e-3, alpha=0.9, epsilon=1e-6, momentum=0.9),
        "RMSprop",
        {"lr": 3e-3, "alpha": 0.9, "eps": 1e-6, "momentum": 0.9},
    ),
    "adam": (Adam, "Adam", {}),
    "adam, other settings": (
        lambda: Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-6),
        "Adam",
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6},
    ),
    "adamw": (AdamW, "AdamW", {}),
    "adamw, other settings": (
        lambda: AdamW(0.01, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.5),
        "AdamW",
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.5},
    ),
    "adamax": (Adamax, "Adamax", {}),
    "adamax, other settings": (
        lambda: Adamax(0.01, beta1=0.8, beta2=0.95, epsilon=1e-2),
        "Adamax",
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-2},
    ),
    "nadam": (Nadam, "NAdam", {}),
    "nadam, other settings": (
        lambda: Nadam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-6, momentum_decay=0.1),
        "NAdam",
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "momentum_decay": 0.1},
    ),
}


@pytest.fixture
def torch() -> Any:
    """PyTorch in float64 throughout: its NAdam keeps a number of its own in the default dtype."""
    module = pytest.importorskip("torch")
    module.set_default_dtype(module.float64)
    yield module
    module.set_default_dtype(module.float32)


@pytest.mark.parametrize("name", TORCH)
def test_a_hundred_steps_equal_torch_optim(name: str, torch: Any) -> None:
    make, kind, settings = TORCH[name]
    generator = np.random.default_rng(0)
    parameters, matrix = generator.normal(size=30), generator.normal(size=(20, 30))
    start, tensor = parameters.copy(), torch.tensor(parameters.copy(), requires_grad=True)
    optimizer, reference = make(), getattr(torch.optim, kind)([tensor], **settings)
    for _ in range(100):
        target = generator.normal(size=20)  # a new one each time, so that the gradient never settles
        outputs = np.tanh(matrix @ parameters)
        optimizer.step(parameters, matrix.T @ ((1.0 - outputs**2) * (outputs - target)) / 10.0)
        reference.zero_grad()
        ((torch.tanh(torch.tensor(matrix) @ tensor) - torch.tensor(target)) ** 2).mean().backward()
        reference.step()
    assert float(np.abs(parameters - start).max()) > 0.01  # it did move
    assert float(np.abs(parameters - tensor.detach().numpy()).max()) < 1e-10


# The run axis.


@DTYPES
@EVERY
def test_runs_stacked_with_a_rate_each_are_bit_identical_to_each_alone(name: str, dtype: DTypeLike) -> None:
    generator = np.random.default_rng(0)
    rates = np.array([[1e-4], [0.003], [0.1], [0.3], [1.7]])
    start = generator.normal(size=(RUNS, 37)).astype(dtype)
    steps = generator.normal(size=(20, RUNS, 37)).astype(dtype)
    stacked, optimizer = start.copy(), ALL[name](rates)
    for gradients in steps:
        optimizer.step(stacked, gradients.copy())
    assert stacked.dtype == dtype
    for run in range(RUNS):
        alone, optimizer = start[run].copy(), ALL[name](float(rates[run, 0]))
        for gradients in steps:
            optimizer.step(alone, gradients[run].copy())
        assert bits(stacked[run]) == bits(alone)


# Saved and restored.


def walk(optimizer: Optimizer, parameters: Array, steps: range) -> None:
    """Step along gradients that depend on the step's number and the parameters alone."""
    for step in steps:
        noise = np.random.default_rng(step).normal(size=parameters.shape).astype(parameters.dtype)
        optimizer.step(parameters, parameters * parameters.dtype.type(0.5) + noise)


@DTYPES
@pytest.mark.parametrize("shape", [(13,), (3, 13)], ids=["single", "stacked"])
@pytest.mark.parametrize("steps", [0, 1, 50])
@EVERY
def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened(
    name: str, steps: int, shape: tuple[int, ...], dtype: DTypeLike
) -> None:
    rate: Any = 0.05 if len(shape) == 1 else np.array([[0.01], [0.05], [0.5]])
    through, optimizer = np.ones(shape, dtype), ALL[name](rate)
    walk(optimizer, through, range(steps + 50))

    saved, first = np.ones(shape, dtype), ALL[name](rate)
    walk(first, saved, range(steps))
    state = first.state_arrays()
    walk(first, saved.copy(), range(20))  # what was copied out stays as it was
    second = ALL[name](rate)
    second.restore(state, saved)
    walk(second, saved, range(steps, steps + 50))
    assert bits(saved) == bits(through)
    assert state["steps"] == steps


@EVERY
def test_an_optimizer_that_has_moved_on_can_be_taken_back(name: str) -> None:
    optimizer = ALL[name](0.05)
    start = np.ones(7)
    walk(optimizer, start, range(5))
    state, ends = optimizer.state_arrays(), []
    for _ in range(2):
        parameters = start.copy()
        optimizer.restore(state, parameters)
        walk(optimizer, parameters, range(5, 25))
        ends.append(bits(parameters))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "after 0 steps the state of Adam consists of steps; got nothing"),
        ({"steps": np.array(3)}, "after 3 steps the state of Adam consists of steps, mean, squares; got steps"),
        (
            {"steps": np.array(3), "velocity": np.zeros(4)},
            "after 3 steps the state of Adam consists of steps, mean, squares; got steps, velocity",
        ),
        (
            {"steps": np.array(3), "mean": np.zeros(4), "squares": np.zeros(5)},
            r"squares must be as the parameters are, float64 of shape \(4,\); got float64 of shape \(5,\)",
        ),
        (
            {"steps": np.array(3), "mean": np.zeros(4, np.float32), "squares": np.zeros(4)},
            r"mean must be as the parameters are, float64 of shape \(4,\); got float32 of shape \(4,\)",
        ),
    ],
    ids=["nothing", "only steps", "of another optimizer", "of another network", "of another dtype"],
)
def test_a_state_that_does_not_belong_here_is_refused(state: dict[str, Array], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Adam().restore(state, np.zeros(4))


@EVERY
def test_gradients_that_are_not_finite_stay_where_they_are(name: str) -> None:
    parameters, optimizer = np.ones(4), ALL[name](0.1)
    with np.errstate(all="ignore"):
        for gradients in ([0.0, 1.0, np.nan, np.inf], [0.0, 1.0, 1.0, 1.0]):
            optimizer.step(parameters, np.array(gradients))
    assert np.isfinite(parameters[:2]).all()
    assert np.isnan(parameters[2])


@EVERY
@DTYPES
def test_what_is_remembered_of_a_dead_unit_does_not_stay_subnormal(name: str, dtype: DTypeLike) -> None:
    optimizer, parameters = ALL[name](0.01), np.ones(8, dtype)
    least = float(np.finfo(parameters.dtype).smallest_normal)
    for gradient in (math.sqrt(least), 4.0 * least, least):
        optimizer.step(parameters, np.full(8, gradient, parameters.dtype))
    for _ in range(1000):
        optimizer.step(parameters, np.zeros_like(parameters))
    remembered = [array for what, array in optimizer.state_arrays().items() if what != "steps"]
    assert not [array for array in remembered if ((array != 0.0) & (np.abs(array) < least)).any()]


@EVERY
@pytest.mark.parametrize("shape", [(PART + 9,), (2, 2 * PART + 9)], ids=["single", "stacked"])
def test_many_parameters_are_updated_in_parts_to_the_same_bits(name: str, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    whole, optimizer = generator.normal(size=shape).astype(np.float32), ALL[name](0.01)
    parts = [(part.copy(), ALL[name](0.01)) for part in np.array_split(whole, 3, axis=-1)]
    for _ in range(3):
        gradients = generator.normal(size=shape).astype(np.float32)
        optimizer.step(whole, gradients)
        for (part, own), gradient in zip(parts, np.array_split(gradients, 3, axis=-1), strict=True):
            own.step(part, gradient.copy())
    assert bits(whole) == bits(np.concatenate([part for part, _ in parts], axis=-1))
