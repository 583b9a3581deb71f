"""The validation set that a user hands over: what is wrong with it is said of it, and not of the training set."""

from collections.abc import Iterator
from contextlib import contextmanager

from gradvitals.diagnostics.wording import telling_line


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
        kind = TypeError if isinstance(error, TypeError) else ValueError
        msg = f"the validation set does not fit: {telling_line(error)}"
        raise kind(msg) from error
