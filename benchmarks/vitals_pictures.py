"""The pictures of docs/vitals.md, taken by a browser from a real TensorBoard on a real sweep.

    python benchmarks/vitals_pictures.py [--out FOLDER] [--size 1280x800] [--dark]

Needs the extra `dev` and a browser. The sweep is `learning_rate_x_initialization`, 48 runs.
"""

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from vitals_browser import address_of, ask, open_browser, serve, wait_until_read

from gradvitals.experiments.cli.main import run_command

SWEEP = "learning_rate_x_initialization"
SICK = "learning_rate=10,init=he_normal"
VIEWS: dict[str, tuple[dict[str, str], str]] = {
    "map": ({"sweep": SWEEP}, ".map .cell"),
    "run": ({"view": "run", "along": "log"}, ".heat canvas"),
    "layer": ({"view": "run", "metric": "gradient_norm", "layer": "hidden_2", "step": "8", "along": "log"}, ".bars"),
    "findings": ({"view": "findings"}, ".finding"),
    "units": ({"view": "units"}, ".distribution"),
}
"""Name → state of the address, and what is there when it is drawn."""


COLOURS = 128
"""Enough for a page, and a third of the bytes."""


def _write_small(path: Path, png: bytes) -> None:
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Run the sweep, serve it, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "vitals")
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        run_command(["sweep", SWEEP, "--logdir", str(logs), "--workers", "1", "--quiet"])
        with serve(logs) as board, open_browser() as browser:
            wait_until_read(board, 48)
            page = browser.new_page(viewport={"width": width, "height": height})
            runs = [run["name"] for run in ask(board, "plugin/gradvitals/runs")["runs"]]
            (sick,) = [name for name in runs if SICK in name]
            for name, (state, drawn) in VIEWS.items():
                page.goto("about:blank")
                page.goto(address_of(board, dark=options.dark, **({"run": sick} | state if "view" in state else state)))
                page.frame_locator("iframe[src*='gradvitals']").locator(drawn).first.wait_for()
                page.wait_for_timeout(700)
                path = options.out / f"{name}.png"
                _write_small(path, page.screenshot())
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
