"""Batches of one class: seen where they are, and told from what chance gives."""

import numpy as np
import pytest

from gradvitals.diagnostics.batch_labels import BATCHES, BatchWatcher
from gradvitals.diagnostics.start_notes import BatchLabels

Array = np.ndarray


def watched(targets: Array, batches: list[Array]) -> BatchLabels | None:
    watcher = BatchWatcher(targets)
    for step, rows in enumerate(batches, start=1):
        watcher.see(targets[rows], step)
    return watcher.take(ended=True)


def one_hot(labels: Array) -> Array:
    return np.asarray(np.eye(labels.max() + 1)[labels])


def test_batches_cut_from_sorted_examples_hold_one_class() -> None:
    targets = one_hot(np.repeat([0, 1, 2], 64))
    note = watched(targets, np.split(np.arange(192), 12))
    assert note is not None
    assert (note.step, note.batches, note.one_class) == (12, 12, 12)
    assert note.chance == pytest.approx((3 * (1 / 3) ** 16) ** 12)


@pytest.mark.parametrize("size", [2, 5, 20])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.99, 0.01), (0.2,) * 5])
def test_at_random_small_chances_are_rare(shares: tuple[float, ...], size: int) -> None:
    rng = np.random.default_rng(size)
    targets = one_hot(rng.choice(len(shares), 1000, p=shares))
    chances = []
    for _ in range(200):
        note = watched(targets, [rng.choice(1000, size, replace=False) for _ in range(BATCHES)])
        assert note is not None
        chances.append(note.chance)
    assert np.mean(np.array(chances) < 0.05) <= 0.06
    assert min(chances) > 1e-5


@pytest.mark.parametrize(
    "targets",
    [np.random.default_rng(0).normal(size=(40, 1)), np.ones((40, 1)), one_hot(np.zeros(40, int))],
    ids=["quantities", "always yes", "one class in all"],
)
def test_without_classes_to_tell_apart_there_is_nothing_to_say(targets: Array) -> None:
    assert watched(targets, np.split(np.arange(40), 10)) is None


def test_batches_of_one_example_say_nothing() -> None:
    assert watched(one_hot(np.arange(20) % 2), [np.array([i]) for i in range(20)]) is None


def test_without_targets_there_is_nothing_to_say() -> None:
    watcher = BatchWatcher(None)
    watcher.see(np.eye(2), 1)
    assert watcher.take(ended=True) is None
    watcher = BatchWatcher(np.eye(2))
    watcher.see(None, 1)
    assert watcher.take(ended=True) is None


def test_the_note_comes_once() -> None:
    targets = one_hot(np.arange(200) % 2)
    watcher = BatchWatcher(targets)
    for step in range(1, 2 * BATCHES):
        watcher.see(targets[:10], step)
        note = watcher.take()
        assert (note is not None) == (step == BATCHES)
    assert watcher.take(ended=True) is None
