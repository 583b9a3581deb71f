"""Whether one set of runs is worse than another by more than their seeds explain: exact tests, or no answer.

Runs that differ in the seed alone are exchangeable: every way of dealing them out to the two sides is equally likely.
How rare the deal at hand is among all of them is therefore an exact probability, whatever the values' distribution; a
t-test is none here, as some networks solve a task with one seed and miss it with the next.
"""

import math
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any, Literal, TypeAlias

import numpy as np

Change: TypeAlias = Literal["same", "within", "worse", "better", "untold"]
"""`within`: different, but no more than seeds differ.

`untold`: there are too few seeds to tell, and neither side is within the range of the other.
"""

LEVEL = 0.005
"""Probability of calling worse, or better, what differs in the seed alone. Five seeds on both sides can reach it."""

MOST_COUNTED = 100
"""Seeds of both sides together up to which all deals are counted."""

PAIRS_NEEDED = 9
"""Common seeds from which on they are also compared one by one: 2⁻⁹ is below half of `LEVEL`."""


def compare(base: Mapping[Any, Any], head: Mapping[Any, Any], level: float = LEVEL) -> Change:
    """Compare two sides by how bad each of their seeds is.

    All seeds of both sides are ranked together (Wilcoxon 1945, Mann & Whitney 1947: the rank sum). From `PAIRS_NEEDED`
    common seeds on, also the signs of their differences count; each of the two tests then has half of the level.

    Args:
        base: How bad it is by seed: anything that is ordered, the larger the worse.
        head: Likewise.
        level: Probability of a false `worse`, and of a false `better`.
    """
    before, after = list(base.values()), list(head.values())
    common = base.keys() & head.keys()
    if len({*before, *after}) <= 1 or (base.keys() == head.keys() and all(base[seed] == head[seed] for seed in common)):
        return "same"
    by_pairs = len(common) >= PAIRS_NEEDED
    share = level / 2.0 if by_pairs else level
    if least_chance(len(before), len(after)) > share:
        return "within" if _surrounds(before, after) or _surrounds(after, before) else "untold"
    worse = sum(head[seed] > base[seed] for seed in common)
    better = sum(head[seed] < base[seed] for seed in common)
    if rank_sum_chance(before, after) <= share or (by_pairs and sign_chance(worse, better) <= share):
        return "worse"
    if rank_sum_chance(after, before) <= share or (by_pairs and sign_chance(better, worse) <= share):
        return "better"
    return "within"


def _surrounds(outer: Sequence[Any], inner: Sequence[Any]) -> bool:
    """Tell whether all of one side lies within the range of several seeds of the other."""
    return len(outer) > 1 and min(outer) <= min(inner) and max(inner) <= max(outer)


def least_chance(first: int, second: int) -> float:
    """Give the smallest probability that so many seeds on two sides can have: that of all of one above the other.

    >>> round(least_chance(5, 5), 4), least_chance(1, 1)
    (0.004, 0.5)
    """
    deals = comb(first + second, first)
    return 1.0 / min(deals, 10**300)  # more than a float can hold


def rank_sum_chance(low: Sequence[Any], high: Sequence[Any]) -> float:
    """Give the share of all deals in which the second side ranks at least as high as here.

    Ties share their mean rank. All deals are counted, by dynamic programming over sizes and rank sums; of more than
    `MOST_COUNTED` seeds, the normal approximation stands in for the count. (SciPy's exact `mannwhitneyu` is wrong where
    there are ties, and its `PermutationMethod` lists every deal: seconds for ten seeds on either side.)

    Args:
        low: Values of one side, of any kind that is ordered.
        high: Values of the other.

    >>> round(rank_sum_chance([1, 2, 3], [4, 5, 6]), 3), rank_sum_chance([1], [1])
    (0.05, 1.0)
    """
    ranks = _double_ranks([*low, *high])
    size, total = len(high), sum(ranks)
    if len(ranks) > MOST_COUNTED:
        return _normal_chance(ranks, size)
    deals: np.ndarray[Any, np.dtype[np.float64]] = np.zeros((size + 1, total + 1))
    deals[0, 0] = 1.0
    for rank in ranks:
        deals[1:, rank:] += deals[:-1, : total + 1 - rank]  # NumPy minds the overlap
    reached = sum(ranks[len(low) :])
    return float(deals[size, reached:].sum() / deals[size].sum())


def _normal_chance(ranks: Sequence[int], size: int) -> float:
    """Approximate the chance that a deal of the last `size` ranks reaches their sum, by its mean and deviation."""
    count, mean = len(ranks), sum(ranks) / len(ranks)
    squares = sum((rank - mean) ** 2 for rank in ranks)
    deviation = math.sqrt(size * (count - size) / (count * (count - 1)) * squares)
    reached = sum(ranks[count - size :]) - size * mean - 1.0  # whole ranks are 2 apart: half a step
    return 1.0 if deviation == 0.0 else math.erfc(reached / deviation / math.sqrt(2.0)) / 2.0


def sign_chance(more: int, less: int) -> float:
    """Give the probability that of so many fair coins at least `more` show heads.

    >>> sign_chance(3, 0), sign_chance(0, 0)
    (0.125, 1.0)
    """
    coins = more + less
    return float(sum(comb(coins, heads) for heads in range(more, coins + 1)) / 2**coins)


def _double_ranks(values: Sequence[Any]) -> list[int]:
    """Rank values, ties by their mean; doubled, so that the ranks are whole numbers."""
    ordered = sorted(values)
    first = {value: n for n, value in reversed(list(enumerate(ordered, 1)))}
    last = {value: n for n, value in enumerate(ordered, 1)}
    return [first[value] + last[value] for value in values]
