"""A comparison of two runs or sweeps for people and programs: in the terminal, as Markdown, as JSON."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.markdown import one_line
from gradvitals.diagnostics.report import STYLES
from gradvitals.experiments.comparison import WORSE, Comparison, Pair, Row, Status
from gradvitals.experiments.show import show

SYMBOLS: dict[Status, str] = {
    "new": "✗",
    "worse": "✗",
    "not_judged": "?",
    "untold": "?",
    "within": "·",
    "same": "=",
    "better": "✓",
    "gone": "✓",
}
COLOURS: dict[Status, str] = {"better": "green", "gone": "green", "not_judged": "magenta"}
CHANGES: tuple[Status, ...] = ("new", "worse", "better", "gone", "not_judged")

MOST_SHOWN = 10
"""Pairs that are shown in full; of more, only those in which something changed."""


def print_comparison(console: Console, comparison: Comparison, base: str, head: str, *, verbose: bool) -> None:
    """Print every pair with its rows, what has no counterpart, and the sum of it."""
    for pair in shown_pairs(comparison, verbose=verbose):
        console.print(_pair(pair, f"{base} → {head}", verbose=verbose))
    for sentence in (*unmatched(comparison), summary(comparison)):
        console.print(sentence, soft_wrap=True)


def shown_pairs(comparison: Comparison, *, verbose: bool) -> list[Pair]:
    """Give the pairs worth showing."""
    if verbose or len(comparison.pairs) <= MOST_SHOWN:
        return list(comparison.pairs)
    return [pair for pair in comparison.pairs if pair.gaps or any(row.status in CHANGES for row in pair.rows)]


def shown_rows(pair: Pair, *, verbose: bool) -> list[Row]:
    """Give the rows worth showing: without findings that are only info."""
    return [row for row in pair.rows if verbose or row.severity > Severity.INFO]


def unmatched(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each side that has what the other has not."""
    for side, names in (("base", comparison.only_base), ("head", comparison.only_head)):
        if names:
            more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
            yield f"only in {side}: {', '.join(names[:MOST_SHOWN])}{more}"


def summary(comparison: Comparison) -> str:
    """Count what became of everything, in a line."""
    rows = comparison.rows("new", "worse", "better", "gone", "same", "within", "untold", "not_judged")
    rows = [row for row in rows if row.severity > Severity.INFO]
    words: dict[Status, str] = {
        "new": "new",
        "worse": "worse",
        "better": "better",
        "gone": "gone",
        "not_judged": "not judged",
        "untold": "too few seeds to tell",
        "within": "within the seed spread",
        "same": "the same",
    }
    counts = {word: sum(row.status == status for row in rows) for status, word in words.items()}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing to compare"
    number = len(comparison.pairs)
    return f"{number} config{'s' * (number != 1)} compared; findings and scores: {said}"


def status_text(row: Row, pair: Pair) -> str:
    """Say in words what became of a row."""
    if row.status == "untold":
        return "one seed" if pair.base_seeds == pair.head_seeds == 1 else "few seeds"
    return {"within": "in spread", "not_judged": "not judged"}.get(row.status, row.status)


def changed_lines(pair: Pair) -> list[str]:
    """Say in what two configs differ, a line per key."""
    if pair.changed is None:
        return ["only one of the two has a config"]
    return [f"{key}: {_value(old)} → {_value(new)}" for key, (old, new) in pair.changed.items()]


def remark(pair: Pair) -> str:
    """Say what the words for too few seeds mean, where they occur."""
    if not any(row.status == "untold" for row in pair.rows):
        return ""
    few = "one seed" if pair.base_seeds == pair.head_seeds == 1 else "so few seeds"
    return f"{few} cannot tell whether a difference is more than the seed's; five on both sides can"


def as_markdown(comparison: Comparison, base: str, head: str, *, verbose: bool) -> str:
    """Write it as Markdown: a table per pair."""
    lines = [f"### {_cell(base)} → {_cell(head)}", "", _cell(summary(comparison)), ""]
    for pair in shown_pairs(comparison, verbose=verbose):
        lines += [f"**{_cell(_heading(pair, 'the run'))}**", ""]
        lines += [f"- {_cell(line)}" for line in (*changed_lines(pair), *pair.gaps)]
        lines += ["", "| | | base | head |", "|---|---|---|---|"]
        for row in shown_rows(pair, verbose=verbose):
            name = f"`{_cell(row.what)}`" if row.kind == "finding" else row.what
            status = f"{SYMBOLS[row.status]} {status_text(row, pair)}"
            lines.append(f"| {status} | {name} | {_cell(row.base)} | {_cell(_head(row))} |")
        lines += ["", *([remark(pair), ""] if remark(pair) else [])]
    lines += [_cell(sentence) for sentence in unmatched(comparison)]
    return "\n".join(lines).rstrip() + "\n"


def as_json(comparison: Comparison, base: str, head: str) -> dict[str, Any]:
    """Give it as plain data; every row, also those that the text leaves out."""
    return {
        "version": 1,
        "base": base,
        "head": head,
        "pairs": [
            {
                "name": pair.name,
                "seeds": {"base": pair.base_seeds, "head": pair.head_seeds},
                "changed": None if pair.changed is None else {key: list(both) for key, both in pair.changed.items()},
                "gaps": list(pair.gaps),
                "rows": [_row_json(row) for row in pair.rows],
            }
            for pair in comparison.pairs
        ],
        "only_base": list(comparison.only_base),
        "only_head": list(comparison.only_head),
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "kind": row.kind,
        "status": row.status,
        "severity": str(row.severity) if row.kind == "finding" else None,
        "root": row.root if row.kind == "finding" else None,
        "base": {"text": row.base, "values": list(row.base_values)},
        "head": {"text": row.head, "values": list(row.head_values)},
        "reason": row.reason,
    }


def _pair(pair: Pair, sides: str, *, verbose: bool) -> RenderableType:
    rows = shown_rows(pair, verbose=verbose)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("", "", "base", "head"):
        table.add_column(column, overflow="fold")
    for row in rows:
        status = Text(f"{SYMBOLS[row.status]} {status_text(row, pair)}", _colour(row))
        name = Text(row.what if row.root else f"  {row.what}", "bold" if row.status in CHANGES else "")
        table.add_row(status, name, Text(row.base), Text(_head(row)))
    worse = any(row.status in WORSE for row in rows)
    parts: list[RenderableType] = [Text(_heading(pair, sides), "bold red" if worse else "bold")]
    parts += [Text(f"  {line}", "yellow") for line in changed_lines(pair)]
    parts += [Text(f"  not judged: {gap}", "magenta") for gap in pair.gaps]
    parts.append(Padding(table, (0, 0, 0, 2)) if rows else Text("  nothing stands on either side", "dim"))
    parts += [Text(f"  {remark(pair)}", "dim")] if remark(pair) else []
    return Group(*parts, Text())


def _heading(pair: Pair, nameless: str) -> str:
    seeds = [f"{n} seed{'s' * (n != 1)}" for n in (pair.base_seeds, pair.head_seeds)]
    return f"{pair.name or nameless}: {seeds[0]} against {seeds[1]}"


def _head(row: Row) -> str:
    return f"{row.head} ({one_line(row.reason)})" if row.reason else row.head


def _colour(row: Row) -> str:
    return STYLES[str(row.severity)] if row.status in WORSE else COLOURS.get(row.status, "dim")


def _value(value: Any) -> str:  # noqa: ANN401 - any value of a config
    return "unset" if value is None else show(value)


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
