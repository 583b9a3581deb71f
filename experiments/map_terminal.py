"""The map of a sweep in the terminal."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.signs import SYMBOLS, score_text
from gradvitals.experiments.sweep_map import Cell, SweepMap

COLOURS = {"healthy": "green", "warning": "yellow", "error": "red", "not_judged": "magenta"}

WIDEST = 10_000


def terminal_map(drawn: SweepMap, width: int) -> RenderableType:
    """Render the map: per cell the symbol of what broke, and the mean score; without scores where they do not fit.

    Args:
        drawn: The map.
        width: Characters in a line.
    """
    across = f"{_last(drawn.column_axis)} →" if drawn.column_axis else ""
    down = f", {_last(drawn.row_axis)} ↓" if drawn.row_axis else ""
    title = f"{drawn.score_name} on validation, and what broke ({across}{down})"
    table = _table(drawn, scores=True)
    if Console(width=WIDEST).measure(table).maximum > width:
        title, table = f"what broke ({across}{down})", _table(drawn, scores=False)
    return Group(Text(title, "italic"), table, Text(_legend(drawn), "dim italic"))


def _table(drawn: SweepMap, *, scores: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for column in drawn.columns:
        table.add_column(column, justify="right", no_wrap=scores, overflow="fold")
    for row in drawn.rows:
        table.add_row(row, *(_cell(drawn.cells.get((row, column)), score=scores) for column in drawn.columns))
    return table


def _cell(cell: Cell | None, *, score: bool) -> Text:
    if cell is None:
        return Text("")
    symbol = SYMBOLS.get(cell.root, "?")
    text = f"{symbol} {score_text(cell.score)}" if score and cell.score is not None else symbol
    return Text(text, COLOURS[cell.verdict])


def _legend(drawn: SweepMap) -> str:
    roots = ["", *drawn.roots]
    return "   ".join(f"{SYMBOLS.get(root, '?')} {root or 'no finding'}" for root in roots)


def _last(key: str) -> str:
    return key.rpartition(".")[2]
