"""Whether the output of a sample depends on the others in its batch: told by a few samples, some of them replaced.

It is what a wrong axis does, in a recurrent layer, a softmax, a mean or a reshape: all shapes fit, and samples leak
into each other.
"""

from collections.abc import Callable

import numpy as np

from gradvitals.diagnostics.start_notes import MixedRows
from gradvitals.engine.events import Array

FEW = 8
"""Samples, of which every other one is replaced."""

NOTICEABLE, ROUNDING = 0.01, 1e-5
"""Change, relative to what outputs differ by from sample to sample and to the largest of them, that does not count."""


@np.errstate(over="ignore", invalid="ignore")
def find_mixing(answer: Callable[[Array], Array], inputs: Array) -> MixedRows | None:
    """Replace some of a few samples, and see whether the outputs of the others change; None where they do not.

    Nothing is said where it cannot be told: of fewer than four samples, of outputs that are not one for each sample, or
    that differ from run to run.

    Args:
        answer: Gives the model's outputs, frozen, of inputs `(samples, …)`.
        inputs: Those of the training set.
    """
    count = min(FEW, len(inputs)) // 2 * 2
    if count < 4:
        return None
    given = inputs[:count]
    replaced = given.copy()
    replaced[::2] = inputs[-(count // 2) :]
    first, again, other, fewer = (answer(each) for each in (given, given, replaced, given[:-2]))
    if (len(first), len(fewer)) != (count, count - 2) or not np.array_equal(first, again):
        return None
    largest = float(np.abs(first).max(initial=0.0))
    spread = float(np.ptp(first, axis=0).max(initial=0.0))
    change = float(np.abs(other - first)[1::2].max(initial=0.0))
    if not (np.isfinite(largest) and change > max(NOTICEABLE * spread, ROUNDING * largest)):
        return None
    return MixedRows(0, count, change, spread)
