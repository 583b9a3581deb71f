"""`gradvitals clean`: remove runs, and only runs it recognises, after saying which."""

import sys
from pathlib import Path

import click

from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.experiments.cli.options import LOGS
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.run_folder import (
    CONFIG_FILE,
    FINDINGS_FILE,
    MAP_FILE,
    MAP_RUN,
    RUN_FILE,
    SWEEP_FILE,
    find_runs,
    holds_map,
    read_summary,
    read_sweep,
)

PARTS = ("train", "validation")


@click.command("clean")
@click.argument("logdir", type=click.Path(path_type=Path))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(logdir: Path, *, yes: bool, dry_run: bool) -> int:
    """Remove the runs below LOGDIR that gradvitals wrote; other files, and folders with other files, stay.

    \b
    gradvitals clean logs --dry-run
    gradvitals clean logs/dying_relu --yes
    """  # noqa: D301 - \b keeps click from filling the lines
    if not logdir.is_dir():
        sentence = f"{logdir}: no such folder; runs land in {LOGS} unless --logdir says otherwise"
        raise UserError(sentence)
    runs = [folder for folder in find_runs(logdir) if read_summary(folder) is not None]
    if not runs:
        click.echo(f"{logdir}: no runs of gradvitals")
        return Exit.DONE
    for folder in runs:
        click.echo(folder)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    if dry_run:
        click.echo(f"{count} would be removed")
        return Exit.DONE
    if not yes:
        if not sys.stdin.isatty():
            sentence = "nobody to ask whether to remove these runs — use --yes"
            raise UserError(sentence)
        click.confirm(f"remove {'this' if len(runs) == 1 else 'these'} {count}?", abort=True)
    for folder in runs:
        _remove_run(folder)
    _remove_sweeps({folder.parent for folder in runs})
    click.echo(f"removed {count}")
    return Exit.DONE


def _remove_run(folder: Path) -> None:
    """Remove a run's own files; a folder that then holds anything else stays."""
    for part in (*(folder / part for part in PARTS), folder):
        if not part.is_dir() or part.is_symlink():
            continue
        for file in find_event_files(part):
            file.unlink()
        if part == folder:
            for name in (CONFIG_FILE, FINDINGS_FILE, "checkpoint.npz", RUN_FILE):
                (folder / name).unlink(missing_ok=True)
        _remove_if_empty(part)


def _remove_sweeps(folders: set[Path]) -> None:
    """Remove the summaries of sweeps of which no run is left."""
    for folder in folders:
        if not folder.is_dir() or any(True for _ in find_runs(folder)):
            continue
        if read_sweep(folder):
            _remove_map(folder / MAP_RUN)
            (folder / SWEEP_FILE).unlink()
            (folder / MAP_FILE).unlink(missing_ok=True)
        _remove_if_empty(folder)


def _remove_map(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and holds_map(folder):
        for file in find_event_files(folder):
            file.unlink()
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
