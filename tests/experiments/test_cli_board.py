"""`gradvitals board`: a real server on this machine only, and every way of ending it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard import manager

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


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start boards as commands of their own; give the process and the address that it prints."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> tuple[subprocess.Popen[str], str]:
        command = [COMMAND, "board", *map(str, arguments)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.match(r"(http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)$", line)
        assert address is not None, line
        return process, address[1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def port_of(address: str) -> int:
    return int(address.rstrip("/").rpartition(":")[2])


def listens(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port_of(address))) == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 0, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="sigterm"),
        pytest.param(None, 0, id="--stop"),
    ],
)
def test_a_board_serves_the_runs_until_it_is_stopped(
    number: signal.Signals | None,
    code: int,
    board: Callable[..., tuple[subprocess.Popen[str], str]],
    trained: Callable[..., Path],
    gradvitals: Callable[..., Any],
) -> None:
    folder, port = trained(), free_port()
    process, address = board("logs", "--port", port)
    assert address == f"http://127.0.0.1:{port}/"
    assert f"{folder.parent.name}/{folder.name}" in patiently_listed_runs(address)
    if number is None:
        assert gradvitals("board", "logs", "--stop").out == f"stopped the board on port {port}\n"
    else:
        process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert not listens(address)


def test_a_board_of_an_empty_folder_says_what_to_type(
    board: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    (tmp_path / "my logs").mkdir()
    process, address = board("my logs")
    assert process.stdout is not None
    assert [process.stdout.readline(), process.stdout.readline()] == [
        "no runs below my logs yet; to make some: gradvitals sweep learning_rate_x_initialization --logdir 'my logs'\n",
        f"they are shown as they come at {address}#gradvitals\n",
    ]


def test_a_board_that_runs_is_found_and_not_started_twice(
    board: Callable[..., tuple[subprocess.Popen[str], str]], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("logs", "other"):
        (tmp_path / name).mkdir()
    _, address = board("logs")
    _, other = board("other")  # the usual port is taken now, if it was free
    assert port_of(address) != port_of(other)
    said = gradvitals("board", "logs")
    assert (said.code, said.out) == (0, f"{address} serves logs already (gradvitals board logs --stop ends it)\n")
    assert gradvitals("board", "logs", "--stop").out == f"stopped the board on port {port_of(address)}\n"
    assert listens(other)
    assert not listens(address)


def test_a_board_outlives_a_command_that_was_killed_and_can_still_be_stopped(
    board: Callable[..., tuple[subprocess.Popen[str], str]], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    process, address = board("logs")
    process.kill()
    process.wait()
    assert listens(address)
    assert gradvitals("board", "logs").out.startswith(f"{address} serves logs already")
    assert gradvitals("board", "logs", "--stop").out == f"stopped the board on port {port_of(address)}\n"
    assert not listens(address)


def test_an_entry_of_a_board_that_was_killed_stops_nobody(
    board: Callable[..., tuple[subprocess.Popen[str], str]], gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    process, _ = board("logs")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [info for info in manager.get_all() if Path(info.logdir) == tmp_path / "logs"] != []
    assert gradvitals("board", "logs", "--stop").out == "no board serves logs\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def patiently_listed_runs(address: str) -> list[str]:
    """Ask for the runs until there are any: TensorBoard answers before it has read them."""
    runs: list[str] = []
    deadline = time.monotonic() + 30.0
    while not runs and time.monotonic() < deadline:
        with urllib.request.urlopen(f"{address}data/runs") as answer:  # noqa: S310 - our own server
            runs = json.load(answer)
    return runs
