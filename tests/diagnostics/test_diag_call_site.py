"""Where a training is watched: a line of the project's own code, and nothing of what lies elsewhere."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.call_site import CallSite, call_site_from_json, find_call_site

SCRIPT = """\
def call():
    return (
        find()
    )


found = call()
"""


def run_script(path: Path, find: Any = find_call_site, name: str = "train") -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT, encoding="utf-8")
    return runpy.run_path(str(path), {"find": find}, name)["found"]


@pytest.mark.parametrize(
    ("script", "here", "checkout", "file"),
    [
        ("train.py", ".", None, "train.py"),
        ("deep/er/träin.py", ".", None, "deep/er/träin.py"),
        ("sub/train.py", "sub", ".", "sub/train.py"),
        ("train.py", "sub", ".", "train.py"),
        ("train.py", "sub", None, None),
        ("train.py", "sub", "sub", None),
        (".venv/lib/site-packages/trainer/fit.py", ".", ".", None),
    ],
    ids=["here", "below", "checkout above", "script above", "elsewhere", "another checkout", "installed"],
)
def test_the_file_is_told_as_the_checkout_has_it(  # noqa: PLR0917 - a case's parts
    script: str,
    here: str,
    checkout: str | None,
    file: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / here).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / here)
    if checkout is not None:
        (tmp_path / checkout / ".git").mkdir()
    assert run_script(tmp_path / script) == (None if file is None else CallSite(file, 3))


def test_of_a_helper_that_is_installed_the_line_is_that_of_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def watch_for_me() -> Any:
        return run_script(tmp_path / "site-packages" / "helper.py")

    assert run_script(tmp_path / "train.py", watch_for_me) == CallSite("train.py", 3)


def test_our_own_code_is_never_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_script(tmp_path / "watch.py", name="gradvitals.diagnostics.watch") is None
    assert run_script(tmp_path / "watch.py", name="gradvitals_of_mine") is not None


def test_without_a_working_directory_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert find_call_site() is None
    finally:
        monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("data", "site"),
    [
        ({"file": "a/b.py", "line": 7, "novelty": 1}, CallSite("a/b.py", 7)),
        (None, None),
        ("a/b.py:7", None),
        ({"file": "a/b.py"}, None),
        ({"file": 7, "line": 7}, None),
        ({"file": "a/b.py", "line": "7"}, None),
        ({"file": "a/b.py", "line": 0}, None),
        ({"file": "a/b.py", "line": 2**31}, None),
    ],
    ids=str,
)
def test_what_is_no_call_site_in_a_record_is_none(data: object, site: CallSite | None) -> None:
    assert call_site_from_json(data) == site
