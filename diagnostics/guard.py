"""The guard: where watching fails in the midst of a training, the watching ends, and the training goes on.

A full disk, or a model that fails on a probe only after hours, must not cost those hours. Before the first step nothing
is lost yet: there everything is raised.
"""

import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from gradvitals.diagnostics.call_site import PACKAGE
from gradvitals.diagnostics.wording import telling_line

AROUND = frozenset({PACKAGE, "torch", "keras", "numpy"})
"""Packages whose lines are not the user's, those of what decorates ours among them."""


class WatchingFailed(RuntimeWarning):
    """Watching a training failed in its midst; the training goes on, and what was seen until then is judged."""

    __module__ = "gradvitals"


class Guard:
    """A context around everything of ours that a training calls, as often and as deep as wanted.

    Attributes:
        failure: What went wrong, in a line; None where nothing has.
    """

    def __init__(self, stop: Callable[[str], None]) -> None:
        """Wait for the training to start.

        Args:
            stop: Ends the watching; is given what went wrong.
        """
        self.failure: str | None = None
        self._stop = stop
        self._is_armed = False

    def arm(self) -> None:
        """Let nothing through from here on: the training has started."""
        self._is_armed = True

    def around(self, function: Callable[..., None]) -> Callable[..., None]:
        """Give a function that does the same under guard, and nothing once the watching has ended."""

        def guarded(*args: Any) -> None:  # noqa: ANN401 - whatever it takes
            if self.failure is None:
                with self:
                    function(*args)

        return guarded

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not self._is_armed or not isinstance(error, Exception):
            return False
        if self.failure is None:
            self.failure = _describe(error)
            self._stop(self.failure)
            msg = (
                f"watching this training failed: {self.failure}. The training goes on unwatched;"
                " what was seen until then is judged"
            )
            warnings.warn_explicit(msg, WatchingFailed, *place_in_loop())
        return True


def place_in_loop() -> tuple[str, int]:
    """Give file and line of the loop that goes on: the innermost that is neither ours nor a framework's."""
    for frame, line in traceback.walk_stack(None):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in AROUND:
            return frame.f_code.co_filename, line
    return PACKAGE, 0


def _describe(error: Exception) -> str:
    """Give an error's kind, what it says, and the line it is of."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = telling_line(error)
    name = type(error).__name__
    return f"{line if line == name else f'{name}: {line}'} ({Path(last.filename).name}, line {last.lineno})"
