"""Numbers in sentences, where not every number makes one."""

import math


def times(value: float, what: str) -> str:
    """Say how many times something a number is, for a sentence that goes on "it is".

    >>> times(12.345, "the usual"), times(math.inf, "the usual")
    ('12.3 times the usual', 'infinite')
    """
    return "infinite" if math.isinf(value) else f"{value:.3g} times {what}"
