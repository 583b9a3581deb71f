"""A column that is the answer is found, and one that only helps to find it is not."""

from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.target_copies import find_copy

Array = Any


@pytest.fixture
def table() -> Array:
    return np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, -250.0, 1e-3])
def test_a_quantity_is_found_however_it_is_scaled(table: Array, scale: float) -> None:
    assert find_copy(table, scale * (table[:, 2:3] + 7.0)) == 2


def test_a_quantity_with_a_little_of_another_column_is_no_copy(table: Array) -> None:
    assert find_copy(table, table[:, 2:3] + 1e-3 * table[:, 1:2]) is None


def test_a_copy_with_one_exception_is_none(table: Array) -> None:
    targets = table[:, 2:3].copy()
    targets[150] += 1.0
    assert find_copy(table, targets) is None


@pytest.mark.parametrize("codes", [(0, 1, 2), (7, 3, 5)])
def test_a_code_of_the_class_is_found(table: Array, codes: tuple[int, ...]) -> None:
    classes = np.random.default_rng(1).integers(0, 3, 200)
    table[:, 1] = np.array(codes)[classes]
    assert find_copy(table, np.eye(3)[classes]) == 1


@pytest.mark.parametrize("kind", ["classes", "quantities"])
def test_a_copy_is_found_in_a_table_that_is_sorted_by_it(table: Array, kind: str) -> None:
    classes = np.repeat(np.arange(4), 50)
    table[:, 1] = classes
    assert find_copy(table, np.eye(4)[classes] if kind == "classes" else classes[:, None] * 2.5) == 1


def test_targets_that_are_all_the_same_have_no_copy(table: Array) -> None:
    table[:, 1] = 3.0
    assert find_copy(table, np.full((200, 1), 5.0)) is None


def test_a_number_from_which_the_class_follows_is_no_copy(table: Array) -> None:
    assert find_copy(table, np.asarray(table[:, :1] > 0.0, np.float32)) is None


def test_a_class_that_two_codes_stand_for_is_no_copy(table: Array) -> None:
    codes = np.random.default_rng(1).integers(0, 4, 200)
    table[:, 1] = codes
    assert find_copy(table, np.asarray(codes[:, None] > 1, np.float32)) is None


def test_a_line_through_the_only_input_is_what_a_first_exercise_asks_for(table: Array) -> None:
    assert find_copy(table[:, :1], 2.0 * table[:, :1] - 1.0) is None
    beside_a_constant = np.column_stack((table[:, :1], np.ones(200, np.float32)))
    assert find_copy(beside_a_constant, 2.0 * table[:, :1] - 1.0) is None


def test_of_a_series_the_last_step_is_a_copy_and_the_first_is_a_task_for_the_memory() -> None:
    series = np.random.default_rng(0).normal(size=(100, 8, 2)).astype(np.float32)
    assert find_copy(series, series[:, -1, 1:]) == 15
    assert find_copy(series, series[:, 0, 1:]) is None


def test_an_autoencoder_and_a_single_class_are_not_asked(table: Array) -> None:
    assert find_copy(table, table) is None
    constant = table.copy()
    constant[:, 0] = 1.0
    assert find_copy(constant, np.ones((200, 1))) is None


def test_few_rows_and_gaps_are_no_proof(table: Array) -> None:
    assert find_copy(table[:20], table[:20, :1]) is None
    table[3, 2] = np.nan
    assert find_copy(table, table[:, 2:3]) is None
