"""Logs of a real sweep, logs that nobody would wish for, and TensorBoard on them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tests.diagnostics.tensorboard.vitals_tab.shown_tab import PATIENCE as PATIENCE_OF_PAGES
from tests.diagnostics.tensorboard.vitals_tab.shown_tab import Tab
from werkzeug.test import Client, TestResponse

from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Verdict
from gradvitals.diagnostics.histogram import reduce_histogram
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.tensorboard import summaries
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS, MEASUREMENTS, RunWriter
from gradvitals.diagnostics.tensorboard.vitals_tab.plugin import VitalsPlugin
from gradvitals.engine.events import EpochEnded, LayerInfo, Scores
from gradvitals.experiments.cli.main import run_command

ROOT = Path(__file__).parents[4]
PATIENCE = 60.0  # seconds, for a busy machine
HOSTILE = "<img src=x onerror=alert(1)> & \"quotes\" 'too' 日本語"

Ask: TypeAlias = Callable[..., TestResponse]
Board: TypeAlias = Callable[..., AbstractContextManager[str]]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SWEEP = "learning_rate_x_initialization"
SETTINGS = (
    "training.epochs=3",
    'sweep."training.optimizer.learning_rate"=[0.05,10.0]',
    'sweep."model.init"=["zeros","he_normal"]',
    'sweep."seed"=[0,1]',
)


@pytest.fixture(scope="session")
def sweep_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a real sweep: two learning rates, two initialisations, two seeds."""
    logs = tmp_path_factory.mktemp("vitals") / "logs"
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    assert run_command(["sweep", SWEEP, "--logdir", str(logs), "--workers", "1", "--no-pin", "-q", *settings]) == 0
    return logs


@pytest.fixture(scope="session")
def make_run() -> Callable[..., None]:
    """Give a function that writes a small run of ours, as a training would."""
    return write_run


def write_run(
    folder: Path,
    *,
    layers: Sequence[str] = ("hidden_1", "output"),
    findings: Sequence[Finding] = (),
    values: Sequence[float] = (1.0, 0.5, 0.25),
    ended: str | None = "completed",
    config: dict[str, Any] | None = None,
) -> None:
    writer = RunWriter(folder)
    infos = tuple(LayerInfo(name, "relu", 4, 4) for name in layers)
    writer.context(Context(infos, "mse", len(values), 8, 64, 1.0, None, config))
    for step, value in enumerate(values, 1):
        writer.scalars(step, {f"gradient_norm/{layer}": value for layer in layers if " " not in layer})
        writer.histograms(step, {f"weights/{layer}": reduce_histogram(np.arange(8.0)) for layer in layers[:1]})
        writer.epoch(EpochEnded(step, step, 0.1, Scores(value, None), Scores(value, 0.5)))
    writer.verdict(len(values), Verdict((Judgement("dead_units", "fired" if findings else "clear"),), tuple(findings)))
    if ended is not None:
        writer.note(Ending(len(values), ended))
    writer.close()


def finding(id_: str = "dead_units", **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": id_,
        "tier": "fact",
        "severity": Severity.ERROR,
        "layer": "hidden_1",
        "first_step": 2,
        "last_step": 3,
        "value": 1.0,
        "threshold": 0.5,
        "evidence": "4 of 4 units are silent",
        "explanation": "They get no gradient. They stop learning.",
        "prescriptions": (Prescription("lower the rate", {"training.optimizer.learning_rate": 0.01}, "confirmed"),),
    }
    return Finding(**(fields | changes))


