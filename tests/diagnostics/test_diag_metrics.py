"""Metrics against plain Python loops in float64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics import metrics

SCALES = [pytest.param(scale, id=f"{scale:g}") for scale in (1e-40, 1e-30, 1e-12, 1.0, 1e12, 1e25, 1e37)]
SHAPES = [pytest.param(shape, id="x".join(map(str, shape))) for shape in ((1, 1), (3, 5), (64, 17), (1, 1000))]


def draw(shape: tuple[int, ...], scale: float = 1.0, dtype: Any = np.float32) -> Any:
    return (np.random.default_rng(5).normal(size=shape) * scale).astype(dtype)


def entries(array: Any) -> list[float]:
    return [float(entry) for entry in array.ravel()]


def norm_by_hand(*arrays: Any) -> float:
    return math.sqrt(math.fsum(entry * entry for array in arrays for entry in entries(array)))


def sigmoid(scale: float, shape: tuple[int, int] = (40, 7)) -> Any:
    return (1.0 / (1.0 + np.exp(-draw(shape, scale, np.float64)))).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", SHAPES)
def test_norm_is_the_root_of_the_sum_of_squares_at_any_scale(shape: tuple[int, int], scale: float, dtype: Any) -> None:
    array = draw(shape, scale, dtype)
    assert metrics.norm(array) == pytest.approx(norm_by_hand(array), rel=1e-5, abs=0.0)
    assert metrics.rms(array) == pytest.approx(norm_by_hand(array) / math.sqrt(array.size), rel=1e-5, abs=0.0)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_squares_are_those_of_each_vector_whatever_stands_beside_it(dtype: Any) -> None:
    vectors = [draw((50,), scale, dtype) for scale in (1.0, 1e-30, 1e25, 0.0, 3.0)]
    expected = [math.fsum(entry * entry for entry in entries(vector)) for vector in vectors]
    for some in (vectors, vectors[:1], vectors[2:4], []):
        wanted = [expected[[vector is known for known in vectors].index(True)] for vector in some]
        assert metrics.sums_of_squares(some) == pytest.approx(wanted, rel=1e-5, abs=0.0)


def test_an_array_is_flattened_without_a_copy_in_either_order() -> None:
    array = draw((6, 9))
    for view in (array, array.T, array[2]):
        flat = metrics.flatten(view)
        assert np.shares_memory(flat, array)
        assert sorted(entries(flat)) == sorted(entries(view))


def test_norm_takes_all_arrays_together() -> None:
    assert metrics.norm(np.array([3.0]), np.array([[4.0], [12.0]])) == 13.0


def test_norm_of_large_and_small_entries_side_by_side() -> None:
    array = np.array([1e30, 1e-30, -2e30], np.float32)
    assert metrics.norm(array) == pytest.approx(norm_by_hand(array), rel=1e-6)


def test_norm_of_zeros_is_zero_and_of_a_transposed_view_the_same() -> None:
    assert metrics.norm(np.zeros((4, 4), np.float32)) == 0.0
    array = draw((6, 9))
    assert metrics.norm(array.T) == pytest.approx(norm_by_hand(array), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_not_finite_makes_the_norm_not_finite(bad: float) -> None:
    array = draw((4, 5))
    array[2, 3] = bad
    assert not math.isfinite(metrics.norm(array))
    assert not metrics.all_finite([draw((3,)), array])
    assert metrics.all_finite([draw((3,))])
    assert metrics.all_finite([])


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e20], ids=str)
def test_update_ratio_is_the_update_over_the_larger_of_weights_and_he_normal(scale: float) -> None:
    weight, update = draw((30, 20), scale), draw((30, 20), 1e-3)
    expected = norm_by_hand(update) / max(norm_by_hand(weight), math.sqrt(2.0 * 20))
    assert metrics.update_ratio(update, weight) == pytest.approx(expected, rel=1e-5)


def test_he_norm_is_what_he_normal_weights_have() -> None:
    drawn = np.random.default_rng(0).normal(0.0, math.sqrt(2.0 / 300), (300, 200))
    assert metrics.he_norm(drawn) == pytest.approx(float(np.linalg.norm(drawn)), rel=0.02)


@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0, 15.0, 100.0], ids=str)
def test_sigmoid_slope_is_the_mean_of_z_times_one_minus_z(scale: float) -> None:
    outputs = sigmoid(scale)
    expected = math.fsum(z * (1.0 - z) for z in entries(outputs)) / outputs.size
    assert metrics.sigmoid_slope(outputs) == pytest.approx(expected, rel=1e-5, abs=1e-30)
    assert metrics.slope(outputs, "sigmoid") == metrics.sigmoid_slope(outputs)


@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0, 100.0], ids=str)
def test_tanh_slope_is_that_of_the_sigmoid_it_is_made_of(scale: float) -> None:
    outputs = np.tanh(draw((40, 7), scale))
    as_sigmoid = [(1.0 + z) / 2.0 for z in entries(outputs)]
    expected = math.fsum(z * (1.0 - z) for z in as_sigmoid) / outputs.size
    assert metrics.tanh_slope(outputs) == pytest.approx(expected, rel=1e-5, abs=1e-30)
    assert metrics.slope(outputs, "tanh") == metrics.tanh_slope(outputs)


def test_slopes_of_nearly_complete_saturation_keep_their_size() -> None:
    outputs = np.full((1000, 50), 1.0 - 2.0**-23, np.float32)
    assert metrics.sigmoid_slope(outputs) == pytest.approx(2.0**-23, rel=1e-3)
    assert metrics.tanh_slope(-outputs) == pytest.approx(2.0**-24, rel=1e-3)


@pytest.mark.parametrize(
    ("slope", "ends"), [(metrics.sigmoid_slope, (0.0, 1.0)), (metrics.tanh_slope, (-1.0, 1.0))], ids=["sigmoid", "tanh"]
)
def test_slopes_are_a_quarter_in_the_middle_and_zero_at_the_ends(
    slope: Callable[[Any], float], ends: tuple[float, float]
) -> None:
    assert slope(np.full((3, 2), sum(ends) / 2, np.float32)) == 0.25
    for end in ends:
        assert slope(np.full((3, 2), end, np.float32)) == 0.0
    assert math.isnan(slope(np.array([[0.5, np.nan]])))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("scale", [0.5, 3.0, 30.0], ids=str)
def test_saturated_fraction_counts_units_that_are_flat_on_19_of_20_samples(activation: str, scale: float) -> None:
    pre_activations = draw((60, 25), 1.0, np.float64) * np.linspace(0.1, scale, 25)
    z = np.tanh(pre_activations) if activation == "tanh" else 1.0 / (1.0 + np.exp(-pre_activations))
    saturated = 0
    for unit in range(25):
        slopes = [1 - v * v if activation == "tanh" else 4 * v * (1 - v) for v in entries(z[:, unit])]
        saturated += sum(slope < 0.05 for slope in slopes) >= 0.95 * len(slopes)
    assert metrics.saturated_fraction(z, activation) == pytest.approx(saturated / 25)


@pytest.mark.parametrize(("flat", "expected"), [(19, 1.0), (18, 0.0)], ids=["19 of 20", "18 of 20"])
def test_saturated_fraction_at_its_limit(flat: int, expected: float) -> None:
    outputs = np.full((20, 1), 0.5)
    outputs[:flat] = 1.0
    assert metrics.saturated_fraction(outputs, "sigmoid") == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inactive_fraction_counts_units_silent_on_the_whole_batch(dtype: Any) -> None:
    outputs = np.maximum(draw((6, 200), 1.0, dtype) - 1.0, 0)
    silent = sum(all(v == 0.0 for v in entries(outputs[:, unit])) for unit in range(200))
    assert 0 < silent < 200
    assert metrics.inactive_fraction(outputs) == pytest.approx(silent / 200)


def test_the_faintest_and_the_largest_output_count_as_active() -> None:
    outputs = np.zeros((500, 4), np.float32)
    outputs[250, 0] = 1e-45
    outputs[:, 1] = 3e38  # their sum overflows
    outputs[3, 2] = np.nan
    assert metrics.inactive_fraction(outputs) == 0.25


@pytest.mark.parametrize(
    ("weight", "radius"),
    [
        ([[3.0]], 3.0),
        ([[-2.0, 0.0], [0.0, 1.0]], 2.0),
        ([[0.0, 1.0], [-1.0, 0.0]], 1.0),  # a rotation: ±i
        ([[0.0, 5.0], [0.0, 0.0]], 0.0),  # large, and gone after two steps
        ([[1.0, 1.0], [1.0, 1.0]], 2.0),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
    ],
    ids=["a number", "diagonal", "rotation", "nilpotent", "of ones", "zero"],
)
def test_spectral_radius_of_matrices_known_by_heart(weight: list[list[float]], radius: float) -> None:
    assert metrics.spectral_radius(np.array(weight, np.float32)) == pytest.approx(radius, abs=1e-7)


@pytest.mark.parametrize("size", [1, 5, 30])
def test_spectral_radius_is_the_growth_of_high_powers(size: int) -> None:
    weight = draw((size, size), 0.4, np.float64)
    power, exponent, scale = weight.copy(), 1, 0.0  # Gelfand: the radius is the limit of ‖Wᵏ‖^(1/k)
    for _ in range(14):
        power, exponent, scale = power @ power, 2 * exponent, 2.0 * scale
        size_now = float(np.linalg.norm(power))
        power, scale = power / size_now, scale + math.log(size_now)
    assert metrics.spectral_radius(weight) == pytest.approx(math.exp(scale / exponent), rel=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
def test_spectral_radius_of_what_is_not_finite_is_nan(bad: float) -> None:
    assert math.isnan(metrics.spectral_radius(np.array([[1.0, bad], [0.0, 1.0]])))


@pytest.mark.parametrize(
    ("gains", "mean"),
    [
        ([2.0], 2.0),
        ([2.0, 0.5], 1.0),
        ([4.0, 4.0, 0.5], 2.0),
        ([1e-300, 1e-300, 1e-300], 1e-300),
        ([math.nan, 0.0, 3.0], 0.0),
        ([math.nan, 9.0, 1.0], 3.0),
        ([math.inf, 1.0], math.inf),
    ],
    ids=str,
)
def test_recurrent_gain_is_the_geometric_mean_of_the_known_gains(gains: list[float], mean: float) -> None:
    assert metrics.recurrent_gain(np.array(gains)) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("gains", [[], [math.nan, math.nan]], ids=str)
def test_recurrent_gain_of_nothing_known_is_nan(gains: list[float]) -> None:
    assert math.isnan(metrics.recurrent_gain(np.array(gains)))
