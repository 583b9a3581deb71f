"""The validation set that a user hands over: what is wrong with it is said of it, and not of the training set."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

PREAMBLE = "Exception encountered when calling"
"""How Keras begins; what is wrong comes behind it, in bold."""


@contextmanager
def of_validation_set() -> Iterator[None]:
    """Say of what goes wrong inside, in one line, that it is the validation set that does not fit.

    Raises:
        TypeError: Where one is raised inside.
        ValueError: Where anything else is.
    """
    try:
        yield
    except Exception as error:
        lines = [line for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
        telling = next((line for line in lines if not line.startswith(PREAMBLE)), type(error).__name__)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        msg = f"the validation set does not fit: {telling}"
        raise kind(msg) from error
