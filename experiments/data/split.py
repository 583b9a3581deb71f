"""A seeded split into training and validation rows."""

import numpy as np
from numpy.typing import NDArray

from gradvitals.experiments.errors import UserError

Rows = NDArray[np.intp]


def split_rows(n: int, share: float, classes: NDArray[np.int64] | None, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return the rows for training and those for validation, each in the order of the file.

    With classes, rows are taken at even distances, from a random start, along the shuffled examples sorted by class:
    each class has its share to within about one example. Every class keeps one example for training, so where many
    classes are tiny the larger ones give more.

    Args:
        n: Number of rows.
        share: Share held out, in (0, 1).
        classes: Class of each row, or None where there are none.
        rng: Where the randomness comes from.

    Raises:
        UserError: If either part would be empty.
    """
    order = rng.permutation(n)
    candidates = order
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
        _, first = np.unique(classes[order], return_index=True)
        candidates = np.delete(order, first)
    count = min(round(n * share), n - 1, len(candidates))
    if count < 1:
        sentence = f"data.validation: {share:g} of {n} rows is none; hold out more"
        raise UserError(sentence)
    # A fixed start would give what rounding leaves over to the same class under every seed.
    picks = ((np.arange(count) + rng.random()) * len(candidates) / count).astype(np.intp)
    held_out = np.zeros(n, dtype=bool)
    held_out[candidates[picks]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
