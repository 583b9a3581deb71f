"""The sample of rows that go by: fair, whatever their order, and closed when they come back."""

from collections.abc import Iterator

import numpy as np
import pytest

from gradvitals.diagnostics.adapters.row_sample import MOST_ROWS, RowSample
from gradvitals.engine.events import Array


def rows(count: int, width: int = 12, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def show(sample: RowSample, inputs: Array, size: int, seed: int | None = None) -> Iterator[int]:
    """Show an epoch, in order or shuffled, and give of every batch how many rows of it are known."""
    order = np.arange(len(inputs)) if seed is None else np.random.default_rng(seed).permutation(len(inputs))
    for start in range(0, len(order), size):
        given = inputs[order[start : start + size]]
        batch = sample.meet(given)
        sample.pass_by(batch)
        for place in batch.drawn:
            sample.keep(batch, place, given[place].copy())
        yield len(batch.known)


def kept(sample: RowSample) -> set[bytes]:
    return {row.inputs.tobytes() for row in sample.rows}


@pytest.mark.parametrize("size", [1, 10, 300])
def test_of_few_rows_all_are_kept_and_known_again(size: int) -> None:
    sample, inputs = RowSample(), rows(300)
    assert sum(show(sample, inputs, size)) == 0
    assert kept(sample) == {row.tobytes() for row in inputs}
    assert sum(show(sample, inputs, size, seed=1)) == 300
    assert not sample.gathers
    assert sample.is_whole
    list(show(sample, rows(size, seed=2), size))
    assert not sample.is_whole


def test_of_many_rows_each_tenth_is_as_likely_in_order_too() -> None:
    sample, inputs = RowSample(), rows(10 * MOST_ROWS)
    assert sum(show(sample, inputs, 64)) == 0
    assert sample.gathers
    assert not sample.is_whole
    assert len(sample.rows) == MOST_ROWS
    places = {row.tobytes(): place for place, row in enumerate(inputs)}
    tenths = np.bincount([places[row] // MOST_ROWS for row in kept(sample)], minlength=10)
    assert np.abs(tenths - MOST_ROWS / 10).max() < 4.0 * np.sqrt(MOST_ROWS * 0.09)


def test_once_rows_come_back_no_more_are_taken() -> None:
    sample, inputs = RowSample(), rows(4 * MOST_ROWS)
    list(show(sample, inputs, 64))
    before = kept(sample)
    assert sum(show(sample, inputs, 64, seed=1)) > 0.9 * MOST_ROWS
    assert not sample.gathers
    assert len(before - kept(sample)) < 0.1 * MOST_ROWS  # some gave way until it was known
    assert sum(show(sample, rows(MOST_ROWS, seed=2), 64)) == 0


def test_few_equal_rows_within_an_epoch_are_no_new_epoch() -> None:
    inputs = rows(4 * MOST_ROWS)
    inputs[::50] = inputs[0]
    sample = RowSample()
    list(show(sample, inputs, 64, seed=1))
    assert sample.gathers
    assert not sample.repeats_itself


def test_many_equal_rows_in_a_batch_cannot_be_told_apart() -> None:
    sample = RowSample()
    list(show(sample, np.tile(rows(40), (10, 1)), 64))
    assert sample.repeats_itself


def test_rows_alike_where_they_are_looked_at_are_not_the_same() -> None:
    inputs = np.zeros((64, 2000), np.float32)
    inputs[:, :200] = rows(64, 200)
    other, sample = inputs.copy(), RowSample()
    list(show(sample, inputs, 64))
    other[:, 1999] = 1.0
    assert sum(show(sample, other, 64)) == 0
    assert sum(show(sample, inputs, 64)) == 64


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint8, np.bool_])
def test_rows_of_any_numbers_are_known(kind: type) -> None:
    inputs = (rows(200) * 100.0).astype(kind) if kind is not np.bool_ else rows(200, 40) > 0.0
    sample = RowSample()
    list(show(sample, inputs, 20))
    assert sum(show(sample, inputs, 20, seed=1)) == 200