@pytest.fixture(scope="session")
def odd_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write runs that nobody would wish for, beside a plain one."""
    logs = tmp_path_factory.mktemp("odd") / "logs"
    root = finding("learning_rate_too_high", layer=None, first_step=1, prescriptions=(Prescription(HOSTILE),))
    write_run(logs / "plain", findings=[root, finding(explained_by="learning_rate_too_high")])
    write_run(logs / "not finite", values=(1.0, float("nan"), float("inf")))
    write_run(logs / HOSTILE.replace("/", "_"), findings=[finding(evidence=HOSTILE, explanation=HOSTILE)])
    write_run(logs / "still running", ended=None)
    write_run(logs / "failed", ended="failed")
    write_run(logs / "interrupted when sick", findings=[finding()], ended="interrupted")
    write_run(logs / "torn")
    torn = next((logs / "torn").glob("*tfevents*"))
    torn.write_bytes(torn.read_bytes()[:-7])
    with EventFile(logs / "damaged notes") as file:
        file.summary(0, summaries.json_tensor(MEASUREMENTS, {"context": {"layers": "none"}}))
        file.summary(1, summaries.json_tensor(FINDINGS, {"verdict": "great", "findings": [{"id": 1}]}))
        file.summary(2, summaries.json_tensor(FINDINGS, ["no", "verdict"]))
    with EventFile(logs / "not ours") as file:
        file.scalars(1, {"gradient_norm/hidden_1": 1.0})
    return logs


@pytest.fixture(scope="session")
def open_tab() -> Callable[[Path], Ask]:
    """Give a function that makes the plugin on a folder, without a server, and returns one that asks it."""

    def open_(logs: Path) -> Ask:
        multiplexer = plugin_event_multiplexer.EventMultiplexer(
            size_guidance={"tensors": 1000}, tensor_size_guidance={"gradvitals": 0}
        )
        multiplexer.AddRunsFromDirectory(str(logs))
        multiplexer.Reload()
        provider = data_provider.MultiplexerDataProvider(multiplexer, str(logs))
        context = base_plugin.TBContext(data_provider=provider, logdir=str(logs))
        client = Client(application.TensorBoardWSGI([VitalsPlugin(context)], data_provider=provider))
        return lambda path, **query: client.get(f"/data/plugin/gradvitals/{path}", query_string=query)

    return open_


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Give a context manager that serves a folder with a real TensorBoard and gives its address.

    The tab comes from the entry point that the project declares, whatever is installed here.
    """
    site = tmp_path_factory.mktemp("site")
    information = site / "gradvitals-0.dist-info"
    information.mkdir()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in of.items())
        for group, of in declared.items()
    ]
    (information / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: gradvitals\nVersion: 0\n", encoding="utf-8")

    @contextmanager
    def serve(logs: Path, *flags: str) -> Iterator[str]:
        said = tmp_path_factory.mktemp("board") / "said.txt"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
        command = [
            sys.executable,
            "-m",
            "tensorboard.main",
            "--logdir",
            str(logs),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        with said.open("wb") as output:
            server = subprocess.Popen([*command, *flags], stdout=output, stderr=output, env=environment)
        try:
            deadline = time.monotonic() + PATIENCE
            while not (found := re.search(r"at (http://[^/\s]+)/", said.read_text(encoding="utf-8"))):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(said.read_text(encoding="utf-8"))
                time.sleep(0.05)
            yield found[1]
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)

    return serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium: Playwright's own, or the system's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        own = started.chromium.executable_path
        path = own if Path(own).exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if path is None:
            pytest.skip("no browser: neither Playwright's (playwright install chromium) nor chromium on the PATH")
        playwright.expect.set_options(timeout=PATIENCE_OF_PAGES)
        launched = started.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def logs(sweep_logs: Path, odd_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the sweep and the odd runs together, in folders that may be written to."""
    together = tmp_path_factory.mktemp("browser") / "logs"
    shutil.copytree(sweep_logs, together)
    shutil.copytree(odd_logs, together / "odd")
    return together


@pytest.fixture(scope="module")
def address(board: Board, logs: Path) -> Iterator[str]:
    """Serve them, and wait until TensorBoard has read them."""
    with board(logs, "--reload_interval", "1") as found:
        get = build_opener(ProxyHandler({})).open
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            with get(f"{found}/data/plugin/gradvitals/runs") as answer:
                runs = json.load(answer)["runs"]
            if len(runs) == 8 + 7 and sum(run["status"] == "completed" for run in runs) == 8 + 3:
                break
            time.sleep(0.1)
        yield found


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Tab]:
    """Open a page; nothing may go wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = Tab(context.new_page(), address)
    yield tab
    context.close()
    assert tab.wrong == []
