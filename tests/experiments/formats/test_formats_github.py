"""Workflow commands: escaped as the runner reads them, and no more than it shows."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.formats.github import github_report


def unescape(text: str) -> str:
    """Undo what actions/runner undoes."""
    for code, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, letter)
    return text


def commands(document: str) -> list[tuple[str, dict[str, str], str]]:
    """Read the commands as the runner does: up to the second `::`, properties split at commas."""
    found = []
    for line in document.splitlines():
        if line.startswith("::"):
            name, _, properties = line[2:].partition("::")[0].partition(" ")
            pairs = dict(pair.split("=", 1) for pair in properties.split(","))
            message = line[2:].partition("::")[2]
            found.append((name, {key: unescape(value) for key, value in pairs.items()}, unescape(message)))
    return found


def test_a_finding_is_an_annotation_beside_its_line(make_outcome: Any) -> None:
    root, consequence, mild = commands(github_report(make_outcome("sick")))
    assert root[:2] == ("error", {"file": "con figs/ä.toml", "line": "5", "title": "dead_units@hidden_1 (sick)"})
    assert root[2].startswith("Dead_units is seen.\nIt hurts. Much.\n")
    assert "A consequence of dead_units@hidden_1" in consequence[2]
    assert mild[0] == "warning"


def test_paths_are_the_checkouts_where_there_is_one(
    make_outcome: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = make_outcome("sick")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path.parent))
    assert commands(github_report(outcome))[0][1]["file"] == f"{tmp_path.name}/con figs/ä.toml"
    monkeypatch.setenv("GITHUB_WORKSPACE", "/somewhere/else")
    assert commands(github_report(outcome))[0][1]["file"] == "con figs/ä.toml"


def test_a_config_outside_of_the_checkout_is_not_named(make_outcome: Any, tmp_path: Path) -> None:
    (first, *_) = commands(github_report(make_outcome("sick", source=tmp_path.parent / "x.toml")))
    assert first[1].keys() == {"title"}


def test_nothing_escapes_from_a_text(make_outcome: Any) -> None:
    document = github_report(make_outcome("hostile", refused=True))
    assert len(document.splitlines()) == len(commands(document)) == 2
    assert all(re.match(r"::error (file=[^,:]*,line=\d+,)?title=[^,:]*::", line) for line in document.splitlines())
    refused, found = commands(document)
    assert "::stop, a: b" in refused[2]
    assert "::stop, a: b" in found[1]["title"]


def test_what_fails_the_check_comes_first(make_outcome: Any, runs: dict[str, CheckedRun]) -> None:
    root = runs["sick"].verdict.findings[0]
    other = replace(root, layer="hidden_2")
    verdict = replace(runs["sick"].verdict, findings=(root, other))
    runs["sick"] = replace(runs["sick"], verdict=verdict, failing=frozenset({other.key}))
    titles = [properties["title"] for _, properties, _ in commands(github_report(make_outcome("sick")))]
    assert titles == [f"{other.key} (sick)", f"{root.key} (sick)"]


@pytest.mark.parametrize("name", ["healthy", "ignored"])
def test_nothing_is_said_of_what_does_not_count(name: str, make_outcome: Any) -> None:
    assert github_report(make_outcome(name)) == ""


def test_notices_are_for_those_who_ask(make_outcome: Any) -> None:
    assert [name for name, *_ in commands(github_report(make_outcome("healthy", verbose=True)))] == ["notice"]


@pytest.mark.parametrize("name", ["lost", "silent"])
def test_what_could_not_be_judged_is_an_error(name: str, make_outcome: Any) -> None:
    ((command, properties, _),) = commands(github_report(make_outcome(name)))
    assert (command, properties["title"].partition(":")[0]) == ("error", "not judged")


def test_ten_of_a_level_are_shown_the_roots_first_and_the_rest_is_counted(
    make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    root, consequence = runs["sick"].verdict.findings[:2]
    many = [replace(consequence, layer=f"hidden_{n}", explained_by="x") for n in range(12)]
    everything = (*many, root)
    failing = frozenset(each.key for each in everything)
    runs["sick"] = replace(runs["sick"], verdict=replace(runs["sick"].verdict, findings=everything), failing=failing)
    document = github_report(make_outcome("sick"))
    found = commands(document)
    assert len(found) == 10
    assert found[0][1]["title"].startswith(root.key)
    assert document.splitlines()[10].startswith("3 more of level error: ")
