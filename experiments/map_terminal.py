"""The map of a sweep in the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from gradvitals.experiments.sweep_map import SYMBOLS, Cell, SweepMap

COLOURS = {"healthy": "green", "warning": "yellow", "error": "red", "not_judged": "magenta"}


def terminal_map(drawn: SweepMap) -> Table:
    """Render the map: per cell the symbol of what broke, and the mean score."""
    across = f"{_last(drawn.column_axis)} →" if drawn.column_axis else ""
    down = f", {_last(drawn.row_axis)} ↓" if drawn.row_axis else ""
    table = Table(
        title=f"{drawn.score_name} on validation, and what broke ({across}{down})",
        caption=_legend(drawn),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for column in drawn.columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in drawn.rows:
        table.add_row(row, *(_cell(drawn.cells.get((row, column))) for column in drawn.columns))
    return table


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    score = "" if cell.score is None else score_text(cell.score)
    return Text(f"{SYMBOLS.get(cell.root, '?')} {score}", COLOURS[cell.verdict])


def score_text(score: float) -> str:
    """Write a score in five characters or less."""
    if score != score:  # noqa: PLR0124 - NaN
        return "nan"
    return f"{score:.2f}".lstrip("0") if 0.0 <= score < 1.0 else f"{score:.3g}"


def _legend(drawn: SweepMap) -> str:
    roots = ["", *drawn.roots]
    return "   ".join(f"{SYMBOLS.get(root, '?')} {root or 'healthy'}" for root in roots)


def _last(key: str) -> str:
    return key.rpartition(".")[2]
