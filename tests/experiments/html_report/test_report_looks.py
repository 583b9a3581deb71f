"""What a report looks like: text can be read on its ground, and nothing is told by colour alone."""

import doctest
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from gradvitals.diagnostics import ink, scales, signs
from gradvitals.diagnostics.ink import contrast, ink_on
from gradvitals.diagnostics.signs import COLOURS
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.html_report import chart, page
from gradvitals.experiments.html_report.page import make_page

NOW = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
CSS = (Path(__file__).parents[3] / "experiments" / "html_report" / "report.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(scheme: str) -> None:
    tables = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    ]
    colours = tables[0] if scheme == "light" else tables[0] | tables[1]
    grounds = [colours.pop("paper"), colours.pop("raised")]
    assert len(colours) == 18
    colours.pop("rule")
    for name, colour in colours.items():
        for ground in grounds:
            assert contrast(colour, ground) >= 4.5 - 1.5 * (name[0] == "s" and name[1:].isdigit()), name


def test_cells_can_be_read(sweep: Path) -> None:
    made = make_page(check_path(sweep, {}, "all"), 0, NOW)
    for view in made.sweeps:
        for _, cells in view.rows:
            for cell in cells:
                assert cell is not None
                assert contrast(cell.colour, {"black": "#000000", "white": "#ffffff"}[cell.ink]) >= 4.5


def test_lines_differ_without_colour() -> None:
    dashes = re.findall(r"^\.s\d \{ stroke: var\(--s\d\)(?:; stroke-dasharray: ([\d ]+))? \}", CSS, re.MULTILINE)
    assert len(dashes) == len(set(dashes)) == 8


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_the_sign_of_every_diagnosis_can_be_read(colour: str) -> None:
    assert contrast(colour, {"black": "#000000", "white": "#ffffff"}[ink_on(colour)]) >= 4.5


@pytest.mark.parametrize("module", [chart, ink, page, scales, signs], ids=["chart", "ink", "page", "scales", "signs"])
def test_the_examples_in_docstrings_hold(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
