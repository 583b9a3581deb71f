"""`gradvitals list`: runs, outcomes and findings as a table, CSV or JSON."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.report import STYLES
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.cli.options import LOGS, make_console
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.progress import RUNNING
from gradvitals.experiments.run_folder import RunSummary, find_runs, read_summary

COLUMNS = ("run", "status", "steps", "seconds", "accuracy", "loss", "verdict", "findings")
"""Of the CSV."""

FORMS = {"accuracy": ".3f", "loss": ".4g", "steps": "d", "seconds": ".2f"}
"""The numbers of the table."""

WIDEST = 10_000


@click.command("list")
@click.argument("logdir", default=LOGS, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
def command(logdir: Path, form: str) -> int:
    """List the runs below LOGDIR (default: logs) with their last scores on validation and their findings.

    \b
    gradvitals list
    gradvitals list logs/learning_rate_x_initialization --format csv > runs.csv
    """  # noqa: D301 - \b keeps click from filling the lines
    if not logdir.is_dir():
        sentence = f"{logdir}: no such folder; runs land in {LOGS} unless --logdir says otherwise"
        raise UserError(sentence)
    rows = [_row(folder, logdir) for folder in find_runs(logdir)]
    if form == "json":
        click.echo(json_text({"version": 1, "runs": rows}), nl=False)
    elif form == "csv":
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "findings": " ".join(row["findings"])} for row in rows)
        click.echo(buffer.getvalue(), nl=False)
    else:
        console = make_console(width=WIDEST)  # a terminal may break long lines, a pipe gets them whole
        console.print(_table(rows) if rows else f"{logdir}: no runs")
    return Exit.DONE


def _row(folder: Path, root: Path) -> dict[str, Any]:
    name = str(folder.relative_to(root)) if folder != root else folder.resolve().name
    summary = read_summary(folder)
    if summary is None:
        return dict.fromkeys(COLUMNS) | {"run": name, "status": "foreign", "findings": []}
    if summary.status == RUNNING:
        summary = _so_far(summary, folder)
    return {
        "run": name,
        "status": summary.status,
        "steps": summary.steps,
        "seconds": summary.seconds,
        "accuracy": summary.score("accuracy"),
        "loss": summary.score("loss"),
        "verdict": summary.verdict,
        "findings": list(summary.findings),
        "axes": dict(summary.axes),
    }


def _so_far(summary: RunSummary, folder: Path) -> RunSummary:
    """Fill in what a run has come to that has not written its summary's end."""
    run = check_path(folder, {}, "all").runs[0]
    findings = tuple(each.key for each in run.verdict.standing if each.severity > Severity.INFO)
    steps = 0 if run.progress is None else run.progress.step
    return replace(summary, steps=steps, scores=run.scores, verdict=run.outcome, findings=findings)


def _table(rows: list[dict[str, Any]]) -> Table:
    """Lay the runs out, one line each; the texts of any length come last."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("verdict", "status", *FORMS, "run", "findings"):
        table.add_column(column, justify="right" if column in FORMS else "left", no_wrap=True)
    for row in rows:
        verdict = row["verdict"] or ""
        numbers = ["" if row[column] is None else format(row[column], form) for column, form in FORMS.items()]
        findings = " ".join(row["findings"])
        table.add_row(
            Text(verdict.replace("_", " "), STYLES.get(verdict, "")), row["status"], *numbers, row["run"], findings
        )
    return table
