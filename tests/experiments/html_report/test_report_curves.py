"""Curves: the event files' values, thinned without losing what stands out, with gaps where they are not finite."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.experiments.html_report.page_tree import Element

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.scales import Kind, Linear, Log, choose_scale
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.html_report.chart import BOTTOM, FINE, LEFT, RIGHT, TOP, Chart, Curve, draw_chart
from gradvitals.experiments.html_report.thinning import thin

NAN, INF = float("nan"), float("inf")


def places(path: str) -> list[list[tuple[float, float]]]:
    """Read a path back: the points of its pieces in pixels."""
    pieces: list[list[tuple[float, float]]] = []
    for x, y, ways in re.findall(r"M(\d+) (\d+)l([-\d ]+)", path):
        steps = np.array(ways.split(), float).reshape(-1, 2)
        pieces.append([tuple(point) for point in (np.vstack([[float(x), float(y)], steps]).cumsum(axis=0) / FINE)])
    assert "".join(re.findall(r"M\d+ \d+l[-\d ]+", path)) == path
    return pieces


def drawn(values: list[float], kind: Kind = "linear") -> Chart:
    steps = np.arange(len(values))
    return draw_chart("x", [Curve("x", steps, np.array(values))], kind, {}, len(values) - 1)


def test_the_values_on_the_page_are_those_of_the_event_files(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    folder = trained("dying_relu", "training.epochs=5")
    record = read_record(folder)
    charts = {each.one("figcaption").text: each for each in reported(folder).every("figure", "chart")}
    expected: dict[str, dict[str, Any]] = {
        "Loss": {"training": record.training["epoch_loss"], "validation": record.validation["epoch_loss"]},
        "Accuracy": {"training": record.training["epoch_accuracy"], "validation": record.validation["epoch_accuracy"]},
    } | {
        title: {layer: record.record.series(f"{metric}/{layer}") for layer in ("hidden_1", "hidden_2", *output)}
        for title, metric, output in (
            ("Gradient norm by layer", "gradient_norm", ("output",)),
            ("Update ratio by layer", "update_ratio", ("output",)),
            ("Share of dead units by layer", "dead_fraction", ()),
        )
    }
    assert list(charts) == list(expected)
    for title, lines in expected.items():
        paths = list(charts[title].one(cls="lines").every("path"))
        assert [path.attributes["data-name"] for path in paths] == list(lines)
        for path, series in zip(paths, lines.values(), strict=True):
            steps = np.array(path.attributes["data-steps"].split(), int)
            values = np.array(path.attributes["data-values"].split(), float)
            assert steps.tolist() == series.steps.tolist()
            np.testing.assert_allclose(values, series.values, rtol=1e-5)
            assert path.attributes["d"]


def test_marks_stand_where_findings_began(trained: Callable[..., Path], reported: Callable[..., Element]) -> None:
    folder = trained("dying_relu", "training.epochs=5")
    (run,) = check_path(folder, {}, "all").runs
    last = read_record(folder).record.last_step
    for chart in reported(folder).every("figure", "chart"):
        marks = {float(mark.one("text").attributes["x"]): mark.one("title").text for mark in chart.every("g", "mark")}
        for finding in run.verdict.standing:
            if finding.severity > Severity.INFO:
                x = LEFT + (RIGHT - LEFT) * finding.first_step / last
                near = [text for place, text in marks.items() if abs(place - x) < 18]
                assert any(f"since step {finding.first_step}" in text and finding.key in text for text in near)


def test_a_run_that_overflows_has_gaps_and_no_broken_path(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    folder = trained("", "training.optimizer.learning_rate=1e30", "model.activation=linear")
    section = reported(folder).one("section", "run")
    assert "non_finite" in section.text
    assert [mark.one("text").text for mark in section.every("g", "strange")]
    for path in section.every("path"):
        assert not re.search("nan|inf|e[+-]", path.attributes["d"])
    for line in section.every(cls="lines"):
        for path in line.every("path"):
            places(path.attributes["d"])


def test_what_is_not_finite_is_a_gap_with_one_mark_for_each_stretch() -> None:
    (line,) = drawn([0.0, 1.0, NAN, NAN, 2.0, INF, 3.0, -INF]).lines
    assert [len(piece) for piece in places(line.path)] == [2, 2, 2]  # a point alone is a dot: a way of no length
    assert [symbol for _, _, symbol, _ in line.strange] == ["×", "∞", "−∞"]
    assert [y for _, y, _, _ in line.strange] == [TOP, TOP, BOTTOM]
    assert line.strange[0][3] == "x: not a number from step 2 on"
    assert (line.values, line.last) == ("0 1 nan nan 2 inf 3 -inf", "−∞")


def test_nothing_finite_is_no_path() -> None:
    (line,) = drawn([NAN, NAN], "log").lines
    assert line.path == ""
    assert drawn([NAN, NAN]).rows == ()
    assert len(line.strange) == 1


@pytest.mark.parametrize("kind", ["linear", "log", "share", "auto"])
@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [1.0],
        [0.0, 0.0],
        [1e-45, 1e38],
        [-1e300, 1e300],
        [-5.0, -5.0],
        [3.0, 3.0, 3.0],
        [0.0, 1e-3, 1.0],
        [0.999, 1.001],
    ],
    ids=str,
)
def test_every_value_has_its_place_in_the_field(kind: Kind, values: list[float]) -> None:
    chart = drawn(values, kind)
    points = [point for piece in places(chart.lines[0].path) for point in piece]
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in points)
    assert all(TOP - 0.1 <= y <= BOTTOM + 0.1 for y, _ in chart.rows)
    assert 1 <= len(chart.rows) <= 7
    assert len({text for _, text in chart.rows}) == len(chart.rows)


def test_greater_values_stand_higher_and_zero_on_the_floor_of_a_logarithm() -> None:
    scale = choose_scale(np.array([0.0, 1e-4, 1e-2, 3.0]), "log")
    heights = [scale.place(value) for value in (0.0, 1e-4, 1e-2, 3.0)]
    assert heights[0] == 0.0
    assert heights == sorted(set(heights))
    assert scale.ticks()[0] == (0.0, "0")


@pytest.mark.parametrize(("values", "kind"), [([1.0, 2.0], Linear), ([0.001, 2.0], Log), ([0.0, 2.0], Linear)])
def test_a_loss_is_drawn_by_logarithm_only_where_it_spans_much(values: list[float], kind: type) -> None:
    assert isinstance(choose_scale(np.array(values), "auto"), kind)


def test_thinning_keeps_the_extremes_the_ends_and_the_gaps() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=10_000)
    values[1234], values[8765], values[5000] = 50.0, -50.0, NAN
    chosen = thin(values)
    assert len(chosen) <= 203
    assert {0, 1234, 5000, 8765, 9999} <= set(chosen.tolist())
    assert np.all(np.diff(chosen) > 0)


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 1000])
def test_thinning_leaves_short_series_as_they_are(count: int) -> None:
    chosen = thin(np.arange(float(count)))
    assert len(chosen) == count if count <= 200 else 100 < len(chosen) <= 203
    assert (chosen[0], chosen[-1]) == (0, count - 1)


def test_deep_networks_show_as_many_layers_as_can_be_told_apart(
    trained: Callable[..., Path], reported: Callable[..., Element]
) -> None:
    hidden = "[" + ", ".join(["8"] * 12) + "]"
    folder = trained("", f"model.hidden={hidden}", "training.epochs=3")
    charts = {each.one("figcaption").text: each for each in reported(folder).every("figure", "chart")}
    lines = charts["Gradient norm by layer (8 of 13 layers)"].one(cls="lines")
    names = [path.attributes["data-name"] for path in lines.every("path")]
    assert len(names) == 8
    assert {"hidden_1", "output"} <= set(names)
