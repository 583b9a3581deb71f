"""The exit codes of the command line."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command ends with."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_JUDGED = 3
    INTERNAL = 4
    INTERRUPTED = 130
    TERMINATED = 143
