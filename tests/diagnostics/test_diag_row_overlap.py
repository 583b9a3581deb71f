"""Rows in both sets: counted as by hand, and held against what random splits of the same rows have."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.row_overlap import group_equal_rows, measure_overlap

Array = np.ndarray


def shared_by_hand(training: Array, validation: Array) -> int:
    return sum(any((row == other).all() for other in training) for row in validation)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("columns", [1, 3, 31, 32, 33, 100])
def test_rows_are_equal_where_all_their_columns_are(columns: int, dtype: Any) -> None:
    rng = np.random.default_rng(columns)
    table = rng.integers(0, 2, (200, columns)).astype(dtype)
    table[100:] = table[rng.integers(0, 100, 100)]
    table[150:, -1] += 1  # unlike those in the last column only
    groups = group_equal_rows((table[:70],), (table[70:],))
    for i in range(0, 200, 7):
        assert ((groups == groups[i]) == (table == table[i]).all(axis=1)).all()


def test_rows_of_many_bits_are_all_told_apart() -> None:
    bits = np.arange(2**14)[:, np.newaxis] >> np.arange(14) & 1
    for dtype in (np.float32, np.float64, np.int32):
        assert len(set(group_equal_rows((bits.astype(dtype),)).tolist())) == 2**14


def test_zero_and_minus_zero_are_equal() -> None:
    assert measure_overlap((np.array([[0.0, 1.0], [2.0, 3.0]]),), (np.array([[-0.0, 1.0]]),)).shared == 1


def test_blocks_are_compared_together() -> None:
    inputs, targets = np.arange(6.0).reshape(6, 1), np.zeros((6, 1))
    assert measure_overlap((inputs, targets), (inputs[:2], targets[:2])).shared == 2
    assert measure_overlap((inputs, targets), (inputs[:2], targets[:2] + 1.0)).shared == 0


@pytest.mark.parametrize("values", [2, 4, 20, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_shared_rows_are_counted_as_by_hand(seed: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    training, validation = rng.integers(0, values, (80, 2)) * 1.0, rng.integers(0, values, (30, 2)) * 1.0
    assert measure_overlap((training,), (validation,)).shared == shared_by_hand(training, validation)


@pytest.mark.parametrize("values", [2, 6, 30])
def test_expected_are_those_of_random_splits(values: int) -> None:
    rng = np.random.default_rng(values)
    table = rng.integers(0, values, (120, 2)) * 1.0
    overlap = measure_overlap((table[:90],), (table[90:],))
    splits = []
    for _ in range(500):
        order = rng.permutation(120)
        counts = Counter(map(bytes, table[order[:90]]))
        splits.append(sum(bytes(row) in counts for row in table[order[90:]]))
    assert overlap.expected == pytest.approx(np.mean(splits), abs=0.5)


@pytest.mark.parametrize("values", [3, 10, 30, 200])
def test_a_random_split_seldom_has_a_small_chance(values: int) -> None:
    """The bound is one: at its own null, chances below p come at most about p of the time."""
    rng = np.random.default_rng(values)
    table = rng.integers(0, values, (150, 2)) * 1.0
    chances = []
    for _ in range(200):
        order = rng.permutation(150)
        chances.append(measure_overlap((table[order[:110]],), (table[order[110:]],)).chance)
    assert np.mean(np.array(chances) < 0.05) <= 0.05
    assert np.mean(np.array(chances) < 0.005) <= 0.005


def test_the_chance_is_exact_where_every_pair_is_torn_apart() -> None:
    rows = np.arange(100.0)[:, np.newaxis]
    torn = 2.0 * 0.2 * 0.8  # of a pair, where a fifth of all rows is held out
    others = np.arange(200.0, 217.0)[:, np.newaxis]
    overlap = measure_overlap((rows,), (np.concatenate([rows[:8], others]),))
    assert overlap.shared == 8
    assert overlap.expected == pytest.approx(8 * torn)
    assert overlap.chance == pytest.approx(torn**8, rel=0.01)


def test_a_single_pair_proves_nothing() -> None:
    rows = np.arange(120.0)[:, np.newaxis]
    overlap = measure_overlap((rows,), (np.append(rows[:1], np.arange(200.0, 229.0)[:, np.newaxis], axis=0),))
    assert overlap.shared == 1
    assert overlap.chance > 0.1


@pytest.mark.parametrize(("training", "validation"), [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_empty_sets_share_nothing(training: int, validation: int) -> None:
    rows = np.arange(6.0).reshape(6, 1)
    assert measure_overlap((rows[:training],), (rows[3 : 3 + validation],)).shared == 0


def test_rows_that_are_all_the_same_are_explained_by_chance() -> None:
    overlap = measure_overlap((np.ones((50, 3)),), (np.ones((20, 3)),))
    assert overlap.shared == 20
    assert overlap.expected == pytest.approx(20.0, rel=1e-3)
    assert overlap.chance == pytest.approx(1.0, rel=1e-3)
