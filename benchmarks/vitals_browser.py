"""A real TensorBoard with the tab Vitals, and a browser on it; for benchmarks and pictures."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from gradvitals.experiments.cli.board_command import SOON

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 600.0  # seconds
SCORES_OF_A_RUN = 2


@contextmanager
def serve(logs: Path, *flags: str) -> Iterator[str]:
    """Serve a folder on a free port as `gradvitals board` does, and give the address."""
    place = ["--logdir", str(logs), "--host", "127.0.0.1", "--port", "0"]
    command = [sys.executable, "-m", "tensorboard.main", *place, *SOON]
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
        with said.open("wb") as output:
            server = subprocess.Popen([*command, *flags], stdout=output, stderr=output)  # noqa: S603 - our own
        try:
            found = wait_for(lambda: re.search(r"at (http://[^/\s]+)/", said.read_text(encoding="utf-8")))
            yield found[1]
        finally:
            server.terminate()
            server.wait()


def wait_until_read(address: str, runs: int) -> float:
    """Wait until TensorBoard has read all runs, and give the seconds that took."""
    listed = ask(address, "plugins_listing")
    if "gradvitals" not in listed:
        sys.exit("this Python's gradvitals has no tab for TensorBoard: pip install -e .")
    started = time.perf_counter()

    def are_there() -> bool:
        found = ask(address, "plugin/gradvitals/runs")["runs"]
        return len(found) == runs and all(len(run["scores"]) == SCORES_OF_A_RUN for run in found)

    wait_for(are_there)
    return time.perf_counter() - started


def ask(address: str, path: str) -> Any:  # noqa: ANN401 - JSON
    """Ask TensorBoard for JSON."""
    with build_opener(ProxyHandler({})).open(f"{address}/data/{path}", timeout=PATIENCE) as answer:
        return json.load(answer)


def wait_for(happens: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever happens
    """Wait until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := happens()):
        if time.monotonic() > deadline:
            sys.exit(f"TensorBoard was not ready within {PATIENCE:.0f} s")
        time.sleep(0.1)
    return found


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start Chromium: Playwright's own, or the system's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        own = started.chromium.executable_path
        path = own if Path(own).exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if path is None:
            sys.exit("no browser: playwright install chromium")
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def address_of(board: str, *, dark: bool = False, **state: str) -> str:
    """Give the address of a view of the tab."""
    pairs = "".join(f"&p.gradvitals.{key}={quote(value, safe='')}" for key, value in state.items())
    return f"{board}/{'?darkMode=true' if dark else ''}#gradvitals{pairs}"
