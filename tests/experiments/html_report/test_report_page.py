"""The page of a sweep and of single runs: everything that was judged is on it."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.experiments.html_report.page_tree import Element

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.signs import SYMBOLS, score_text
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.html_report.page import make_page, render_page
from gradvitals.experiments.ignoring import today_utc
from gradvitals.experiments.run_folder import find_runs, read_summary
from gradvitals.experiments.sweep_map import draw_map

NOW = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)


def test_every_run_has_its_section_and_its_line(sweep: Path, reported: Callable[..., Element]) -> None:
    page = reported(sweep)
    names = [folder.name for folder in find_runs(sweep)]
    sections = list(page.every("section", "run"))
    lines = list(page.one("table", "runs").one("tbody").every("tr"))
    assert len(names) == 12
    assert sorted(each.one("h2").one("bdi").text for each in sections) == sorted(names)
    targets = {section.attributes["id"]: section.one("h2").text for section in sections}
    for line in lines:
        link = line.one("a")
        assert targets[link.attributes["href"].removeprefix("#")].endswith(link.text)
    assert len(lines) == len(targets) == 12


def test_the_header_counts_the_verdicts(sweep: Path, reported: Callable[..., Element]) -> None:
    outcomes = Counter(run.outcome.replace("_", " ") for run in check_path(sweep, {}, "all").runs)
    assert len(outcomes) >= 2
    for item in reported(sweep).one("ul", "counts").every("li"):
        number, _, verdict = item.text.split(maxsplit=2)
        assert outcomes[verdict] == int(number)


def test_a_cell_has_the_symbol_and_the_score_of_the_map_and_leads_to_such_a_run(
    sweep: Path, reported: Callable[..., Element]
) -> None:
    axes = json.loads((sweep / "sweep.json").read_text(encoding="utf-8"))["axes"]
    drawn = draw_map(axes, [summary for folder in find_runs(sweep) if (summary := read_summary(folder))])
    page = reported(sweep)
    sections = {each.attributes["id"]: each for each in page.every("section", "run")}
    table = page.one("table", "map")
    assert [head.text for head in table.one("thead").every("th")] == list(drawn.columns)
    for name, row in zip(drawn.rows, table.one("tbody").every("tr"), strict=True):
        assert row.one("th").text == name
        for column, place in zip(drawn.columns, row.every("td"), strict=True):
            cell, link = drawn.cells[name, column], place.one("a")
            assert link.one(cls="symbol").text == SYMBOLS[cell.root]
            assert cell.score is not None
            assert link.one(cls="score").text == score_text(cell.score)
            label = link.attributes["aria-label"]
            assert cell.verdict in label
            assert (cell.root or "no finding") in label
            assert "2 runs share this cell" in label
            heading = sections[link.attributes["href"].removeprefix("#")]
            assert cell.root in heading.text
    assert {cell.root for cell in drawn.cells.values()} > {""}
    assert "Runs that differ in seed = 0, 1 share a cell." in page.one("section", "sweep").text


def test_findings_are_told_as_in_the_terminal_roots_with_what_they_explain(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    (run,) = check_path(trained("dying_relu", "training.epochs=5"), {}, "all").runs
    articles = list(reported(run.folder).every("article", "finding"))
    shown = [finding for finding in run.verdict.standing if finding.severity > Severity.INFO]
    roots = [finding for finding in shown if finding.explained_by is None]
    assert len(roots) < len(shown)
    for root, article in zip(roots, articles, strict=True):
        assert article.one("h3").text.endswith(f"{root.key} since step {root.first_step}")
        assert root.evidence[1:] in article.text
        assert root.explanation in article.text
        assert root.harm is not None
        assert f"costs: {root.harm.text}" in article.text
        for cure in root.prescriptions:
            assert cure.why in article.one("ul", "cures").text
        below = [each.one("strong").text for each in article.one("ul", "explains").every("li")]
        assert below == [finding.key for finding in shown if finding.explained_by == root.key]


def test_an_exception_is_shown_with_its_reason_and_counts_for_nothing(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    run = trained("dying_relu", "training.epochs=5")
    until = today_utc() + timedelta(days=30)
    with (run / "config.toml").open("a", encoding="utf-8") as config:
        for key in ("dead_units@hidden_1", "dead_units@hidden_2", "collapsed_output", "no_learning"):
            config.write(f'\n[check.ignore."{key}"]\nwhy = "<b>wanted</b>"\nuntil = {until}\n')
    page = reported(run)
    assert page.one("section", "run").one("h2").text.startswith("✓ healthy (4 ignored)")
    article = page.one("article", "excused")
    assert article.one("h3").text.startswith("† ignored error dead_units@hidden_1")
    assert "<b>wanted</b>" in article.text
    assert not list(article.every("ul", "cures"))
    assert [each.text for each in article.every("strong")][1:] == [
        "dead_units@hidden_2",
        "collapsed_output@output",
        "no_learning",
    ]


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"axes": 1, "runs": 2}', '{"axes": {"a": [1]}, "runs": [{"name": 3}, 4]}']
)
def test_a_damaged_plan_costs_no_more_than_the_map(
    damage: str, sweep: Path, reported: Callable[..., Element], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep, copy)
    (copy / "sweep.json").write_text(damage, encoding="utf-8")
    page = reported(copy)
    assert not list(page.every("table", "map"))
    assert len(list(page.every("section", "run"))) == 12


def test_a_run_that_is_missing_leaves_its_cell_to_the_others_or_empty(
    sweep: Path, reported: Callable[..., Element], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sweep, copy)
    for folder in copy.glob("*1e+06*zeros*"):
        shutil.rmtree(folder)
    page = reported(copy)
    assert [cell.text for cell in page.one("table", "map").every("td", "missing")] == ["–"]
    assert "share a cell. 2 of 12 runs are not done: 2 have not begun." in page.one("section", "sweep").text
    assert "2 of 12 runs are not done: 2 have not begun; --resume goes on with it" in page.one("header").text


def test_a_record_of_any_framework_counts_without_our_files(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    run = trained("dying_relu", "training.epochs=5")
    for name in ("run.json", "config.toml", "findings.json", "checkpoint.npz"):
        (run / name).unlink(missing_ok=True)
    section = reported(run.parent).one("section", "run")
    assert section.one("h2").text == f"✗ error {run.name}"
    assert "dead_units@hidden_1" in section.one("article", "finding").text
    assert len(list(section.every("figure", "chart"))) >= 4


def test_a_pytorch_loop_that_was_watched_has_findings_and_curves(
    reported: Callable[..., Element], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    from gradvitals import watch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
    inputs = torch.randn(200, 2)
    targets = (inputs[:, 0] > 0).long()
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.CrossEntropyLoss()
    with watch(model, data=(inputs, targets), loss=loss, optimizer=optimizer, logdir=str(tmp_path / "torch")):
        for _ in range(60):
            optimizer.zero_grad()
            loss(model(inputs), targets).backward()
            optimizer.step()
    section = reported(tmp_path / "torch").one("section", "run")
    assert "dead_units@0" in section.text
    titles = [figure.one("figcaption").text for figure in section.every("figure", "chart")]
    assert titles[0] == "Loss relative to the best constant output's"
    assert titles[1:3] == ["Loss", "Accuracy"]
    facts = section.one("dl", "facts").text
    assert "loss on the training set" in facts
    assert "accuracy on the training set" in facts
    assert "Gradient norm by layer" in titles


def test_a_record_with_gaps_is_not_judged_and_says_why(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    run = trained()
    (file,) = run.glob("*tfevents*")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    section = reported(run).one("section", "run")
    assert "not judged" in section.one("h2").text
    assert "cut short" in section.one("p", "not_judged").text


def test_two_hundred_runs_stay_a_few_megabytes_and_the_worst_have_curves(
    sweep: Path, trained: Callable[..., Path], tmp_path: Path
) -> None:
    sick = trained("dying_relu", "training.epochs=20")
    (tmp_path / "many").mkdir()
    for number in range(170):
        shutil.copytree(sick, tmp_path / "many" / f"sick-{number:03d}")
    shutil.copytree(sweep, tmp_path / "many" / "sweep")
    shutil.copytree(sweep, tmp_path / "many" / "again")
    made = make_page(check_path(tmp_path / "many", {}, "all"), 30, NOW)
    html = render_page(made)
    assert len(made.runs) == 194
    assert len(html.encode()) < 3_000_000
    drawn = [run for run in made.runs if run.charts is not None]
    best = {each.best[1] for each in made.sweeps if each.best is not None}
    assert len(best) == 2
    assert {run.anchor for run in drawn if run.verdict != "error"} == best
    assert [run.number for run in drawn if run.anchor not in best] == list(range(1, 29))
    assert "Curves of 30 of 194 runs: the best of each sweep, then the worst first. --curves 194 draws all." in re.sub(
        "<[^>]*>", "", html
    )


def test_no_curves_are_drawn_that_nobody_wants(sweep: Path, reported: Callable[..., Element]) -> None:
    assert not list(reported(sweep, "--curves", 0).every("figure"))
    assert (
        len(
            {
                run.attributes["id"]
                for run in reported(sweep, "--curves", 3).every("section", "run")
                if list(run.every("figure"))
            }
        )
        == 3
    )
