"""The file that a command writes its report to."""

import os
from pathlib import Path

from gradvitals.experiments.errors import UserError


def refuse_output(output: Path | None, instead: str = "a file is wanted here") -> None:
    """Say before anything is run that the report could not be written.

    Args:
        output: Where it is to go; None for standard output.
        instead: What to do where that is no regular file.

    Raises:
        UserError: If its folder is none, or not ours to write to.
    """
    if output is None:
        return
    if output.is_dir():
        reason = "is a folder; a file is wanted here"
    elif output.exists() and not output.is_file():
        reason = f"is no regular file; {instead}"
    elif not output.parent.is_dir() or not os.access(output.parent, os.W_OK | os.X_OK):
        reason = "cannot be written: no such folder, or it is not yours"
    else:
        reason = ""
    if reason:
        sentence = f"--output: {output} {reason}"
        raise UserError(sentence)
