"""The TensorBoards that run on this machine and serve a folder, whoever started them."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

HOST = "127.0.0.1"
ANSWER_SECONDS, END_SECONDS = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Board:
    """A TensorBoard that answers.

    Attributes:
        port: Where.
        pid: Its process.
    """

    port: int
    pid: int

    @property
    def address(self) -> str:
        """What to open."""
        return f"http://{HOST}:{self.port}/"

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while served_folder(self.port) is not None and time.monotonic() < deadline:
            time.sleep(0.05)


def find_boards(folder: Path) -> Iterator[Board]:
    """Yield the boards of a folder; TensorBoard keeps a list, in which those that were killed remain.

    One that was given a relative path, which may mean a folder anywhere, is not among them.
    """
    from tensorboard import manager

    wanted = folder.resolve()
    for info in manager.get_all():
        at = Path(info.logdir)
        if at.is_absolute() and at.resolve() == wanted and served_folder(info.port) == info.logdir:
            yield Board(info.port, info.pid)


def served_folder(port: int) -> str | None:
    """Give the folder that the TensorBoard at a port of this machine serves; None where none answers."""
    opener = build_opener(ProxyHandler({}))  # a proxy has no business with localhost
    try:
        with opener.open(f"http://{HOST}:{port}/data/environment", timeout=ANSWER_SECONDS) as answer:
            said: Any = json.load(answer)
    except (OSError, HTTPException, ValueError):
        return None
    location = said.get("data_location") if isinstance(said, dict) else None
    return location if isinstance(location, str) else None
