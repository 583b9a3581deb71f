"""Photographs TensorBoard's own tabs on a real sweep and a real run; the pictures stand in docs/tensorboard.md.

    python docs/tensorboard/take.py [--out FOLDER] [--size 1280x800]

Trains the bundled sweep of learning rates and initialisations, and two small networks on two moons, one of which cannot
learn; serves them with `gradvitals board`, and takes each tab with a Chromium that is installed. FOLDER is this one by
default.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright

MOONS = """
name = "moons"
[data]
source = "moons"
n = 600
noise = 0.15
[model]
hidden = [16, 8]
[training]
optimizer = {kind = "adam", learning_rate = 0.01}
batch_size = 16
epochs = 60
[sweep]
"model.init" = ["he_normal", "zeros"]
"""
SWEEP = "learning_rate_x_initialization"
BEST = "learning_rate=0.07197"
"""A column of the sweep: six runs, whose curves go apart."""

GRADVITALS = str(Path(sys.executable).parent / "gradvitals")

COLOURS = 128
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: its file's name, whose board, what comes behind its address, what to wait for, and what to do then.

    It is written into the filter of runs, then clicked, then clicked twice.
    """

    name: str
    board: str
    place: str
    wait_for: str
    runs: str = ""
    clicks: tuple[str, ...] = ()
    opened: str = ""


SETTINGS = "button:has-text('Settings')"
SHOTS = (
    Shot("hparams", SWEEP, "#hparams", "text=TABLE VIEW"),
    Shot(
        "time_series", SWEEP, f"?runFilter={BEST}&tagFilter=epoch_#timeseries", "text=epoch_accuracy", "", (SETTINGS,)
    ),
    Shot("sweep_map", SWEEP, "#images", "text=TOGGLE ALL RUNS", "^map", ("text=Show actual image size",)),
    Shot("custom_scalars", "moons", "#custom_scalars", "text=gradient norm, by layer"),
    Shot("images", "moons", "#images", "img"),
    Shot("histograms", "moons", "#histograms", "text=activations/hidden_1"),
    Shot("distributions", "moons", "#distributions", "text=activations/hidden_1"),
    Shot("graphs", "moons", "#graphs", "tf-graph-scene svg g.node", opened="g.node text:text-is('hidden_1')"),
    Shot("text", "moons", "#text", "text=findings"),
)


def main() -> None:
    """Train, serve and take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    parser.add_argument("--size", default="1280x800")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "moons.toml").write_text(MOONS, encoding="utf-8")
        _gradvitals(folder, "sweep", SWEEP, "--quiet")
        _gradvitals(folder, "sweep", "moons.toml", "--quiet")
        with _serve(folder, SWEEP) as sweep, _serve(folder, "moons") as moons, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": width, "height": height})
            page.route("**/data/environment", _name_no_folder)
            for shot in SHOTS:
                _take(page, {SWEEP: sweep, "moons": moons}[shot.board], shot, options.out)
            browser.close()


def _gradvitals(folder: Path, *arguments: str) -> None:
    subprocess.run([GRADVITALS, *arguments], cwd=folder, check=True)  # noqa: S603 - our own


@contextmanager
def _serve(folder: Path, name: str) -> Iterator[str]:
    """Serve runs in a `with` block; give the address."""
    command = [GRADVITALS, "board", f"logs/{name}"]
    board = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        line = board.stdout.readline() if board.stdout is not None else ""
        if (found := re.match(r"(http://\S+) ", line)) is None:
            raise SystemExit(line or "the board did not start")
        yield found[1]
    finally:
        os.kill(board.pid, signal.SIGTERM)
        board.communicate()


def _name_no_folder(route: Route) -> None:
    """Answer as the board does, but for the folder, which is a temporary one."""
    answer = route.fetch()
    said = answer.json()
    route.fulfill(response=answer, json=said | {"data_location": f"logs/{Path(said['data_location']).name}"})


def _take(page: Page, address: str, shot: Shot, target: Path) -> None:
    page.goto("about:blank")
    page.goto(f"{address}{shot.place}")
    page.locator(shot.wait_for).first.wait_for()
    if shot.runs:
        page.get_by_placeholder("Write a regex to filter runs").or_(page.get_by_label("regex")).first.fill(shot.runs)
        page.wait_for_timeout(1_000)
    for click in shot.clicks:
        page.locator(click).first.click()
    if shot.opened:
        page.locator(shot.opened).first.dblclick(force=True)  # its box lies before its name
    page.mouse.move(0, 0)
    page.wait_for_timeout(4_000)  # charts are drawn when they come into view, and nothing says when they are done
    image = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
    file = target / f"{shot.name}.png"
    image.save(file, optimize=True)
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
