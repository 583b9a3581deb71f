"""Two sides compared: who is held against whom, and what is said of a difference."""

from collections.abc import Mapping, Sequence
from io import StringIO
from math import inf, nan
from typing import Any

import pytest
from rich.console import Console

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.cli.diff_command import exit_code
from gradvitals.experiments.comparison import Row, compare_reports
from gradvitals.experiments.comparison_text import as_json, as_markdown, print_comparison
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.run_report import RunReport, Seen, subject

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def seen(severity: Severity = ERROR, value: float = 0.9, *, id_: str = "dead_units", root: bool = True) -> Seen:
    return Seen(id_, "hidden_1", severity, value, 0.5, root=root)


def run(
    seed: int | None = 0,
    *findings: Seen,
    config: str | None = "abc",
    name: str = "",
    scores: Mapping[str, float] | None = None,
    unjudged: Mapping[str, str] | None = None,
    verdict: str = "healthy",
    settings: Mapping[str, Any] | None = None,
) -> RunReport:
    found = {subject(each.id, each.layer): each for each in findings}
    return RunReport(
        name or f"seed={seed}-0a1b2c", config, seed, verdict, scores or {}, found, unjudged or {}, settings
    )


def only_row(base: Sequence[RunReport], head: Sequence[RunReport]) -> Row:
    (pair,) = compare_reports(base, head).pairs
    (row,) = pair.rows
    return row


