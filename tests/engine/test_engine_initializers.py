"""Initialisers against theory: mean, standard deviation, limits, shape of the distribution, orthogonality, seeds."""

import math

import numpy as np
import pytest

from gradvitals.engine.initializers import INITIALIZERS, Initializer, constant, normal, orthogonal, uniform, zeros

FANS = [(400, 300), (50, 2000), (2000, 50)]


def theory(name: str, fan_in: int, fan_out: int) -> float:
    """Give the standard deviation from the papers."""
    return {
        "glorot": math.sqrt(2.0 / (fan_in + fan_out)),
        "he": math.sqrt(2.0 / fan_in),
        "lecun": math.sqrt(1.0 / fan_in),
        "normal": 0.3,
        "uniform": 0.3 / math.sqrt(3.0),
    }[name.partition("_")[0]]


NORMALS: dict[str, Initializer] = {"normal": normal(0.3)} | {
    name: INITIALIZERS[name] for name in ("glorot_normal", "he_normal", "lecun_normal")
}
UNIFORMS: dict[str, Initializer] = {"uniform": uniform(0.3)} | {
    name: INITIALIZERS[name] for name in ("glorot_uniform", "he_uniform", "lecun_uniform")
}
KURTOSIS = dict.fromkeys(NORMALS, 3.0) | dict.fromkeys(UNIFORMS, 1.8)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("fan_in", "fan_out"), FANS, ids=str)
@pytest.mark.parametrize("name", KURTOSIS)
def test_mean_and_deviation_are_those_of_theory(name: str, fan_in: int, fan_out: int, seed: int) -> None:
    initialize, kurtosis = (NORMALS | UNIFORMS)[name], KURTOSIS[name]
    weights = initialize(fan_in, fan_out, np.random.default_rng(seed))
    std, count = theory(name, fan_in, fan_out), fan_in * fan_out
    assert weights.shape == (fan_in, fan_out)
    assert weights.dtype == np.float64
    assert abs(weights.mean()) < 5 * std / math.sqrt(count)
    # The deviation of a sample's deviation is std √((kurtosis − 1) / 4n).
    assert abs(weights.std() - std) < 5 * std * math.sqrt((kurtosis - 1.0) / (4.0 * count))
    # Rows and columns are drawn alike: no row's sum of squares strays from the mean by 6 of its deviations.
    for axis, size in ((0, fan_in), (1, fan_out)):
        rows = (weights**2).mean(axis) / std**2
        assert float(np.abs(rows - 1.0).max()) < 6.0 * math.sqrt((kurtosis - 1.0) / size)


@pytest.mark.parametrize("name", UNIFORMS)
def test_uniform_fills_its_interval_and_never_leaves_it(name: str) -> None:
    weights = UNIFORMS[name](400, 300, np.random.default_rng(0))
    limit = theory(name, 400, 300) * math.sqrt(3.0)
    assert float(np.abs(weights).max()) <= limit
    assert weights.max() > 0.999 * limit
    assert weights.min() < -0.999 * limit
    # A tenth of the values in every tenth of the interval, to 5 deviations.
    counts, _ = np.histogram(weights, 10, (-limit, limit))
    assert float(np.abs(counts - 12_000).max()) < 5 * math.sqrt(120_000 * 0.1 * 0.9)


@pytest.mark.parametrize("name", NORMALS)
def test_normal_has_the_tails_of_a_normal_and_is_not_truncated(name: str) -> None:
    weights = NORMALS[name](400, 300, np.random.default_rng(0)) / theory(name, 400, 300)
    for sigmas in (1.0, 2.0, 3.0):
        expected = math.erfc(sigmas / math.sqrt(2.0))
        share = float((np.abs(weights) > sigmas).mean())
        assert abs(share - expected) < 5 * math.sqrt(expected * (1.0 - expected) / weights.size)
    assert float(np.abs(weights).max()) > 4.0


@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (7, 7), (40, 12), (12, 40)], ids=str)
def test_orthogonal_has_only_singular_values_of_one(fan_in: int, fan_out: int) -> None:
    weights = orthogonal(fan_in, fan_out, np.random.default_rng(0))
    assert weights.shape == (fan_in, fan_out)
    np.testing.assert_allclose(np.linalg.svd(weights, compute_uv=False), 1.0, atol=1e-13)


def test_orthogonal_is_uniform_over_rotations_and_reflections() -> None:
    generator = np.random.default_rng(0)
    draws = np.stack([orthogonal(3, 3, generator) for _ in range(4000)])
    # For the uniform distribution every entry has mean 0, mean square 1/3 and mean fourth power 1/5.
    assert float(np.abs(draws.mean(0)).max()) < 5 * math.sqrt(1 / 3 / 4000)
    assert float(np.abs((draws**2).mean(0) - 1 / 3).max()) < 5 * math.sqrt((1 / 5 - 1 / 9) / 4000)
    assert abs(float(np.sign(np.linalg.det(draws)).mean())) < 5 / math.sqrt(4000)


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_the_generator_alone_decides_the_draw(name: str) -> None:
    initialize = INITIALIZERS[name]
    first = initialize(6, 4, np.random.default_rng(7))
    np.testing.assert_array_equal(first, initialize(6, 4, np.random.default_rng(7)))
    assert not np.isclose(first, initialize(6, 4, np.random.default_rng(8))).any()
    generator = np.random.default_rng(7)
    initialize(6, 4, generator)
    assert not np.isclose(first, initialize(6, 4, generator)).any()


@pytest.mark.parametrize(("initialize", "value"), [(zeros, 0.0), (constant(0.25), 0.25)], ids=["zeros", "constant"])
def test_constants_fill_the_matrix_and_draw_nothing(initialize: Initializer, value: float) -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    weights = initialize(5, 3, generator)
    assert weights.shape == (5, 3)
    assert (weights == value).all()
    assert generator.bit_generator.state == before
