"""Names of event files: new ones never meet an old one and are always read after it."""

import contextlib
import os
import re
import socket
import time
from io import FileIO
from itertools import count
from pathlib import Path

_STAMP = re.compile(r"tfevents\.(\d{10})(?:\.|$)")
_LAST_STAMP = 9_999_999_999


def find_event_files(folder: Path) -> list[Path]:
    """List the event files of one folder, not of those inside it, in the order in which TensorBoard reads them.

    Raises:
        OSError: If the folder does not exist or cannot be listed.
    """
    return sorted(path for path in folder.iterdir() if "tfevents" in path.name and path.is_file())


def create_event_file(folder: Path, suffix: str = "") -> FileIO:
    """Create an empty event file in `folder`, which is made if it is not there; its name ends in `suffix`.

    Returns:
        The file, open for writing without a buffer: what was written survives the process.

    Raises:
        OSError: If the folder or the file cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host = re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"
    prefix = f"events.out.tfevents.{_next_stamp(folder):010d}.{host}.{os.getpid()}"
    for number in count():
        with contextlib.suppress(FileExistsError):
            return (folder / f"{prefix}.{number}{suffix}").open("xb", buffering=0)
    raise AssertionError  # count() does not end


def _next_stamp(folder: Path) -> int:
    """Return the time in seconds, moved on if the folder has a file that would otherwise be read after the new one.

    Readers go by name. A run that is resumed within a second, or after the clock was set back, must not be read before
    the part that it continues.
    """
    found = (_STAMP.search(path.name) for path in find_event_files(folder))
    latest = max((int(match[1]) for match in found if match), default=0)
    return min(max(int(time.time()), latest + 1), _LAST_STAMP)
