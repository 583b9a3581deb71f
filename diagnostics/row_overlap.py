"""Rows that are in both training and validation set, and how many a random split of the same rows would give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gradvitals.engine.events import Array

COLUMNS_TRIED = 32
"""Columns by which rows are told apart at first; of rows that agree in these, all columns are compared."""

Table: TypeAlias = Sequence[Array]
"""Rows in blocks of columns, such as inputs and targets, each `(n, columns)`; blocks compared have one dtype."""

TILTS = np.geomspace(1e-3, 12.0, 60)
"""Values of λ at which Chernoff's bound is tried."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many validation rows are training rows too.

    Attributes:
        shared: Validation rows that have a twin in the training set.
        expected: As many as a random split of all rows together would give on average.
        chance: Upper bound of the probability that such a split gives as many or more.
    """

    shared: int
    expected: float
    chance: float


def measure_overlap(training: Table, validation: Table) -> Overlap:
    """Compare the rows of two tables, bit by bit but for −0 = 0.

    Data of few values hold the same row many times, and then both sets do. What that alone explains is told by the
    rows of both sets together, dealt out anew at random.
    """
    groups = group_equal_rows(training, validation)
    sizes = np.bincount(groups)
    held_out = np.bincount(groups[len(training[0]) :], minlength=len(sizes))
    shared = int(held_out[held_out < sizes].sum())
    share = len(validation[0]) / max(len(groups), 1)
    if not 0.0 < share < 1.0:
        return Overlap(shared, 0.0, 1.0)
    return Overlap(shared, *_at_random(sizes[sizes > 1], share, shared))


def group_equal_rows(*tables: Table) -> Array:
    """Number the rows of all tables together, `(n,)` int64 from 0, so that equal rows have equal numbers.

    Most rows differ from all others in a few columns already; only the rest is compared in full.
    """
    keys = np.concatenate([sum(map(_key_rows, table), np.zeros(len(table[0]), np.uint64)) for table in tables])
    _, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
    alike = counts[groups] > 1
    if not alike.any():
        return groups
    seen: dict[bytes, int] = {}
    start = 0
    for table in tables:
        chosen = np.flatnonzero(alike[start : start + len(table[0])])
        blocks = [block[chosen] + 0 for block in table]  # −0 + 0 is 0
        rows = [b"".join(row.tobytes() for row in parts) for parts in zip(*blocks, strict=True)]
        groups[start + chosen] = [len(counts) + seen.setdefault(row, len(seen)) for row in rows]
        start += len(table[0])
    return np.unique(groups, return_inverse=True)[1]


def _key_rows(rows: Array) -> Array:
    """Give a number for every row, `(n,)` uint64, that is equal for equal rows and seldom for others."""
    step = -(-rows.shape[1] // COLUMNS_TRIED) or 1
    few = np.asarray(rows[:, ::step], np.float64) + 0.0
    words = few.view(np.uint64)
    words ^= words >> np.uint64(32)  # floats of few digits have zeros in the lower half
    multipliers = np.random.default_rng(len(words.T)).integers(0, 2**63, words.shape[1], np.uint64) | np.uint64(1)
    return np.asarray(words @ multipliers)


def _at_random(sizes: Array, share: float, shared: int) -> tuple[float, float]:
    """Give how many rows are shared on average if each is held out with this probability, and the chance of so many.

    Of g equal rows, as many are shared as are held out, a binomial number; none if all are, as none is left to share
    with. So E e^(λx) = (1 − s + s e^λ)^g − s^g (e^(λg) − 1). Groups are taken as independent, and the tail of their sum
    is bounded by Chernoff's inequality, which is exact where every one of k pairs is torn apart.

    References:
        Chernoff 1952, "A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations".
    """
    size, times = np.unique(sizes, return_counts=True)
    expected = float((times * size * (share - share**size)).sum())
    tilts = TILTS[:, np.newaxis]
    binomial = size * np.log1p(share * np.expm1(tilts))
    all_held_out = size * math.log(share)
    log_moments = binomial + np.log1p(np.exp(all_held_out - binomial) - np.exp(all_held_out + size * tilts - binomial))
    exponents = (times * log_moments).sum(axis=1) - TILTS * shared
    return expected, math.exp(min(float(exponents.min()), 0.0))
