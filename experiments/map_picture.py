"""The map of a sweep as a picture."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gradvitals.diagnostics.ink import ink_on
from gradvitals.diagnostics.signs import COLOURS, SYMBOLS, UNKNOWN, score_text
from gradvitals.experiments.sweep_map import SweepMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS, LONGEST = 10, 14
"""Columns, and letters of a label, that leave room for the labels side by side."""

LEGEND_ENTRY = 2.4
"""Inches that a sign and the longest name of a diagnosis take."""


def prepare_to_paint() -> None:
    """Import Matplotlib, which takes most of a second, at a time when nobody waits for it."""
    with suppress(Exception):  # whoever paints says so, and the runs under way are worth more than the map
        for module in ("matplotlib.backends.backend_agg", "matplotlib.figure", "matplotlib.patches"):
            import_module(module)


def save_map(drawn: SweepMap, path: Path, *, title: str) -> bytes:
    """Write the map as a PNG file, which appears whole or not at all; give its content."""
    from io import BytesIO

    from gradvitals.experiments.files import write_bytes

    buffer = BytesIO()
    paint_map(drawn, title=title).savefig(buffer, format="png")
    write_bytes(path, buffer.getvalue())
    return buffer.getvalue()


def paint_map(drawn: SweepMap, *, title: str) -> "Figure":
    """Paint the map."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    columns, rows = len(drawn.columns), len(drawn.rows)
    longest = max((len(row) for row in drawn.rows), default=0)
    widest = max((len(column) for column in drawn.columns), default=0)
    slanted = columns > MOST_COLUMNS or widest > LONGEST
    heading = f"{title}: root diagnosis and {drawn.score_name} on validation"
    present = [root for root in COLOURS if root in {cell.root for cell in drawn.cells.values()}]
    labels = 0.6 + 0.09 * longest
    width = labels + max(1.0 + 0.95 * columns, 0.4 + 0.075 * len(heading))
    beside = min(max(int(width / LEGEND_ENTRY), 1), len(present), 4)
    height = 1.6 + 0.7 * rows + 0.06 * widest * slanted + 0.25 * -(-len(present) // max(beside, 1))
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (row, column), cell in drawn.cells.items():
        if row not in drawn.rows or column not in drawn.columns:
            continue
        x, y = drawn.columns.index(column), drawn.rows.index(row)
        strong = 1.0 if cell.score is None or cell.root else 0.35 + 0.65 * min(max(cell.score, 0.0), 1.0)
        colour = COLOURS.get(cell.root, UNKNOWN)
        axes.add_patch(Rectangle((x, y), 1, 1, color=colour, alpha=strong, linewidth=0))
        score = "" if cell.score is None else score_text(cell.score)
        ink = ink_on(colour)
        if cell.root:
            axes.text(x + 0.5, y + 0.36, SYMBOLS.get(cell.root, "?"), color=ink, ha="center", va="center", size=13)
        axes.text(x + 0.5, y + (0.72 if cell.root else 0.5), score, color=ink, ha="center", va="center", size=9.5)
    axes.set(xlim=(0, columns), ylim=(rows, 0), xlabel=drawn.column_axis, ylabel=drawn.row_axis)
    axes.set_xticks([x + 0.5 for x in range(columns)], drawn.columns)
    if slanted:
        axes.tick_params(axis="x", rotation=45)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    axes.set_yticks([y + 0.5 for y in range(rows)], drawn.rows)
    axes.tick_params(length=0)
    for x in range(1, columns):
        axes.axvline(x, color="white", linewidth=1.5)
    for y in range(1, rows):
        axes.axhline(y, color="white", linewidth=1.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    patches = [Patch(color=COLOURS[root], label=f"{SYMBOLS[root]} {root or 'no finding'}") for root in present]
    figure.legend(handles=patches, loc="outside lower center", ncols=max(beside, 1), frameon=False)
    axes.set_title(heading, loc="left", size=11)
    return figure
