"""Is there signal in the data? Found where there is some, not where there is none."""

import math
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.data_signal import are_inputs, measure_signal, predict_held_out, predict_simply
from gradvitals.diagnostics.notes import Signal


def judge(inputs: Any, targets: Any) -> Signal:
    return measure_signal(inputs, targets, np.random.default_rng(20100), step=7)


def finds(inputs: Any, targets: Any) -> bool:
    signal = judge(inputs, targets)
    return signal.gain > 3.0 * signal.gain_se


def one_hot(labels: Any, classes: int = 2) -> Any:
    return np.eye(classes)[np.asarray(labels, int)]


def linear(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    inputs = rng.normal(size=(n, 5))
    return inputs, inputs[:, :1] + rng.normal(size=(n, 1))


def classes_apart(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    labels = rng.integers(0, 4, n)
    return rng.normal(size=(n, 3)) + 2.0 * one_hot(labels, 4)[:, :3], one_hot(labels, 4)


def xor(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    inputs = rng.normal(size=(n, 2))
    return inputs, one_hot(inputs[:, 0] * inputs[:, 1] > 0)


def circles(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    inputs = rng.normal(size=(n, 2))
    return inputs, one_hot(np.hypot(*inputs.T) > 1.2)


@pytest.mark.parametrize("draw", [linear, classes_apart, xor, circles])
@pytest.mark.parametrize("seed", range(5))
def test_signal_is_found_also_where_no_line_can(draw: Any, seed: int) -> None:
    assert finds(*draw(np.random.default_rng(seed), 300))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12], ids=str)
def test_units_of_inputs_and_targets_do_not_matter(scale: float) -> None:
    inputs, targets = linear(np.random.default_rng(0), 200)
    plain, scaled = judge(inputs, targets), judge(inputs * scale + scale, targets * scale - scale)
    assert scaled.gain == pytest.approx(plain.gain, rel=1e-3)
    assert scaled.gain_se == pytest.approx(plain.gain_se, rel=1e-3)


def noise(kind: str, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(120, 6))
    match kind:
        case "regression":
            return inputs, rng.normal(size=(120, 1))
        case "heavy tails":
            return inputs, rng.standard_t(2, size=(120, 1))
        case "balanced classes":
            return inputs, one_hot(rng.integers(0, 3, 120), 3)
        case _:
            return inputs, one_hot(rng.random(120) < 0.05)


@pytest.mark.parametrize("kind", ["regression", "heavy tails", "balanced classes", "rare class"])
def test_pure_noise_is_nearly_never_called_signal(kind: str) -> None:
    assert sum(finds(*noise(kind, seed)) for seed in range(250)) <= 2


def test_a_regression_of_two_percent_explained_variance_is_mostly_beyond_detection() -> None:
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(300, 10))
        targets = math.sqrt(0.02) * inputs[:, :1] + math.sqrt(0.98) * rng.normal(size=(300, 1))
        found += finds(inputs, targets)
    assert found <= 10


@pytest.mark.parametrize(
    ("inputs", "targets", "table", "plane"),
    [
        ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], 1.0, 0.0),
        ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 1], 1.0, 0.5 / 0.75),
        ([[0, 0], [0, 0], [1, 0], [1, 0]], [0, 1, 0, 1], 0.0, 0.0),
        ([[0, 0], [0, 0], [1, 0], [1, 0]], [0, 1, 1, 1], 0.25 / 0.75, 0.25 / 0.75),
        (np.arange(18).reshape(9, 2), np.arange(9), 1.0, 1.0),
    ],
    ids=["XOR", "OR", "contradictions", "some contradictions", "nine rows"],
)
def test_a_few_rows_hold_what_a_table_of_them_does(inputs: Any, targets: Any, table: float, plane: float) -> None:
    signal = judge(np.array(inputs, float), np.array(targets, float)[:, None])
    assert signal.gain == pytest.approx(table)
    assert signal.linear_gain == pytest.approx(plane)
    assert signal.gain_se == signal.linear_gain_se == 0.0


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [([[0], [1]], [1, 1]), ([[0], [math.nan]], [0, 1]), ([[0], [1]], [0, math.inf]), ([[0]], [1]), ([], [])],
    ids=["one answer", "NaN", "infinite", "one row", "none"],
)
def test_a_few_odd_rows_show_no_signal(inputs: Any, targets: Any) -> None:
    signal = judge(np.array(inputs, float).reshape(-1, 1), np.array(targets, float).reshape(-1, 1))
    assert signal == Signal(7, 0.0, math.inf, 0.0, math.inf)


@pytest.mark.parametrize("seed", range(20))
def test_rounding_is_no_gain(seed: int) -> None:
    low, high = np.sort(np.random.default_rng(seed).normal(size=(2, 2)), axis=0)
    rows = np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])
    assert judge(rows, np.array([0.1, 0.3, 0.3, 0.1])[:, None]).linear_gain == 0.0


def test_what_no_line_parts_has_no_linear_gain() -> None:
    for draw, linear_too in ((xor, False), (circles, False), (linear, True), (classes_apart, True)):
        signal: Any = judge(*draw(np.random.default_rng(0), 300))
        assert (signal.linear_gain > 3.0 * signal.linear_gain_se) == linear_too


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (np.ones((50, 3)), np.random.default_rng(0).normal(size=(50, 1))),
        (np.random.default_rng(0).normal(size=(50, 3)), np.ones((50, 1))),
        (np.full((50, 2), np.nan), np.ones((50, 1))),
        (np.where(np.eye(50), np.inf, 0.0), np.random.default_rng(0).normal(size=(50, 1))),
        (np.random.default_rng(0).normal(size=(50, 3)) * 1e300, np.random.default_rng(1).normal(size=(50, 1))),
        (np.random.default_rng(0).normal(size=(12, 400)), np.random.default_rng(1).normal(size=(12, 1))),
    ],
    ids=["constant inputs", "constant targets", "NaN", "infinite", "huge", "more features than rows"],
)
def test_odd_data_show_no_signal_and_raise_nothing(inputs: Any, targets: Any) -> None:
    assert not finds(inputs, targets)


def test_large_sets_are_sampled() -> None:
    inputs, targets = linear(np.random.default_rng(0), 50_000)
    inputs = np.hstack([inputs] * 4)
    signal = judge(inputs, targets)
    assert signal.gain == pytest.approx(0.5, abs=0.05)
    assert signal.gain_se > 0.005  # of 2,000 rows, not of 50,000


def test_targets_that_are_the_inputs_are_predicted_by_no_simple_model() -> None:
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(200, 5))
    images = inputs.reshape(200, 1, 5)
    for targets in (inputs, 255.0 * inputs + 3.0):
        assert predict_simply(images, targets, images, generator) == ()
        assert predict_held_out(images, targets, np.arange(50), generator) == ()


def test_targets_are_no_inputs_where_any_of_them_is_another_quantity() -> None:
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(200, 5))
    other = inputs.copy()
    other[:, 2] = generator.normal(size=200)
    assert are_inputs(inputs, inputs)
    assert not are_inputs(inputs, other)
    assert not are_inputs(inputs, inputs[:, ::-1])
    assert not are_inputs(inputs[:, :1], inputs[:, :1])  # of a single one, `data_faults` says that it is a copy
    assert len(predict_held_out(inputs, other, np.arange(50), generator)) == 2
