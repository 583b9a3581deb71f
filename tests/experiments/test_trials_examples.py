"""The few examples of a trial: of all classes, well apart, without contradictions."""

from dataclasses import replace

import numpy as np
import pytest

from gradvitals.experiments.config.data import Task
from gradvitals.experiments.data.dataset import Dataset, Targets
from gradvitals.experiments.trials.examples import choose_examples, only_rows


def dataset(inputs: object, targets: object, task: Task = "classification") -> Dataset:
    """Make a data set whose validation set is its training set."""
    x = np.array(inputs, np.float64)
    y: Targets = np.array(targets, np.int64) if task == "classification" else np.array(targets, np.float64)
    names = tuple(map(str, range(int(y.max()) + 1))) if task == "classification" else ()
    return Dataset("made", task, x, y, x.copy(), y.copy(), ("",) * x.shape[1], names, "")


def drawn(seed: int, n: int = 200, classes: int = 3) -> Dataset:
    generator = np.random.default_rng(seed)
    return dataset(generator.standard_normal((n, 4)), generator.integers(0, classes, n))


def thinned_by_hand(inputs: np.ndarray, targets: np.ndarray, count: int) -> set[int]:
    """Do for a regression, with loops, what the docstring says."""
    left = list(range(len(inputs)))

    def apart(points: np.ndarray, i: int, j: int) -> float:
        return float(
            np.sqrt(sum(((points[i, c] - points[j, c]) / points[:, c].std()) ** 2 for c in range(points.shape[1])))
        )

    def steepness(i: int, j: int) -> float:
        difference = apart(targets, i, j)
        if difference == 0.0:
            return 0.0
        distance = apart(inputs, i, j)
        return difference / distance if distance else np.inf

    while len(left) > count:
        pairs = [(steepness(i, j), i, j) for i in left for j in left if i < j]
        _, first, second = max(pairs)
        trouble = {
            i: max((steepness(i, j) for j in left if j not in {first, second}), default=0.0) for i in (first, second)
        }
        left.remove(max(trouble, key=lambda i: trouble[i]))
    return set(left)


@pytest.mark.parametrize("seed", range(5))
def test_the_steepest_pairs_are_thinned_as_by_hand(seed: int) -> None:
    generator = np.random.default_rng(seed)
    inputs, targets = generator.standard_normal((15, 2)) * [1.0, 100.0], generator.standard_normal((15, 1))
    rows = choose_examples(dataset(inputs, targets, "regression"), 5, np.random.default_rng(seed))
    assert set(rows) == thinned_by_hand(inputs, targets, 5)


@pytest.mark.parametrize("seed", range(5))
def test_every_class_has_its_share_however_rare(seed: int) -> None:
    made = drawn(seed)
    labels = np.zeros(200, np.int64)
    labels[:12], labels[12:30] = 2, 1
    rows = choose_examples(replace(made, targets=labels), 20, np.random.default_rng(seed))
    assert len(set(rows)) == 20
    assert np.bincount(labels[rows], minlength=3).min() >= 6


def test_equal_inputs_with_other_targets_go_first() -> None:
    """30 inputs, each three times with three labels: no two of what is left contradict each other."""
    inputs = np.repeat(np.random.default_rng(0).standard_normal((30, 3)), 3, axis=0)
    made = dataset(inputs, np.tile([0, 1, 2], 30))
    for seed in range(10):
        rows = choose_examples(made, 20, np.random.default_rng(seed))
        assert len(np.unique(made.inputs[rows], axis=0)) == 20


def test_a_small_data_set_is_taken_whole() -> None:
    made = dataset([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    assert sorted(choose_examples(made, 20, np.random.default_rng(0))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "made",
    [
        dataset(np.ones((100, 2)), np.arange(100) % 2),
        dataset(np.ones((100, 2)), np.zeros(100)),
        dataset(np.arange(100.0)[:, np.newaxis], np.ones((100, 1)), "regression"),
        dataset(np.arange(100.0)[:, np.newaxis] * 1e150, np.arange(100.0)[:, np.newaxis], "regression"),
        dataset(np.random.default_rng(0).random((100, 3)), np.arange(300).reshape(100, 3) % 2, "multilabel"),
    ],
    ids=["one point", "one point, one class", "one target", "huge inputs", "multilabel"],
)
def test_any_data_give_as_many_rows_as_wanted(made: Dataset) -> None:
    rows = choose_examples(made, 20, np.random.default_rng(0))
    assert len(set(rows)) == len(rows) == 20


def test_the_same_seed_chooses_the_same_rows_and_another_one_others() -> None:
    first, again, other = (choose_examples(drawn(0), 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert list(first) == list(again)
    assert set(first) != set(other)


def test_a_data_set_of_some_rows_is_otherwise_the_same() -> None:
    made = drawn(0)
    few = only_rows(made, np.array([5, 3]))
    assert (few.inputs == made.inputs[[5, 3]]).all()
    assert (few.targets == made.targets[[5, 3]]).all()
    assert (few.class_names, few.outputs, len(few.validation_inputs)) == (made.class_names, 3, 1)
