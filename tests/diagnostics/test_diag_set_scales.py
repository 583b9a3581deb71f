"""Two sets of which one was scaled and the other not are told apart from two parts of one set."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from gradvitals.diagnostics.set_scales import compare_scales

Array = Any


def test_pixels_of_one_set_divided_by_their_largest_are_told_in_either_direction() -> None:
    images = load_digits().images
    assert compare_scales(images[:1000] / 16, images[1000:]) == pytest.approx(15.0, abs=1.0)
    assert compare_scales(images[:1000], images[1000:] / 16) == pytest.approx(1 / 15.0, abs=0.01)


def test_a_table_standardised_in_one_set_alone_is_told() -> None:
    table = load_breast_cancer().data
    standardised = (table[:400] - table[:400].mean(axis=0)) / table[:400].std(axis=0)
    ratio = compare_scales(standardised, table[400:])
    assert ratio is not None
    assert ratio > 10.0


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_two_parts_of_one_set_are_of_one_scale(load: Any) -> None:
    rows = load().data
    assert compare_scales(rows[:300], rows[300:]) == 1.0
    assert compare_scales(rows[:300].astype(np.uint8), rows[300:].astype(np.uint8)) == 1.0


def test_a_random_split_of_numbers_without_a_mean_is_of_one_scale() -> None:
    generator = np.random.default_rng(0)
    draws = [generator.standard_cauchy((80, 1)) for _ in range(2000)]
    assert {compare_scales(rows[:40], rows[40:]) for rows in draws} == {1.0}


def test_a_negative_number_counts_by_its_size() -> None:
    rows = -np.ones((20, 2), np.float32)
    assert compare_scales(rows, 50 * rows) == 50.0


def test_few_rows_zeros_and_gaps_tell_nothing() -> None:
    rows = np.ones((20, 3))
    assert compare_scales(rows, rows[:5] * 100) is None
    assert compare_scales(0 * rows, rows) is None
    assert compare_scales(rows, np.where(np.eye(20, 3) > 0, np.nan, rows)) is None


@pytest.mark.parametrize(("beyond", "ratio"), [(49, 1.0), (50, 30.0)])
def test_half_of_the_rows_must_lie_beyond_all_of_the_others(beyond: int, ratio: float) -> None:
    ours, theirs = np.full((100, 2), 0.5), np.full((100, 2), 0.5)
    theirs[:beyond, 1] = -15.0
    assert compare_scales(ours, theirs) == pytest.approx(ratio)
