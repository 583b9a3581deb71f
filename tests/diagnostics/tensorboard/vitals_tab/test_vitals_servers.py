"""A real TensorBoard with each of its loaders serves the tab, and both say the same."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

PATIENCE = 60.0  # seconds, for a busy machine
SWEEP = "learning_rate_x_initialization"
Get: TypeAlias = Callable[..., Any]
Board: TypeAlias = Callable[..., AbstractContextManager[str]]


def getter(address: str) -> Get:
    opener = build_opener(ProxyHandler({}))

    def get(path: str, **query: str) -> Any:
        with opener.open(f"{address}/data/{path}?{urlencode(query)}", timeout=PATIENCE) as answer:
            return json.load(answer)

    return get


def settled(get: Get, runs: int) -> None:
    """Wait until all runs are read to their ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = get("plugin/gradvitals/runs")["runs"]
        if len(found) == runs and all(run["status"] == "completed" and len(run["scores"]) == 2 for run in found):
            return
        time.sleep(0.1)
    raise TimeoutError(str(found))


@pytest.fixture(scope="module")
def gets(board: Board, sweep_logs: Path) -> Iterator[dict[str, Get]]:
    """Serve the sweep with both loaders."""
    with board(sweep_logs) as fast, board(sweep_logs, "--load_fast=false") as slow:
        gets = {"fast": getter(fast), "slow": getter(slow)}
        for get in gets.values():
            settled(get, 8)
        yield gets


def test_the_tab_is_there_with_either_loader(gets: dict[str, Get]) -> None:
    for get in gets.values():
        listed = get("plugins_listing")["gradvitals"]
        assert (listed["enabled"], listed["tab_name"]) == (True, "Vitals")
        assert listed["loading_mechanism"] == {"type": "IFRAME", "module_path": "/data/plugin/gradvitals/index.js"}


def test_both_loaders_draw_the_same_map(gets: dict[str, Get]) -> None:
    fast, slow = (get("plugin/gradvitals/map", sweep=SWEEP) for get in gets.values())
    assert len(fast["cells"]) == 4
    assert fast == slow


def test_both_loaders_show_the_same_runs(gets: dict[str, Get]) -> None:
    for run in gets["fast"]("plugin/gradvitals/runs")["runs"]:
        fast, slow = (get("plugin/gradvitals/run", run=run["name"]) for get in gets.values())
        assert fast["layers"], "of several notes at one step the fast loader keeps only the last"
        assert fast == slow


def test_both_loaders_give_the_same_histograms(gets: dict[str, Get]) -> None:
    run = gets["fast"]("plugin/gradvitals/runs")["runs"][0]["name"]
    fast, slow = (get("plugin/gradvitals/histograms", run=run, layer="hidden_1", step="9") for get in gets.values())
    assert [each["kind"] for each in fast] == ["activations", "gradients", "weights"]
    for one, other in zip(fast, slow, strict=True):
        assert (one["kind"], one["step"], one["steps"]) == (other["kind"], other["step"], other["steps"])
        for part in ("lefts", "rights", "counts"):  # one loader has them in float32
            assert one[part] == pytest.approx(other[part], rel=1e-6, abs=1e-6)


def test_errors_arrive_as_such(gets: dict[str, Get]) -> None:
    for get in gets.values():
        with pytest.raises(HTTPError, match="404"):
            get("plugin/gradvitals/run", run="none")


def test_without_logs_of_ours_the_tab_is_inactive_and_says_so(board: Board, tmp_path: Path) -> None:
    with board(tmp_path) as address:
        get = getter(address)
        assert get("plugins_listing")["gradvitals"]["enabled"] is False
        assert get("plugin/gradvitals/runs")["runs"] == []
