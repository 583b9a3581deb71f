"""A few training examples that any network of some size can learn by heart: of all classes, and well apart."""

from dataclasses import replace

import numpy as np

from gradvitals.experiments.data.dataset import Dataset, Floats, Labels

POOL = 3
"""Rows drawn for each that is kept."""


def choose_examples(dataset: Dataset, count: int, generator: np.random.Generator) -> Labels:
    """Choose training rows that do not contradict each other.

    Three times as many are drawn, as evenly over the classes as there are rows. Then, again and again, the two are
    found whose targets differ most for the distance of their inputs, and one of them is left out: that of the larger
    class, or else the one in more such trouble. So equal inputs with unlike targets go first, then noise between
    neighbours, which only a very steep function would reproduce. Distances are in the columns' standard deviations.

    Args:
        dataset: The data.
        count: How many rows are wanted.
        generator: Draws them.

    Returns:
        Indices of the rows, `(count,)`, or fewer where the training set is smaller.
    """
    kinds = _kinds(dataset)
    order = generator.permutation(len(kinds))
    rows = order[np.argsort(_places(kinds[order]), kind="stable")][: POOL * count]
    if dataset.task == "classification":
        apart: Floats = (kinds[rows, np.newaxis] != kinds[rows]).astype(np.float64)
    else:
        apart = _distances(dataset.targets[rows].astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        steepness = np.where(apart > 0.0, apart / _distances(dataset.inputs[rows].astype(np.float64)), 0.0)
    return rows[_thin(steepness, kinds[rows], count)]


def only_rows(dataset: Dataset, rows: Labels) -> Dataset:
    """Give a data set of some of its training rows; of its validation set, one row stays."""
    return replace(
        dataset,
        inputs=dataset.inputs[rows],
        targets=dataset.targets[rows],
        validation_inputs=dataset.validation_inputs[:1],
        validation_targets=dataset.validation_targets[:1],
    )


def _kinds(dataset: Dataset) -> Labels:
    """Number the classes, or the combinations of labels, `(n,)`; quantities are all of one kind."""
    if dataset.task == "regression":
        return np.zeros(len(dataset.inputs), np.int64)
    return np.unique(dataset.targets, axis=0, return_inverse=True)[1].reshape(-1)


def _places(kinds: Labels) -> Labels:
    """Give each row's place among those of its kind, `(n,)`."""
    places = np.empty(len(kinds), np.int64)
    for kind in np.unique(kinds):
        places[kinds == kind] = np.arange(np.count_nonzero(kinds == kind))
    return places


def _distances(points: Floats) -> Floats:
    """Give the distances between points `(n, columns)`, `(n, n)`, in units of the columns' standard deviations."""
    deviations = points.std(axis=0)
    scaled = points / np.where(deviations > 0.0, deviations, 1.0)
    squares = sum(np.subtract.outer(column, column) ** 2 for column in scaled.T)
    return np.asarray(np.sqrt(squares))


def _thin(steepness: Floats, kinds: Labels, count: int) -> Labels:
    """Leave out one of the steepest pair until so many are left; give what is left, as indices."""
    left = list(range(len(kinds)))
    while len(left) > count:
        among = steepness[np.ix_(left, left)]
        pair = np.unravel_index(np.argmax(among), among.shape)
        sizes = [np.count_nonzero(kinds[left] == kinds[left[place]]) for place in pair]
        trouble = [float(np.partition(among[place], -2)[-2]) for place in pair]
        del left[int(pair[0] if (sizes[0], trouble[0]) >= (sizes[1], trouble[1]) else pair[1])]
    return np.array(left, np.int64)
