"""Numbers and errors in sentences, where not every one of them makes one."""

import math
import re

PREAMBLE = "Exception encountered when calling"
"""How Keras begins."""


def times(value: float, what: str) -> str:
    """Say how many times something a number is, for a sentence that goes on "it is".

    >>> times(12.345, "the usual"), times(math.inf, "the usual")
    ('12.3 times the usual', 'infinite')
    """
    return "infinite" if math.isinf(value) else f"{value:.3g} times {what}"


def telling_line(error: Exception) -> str:
    r"""Give the first line of an error that says what is wrong; Keras has it in bold, behind where it was.

    >>> telling_line(ValueError("Exception encountered when calling Dense.call().\n\n\x1b[1mno such axis\x1b[0m"))
    'no such axis'
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()]
    return next((line for line in lines if line and not line.startswith(PREAMBLE)), type(error).__name__)
