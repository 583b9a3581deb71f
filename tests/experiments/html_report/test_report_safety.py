"""What is not ours in a report: names, keys and values are only text, and nothing is fetched or run."""

import hashlib
import shutil
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.experiments.html_report.page_tree import Element

LOADING = {"src", "srcset", "data", "action", "poster", "background", "xlink:href", "formaction", "ping", "manifest"}
"""Attributes that make a browser fetch something."""

HOSTILE = [
    "<script>alert(1)<",
    "\"onmouseover='alert(1)' x=\"",
    "&lt;b&gt; {{ 7 * 7 }} `a` {% raw %}",
    "\u202eevil\u2066 שלום",
    "-->]]><!--",
    "x" * 255,
    "two\nlines\x1b[31m",
]
"""Names of folders."""


def tags_of(page: Element) -> Counter[tuple[str, ...]]:
    """Count the elements with the names of their attributes, those aside that let a name break."""
    return Counter((each.tag, *each.attributes) for each in page.every() if each.tag != "wbr")


def test_the_page_fetches_nothing_and_runs_only_its_own_script(sweep: Path, reported: Callable[..., Element]) -> None:
    page = reported(sweep)
    everything = list(page.every())
    assert not {each.tag for each in everything} & {"link", "img", "iframe", "object", "embed", "base", "image", "use"}
    for each in everything:
        assert not LOADING & each.attributes.keys()
        assert each.attributes.get("href", "#").startswith("#")
        assert not [name for name in each.attributes if name.startswith("on")]
        assert "url(" not in each.attributes.get("style", "")
    style, script = page.one("style"), page.one("script")
    assert "url(" not in style.text
    assert "@import" not in style.text
    policy = next(each for each in page.every("meta") if "http-equiv" in each.attributes).attributes["content"]
    digest = b64encode(hashlib.sha256("".join(map(str, script.inside)).encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(list(page.every("script"))) == len(list(page.every("style"))) == 1


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_text(
    name: str, trained: Callable[..., Path], reported: Callable[..., Element], tmp_path: Path
) -> None:
    plain = reported(trained().parent)
    folder = tmp_path / "hostile" / name
    shutil.copytree(tmp_path / "logs", folder / "tiny")
    expected = " ".join(name.replace("\x1b", "\ufffd").split())
    page, own = reported(tmp_path / "hostile"), reported(folder)
    for each in (page, own):
        assert tags_of(each) == tags_of(plain)
    assert own.one("title").text.endswith(expected)
    assert own.one("h1").text.endswith(expected)
    assert page.one("section", "run").one("h2").one("bdi").text.startswith(expected)
    assert page.one("section", "run").attributes["id"] == "run-1"


def test_hostile_keys_and_values_of_a_sweep_are_only_text(
    sweep: Path, reported: Callable[..., Element], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep, copy)
    text = (copy / "sweep.json").read_text(encoding="utf-8")
    evil = r"</td><script>alert(1)</script>\"'"
    (copy / "sweep.json").write_text(text.replace("model.init", evil).replace("he_normal", evil), encoding="utf-8")
    page = reported(copy)
    assert len(list(page.every("script"))) == 1
    table = page.one("table", "map")
    assert evil.replace("\\", "") in [head.text for head in table.every("th")]


def test_a_name_that_is_no_text_is_shown_as_one(
    trained: Callable[..., Path], reported: Callable[..., Element], tmp_path: Path
) -> None:
    run = trained()
    strange = Path(str(tmp_path / "logs" / "caf") + "\udce9")
    try:
        run.rename(strange)
    except (OSError, UnicodeError):
        pytest.skip("the file system takes only text")
    assert reported(tmp_path / "logs").one("section", "run").one("h2").text.endswith("caf\ufffd")
