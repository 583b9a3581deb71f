"""The guide to TensorBoard: its commands and cells run as shown, its numbers and pictures are the program's."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tensorboard import manager

from gradvitals.diagnostics.drawing import PICTURE_PARTS
from gradvitals.diagnostics.pictures.filters import LEAST_SIDE, MOST_FILTERS
from gradvitals.diagnostics.probe_collector import MOST_DRAWN
from gradvitals.diagnostics.probing import PROBE_ROWS
from gradvitals.diagnostics.schedule import MOST_PROBES
from gradvitals.diagnostics.tensorboard.charts import MOST_LAYERS

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "tensorboard.md").read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", GUIDE)
SCRIPTS = Path(sys.executable).parent
SMALL = ["--quiet", "--workers", "1", "--set", "training.epochs=1"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


def test_the_commands_run_as_shown(tmp_path: Path) -> None:
    sweep, board, stop = (shlex.split(line) for block in blocks("console") for line in block.splitlines())
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([*sweep, *SMALL], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with subprocess.Popen(board, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("http://127.0.0.1:")
        said = subprocess.run(stop, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
        assert said.startswith("stopped the board on port ")
        assert serving.wait(30) == 0


@pytest.fixture
def _boards_ended() -> Iterator[None]:
    """End the boards that a cell has started."""
    before = {info.pid for info in manager.get_all()}
    yield
    for info in manager.get_all():
        if info.pid not in before and info.logdir == "logs/notebook":
            os.kill(info.pid, signal.SIGTERM)


@pytest.mark.usefixtures("_boards_ended")
def test_the_cells_run_as_shown(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    (train,), (serve,) = blocks("python"), blocks("ipython")
    shown = (
        "from IPython.core.formatters import DisplayFormatter\n"  # the terminal's own leaves HTML out
        'print(DisplayFormatter().format(monitor)[0]["text/html"])\n'
    )
    (tmp_path / "cells.ipy").write_text(train + shown + serve, encoding="utf-8")
    environment = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "cells.ipy"],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout
    assert "<b>dead_units@hidden_1</b>" in done.stdout
    assert "Launching TensorBoard..." in done.stdout
    assert "ERROR" not in done.stdout
    assert "logs/notebook" in [info.logdir for info in manager.get_all()]


@pytest.mark.parametrize(("about", "picture"), PICTURES, ids=[picture for _, picture in PICTURES])
def test_its_pictures_are_there_small_and_described(about: str, picture: str) -> None:
    file = DOCS / picture
    with Image.open(file) as image:
        assert image.size == (1280, 800)
    assert file.stat().st_size <= 150_000
    assert len(about) > 20


def test_it_shows_every_picture_that_is_taken() -> None:
    assert sorted(picture for _, picture in PICTURES) == sorted(
        f"tensorboard/{file.name}" for file in (DOCS / "tensorboard").glob("*.png")
    )


def test_its_numbers_are_those_of_the_program() -> None:
    said = " ".join(GUIDE.split())
    assert f"a fixed sample of up to {PROBE_ROWS} training rows (of wide layers, some {MOST_DRAWN // 1000},000" in said
    assert f"{PROBE_ROWS} training samples as what they are" in said
    assert (PICTURE_PARTS - 1, MOST_PROBES) == (8, 50)
    assert "at most eight times between" in said
    assert "at most fifty times" in said
    assert f"up to {MOST_FILTERS} units" in said
    assert f"rows of {LEAST_SIDE**2}, {(LEAST_SIDE + 1) ** 2}, {(LEAST_SIDE + 2) ** 2}, … pixels" in said
    assert f"of networks with at most {MOST_LAYERS}" in said


@pytest.mark.parametrize("page", sorted(set(re.findall(r"\]\(([^)#]+\.md)(?:#[^)]*)?\)", GUIDE))))
def test_the_pages_it_points_to_exist(page: str) -> None:
    assert (DOCS / page).is_file()
