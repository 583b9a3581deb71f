"""The map of a sweep: what stands in a cell, and which run is the best."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from rich.console import Console

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.signs import COLOURS, SYMBOLS, score_text
from gradvitals.experiments import map_picture
from gradvitals.experiments.map_picture import paint_map
from gradvitals.experiments.map_terminal import terminal_map
from gradvitals.experiments.run_folder import RunSummary
from gradvitals.experiments.sweep_map import best_run, draw_map

NAN = float("nan")


def run(accuracy: float | None, loss: float, *findings: str, status: Any = "completed", **axes: Any) -> RunSummary:
    """Make a run's summary."""
    return RunSummary(
        str(axes),
        status,
        axes,
        scores={"validation": {"loss": loss, "accuracy": accuracy}},
        verdict="error" if findings else "healthy",
        findings=findings,
    )


def test_every_diagnosis_has_a_symbol_and_a_colour_of_its_own() -> None:
    ids = {diagnosis.id for diagnosis in CATALOGUE}
    assert ids <= SYMBOLS.keys() == COLOURS.keys()
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_the_font_of_pictures_has_every_symbol() -> None:
    font = FT2Font(findfont("DejaVu Sans", fallback_to_default=False))
    assert [symbol for symbol in SYMBOLS.values() if not all(map(font.get_char_index, map(ord, symbol)))] == []
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_seeds_share_a_cell_with_the_commonest_root_and_the_mean_score() -> None:
    axes: dict[str, list[float]] = {"rate": [0.1, 1.0], "seed": [0, 1, 2]}
    runs = [run(0.9, 0.1, rate=0.1, seed=seed) for seed in range(3)]
    runs += [run(0.5, 1.0, "dead_units@hidden_1", "no_learning", rate=1.0, seed=seed) for seed in range(2)]
    runs += [run(0.8, 0.2, rate=1.0, seed=2)]
    drawn = draw_map(axes, runs)
    assert (drawn.columns, drawn.rows, drawn.column_axis, drawn.row_axis) == (("0.1", "1"), ("",), "rate", "")
    healthy, dying = drawn.cells["", "0.1"], drawn.cells["", "1"]
    assert (healthy.runs, healthy.root, healthy.verdict) == (3, "", "healthy")
    assert (dying.runs, dying.root, dying.verdict) == (3, "dead_units", "error")
    assert dying.score == pytest.approx(0.6)


@pytest.mark.parametrize("length", [4, 14, 15, 40])
def test_labels_of_columns_stand_beside_each_other_or_slant(length: int) -> None:
    values = [letter * length for letter in "nopq"]
    figure = paint_map(draw_map({"init": values}, [run(0.9, 0.1, init=value) for value in values]), title="labels")
    figure.canvas.draw()
    labels = figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == values
    boxes = [label.get_window_extent() for label in labels]
    assert all(box.y0 >= 0.0 for box in boxes)
    beside = all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert beside or {label.get_rotation() for label in labels} == {45.0}


@pytest.mark.parametrize("columns", [1, 2, 4, 8])
@pytest.mark.parametrize("roots", [1, 4, 12])
def test_heading_and_legend_have_room_on_maps_of_few_cells(columns: int, roots: int) -> None:
    names = sorted((name for name in SYMBOLS if name), key=len, reverse=True)[:roots]
    rates = [10.0**-place for place in range(columns)]
    runs = [
        run(0.5, 1.0, name, rate=rates[place % columns], init=f"init_{place // columns}")
        for place, name in enumerate(names)
    ]
    axes: dict[str, list[Any]] = {"rate": rates, "init": sorted({one.axes["init"] for one in runs})}
    figure = paint_map(draw_map(axes, runs), title="a sweep of some length")
    figure.canvas.draw()
    page, (legend,) = figure.bbox, figure.legends
    texts = [figure.axes[0].title, figure.axes[0]._left_title, *legend.get_texts()]  # type: ignore[attr-defined]
    for box in [text.get_window_extent() for text in texts if text.get_text()]:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    assert len(legend.get_texts()) == roots
    assert legend.get_window_extent().y1 < figure.axes[0].xaxis.label.get_window_extent().y0


