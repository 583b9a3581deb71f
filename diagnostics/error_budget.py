"""How often rules of tier `test` may speak by chance in a run: one budget, shared out evenly."""

import math

RUN_BUDGET = 1e-3
"""Chance that any of them speaks in a run in which nothing is wrong."""

TEST_RULES = 12
"""Those of tier `test` that judge a record; a test counts them."""

LEVEL = RUN_BUDGET / TEST_RULES
"""Of one rule."""


def student_tail(t: float, freedom: int) -> float:
    """Give the chance that Student's t exceeds a value.

    Args:
        t: The value.
        freedom: Degrees of freedom, at least 1.

    Reference:
        Abramowitz & Stegun 1964, 26.7.3 and 26.7.4: finite sums for whole degrees of freedom.

    >>> round(student_tail(10.2145, 3), 6), round(student_tail(0.0, 4), 6)
    (0.001, 0.5)
    """
    if math.isinf(t):
        return 0.0 if t > 0.0 else 1.0
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for order in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * order / (order + 1)
    within = sine * total if not odd else 2.0 / math.pi * (angle + sine * total)
    return max(0.5 * (1.0 - within), 0.0)
