"""Paired differences and their standard errors, against simulation and by hand."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from gradvitals.experiments.intervention.effects import compare_arms
from gradvitals.experiments.intervention.yardstick import RowScores


def scores(rows: ArrayLike) -> RowScores:
    values = np.asarray(rows, np.float64)
    return RowScores(values, np.zeros_like(values), "validation", broken=False)


def test_an_effect_is_the_mean_of_the_seeds_differences() -> None:
    arm = {1: scores([1, 1, 1, 0]), 2: scores([1, 1, 0, 0]), 3: scores([1, 1, 1, 1])}
    control = {1: scores([0, 0, 1, 0]), 2: scores([1, 0, 0, 0]), 4: scores([0, 0, 0, 0])}
    effect = compare_arms(arm, control, same_rows=False)
    assert effect is not None
    assert (effect.mean, effect.seeds, effect.better) == (0.375, 2, 2)


def test_there_is_no_effect_without_a_common_seed() -> None:
    assert compare_arms({1: scores([1])}, {2: scores([1])}, same_rows=False) is None


def test_seeds_that_agree_do_not_hide_how_few_rows_there_are() -> None:
    """Five seeds, each better by the same one row of 20: spread between seeds 0, and yet 20 rows tell little."""
    rows = np.zeros(20)
    better = rows.copy()
    better[0] = 1.0
    effect = compare_arms(
        {seed: scores(better) for seed in range(5)}, {seed: scores(rows) for seed in range(5)}, same_rows=True
    )
    assert effect is not None
    assert effect.mean == pytest.approx(0.05)
    assert effect.se == pytest.approx(math.sqrt((0.95 + 1.0) / 20**2))  # one discordant row, and one added
    assert not effect.is_better


def test_equal_arms_have_an_error_above_0() -> None:
    same = {seed: scores(np.ones(100)) for seed in range(5)}
    effect = compare_arms(same, same, same_rows=False)
    assert effect is not None
    assert effect.mean == 0.0
    assert effect.se == pytest.approx(math.sqrt(5 * 1.0 / 100**2) / 5)


def test_three_standard_errors_are_rarely_passed_where_there_is_no_effect() -> None:
    """2,000 comparisons of arms that are right on 80 % of the rows each, on five seeds of 60 rows."""
    generator = np.random.default_rng(0)
    passed = 0
    for _ in range(2000):
        one, other = ({seed: scores(generator.random(60) < 0.8) for seed in range(5)} for _ in range(2))
        effect = compare_arms(one, other, same_rows=False)
        assert effect is not None
        passed += effect.is_better
    assert passed <= 2000 * 0.005  # a normal has 0.00135; and the larger of two errors is conservative


def test_a_clear_effect_is_seen() -> None:
    generator = np.random.default_rng(1)
    arm = {seed: scores(generator.random(60) < 0.9) for seed in range(5)}
    control = {seed: scores(generator.random(60) < 0.5) for seed in range(5)}
    effect = compare_arms(arm, control, same_rows=False)
    assert effect is not None
    assert effect.is_better
    assert effect.better == 5


def test_seeds_that_disagree_enlarge_the_error_and_are_no_excuse() -> None:
    """Differences of 1, 1 and 0 on every row: a variance of 1/3 between the seeds, of which there are 3."""
    gains, rows = (1.0, 1.0, 0.0), 400
    arm = {seed: scores(np.full(rows, gain)) for seed, gain in enumerate(gains)}
    none = {seed: scores(np.zeros(rows)) for seed in range(3)}
    better, worse = compare_arms(arm, none, same_rows=False), compare_arms(none, arm, same_rows=False)
    assert better is not None
    assert worse is not None
    assert better.se == pytest.approx(math.sqrt(1 / 3 / 3))
    assert better.row_se == pytest.approx(math.sqrt(3 / rows**2) / 3)
    judged = (better.is_better, worse.is_worse, better.is_as_good, worse.is_as_good)
    assert judged == (False, False, True, False)
