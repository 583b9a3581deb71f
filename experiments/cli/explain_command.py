"""`gradvitals explain`: what a diagnosis sees, where it comes from, what cures it, and how to change its limits."""

import re
import sys

import click
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.explain import TIERS, Explanation, explain
from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.cli.options import make_console
from gradvitals.experiments.diagnosis_guide import (
    DIAGNOSES,
    EXAMPLES,
    config_lines,
    example_commands,
    fixed_names,
    listing,
    value_text,
)
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit

WIDEST = 10_000
NARROWEST, READABLE = 66, 100
"""Characters in a line, however narrow or wide the terminal: a line of TOML stays whole, prose is easy to follow."""


@click.command("explain")
@click.argument("ids", metavar="[ID]…", nargs=-1)
def command(ids: tuple[str, ...]) -> int:
    """Say what each diagnosis ID means: symptom, cause, cure, source, thresholds; without one, list them all.

    A finding's key, as reports print it, will do for an ID.

    \b
    gradvitals explain
    gradvitals explain dead_units
    gradvitals explain dead_units@hidden_1 no_learning
    """  # noqa: D301 - \b keeps click from filling the lines
    known = {diagnosis.id: diagnosis for diagnosis in DIAGNOSES}
    if not ids:
        _print_list([explain(diagnosis) for diagnosis in DIAGNOSES])
        return Exit.DONE
    wanted = list(dict.fromkeys(given.partition("@")[0] for given in ids))
    wrong = [
        f"no diagnosis {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}"
        for name in wanted
        if name not in known
    ]
    if wrong:
        raise UserError(*wrong)
    console = make_console()
    console.width = min(max(console.width, NARROWEST), READABLE)
    for place, name in enumerate(wanted):
        if place:
            console.print()
        console.print(_explained(explain(known[name])))
    return Exit.DONE


def _print_list(explanations: list[Explanation]) -> None:
    """Print a line for each; a terminal may break it and learns how to go on, a pipe gets it whole."""
    console = make_console(width=None if sys.stdout.isatty() else WIDEST)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("diagnosis", no_wrap=True)
    table.add_column("symptom")
    for explanation in explanations:
        table.add_row(Text(explanation.id, "bold"), _prose(explanation.headline))
    console.print(table)
    if console.is_terminal:
        console.print(f"\ncause, cure and thresholds: gradvitals explain {explanations[0].id}", style="dim")


def _explained(explanation: Explanation) -> RenderableType:
    heading = Text.assemble((explanation.id, "bold"), f"  {explanation.tier}: {TIERS[explanation.tier]}")
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(style="cyan", no_wrap=True)
    rows.add_column()
    for part, text in explanation.parts.items():
        rows.add_row(part.lower(), _prose(text))
    rows.add_row("thresholds", _thresholds(explanation))
    fixed = fixed_names(explanation)
    if fixed:
        rows.add_row("", Text(f"No config key changes {listing(fixed)}.", "dim"))
    rows.add_row("config", Text("\n".join(config_lines(explanation))))
    example = EXAMPLES.get(explanation.id)
    if example is not None:
        rows.add_row("example", Text(example_commands(example)))
    return Group(heading, Padding(rows, (0, 0, 0, 2)))


def _thresholds(explanation: Explanation) -> RenderableType:
    if not explanation.thresholds:
        return Text("none")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for limit in explanation.thresholds:
        table.add_row(limit.name, value_text(limit), _prose(limit.meaning))
    return table


def _prose(text: str) -> Text:
    """Show what a docstring puts between asterisks or backticks as a terminal does."""
    styles = {"*": "italic", "`": "bold"}
    pieces = re.split(r"(\*\S[^*]*\*|`[^`]+`)", text)
    return Text.assemble(
        *((piece[1:-1], styles[piece[0]]) if place % 2 else piece for place, piece in enumerate(pieces))
    )