def luminance(colour: Any, alpha: float) -> float:
    """Give the relative luminance, as WCAG defines it, of a colour laid on white."""
    shown = np.array(to_rgb(colour)) * alpha + 1.0 - alpha
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_figures_stand_out_from_every_colour_of_the_map() -> None:
    roots = [name for name in SYMBOLS if name not in {"", "failed"}]
    runs = [run(score, 0.1, root=str(score)) for score in (0.0, 0.2, 0.5, 0.8, 1.0)]
    runs += [run(0.5, 0.1, root, root=root) for root in roots]
    values: list[Any] = [one.axes["root"] for one in runs]
    axes = paint_map(draw_map({"root": values}, runs), title="ink").axes[0]
    inks = set()
    for patch in axes.patches:
        ground = luminance(patch.get_facecolor()[:3], patch.get_alpha() or 1.0)
        own = [text for text in axes.texts if patch.contains_points([axes.transData.transform(text.get_position())])[0]]
        assert own
        for text in own:
            ink = luminance(text.get_color(), 1.0)
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5  # what WCAG demands of text
            inks.add(text.get_color())
    assert (len(axes.patches), inks) == (len(runs), {"black", "white"})


def test_what_keeps_matplotlib_from_being_imported_early_does_not_stop_the_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)  # as Matplotlib does where MPLBACKEND is not one of its backends

    monkeypatch.setattr(map_picture, "import_module", refuse)
    map_picture.prepare_to_paint()


def test_runs_that_did_not_finish_are_shown_as_failed() -> None:
    drawn = draw_map({"rate": [0.1]}, [run(0.9, 0.1, rate=0.1, status="interrupted")])
    assert drawn.cells["", "0.1"].root == "failed"


def test_what_stands_against_a_run_that_did_not_finish_is_shown() -> None:
    drawn = draw_map({"rate": [0.1]}, [run(0.9, 0.1, "dead_units@hidden_1", rate=0.1, status="interrupted")])
    assert drawn.cells["", "0.1"].root == "dead_units"


def test_a_regression_is_mapped_by_its_loss() -> None:
    drawn = draw_map({"rate": [0.1]}, [run(None, 0.25, rate=0.1)])
    assert (drawn.score_name, drawn.cells["", "0.1"].score) == ("loss", 0.25)


def test_close_values_have_labels_of_their_own() -> None:
    assert draw_map({"rate": [0.1, 0.1001]}, []).columns == ("0.1", "0.1001")


@pytest.mark.parametrize(
    ("runs", "best"),
    [
        ([run(0.9, 0.3, x=0), run(0.8, 0.1, x=1)], 0),
        ([run(0.9, 0.3, x=0), run(0.9, 0.1, x=1)], 1),
        ([run(None, 0.3, x=0), run(None, 0.1, x=1)], 1),
        ([run(0.9, NAN, x=0), run(0.1, 5.0, x=1)], 1),
        ([run(None, NAN, x=0), run(None, float("inf"), x=1), run(None, 1e9, x=2)], 2),
    ],
    ids=["accuracy", "then loss", "loss alone", "never nan", "nor infinity"],
)
def test_the_best_run_is_the_most_accurate_then_the_one_with_the_least_loss(runs: list[RunSummary], best: int) -> None:
    assert best_run(runs) == runs[best]


def test_without_scores_there_is_no_best_run() -> None:
    assert best_run([RunSummary("x", "completed", {})]) is None


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.974, ".97"), (0.0, ".00"), (1.0, "1"), (0.996, "1.00"), (12.345, "12.3"), (123456.0, "1.23e+05"), (NAN, "nan")],
)
def test_a_score_is_short(score: float, text: str) -> None:
    assert score_text(score) == text


@pytest.mark.parametrize("width", [30, 40, 80])
def test_a_narrow_terminal_gets_the_symbols_alone(width: int) -> None:
    rates = [10.0**power for power in range(-4, 2)]
    drawn = draw_map({"rate": rates}, [run(0.5, 1.0, "dead_units", rate=rate) for rate in rates])
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_map(drawn, width))
    assert capture.get().count("†") == len(rates) + 1
    assert (".50" in capture.get()) == (width == 80)