@pytest.mark.parametrize(
    ("base", "head", "status", "code"),
    [
        ([run()], [run(0, seen())], "new", 1),
        ([run()], [run(0, seen(WARNING))], "new", 0),
        ([run(0, seen(WARNING))], [run(0, seen())], "worse", 1),
        ([run(0, seen())], [run(0, seen(WARNING))], "better", 0),
        ([run(0, seen())], [run()], "gone", 0),
        ([run(0, seen())], [run(0, seen())], "same", 0),
        ([run(0, seen(value=0.6))], [run(0, seen(value=0.9))], "untold", 0),
        ([run(0, seen())], [run(unjudged={"dead_units": "too short"})], "not_judged", 3),
        ([run(0, seen(WARNING))], [run(unjudged={"dead_units": "too short"})], "not_judged", 0),
        ([run(s, *([seen()] * (s == 0))) for s in range(5)], [run(9, seen())], "within", 0),
        ([run(s, *([seen()] * (s == 0))) for s in range(5)], [run(9, seen(value=1.0))], "untold", 0),
        ([run(s) for s in range(5)], [run(s, seen()) for s in range(3)], "new", 1),
        ([run(s, seen(WARNING)) for s in range(3)], [run(s, seen()) for s in range(3)], "worse", 1),
        (
            [run(s, seen(WARNING)) for s in range(3)],
            [run(s, seen([ERROR, WARNING][s == 0])) for s in range(3)],
            "within",
            0,
        ),
        ([run(s, seen()) for s in range(5)], [run(s) for s in range(3)], "gone", 0),
        ([run(s, seen(value=0.5 + s / 99)) for s in range(5)], [run(s, seen()) for s in range(5)], "worse", 1),
        ([run(s, seen(value=0.5 + s / 9)) for s in range(5)], [run(s, seen()) for s in range(5)], "within", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_became_of_a_finding(base: list[RunReport], head: list[RunReport], status: str, code: int) -> None:
    row = only_row(base, head)
    assert (row.what, row.status) == ("dead_units@hidden_1", status)
    assert exit_code(compare_reports(base, head), ERROR) == code


def test_a_finding_is_as_grave_as_in_most_seeds() -> None:
    head = [run(0, seen()), run(1, seen(WARNING)), run(2, seen(WARNING))]
    assert only_row([run(s) for s in range(3)], head).severity is WARNING


def test_a_warning_below_the_threshold_of_its_error_gets_worse_upwards() -> None:
    few, many = (
        [run(s, seen(WARNING, share + s / 99, id_="symmetric_units")) for s in range(5)] for share in (0.1, 0.3)
    )
    assert only_row(few, many).status == "worse"
    assert only_row(many, few).status == "better"


@pytest.mark.parametrize(
    ("name", "before", "after", "status"),
    [
        ("training loss", [1.0], [1.0], "same"),
        ("training loss", [1.0], [2.0], "untold"),
        ("training loss", [1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, nan], "worse"),
        ("validation accuracy", [0.9, 0.91, 0.92, 0.93, 0.94], [0.8, 0.81, 0.82, 0.83, 0.84], "worse"),
        ("validation accuracy", [0.8, 0.81, 0.82, 0.83, 0.84], [0.9, 0.91, 0.92, 0.93, 0.94], "better"),
        ("validation accuracy", [0.9] * 5, [0.899] * 5, "within"),
        ("training loss", [inf] * 5, [nan] * 5, "same"),
        ("training loss", [1.0] * 5, [inf] * 5, "worse"),
        ("training loss", [inf] * 5, [1.0] * 5, "better"),
        ("training loss", [0.0] * 5, [1e-9] * 5, "worse"),
    ],
)
def test_what_became_of_a_score(name: str, before: list[float], after: list[float], status: str) -> None:
    base, head = (
        [run(seed, scores={name: value}) for seed, value in enumerate(side, start)]
        for side, start in ((before, 0), (after, 50))
    )
    row = only_row(base, head)
    assert (row.what, row.kind, row.status) == (name, "score", status)


def test_a_worse_score_counts_as_a_warning() -> None:
    base, head = ([run(s, scores={"training loss": s + shift}) for s in range(5)] for shift in (0.0, 9.0))
    assert exit_code(compare_reports(base, head), WARNING) is Exit.FAILED
    assert exit_code(compare_reports(base, head), ERROR) is Exit.DONE


@pytest.mark.parametrize(
    ("base", "head", "pairs"),
    [
        ([("a", "x/seed=0-aaaaaa")], [("a", "y/seed=1-bbbbbb")], ["y"]),
        ([("a", "seed=0-aaaaaa")], [("b", "seed=0-bbbbbb")], [""]),
        (
            [("a", "s/lr=1,seed=0-aaaaaa"), ("b", "s/lr=2,seed=0-bbbbbb")],
            [("d", "s/lr=2,seed=0-dddddd"), ("c", "s/lr=1,seed=0-cccccc")],
            ["s/lr=1", "s/lr=2"],
        ),
        (
            [("a", "s/lr=1,seed=0-aaaaaa"), ("b", "s/lr=2,seed=0-bbbbbb")],
            [("d", "t/lr=2,seed=0-dddddd"), ("b", "t/lr=9,seed=0-cccccc")],
            ["t/lr=9"],
        ),
        (
            [("a", "s/lr=1,seed=0-aaaaaa"), ("b", "s/lr=2,seed=0-bbbbbb")],
            [("d", "t/lr=2,seed=0-dddddd"), ("c", "t/lr=1,seed=0-cccccc")],
            ["t/lr=1", "t/lr=2"],
        ),
        (
            [("a", "s/lr=1,seed=0-aaaaaa"), ("b", "t/lr=1,seed=0-bbbbbb")],
            [("d", "t/lr=1,seed=0-dddddd"), ("c", "s/lr=1,seed=0-cccccc")],
            ["s/lr=1", "t/lr=1"],
        ),
        ([(None, "mine")], [(None, "mine")], ["mine"]),
        ([(None, "mine")], [(None, "theirs")], ["theirs"]),
        ([("a", "a"), ("b", "b")], [("c", "c"), ("d", "d")], []),
    ],
    ids=[
        "by config",
        "one on either side",
        "by place",
        "the config goes first",
        "by axes",
        "by place before axes",
        "by name",
        "the last ones",
        "none",
    ],
)
def test_who_is_held_against_whom(
    base: list[tuple[str | None, str]], head: list[tuple[str | None, str]], pairs: list[str]
) -> None:
    sides = [[run(0, config=config, name=name) for config, name in side] for side in (base, head)]
    comparison = compare_reports(sides[0], sides[1])
    if pairs == ["t/lr=9"]:
        assert [pair.name for pair in comparison.pairs][1:] == pairs
    else:
        assert [pair.name for pair in comparison.pairs] == pairs
    assert len(comparison.only_base) == len(base) - len(comparison.pairs)
    assert len(comparison.only_head) == len(head) - len(comparison.pairs)


def test_keys_that_differ_are_named() -> None:
    base = run(config="a", settings={"model.hidden": [8], "training.l2": 0.1})
    head = run(config="b", settings={"model.hidden": [9], "training.l2": 0.1, "model.dropout": 0.5})
    (pair,) = compare_reports([base], [head]).pairs
    assert pair.changed == {"model.hidden": ([8], [9]), "model.dropout": (None, 0.5)}
    (pair,) = compare_reports([base], [run(config=None)]).pairs
    assert pair.changed is None


def test_nothing_to_compare_could_not_be_judged() -> None:
    assert exit_code(compare_reports([], []), ERROR) is Exit.NOT_JUDGED
    assert exit_code(compare_reports([run()], []), ERROR) is Exit.NOT_JUDGED


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_run_that_was_cut_short_could_not_be_judged(side: str) -> None:
    cut = run(unjudged={"record": "the run was cut short"}, verdict="not_judged")
    comparison = compare_reports([cut if side == "base" else run()], [cut if side == "head" else run()])
    assert exit_code(comparison, ERROR) is Exit.NOT_JUDGED
    assert comparison.pairs[0].gaps == ("seed=0-0a1b2c: the run was cut short",)


def test_roots_come_first_and_info_only_on_request() -> None:
    head = run(
        0, seen(id_="no_learning", root=False), seen(WARNING, id_="numerics"), seen(), seen(INFO, id_="data_faults")
    )
    comparison = compare_reports([run()], [head])
    assert [row.what.partition("@")[0] for row in comparison.pairs[0].rows] == [
        "dead_units",
        "numerics",
        "data_faults",
        "no_learning",
    ]
    for verbose in (False, True):
        console = Console(file=StringIO(), width=100)
        with console.capture() as capture:
            print_comparison(console, comparison, "before", "after", verbose=verbose)
        assert ("data_faults" in capture.get()) is verbose
        assert capture.get().startswith("before → after: 1 seed against 1 seed\n")


def test_the_table_is_markdown_whatever_is_in_the_names() -> None:
    odd = run(0, seen(), name="a|b/seed=0-0a1b2c")
    text = as_markdown(compare_reports([odd], [odd]), "x|y", "z", verbose=False)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    assert "a\\|b" in text


def test_json_has_every_row_with_its_numbers() -> None:
    comparison = compare_reports(
        [run(0, scores={"training loss": nan})], [run(0, seen(INFO), scores={"training loss": 1.0})]
    )
    data = as_json(comparison, "a", "b")
    assert [row["what"] for row in data["pairs"][0]["rows"]] == ["dead_units@hidden_1", "training loss"]
    assert data["pairs"][0]["rows"][0]["head"] == {"text": "info 0.9", "values": [0.9]}
    assert '"NaN"' in json_text(data)
