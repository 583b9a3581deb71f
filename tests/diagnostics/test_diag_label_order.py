"""Runs of labels, against all permutations there are."""

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from gradvitals.diagnostics.label_order import count_runs, find_unseen, labels_of


def runs_by_hand(labels: tuple[int, ...]) -> int:
    return 1 + sum(one != other for one, other in pairwise(labels))


@pytest.mark.parametrize("labels", [(0, 0, 1), (0, 1, 2, 2), (0, 0, 0, 1, 1, 2), (3, 3, 3, 3, 3, 1), (5, 4, 3, 2, 1)])
def test_mean_and_deviation_are_those_over_all_permutations(labels: tuple[int, ...]) -> None:
    counts = [runs_by_hand(order) for order in permutations(labels)]
    runs = count_runs(np.array(labels))
    assert runs.count == runs_by_hand(labels)
    assert runs.expected == pytest.approx(np.mean(counts))
    assert runs.deviation == pytest.approx(np.std(counts), abs=1e-7)


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_nothing_to_expect_of_one_label(count: int) -> None:
    assert count_runs(np.zeros(count)).deviation == 0.0


@pytest.mark.parametrize(
    ("targets", "labels"),
    [
        ([[1, 0], [0, 1], [0, 1]], [0, 1, 1]),
        ([[0.0], [1.0], [0.0]], [0, 1, 0]),
        ([[0.0], [2.0], [1.0]], None),
        ([[1, 1], [0, 1]], None),
        ([[0, 0], [0, 1]], None),
        ([[0.5, 0.5], [0.0, 1.0]], None),
        ([[np.nan], [1.0]], None),
        (np.zeros((0, 2)), None),
    ],
    ids=["one-hot", "yes or no", "counts", "multilabel", "no label", "soft", "nan", "none"],
)
def test_labels_are_told_from_other_targets(targets: object, labels: list[int] | None) -> None:
    found = labels_of(np.array(targets, float))
    assert (None if found is None else found.tolist()) == labels


@pytest.mark.parametrize(
    ("labels", "held_out"), [((0, 0, 0, 1, 1, 1, 2), 3), ((0, 0, 1, 1, 1, 1), 2), ((0, 1, 2, 3), 1)]
)
def test_the_chance_that_a_split_leaves_a_class_out_bounds_that_of_all_splits(
    labels: tuple[int, ...], held_out: int
) -> None:
    splits = list(combinations(range(len(labels)), held_out))
    found = []
    for rows in splits:
        others = [label for row, label in enumerate(labels) if row not in rows]
        found.append(find_unseen(np.array(others), np.array([labels[row] for row in rows])))
    for one in found:
        as_rare = np.mean([other.chance <= one.chance for other in found])
        assert one.chance == 1.0 or as_rare <= one.chance + 1e-12


def test_classes_of_the_validation_set_alone_are_listed() -> None:
    found = find_unseen(np.repeat(np.arange(8), 100), np.repeat([7, 8, 9], [40, 100, 60]))
    assert (found.labels, found.rows) == ((8, 9), 160)
    assert found.chance < 1e-60
    assert find_unseen(np.array([0, 1]), np.array([1, 0, 1])).rows == 0
