"""Worse than the seeds explain: exact probabilities, against brute force and by simulation."""

from itertools import combinations, product
from math import inf

import numpy as np
import pytest
from scipy.stats import binomtest, mannwhitneyu

from gradvitals.experiments.seed_spread import (
    LEVEL,
    PAIRS_NEEDED,
    Change,
    compare,
    least_chance,
    rank_sum_chance,
    sign_chance,
)


def by_seed(*values: float, start: int = 0) -> dict[int, float]:
    return dict(enumerate(values, start))


def chance_by_hand(low: list[float], high: list[float]) -> float:
    """Deal the pooled values out in every way, and count."""
    pooled = [*low, *high]
    ranks = [(sum(other < value for other in pooled) + sum(other <= value for other in pooled)) for value in pooled]
    reached = sum(ranks[len(low) :])
    deals = list(combinations(range(len(pooled)), len(high)))
    return sum(sum(ranks[n] for n in deal) >= reached for deal in deals) / len(deals)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 5), (5, 1), (3, 3), (5, 4), (5, 5)])
@pytest.mark.parametrize("kinds", [2, 4, 1000], ids=["many ties", "some ties", "no ties"])
def test_the_rank_sum_counts_all_deals(low: int, high: int, kinds: int) -> None:
    generator = np.random.default_rng([low, high, kinds])
    for _ in range(5):
        one, other = (generator.integers(kinds, size=size).astype(float).tolist() for size in (low, high))
        assert rank_sum_chance(one, other) == pytest.approx(chance_by_hand(one, other), abs=1e-12)


def test_the_rank_sum_takes_infinite_values_and_pairs() -> None:
    assert rank_sum_chance([-inf, 0.0, 1.0], [2.0, inf, inf]) == pytest.approx(1 / 20)
    assert rank_sum_chance([(0, 0.0), (2, 0.5)], [(2, 0.7), (3, -1.0)]) == pytest.approx(1 / 6)


def test_many_seeds_are_counted_without_overflow() -> None:
    ordered = [float(n) for n in range(60)]
    assert rank_sum_chance(ordered[:30], ordered[30:]) == pytest.approx(least_chance(30, 30), rel=1e-9)


def test_of_many_seeds_the_chance_is_that_of_a_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    one, other = generator.integers(30, size=40).tolist(), (generator.integers(30, size=50) + 4).tolist()
    exact = rank_sum_chance(one, other)
    monkeypatch.setattr("gradvitals.experiments.seed_spread.MOST_COUNTED", 10)
    assert 1e-4 < exact < 0.2
    assert rank_sum_chance(one, other) == pytest.approx(exact, rel=0.05)
    theirs = mannwhitneyu(other, one, alternative="greater", method="asymptotic").pvalue
    assert rank_sum_chance(one, other) == pytest.approx(theirs, rel=1e-9)
    assert rank_sum_chance([1.0] * 60, [1.0] * 60) == 1.0
    assert compare(dict.fromkeys(range(600), 1.0), dict.fromkeys(range(600, 1200), 2.0)) == "worse"


@pytest.mark.parametrize("more", range(7))
def test_signs_are_fair_coins(more: int) -> None:
    reached = [sum(coins) >= more for coins in product((0, 1), repeat=6)]
    assert sign_chance(more, 6 - more) == pytest.approx(sum(reached) / 64)
    assert sign_chance(more, 40) == pytest.approx(binomtest(more, more + 40, alternative="greater").pvalue)


@pytest.mark.parametrize(
    ("base", "head", "change"),
    [
        (by_seed(1.0), by_seed(1.0), "same"),
        (by_seed(1.0), by_seed(1.0, start=7), "same"),
        (by_seed(1.0), by_seed(9.0), "untold"),
        (by_seed(1.0, 2.0, 3.0), by_seed(9.0, 9.0, 9.0), "untold"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(1.0, 2.0, 3.0, 4.0, 5.0), "same"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(9.0), "untold"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(5.0), "within"),
        (by_seed(3.0), by_seed(1.0, 4.0), "within"),
        (by_seed(1.0, 3.0), by_seed(2.0, 4.0), "untold"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(6.0, 7.0, 8.0, 9.0, 9.0), "worse"),
        (by_seed(6.0, 7.0, 8.0, 9.0, 9.0), by_seed(1.0, 2.0, 3.0, 4.0, 5.0), "better"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(4.5, 7.0, 8.0, 9.0, 9.0), "within"),
        (by_seed(1.0, 2.0, 3.0, 4.0, inf), by_seed(inf, inf, inf, inf, inf), "within"),
        (by_seed(1.0, 2.0, 3.0, 4.0, 5.0), by_seed(inf, inf, inf, inf, inf), "worse"),
    ],
)
def test_what_is_said_of_a_difference(base: dict[int, float], head: dict[int, float], change: Change) -> None:
    assert compare(base, head) == change


def test_common_seeds_show_a_shift_that_is_smaller_than_their_spread() -> None:
    base = by_seed(*(10.0 * n for n in range(PAIRS_NEEDED)))
    head = {seed: value + 0.1 for seed, value in base.items()}
    assert compare(base, head) == "worse"
    assert compare(head, base) == "better"
    assert compare(base, {seed + 100: value for seed, value in head.items()}) == "within"


def test_two_tests_share_the_level() -> None:
    base = by_seed(*range(PAIRS_NEEDED))
    head = {seed: PAIRS_NEEDED + 1 - value for seed, value in base.items()}  # higher, but not seed by seed
    chance = rank_sum_chance(list(base.values()), list(head.values()))
    assert compare(base, head, level=2.0 * chance) == "worse"
    assert compare(base, head, level=1.9 * chance) == "within"
    assert compare(base, {seed + 100: value for seed, value in head.items()}, level=chance) == "worse"


@pytest.mark.parametrize("common", [False, True], ids=["other seeds", "the same seeds"])
@pytest.mark.parametrize("sizes", [(5, 5), (6, 4), (3, 12), (10, 10)], ids=str)
def test_false_alarms_stay_below_the_level(sizes: tuple[int, int], *, common: bool) -> None:
    """With a distribution on which a t-test is wrong more often: most seeds solve the task, some miss it by far."""
    generator = np.random.default_rng([*sizes, int(common)])
    turns = 1500

    def draw(size: int) -> list[float]:
        missed = (generator.random(size) < 0.2).astype(float)
        values: list[float] = (missed + 1e-3 * generator.standard_normal(size)).tolist()
        return values

    alarms = sum(
        compare(by_seed(*draw(sizes[0])), by_seed(*draw(sizes[1]), start=0 if common else 99)) == "worse"
        for _ in range(turns)
    )
    assert alarms / turns <= LEVEL + 3 * (LEVEL / turns) ** 0.5
