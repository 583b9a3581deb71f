"""Standard output and error that outlive their reader: `check … | head` still ends with its own exit code."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Unbreakable(io.FileIO):
    """A file descriptor that turns into the null device when it can no longer be written to."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write; what no reader wants is dropped, and a full disk is an error once."""
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if not isinstance(error, BrokenPipeError):
                raise
            return memoryview(data).nbytes


def settle_streams() -> None:
    """Make both streams unbreakable, and print `?` for characters that the terminal's encoding does not have."""
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


def _settled(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by whoever started us
        return Path(os.devnull).open("w", encoding="utf-8")
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream  # replaced by somebody who captures it
    stream.flush()
    raw = _Unbreakable(descriptor, "wb", closefd=False)
    by_lines = stream.isatty() or stream is sys.stderr
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "replace", line_buffering=by_lines)
