"""`gradvitals board`: a real server on this machine only, and every way of ending it."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).parent / "gradvitals")


@pytest.fixture
def taken() -> Iterator[int]:
    """Hold a port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_busy_port_is_one_sentence(gradvitals: Callable[..., Any], taken: int) -> None:
    said = gradvitals("board", ".", "--port", taken)
    assert (said.code, said.err) == (2, f"gradvitals: --port: {taken} is taken — leave it out for a free one\n")


def test_stopping_what_does_not_run_is_no_error(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    said = gradvitals("board", tmp_path, "--stop")
    assert (said.code, said.out) == (0, f"no board serves {tmp_path}\n")


def test_a_start_that_fails_is_explained(
    gradvitals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "python").write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'pkg_resources'\" >&2\nexit 1\n", encoding="utf-8"
    )
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    said = gradvitals("board", ".")
    assert said.code == 2
    assert "need setuptools below 81: pip install 'setuptools<81'" in said.err


@pytest.mark.parametrize(
    "ending", [(signal.SIGINT, 0), (signal.SIGTERM, 143), (None, 0)], ids=["ctrl-c", "sigterm", "--stop"]
)
def test_a_board_serves_the_runs_until_it_is_stopped(
    ending: tuple[signal.Signals | None, int],
    trained: Callable[..., Path],
    gradvitals: Callable[..., Any],
    tmp_path: Path,
) -> None:
    (number, code), folder = ending, trained()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [COMMAND, "board", "logs", "--port", port], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.match(r"(http://127\.0\.0\.1:\d+/) ", line)
        assert address is not None
        with urllib.request.urlopen(f"{address[1]}data/runs") as answer:  # noqa: S310 - our own server
            runs = json.load(answer)
        assert isinstance(runs, list)
        assert folder.is_dir()
        if number is None:
            assert gradvitals("board", "logs", "--stop").out == f"stopped the board on port {port}\n"
        else:
            process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == code
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    finally:
        process.kill()
        process.communicate()
