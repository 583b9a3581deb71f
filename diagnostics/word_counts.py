"""Token ids as simple models can read them: how often each row holds each of the commonest."""

import numpy as np

from gradvitals.engine.events import Array

MOST_WORDS, LARGEST_ID = 1000, 2**20
"""Of tokens that are counted, and of what is taken for one."""


def count_words(inputs: Array) -> Array | None:
    """Give counts `(samples, words)`; None of what are no token ids, or no sequences of them.

    Args:
        inputs: `(samples, positions)`.
    """
    if inputs.ndim != 2 or inputs.dtype.kind not in "iu" or min(inputs.shape) < 2:
        return None
    if inputs.min() < 0 or inputs.max() > LARGEST_ID:
        return None
    words, counts = np.unique(inputs, return_counts=True)
    chosen = np.sort(words[np.argsort(-counts, kind="stable")[:MOST_WORDS]])
    places = np.minimum(np.searchsorted(chosen, inputs), len(chosen) - 1)
    found = np.zeros((len(inputs), len(chosen)), np.float64)
    rows = np.broadcast_to(np.arange(len(inputs))[:, None], inputs.shape)
    np.add.at(found, (rows, places), chosen[places] == inputs)
    return found
