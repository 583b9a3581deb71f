"""Options that several commands share, and what they mean."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from gradvitals.experiments.config.load import LoadedConfig, load_config
from gradvitals.experiments.executor import allowed_cores
from gradvitals.experiments.run_folder import Existing
from gradvitals.experiments.sweep import Plan

F = TypeVar("F", bound=Callable[..., Any])

LOGS = Path("logs")


def config_options(command: F) -> F:
    """Add what every command that takes a config understands."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Print the plan and the names of the runs, and do nothing."),
        click.option("--quiet", "-q", is_flag=True, help="Print only findings and errors."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Replace the config's seed."),
        click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one per core."),
        click.option("--logdir", type=click.Path(path_type=Path, file_okay=False), help="Where runs land [logs]."),
        click.argument("config"),
    ):
        command = option(command)
    return command


def existing_options(command: F) -> F:
    """Add what to do with runs that exist already."""
    for option in (
        click.option("--force-new", is_flag=True, help="Number a new folder beside a run that exists."),
        click.option("--resume", is_flag=True, help="Keep finished runs, do the others again."),
    ):
        command = option(command)
    return command


def existing(*, resume: bool, force_new: bool) -> Existing:
    """Give what to do with a run that exists.

    Raises:
        click.UsageError: If both options are given.
    """
    if resume and force_new:
        msg = "--resume keeps what exists, --force-new makes another: give one of the two"
        raise click.UsageError(msg)
    return "resume" if resume else "new" if force_new else "refuse"


def load(config: str, overrides: Sequence[str], seed: int | None) -> LoadedConfig:
    """Load a config with the command's overrides."""
    return load_config(config, [*overrides, *([] if seed is None else [f"seed={seed}"])])


def worker_count(workers: int | None) -> int:
    """Give the number of processes: one per allowed core unless told."""
    return workers or len(allowed_cores())


def print_plan(console: Console, plan: Plan) -> None:
    """Print what would run."""
    config = plan.loaded.config
    count = len(plan.runs)
    epochs = config.training.epochs
    console.print(
        f"{count} run{'s' if count > 1 else ''} of {epochs} epochs on {config.data.source}, in {plan.folder}:"
    )
    for planned in plan.runs:
        console.print(f"  {planned.name}", soft_wrap=True)


def make_console(*, stderr: bool = False) -> Console:
    """Make a console that neither guesses at emoji and numbers nor breaks paths."""
    return Console(highlight=False, emoji=False, markup=False, stderr=stderr)
