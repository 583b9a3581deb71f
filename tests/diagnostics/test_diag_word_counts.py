"""Token ids counted, so that simple models can read them."""

import numpy as np
import pytest

from gradvitals.diagnostics.data_signal import measure_signal
from gradvitals.diagnostics.simple_models import signal_of
from gradvitals.diagnostics.watched_data import WatchedData
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


def test_signal_is_found_in_words_wherever_they_stand() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    words = generator.permuted(
        np.where(np.arange(12) < 2, 20 + 7 * labels[:, None], generator.integers(0, 60, (400, 12))), axis=1
    )
    targets = np.eye(2)[labels]
    raw = measure_signal(words, targets, np.random.default_rng(0), step=0)
    found = signal_of(WatchedData(words, targets, discrete=True))
    assert not raw.gain > 3.0 * raw.gain_se
    assert found.gain > 10.0 * found.gain_se
    pixels = generator.integers(0, 256, (400, 12))
    bright = np.eye(2)[(pixels.sum(axis=1) > pixels.sum(axis=1).mean()).astype(int)]
    assert signal_of(WatchedData(pixels, bright, discrete=True)).gain > 0.3
