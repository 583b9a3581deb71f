"""`gradvitals diff`: what got worse between two runs or sweeps."""

from pathlib import Path

import click

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.cli.options import make_console
from gradvitals.experiments.comparison import WORSE, Comparison, compare_reports
from gradvitals.experiments.comparison_text import as_json, as_markdown, print_comparison
from gradvitals.experiments.config.load import bundled_configs
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.paths import is_file, is_folder
from gradvitals.experiments.run_report import RunReport, from_json, read_report


@click.command("diff")
@click.argument("base")
@click.argument("head")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "error"]),
    default="error",
    show_default=True,
    help="The least severity of what is new or worse that fails; a worse score counts as a warning.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show also what is only info, and every config.")
def command(base: str, head: str, form: str, fail_on: str, *, verbose: bool) -> int:
    """Say what got worse, and what better, from BASE to HEAD: folders of runs, or JSON reports of `check`.

    Runs of the same config are compared over their seeds; runs of different ones by their place in the sweep. What
    differs by no more than seeds differ is not called worse; to tell that, five seeds on both sides are enough.

    Exits with 0 if nothing is worse, 1 if something is that counts (--fail-on), 2 for bad usage, 3 if it could not
    judge.

    \b
    gradvitals diff logs/before logs/after
    gradvitals check experiment.toml --seeds 5 --format json --output head.json
    gradvitals diff base.json head.json --format markdown
    """  # noqa: D301 - \b keeps click from filling the lines
    before, after = _read(Path(base)), _read(Path(head))
    for path, runs in ((base, before), (head, after)):
        if not runs:
            click.echo(f"gradvitals: {path}: no runs here", err=True)
    comparison = compare_reports(before, after)
    if form == "json":
        click.echo(json_text(as_json(comparison, base, head)), nl=False)
    elif form == "markdown":
        click.echo(as_markdown(comparison, base, head, verbose=verbose), nl=False)
    else:
        print_comparison(make_console(), comparison, base, head, verbose=verbose)
    return exit_code(comparison, Severity[fail_on.upper()])


def exit_code(comparison: Comparison, fail_on: Severity) -> Exit:
    """Tell whether something that counts got worse, or whether that could not be judged."""
    if any(row.severity >= fail_on for row in comparison.rows(*WORSE)):
        return Exit.FAILED
    unjudged = any(row.severity >= fail_on for row in comparison.rows("not_judged"))
    if unjudged or not comparison.pairs or any(pair.gaps for pair in comparison.pairs):
        return Exit.NOT_JUDGED
    return Exit.DONE


def _read(path: Path) -> list[RunReport]:
    """Read one side.

    Raises:
        UserError: If it is neither a folder nor a report.
    """
    if is_folder(path):
        return [report for run in check_path(path, {}, "all").runs for report in from_json(run.to_json())]
    if path.suffix == ".toml" or (not is_file(path) and str(path) in bundled_configs()):
        out = f"{path.stem}.json"
        sentence = (
            f"{path}: a config, and diff compares what ran — run it first: "
            f"gradvitals check {path} --seeds 5 --format json --output {out}"
        )
        raise UserError(sentence)
    return read_report(path)
