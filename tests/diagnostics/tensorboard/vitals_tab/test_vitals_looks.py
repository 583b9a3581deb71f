"""How the tab looks: the colours of the report, and text that can be read on its ground."""

import re
from pathlib import Path

import pytest

from gradvitals.diagnostics.ink import contrast
from gradvitals.diagnostics.signs import COLOURS, look_of
from gradvitals.diagnostics.tensorboard.vitals_tab import loader

ROOT = Path(__file__).parents[4]
TAB = (Path(loader.__file__).parent / "static" / "vitals.css").read_text(encoding="utf-8")
REPORT = (ROOT / "experiments" / "html_report" / "report.css").read_text(encoding="utf-8")


def palettes(css: str) -> list[dict[str, str]]:
    blocks = re.findall(r":root(?:\.dark)? \{(.*?)\}", css, re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]


def test_light_and_dark_have_the_colours_of_the_report() -> None:
    assert len(palettes(TAB)) == 2
    assert palettes(TAB) == palettes(REPORT)


@pytest.mark.parametrize("palette", palettes(TAB), ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "quiet", "link", "error", "warning", "info", "healthy", "not_judged"])
def test_text_can_be_read_on_its_ground(palette: dict[str, str], name: str) -> None:
    assert contrast(palette[name], palette["paper"]) >= 4.5
    assert contrast(palette[name], palette["raised"]) >= 4.5


@pytest.mark.parametrize("root", COLOURS)
def test_every_cell_can_be_read(root: str) -> None:
    look = look_of(root, "error")
    assert contrast({"black": "#000000", "white": "#ffffff"}[look.ink], look.colour) >= 4.5
