"""`gradvitals report`: maps, findings and curves of all runs below a folder, in one HTML file."""

from datetime import UTC, datetime
from pathlib import Path

import click

from gradvitals.experiments.checking import check_path
from gradvitals.experiments.cli.output_file import refuse_output
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import write_text
from gradvitals.experiments.formats.outcome import NO_RUNS, ONLY_FOREIGN
from gradvitals.experiments.paths import is_file, is_folder


@click.command("report")
@click.argument("logdir", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where to write it, whole or not at all.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--curves",
    metavar="N",
    type=click.IntRange(min=0),
    default=30,
    show_default=True,
    help="Runs with curves: the best of each sweep, then the worst first.",
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing unless something is wrong.")
def command(logdir: Path, output: Path, curves: int, *, force: bool, quiet: bool) -> int:
    """Write maps, findings and curves of all runs below LOGDIR as one HTML file that needs nothing else.

    LOGDIR is a run's folder, a sweep's, or any folder with runs below it. Exits with 0 if the file is written, whatever
    it says (`check` fails a build), 2 for bad usage, 3 if there is nothing to report.

    \b
    gradvitals report logs
    gradvitals report logs/learning_rate_x_initialization -o sweep.html --force
    """  # noqa: D301 - \b keeps click from filling the lines
    if not is_folder(logdir):
        what = "a file; a folder with runs is wanted here" if is_file(logdir) else "no such folder"
        sentence = f"{logdir}: {what}"
        raise UserError(sentence)
    refuse_output(output)
    if output.exists() and not force:
        sentence = f"--output: {output} is there already — use --force to replace it, or another name"
        raise UserError(sentence)
    found = check_path(logdir, {}, "all")
    if all(run.progress is None for run in found.runs):
        click.echo(f"gradvitals: {logdir}: {ONLY_FOREIGN if found.runs else NO_RUNS}", err=True)
        return Exit.NOT_JUDGED
    from gradvitals.experiments.html_report.page import make_page, render_page

    page = make_page(found, curves, datetime.now(UTC))
    html = render_page(page)
    write_text(output.resolve(), html)
    if not quiet:
        counts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in page.counts if count)
        number = "1 run" if len(page.runs) == 1 else f"{len(page.runs)} runs"
        click.echo(f"{number}: {counts}")
        click.echo(f"written to {output} ({_size(len(html.encode()))})")
    return Exit.DONE


def _size(count: int) -> str:
    """Say how large a file is.

    >>> _size(38_123), _size(1_260_000)
    ('38 kB', '1.3 MB')
    """
    return f"{count / 1e3:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"
