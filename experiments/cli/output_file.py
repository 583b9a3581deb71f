"""The file that a command writes its report to."""

import os
from pathlib import Path

from gradvitals.experiments.errors import UserError


def refuse_output(output: Path | None) -> None:
    """Say before anything is run that the report could not be written.

    Raises:
        UserError: If its folder is none, or not ours to write to.
    """
    if output is None:
        return
    if output.is_dir():
        reason = "is a folder; a file is wanted here"
    elif output.exists() and not output.is_file():
        reason = "is no regular file; leave --output out to write to standard output"
    elif not output.parent.is_dir() or not os.access(output.parent, os.W_OK | os.X_OK):
        reason = "cannot be written: no such folder, or it is not yours"
    else:
        reason = ""
    if reason:
        sentence = f"--output: {output} {reason}"
        raise UserError(sentence)
