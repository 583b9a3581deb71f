"""Token ids counted, so that simple models can read them."""

import numpy as np
import pytest

from gradvitals.diagnostics.word_counts import MOST_WORDS, count_words


def test_words_are_counted_row_by_row() -> None:
    found = count_words(np.array([[5, 0, 5], [7, 7, 7], [0, 5, 7]]))
    np.testing.assert_array_equal(found, [[1, 2, 0], [0, 0, 3], [1, 1, 1]])


def test_of_many_words_the_commonest_are_counted() -> None:
    rare = np.arange(10, 10 + 2 * MOST_WORDS).reshape(-1, 4)
    rows = np.concatenate([rare, np.full((5, 4), 3)])
    found = count_words(rows)
    assert found is not None
    assert found.shape == (len(rows), MOST_WORDS)
    assert found[-1].tolist() == [4.0] + [0.0] * (MOST_WORDS - 1)
    assert found.sum() == 20 + MOST_WORDS - 1


@pytest.mark.parametrize(
    "inputs",
    [
        np.ones((4, 3)),
        np.ones((4, 1), np.int64),
        np.ones((4, 3, 3), np.int64),
        np.full((4, 3), -1),
        np.full((4, 3), 2**30),
        np.ones((1, 3), np.int64),
    ],
    ids=["floats", "one column", "images", "negative", "large", "one row"],
)
def test_what_is_no_sequence_of_ids_is_not_counted(inputs: np.ndarray) -> None:
    assert count_words(inputs) is None
