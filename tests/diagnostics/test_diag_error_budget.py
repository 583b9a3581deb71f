"""The budget of the rules of tier `test`, and Student's tail against SciPy's."""

import math

import pytest
from scipy.stats import t as student

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.error_budget import LEVEL, RUN_BUDGET, TEST_RULES, student_tail


def test_the_budget_is_shared_by_all_rules_of_its_tier() -> None:
    assert sum(diagnosis.tier == "test" for diagnosis in CATALOGUE) == TEST_RULES
    assert pytest.approx(RUN_BUDGET) == LEVEL * TEST_RULES


@pytest.mark.parametrize("freedom", range(1, 12))
def test_the_tail_is_students(freedom: int) -> None:
    for t in (-30.0, -1.0, 0.0, 0.3, 2.0, 11.0, 50.0):
        assert student_tail(t, freedom) == pytest.approx(float(student.sf(t, freedom)), rel=1e-6, abs=1e-12)
    assert student_tail(math.inf, freedom) == 0.0
    assert student_tail(-math.inf, freedom) == 1.0
