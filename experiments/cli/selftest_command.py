"""`gradvitals selftest`: every fault injected, every diagnosis demanded, every healthy twin silent."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import click
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.cli.options import make_console, no_pin_option, worker_count, workers_option
from gradvitals.experiments.diagnosis_guide import DIAGNOSES
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.selftest import Doses, Injection, Result, injections, run_selftest, sources_of

WIDEST = 10_000


@click.command("selftest")
@click.option(
    "--doses", type=click.Choice(["first", "all"]), default="first", show_default=True, help="Of every fault."
)
@click.option("--only", metavar="ID", multiple=True, help="Demand this diagnosis only; repeatable.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@workers_option("Processes [one per core].")
@no_pin_option
@click.option("--dry-run", is_flag=True, help="Print what would be injected, and do nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what does not match.")
def command(
    doses: Doses,
    only: tuple[str, ...],
    form: str,
    workers: int | None,
    *,
    no_pin: bool,
    dry_run: bool,
    quiet: bool,
) -> int:
    """Inject every fault, demand its diagnosis in its layer, and demand silence of every healthy twin.

    Exits with 1 if a diagnosis is missing, in another layer or too mild, or a twin is not silent. Nothing is kept.

    \b
    gradvitals selftest
    gradvitals selftest --doses all --format json
    gradvitals selftest --only dead_units --only non_finite
    """  # noqa: D301 - \b keeps click from filling the lines
    wanted = injections(doses, _known(only))
    if dry_run:
        for injection in wanted:
            click.echo(f"{injection.id}: {_name(injection)}; {injection.twin.config}")
        return Exit.DONE
    started = perf_counter()
    results = _run(wanted, worker_count(workers), pin=not no_pin, shown=not quiet and form == "text")
    seconds = perf_counter() - started
    failed = [one for one in results if one.reasons]
    if form == "json":
        shown = [one.to_json() for one in (failed if quiet else results)]
        report = {"version": 1, "passed": not failed, "seconds": round(seconds, 1), "injections": shown}
        click.echo(json_text(report), nl=False)
    else:
        _print(failed if quiet else results)
        if not quiet or failed:
            click.echo(f"{len(results) - len(failed)} of {len(results)} faults found, twins silent, in {seconds:.0f} s")
    for one in failed:
        for reason in one.reasons:
            click.echo(f"gradvitals: {reason}", err=True)
    return Exit.FAILED if failed else Exit.DONE


def _known(only: Sequence[str]) -> set[str]:
    """Give the ids asked for; a finding's key will do for one.

    Raises:
        UserError: If there is no such diagnosis.
    """
    known = [diagnosis.id for diagnosis in DIAGNOSES]
    ids = [given.partition("@")[0] for given in only]
    wrong = [f"--only: no diagnosis {name!r}{did_you_mean(name, known)}" for name in ids if name not in known]
    if wrong:
        raise UserError(*wrong)
    return set(ids)


def _run(wanted: Sequence[Injection], workers: int, *, pin: bool, shown: bool) -> list[Result]:
    """Run all of it in a temporary folder, with a progress line where somebody looks."""
    console = make_console()
    columns = (TextColumn("networks"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="gradvitals-") as root,
        Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress,
    ):
        task = progress.add_task("networks", total=len(sources_of(wanted)))
        return run_selftest(wanted, Path(root), workers, lambda: progress.advance(task), pin=pin)


def _print(results: Sequence[Result]) -> None:
    """Print a line for each fault; a pipe gets the lines whole."""
    if not results:
        return
    console = make_console()
    if not console.is_terminal:
        console.width = WIDEST
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("diagnosis", "fault", "", "layer", "first seen", "twin"):
        table.add_column(column, justify="right" if column == "first seen" else "left", overflow="fold")
    for one in results:
        found, silent = one.found, not one.twin_alarms
        table.add_row(
            one.injection.id,
            _name(one.injection),
            Text("missing", "red") if found is None else Text("found", "green"),
            "" if found is None else str(found["layer"] or "–"),
            "" if found is None else f"step {found['first_step']}",
            Text("silent", "green") if silent else Text(", ".join(one.twin_alarms), "red"),
        )
    console.print(table)


def _name(one: Injection) -> str:
    """Name the fault and its dose."""
    return " ".join((one.sick.config, *one.sick.overrides))
