"""Markdown: a table per run that survives what people write."""

import re
from dataclasses import replace
from typing import Any

import pytest

from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.formats.markdown import escape, markdown_report
from gradvitals.experiments.since_baseline import SinceBaseline


def rows(document: str) -> list[str]:
    return [line for line in document.splitlines() if line.startswith("|")]


def test_roots_come_first_with_what_to_try(make_outcome: Any) -> None:
    document = markdown_report(make_outcome("sick"))
    assert document.startswith("## gradvitals check fails\n\n### ✗ sick: error\n")
    header, _, root, consequence, mild = rows(document)
    assert header == "| finding | what is seen | what to try |"
    assert root == (
        "| **error** `dead_units@hidden_1`<br>since step 3 | Dead_units is seen.<br>It hurts. Much.<br>"
        "<b>Wrong:</b> the layer is silent<br><b>Costs:</b> the loss is 98 % of the best constant output's |"
        ' start from zero biases: `model.bias_init = "zeros"`<br>try something |'
    )
    assert consequence.startswith("| ↳ **error** `no_learning`")
    assert consequence.endswith("| explained by `dead_units@hidden_1` |")
    assert mild.startswith("| **warning** `saturated_units@hidden_2`")
    assert "warning: truncated at byte 5" in document


def test_what_was_not_judged_is_folded(make_outcome: Any) -> None:
    document = markdown_report(make_outcome("healthy"))
    assert document.startswith("## gradvitals check passes\n\n### ✓ healthy: healthy\n\n<details>")
    assert "<summary>2 not judged</summary>" in document
    assert "- `symmetric_units` switched off: meant so" in document


def test_what_had_to_be_judged_is_not_folded(make_outcome: Any) -> None:
    document = markdown_report(make_outcome("lost"))
    assert "**not judged** record: not judged: corrupt at byte 3; not judged: cut short" in document
    assert "<details>" not in document


def test_an_ignored_finding_is_marked(make_outcome: Any) -> None:
    document = markdown_report(make_outcome("ignored"))
    assert "### ✓ ignored: healthy (1 ignored)" in document
    assert "| ignored error `dead_units@hidden_1`" in rows(document)[2]
    assert "Ignored until 2030-01-02: sparse codes are meant." in rows(document)[2]


def test_what_a_baseline_knows_is_marked_and_what_it_costs_is_said_of_what_is_new(
    make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    root = runs["sick"].verdict.findings[0]
    new = replace(root, id="numerics")
    since = SinceBaseline(1, {root.key: "known", new.key: "new"}, {root.key: "known from the baseline", new.key: ""})
    runs["sick"] = replace(runs["sick"], verdict=replace(runs["sick"].verdict, findings=(root, new)), baseline=since)
    document = markdown_report(make_outcome("sick"))
    assert "### ✗ sick: error (1 known)" in document
    known, other = rows(document)[2:]
    assert known.startswith("| known error `dead_units@hidden_1`")
    assert ("Costs:" in known, "Costs:" in other) == (False, True)


def test_a_sweep_says_how_many_pass(sweep: Any) -> None:
    document = markdown_report(sweep)
    assert rows(document) == []
    assert "healthy: 1 of 2 runs pass; of a sweep the best counts." in document


@pytest.mark.parametrize(("refused", "values"), [(True, {}), (False, {"runs": (), "counting": ()})])
def test_what_could_not_be_checked_is_told(refused: bool, values: Any, make_outcome: Any) -> None:  # noqa: FBT001
    outcome = make_outcome("healthy", refused=refused, exit=Exit.NOT_JUDGED, **values)
    document = markdown_report(outcome)
    assert document.startswith(f"## gradvitals check could not {'be done' if refused else 'judge'}\n")
    assert ("**refused** no�where: a�b" if refused else "no runs here") in document


def test_a_hostile_text_stays_in_its_cell(make_outcome: Any) -> None:
    document = markdown_report(make_outcome("hostile"))
    document.encode()
    assert [row.replace("\\|", "").count("|") for row in rows(document)] == [4, 4, 4]
    assert "<b>&" not in re.sub("`[^`\n]*`", "", document.replace("\\`", ""))  # code is shown as it is


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("_a_ hidden_1", "\\_a\\_ hidden_1"),
        ("`a|b_c` | d", "`a\\|b_c` \\| d"),
        ("one ` alone <i>", "one \\` alone &lt;i>"),
        ("two\nlines", "two lines"),
        ("", ""),
    ],
)
def test_markup_is_escaped_and_code_is_not(text: str, wanted: str) -> None:
    assert escape(text) == wanted
