"""The call site: the line of a project's own code from which a training is watched, for reports to point to."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = __name__.partition(".")[0]

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders whose code is nobody's own, also where an environment lies within the project."""

LARGEST_LINE = 2**31 - 1
"""What the readers of reports take."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A line of code.

    Attributes:
        file: Its file, relative to the checkout (see `checkout_root`), with forward slashes.
        line: Counted from 1.
    """

    file: str
    line: int


def find_call_site() -> CallSite | None:
    """Find the innermost line on the stack that is the project's own: not ours, not of what is installed.

    Returns:
        None where no file of the checkout is on the stack, as in a notebook: of what lies elsewhere nothing is told.
    """
    try:
        root = checkout_root(Path.cwd())
    except OSError:  # the working directory is gone
        return None
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] != PACKAGE and (file := _file_within(root, frame.f_code.co_filename)):
            return CallSite(file, frame.f_lineno)
        frame = frame.f_back
    return None


def checkout_root(folder: Path) -> Path:
    """Give the nearest folder at or above this one that is a checkout of Git's; the folder itself without one."""
    here = folder.resolve()
    return next((each for each in (here, *here.parents) if (each / ".git").exists()), here)


def call_site_from_json(data: object) -> CallSite | None:
    """Take a call site from plain data; None where it is none."""
    if not isinstance(data, Mapping):
        return None
    file, line = data.get("file"), data.get("line")
    if not isinstance(file, str) or not isinstance(line, int) or not 1 <= line <= LARGEST_LINE:
        return None
    return CallSite(file, line)


def _file_within(root: Path, name: str) -> str | None:
    """Write a file's path relative to the root; None where it lies elsewhere, is installed, or is no file."""
    path = Path(name).resolve()
    if not path.is_relative_to(root) or INSTALLED.intersection(path.parts) or not path.is_file():
        return None
    return path.relative_to(root).as_posix()
