"""What all tests share: pytester, to run pytest on projects of its own, and real TensorBoards."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest

pytest_plugins = ["pytester"]

PATIENCE = 60.0
"""Seconds, for a busy machine."""

Fetch: TypeAlias = Callable[..., Any]
Patiently: TypeAlias = Callable[[Callable[[], Any]], Any]
LOADERS: dict[str, list[str]] = {"fast": [], "slow": ["--load_fast=false"]}
AT_A_FREE_PORT = ["--host", "127.0.0.1", "--port", "0"]


@pytest.fixture(scope="session")
def patiently() -> Patiently:
    """Ask until the answer is true."""

    def wait(ask: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if answer := ask():
                return answer
            time.sleep(0.05)
        raise TimeoutError

    return wait


@pytest.fixture(scope="module")
def serve(patiently: Patiently, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, str], Fetch]]:
    """Start a TensorBoard on a folder, with either loader; give a function that asks as a browser does."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, loader: str) -> Fetch:
        said = tmp_path_factory.mktemp("server") / "said.txt"
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), *LOADERS[loader]]
        with said.open("wb") as output:
            servers.append(subprocess.Popen([*command, *AT_A_FREE_PORT], stdout=output, stderr=output))
        address = patiently(lambda: re.search(r"at (http://[^/\s]+)/", said.read_text()))[1]
        opener = build_opener(ProxyHandler({}))  # a proxy has no business with localhost

        def get(path: str, body: object = None, parse: Callable[[Any], Any] = json.load, **query: str) -> Any:
            data = None if body is None else json.dumps(body).encode()
            target = f"{address}/data/{path}?{urlencode(query)}"
            question = Request(target, data, {"Content-Type": "application/json"})  # noqa: S310 - the server above
            with opener.open(question, timeout=PATIENCE) as answer:
                return parse(answer)

        return get

    yield start
    for server in servers:
        server.terminate()
        server.wait(timeout=PATIENCE)
