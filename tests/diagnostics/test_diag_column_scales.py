"""Statistics of columns: means and spreads within sampling error, constancy exactly."""

import numpy as np
import pytest

from gradvitals.diagnostics.column_scales import measure_columns


@pytest.mark.parametrize("rows", [1, 2, 50, 1024, 1025, 20_000])
def test_means_and_deviations_are_near_those_of_all_rows(rows: int) -> None:
    rng = np.random.default_rng(rows)
    matrix = rng.normal([0.0, 100.0, -5.0], [1.0, 3.0, 1e-3], (rows, 3))
    columns = measure_columns(matrix)
    exact = rows <= 1024
    assert columns.mean == pytest.approx(matrix.mean(axis=0), abs=1e-9 if exact else 0.3)
    assert columns.std == pytest.approx(matrix.std(axis=0), rel=1e-9 if exact else 0.1)


def test_one_row_out_of_many_makes_a_column_vary() -> None:
    matrix = np.ones((30_000, 3), np.float32)
    matrix[12_347, 1] = 2.0
    assert measure_columns(matrix).constant.tolist() == [True, False, True]


def test_only_columns_with_a_spread_of_their_own_are_compared() -> None:
    rng = np.random.default_rng(0)
    count = 500
    matrix = np.column_stack(
        [
            np.full(count, 3.0),
            rng.integers(0, 2, count) * 1e6,
            np.where(rng.random(count) < 0.05, rng.normal(size=count), 0.0),
            rng.normal(size=count),
            rng.integers(0, 3, count),
        ]
    )
    assert measure_columns(matrix).compared.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_standardised_rows_are_known_as_such(scale: float, dtype: type) -> None:
    matrix = np.random.default_rng(0).normal(5.0, 2.0, (400, 3)).astype(dtype) * dtype(scale)
    matrix[:, 2] = scale
    columns = measure_columns(matrix)
    assert not columns.standardised
    standard = columns.standardise(matrix)
    assert measure_columns(standard).standardised
    assert standard[:, :2].std(axis=0) == pytest.approx(1.0, rel=1e-3)
    assert standard[:, 2] == pytest.approx(0.0, abs=1e-3)


def test_a_column_of_rounding_errors_is_not_blown_up() -> None:
    matrix = np.full((200, 1), 1e6)
    matrix[::2] += 1e-3
    assert np.abs(measure_columns(matrix).standardise(matrix)).max() < 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_columns_that_are_not_finite_are_not_compared(value: float) -> None:
    matrix = np.random.default_rng(0).normal(size=(100, 2))
    matrix[3, 0] = value
    columns = measure_columns(matrix)
    assert columns.compared.tolist() == [False, True]
    assert not columns.standardised


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_squares_need_not_be_representable(scale: float) -> None:
    matrix = np.random.default_rng(0).normal(size=(300, 2))
    columns = measure_columns(scale * matrix)
    assert columns.std / scale == pytest.approx(matrix.std(axis=0))
    assert measure_columns(columns.standardise(scale * matrix)).standardised
