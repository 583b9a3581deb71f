"""The guide to the tab: its pictures are there and small, and what it names is what the page has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "vitals.md").read_text(encoding="utf-8")
STATIC = ROOT / "diagnostics" / "tensorboard" / "vitals_tab" / "static"
PICTURES = re.findall(r"^!\[.+?\]\((.+?)\)$", GUIDE, flags=re.MULTILINE)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_there_and_small(picture: str) -> None:
    content = (ROOT / "docs" / picture).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) <= 150_000


def test_every_view_has_a_section_and_a_picture() -> None:
    (views,) = re.findall(
        r"^const VIEWS = \{(.*?)\}", (STATIC / "index.js").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    titles = re.findall(r': "(.+?)"', views)
    assert titles == [title for title in re.findall(r"^## (.+)$", GUIDE, flags=re.MULTILINE) if title in titles]
    assert len(titles) == 4
    assert len(PICTURES) == 5


def test_its_keys_are_those_of_the_page() -> None:
    (keys,) = re.findall(
        r"\n  key\(event\) \{(.*?)\n  \}", (STATIC / "index.js").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    named = {"Escape" if key == "Escape" else f"`{key}`" for key in re.findall(r'event\.key === "(.+?)"', keys)}
    assert named == {"`/`", "`[`", "`]`", "Escape"}
    assert all(f"| {key} " in GUIDE or f"and {key} |" in GUIDE for key in named)


def test_the_curves_library_is_the_one_that_is_named_with_its_licence() -> None:
    (version,) = re.findall(r"uPlot\) (\d+\.\d+\.\d+) \(MIT\)", GUIDE)
    assert f"(v{version})" in (STATIC / "uPlot.esm.js").read_text(encoding="utf-8")[:500]
    assert "The MIT License" in (STATIC / "uPlot.LICENSE.txt").read_text(encoding="utf-8")
