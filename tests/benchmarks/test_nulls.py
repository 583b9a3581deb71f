"""The simulated nulls: the statistics are those of the rules, and speak of what they should."""

import numpy as np
import pytest
from nulls import (
    ALTERNATIVES,
    LEVELS,
    NULLS,
    critical_t,
    speaks_of_being_behind,
    speaks_of_low_rate,
    speaks_of_overfitting,
)
from scipy.stats import t as student

from gradvitals.diagnostics.error_budget import LEVEL


def test_the_critical_value_is_students() -> None:
    assert critical_t(LEVEL, 3) == pytest.approx(float(student.isf(LEVEL, 3)), rel=1e-6)


def test_an_even_fall_speaks_and_a_fast_or_uneven_one_does_not() -> None:
    probes = np.arange(5)
    losses = np.stack([1.1 - 0.01 * probes, 1.1 * 0.5**probes, 1.1 - 0.01 * np.array([0, 1, 1, 2, 2])])
    assert speaks_of_low_rate(losses).tolist() == [True, False, False]


def test_a_lasting_rise_speaks_and_one_of_two_looks_does_not() -> None:
    samples = np.random.default_rng(0).gamma(0.5, 1.0, 64)
    rises = np.array([[0.0, 0.0, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.3, 0.4]])
    assert speaks_of_overfitting(samples + rises[:, :, None]).tolist() == [True, False]


def test_fewer_right_answers_than_the_better_of_two_models_speak_and_as_many_do_not() -> None:
    behind, even = np.zeros((2, 256)), np.zeros((2, 256))
    behind[1, :40] = even[1, :8] = 1.0
    assert speaks_of_being_behind(np.stack([behind, even])).tolist() == [True, False]


@pytest.mark.parametrize("rule", NULLS)
def test_few_of_the_nulls_and_most_of_some_alternative_are_spoken_of(rule: str) -> None:
    generator = np.random.default_rng(0)
    speaks, kinds = NULLS[rule]
    most = max(5, round(1000 * LEVELS.get(rule, LEVEL)))
    assert max(int(speaks(draw(generator, 1000)).sum()) for draw in kinds.values()) <= most
    assert max(int(speaks(draw(generator, 1000)).sum()) for draw in ALTERNATIVES[rule].values()) >= 800
