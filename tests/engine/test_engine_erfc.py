"""The complementary error function against the C library's, and where it must neither overflow nor warn."""

import math

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.erfc import erfc

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


@DTYPES
@pytest.mark.parametrize(
    ("low", "high", "units_in_the_last_place"),
    [(-30.0, -0.46875, 4), (-0.46875, 0.46875, 4), (0.46875, 4.0, 40), (4.0, 6.0, 5000)],
    ids=["certain", "around zero", "falling", "tail"],
)
def test_erfc_equals_the_c_library(low: float, high: float, units_in_the_last_place: int, dtype: DTypeLike) -> None:
    x = np.linspace(low, high, 20_001).astype(dtype)
    expected = np.array([math.erfc(value) for value in x.tolist()])
    result = erfc(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, rtol=units_in_the_last_place * float(np.finfo(result.dtype).eps))


def test_erfc_errs_by_less_than_the_rounding_of_one() -> None:
    x = np.linspace(-30.0, 30.0, 100_001)
    expected = np.array([math.erfc(value) for value in x.tolist()])
    assert float(np.abs(erfc(x) - expected).max()) < 5e-16


@DTYPES
def test_erfc_at_infinity_and_at_no_number(dtype: DTypeLike) -> None:
    x = np.array([[np.inf, -np.inf, 1e30, -1e30], [0.0, -0.0, np.nan, np.nan]], dtype)
    with np.errstate(all="raise", under="ignore"):
        result = erfc(x)
    np.testing.assert_array_equal(result, [[0.0, 2.0, 0.0, 2.0], [1.0, 1.0, np.nan, np.nan]])


def test_erfc_of_nothing_is_nothing() -> None:
    assert erfc(np.empty((0, 3))).shape == (0, 3)
