"""A sweep as a page shows it: its map, each cell with its symbol, its score, and where its runs are on the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradvitals.diagnostics.signs import Look, faded, look_of, score_text
from gradvitals.experiments.better_rate import MOST_HINTS, better_rates
from gradvitals.experiments.html_report.run_view import RunView
from gradvitals.experiments.html_report.sweep_reading import SweepRead
from gradvitals.experiments.plan import label
from gradvitals.experiments.run_folder import RunSummary
from gradvitals.experiments.sweep_map import Cell, SweepMap, best_run, draw_map


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell of the map.

    Attributes:
        symbol: Of what broke there.
        score: In a few characters; empty where there is none.
        text: Verdict, diagnosis, score and runs, a line each.
        anchor: Of the first run with that diagnosis.
        colour: Its own.
        ink: What is read on it.
    """

    symbol: str
    score: str
    text: tuple[str, ...]
    anchor: str
    colour: str
    ink: str


@dataclass(frozen=True, slots=True)
class SweepView:
    """A sweep.

    Attributes:
        name: Its path below the folder that is reported on.
        runs: How many are there.
        unfinished: How many are not done, and why not, in words; empty for none.
        column_axis: Key along the top.
        row_axis: Key along the side; empty for a sweep over one key.
        columns: Values along the top.
        rows: Values along the side, each with its cells; None where no run is.
        legend: The looks of what is on the map.
        shared: Which other keys share a cell, with their values; empty for none.
        score_name: Accuracy or loss.
        best: Name, anchor and score of the best run; None without scores.
        hints: Neighbouring learning rates of which one is better.
    """

    name: str
    runs: int
    unfinished: str
    column_axis: str
    row_axis: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[CellView | None, ...]], ...]
    legend: tuple[Look, ...]
    shared: str
    score_name: str
    best: tuple[str, str, str] | None
    hints: tuple[str, ...]


def view_sweep(sweep: SweepRead, name: str, views: Mapping[str, RunView]) -> SweepView:
    """Draw a sweep's map.

    Args:
        sweep: As it was read, with axes and with runs.
        name: What it is called on the page.
        views: Its runs on the page, by their folders' names.
    """
    drawn = draw_map(sweep.axes, sweep.summaries)
    rows = tuple(
        (row, tuple(_view_cell(drawn, drawn.cells.get((row, column)), views) for column in drawn.columns))
        for row in drawn.rows
    )
    best = best_run([summary for summary in sweep.summaries if summary.finished])
    return SweepView(
        name,
        len(sweep.summaries),
        sweep.unfinished,
        drawn.column_axis,
        drawn.row_axis,
        drawn.columns,
        rows,
        tuple(dict.fromkeys(look_of(cell.root, cell.verdict) for cell in _by_root(drawn))),
        _shared(drawn, sweep),
        drawn.score_name,
        None if best is None else (best.name, views[best.name].anchor, _score_of(best)),
        tuple(each.text for each in better_rates(sweep.axes, sweep.summaries)[:MOST_HINTS]),
    )


def _view_cell(drawn: SweepMap, cell: Cell | None, views: Mapping[str, RunView]) -> CellView | None:
    if cell is None:
        return None
    look = look_of(cell.root, cell.verdict)
    score = "" if cell.score is None else score_text(cell.score)
    if not cell.root and cell.verdict != "not_judged" and cell.score is not None and drawn.score_name == "accuracy":
        look = faded(look, cell.score)
    of = "mean " if cell.runs > 1 else ""
    text = [f"{cell.verdict.replace('_', ' ')}: {look.name}"]
    text += [f"{of}{drawn.score_name} {cell.score:.4g}"] if cell.score is not None else []
    text += [f"{cell.runs} runs share this cell" if cell.runs > 1 else cell.names[0]]
    text += _unfinished([views[name] for name in cell.names])
    return CellView(look.symbol, score, tuple(text), views[cell.names[0]].anchor, look.colour, look.ink)


def _unfinished(runs: Sequence[RunView]) -> list[str]:
    """Say how far the runs of a cell are that are not done."""
    open_ = [run.progress for run in runs if run.progress is not None and not run.progress.finished]
    if len(runs) == 1:
        return [f"{each.word}: {each.reached}" for each in open_]
    return [f"{count} of {len(runs)}: {word}" for word, count in Counter(each.word for each in open_).items()]


def _by_root(drawn: SweepMap) -> list[Cell]:
    """Sort the cells: those without a finding, then the commonest diagnosis first."""
    order = {root: place for place, root in enumerate(["", *drawn.roots])}
    return sorted(drawn.cells.values(), key=lambda cell: order[cell.root])


def _shared(drawn: SweepMap, sweep: SweepRead) -> str:
    others = [key for key in sweep.axes if key not in {drawn.column_axis, drawn.row_axis}]
    return "; ".join(f"{key} = {', '.join(label(value) for value in sweep.axes[key])}" for key in others)


def _score_of(best: RunSummary) -> str:
    accuracy, loss = best.score("accuracy"), best.score("loss")
    return f"loss {loss:.4g}" if accuracy is None else f"accuracy {accuracy:.3f}"
