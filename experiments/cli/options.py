"""Options that several commands share, and what they mean."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from gradvitals.experiments.config.load import LoadedConfig, load_config
from gradvitals.experiments.config.root import MOST_SEED
from gradvitals.experiments.executor import allowed_cores
from gradvitals.experiments.run_folder import Existing
from gradvitals.experiments.sweep import Plan

F = TypeVar("F", bound=Callable[..., Any])

LOGS = Path("logs")

WIDTH_OF_FILES = 120
"""Characters in a line of what goes into a pipe or a file."""


config_argument = click.argument("config")
logdir_option = click.option(
    "--logdir", metavar="FOLDER", type=click.Path(path_type=Path), help="Where runs land [logs]."
)
seed_option = click.option("--seed", metavar="N", type=click.IntRange(0, MOST_SEED), help="Replace the config's seed.")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)


def workers_option(text: str) -> Callable[[F], F]:
    """Give the option for the number of workers, with what they are."""
    return click.option("--workers", metavar="N", type=click.IntRange(min=1), help=text)


no_pin_option = click.option(
    "--no-pin", is_flag=True, help="Leave the processes where the system puts them, instead of each on one core."
)


def plan_options(command: F) -> F:
    """Add what commands understand that plan runs, some of which may exist already."""
    for option in (
        click.option("--force-new", is_flag=True, help="Number a new folder beside a run that exists."),
        click.option("--resume", is_flag=True, help="Keep finished runs, do the others again."),
        click.option("--dry-run", is_flag=True, help="Print the plan and the names of the runs, and do nothing."),
        click.option("--quiet", "-q", is_flag=True, help="Print only findings and errors."),
    ):
        command = option(command)
    return command


def preflight_options(command: F) -> F:
    """Add what commands understand that can judge a config before its first update."""
    for option in (
        click.option("--overfit", is_flag=True, help="A pre-flight, and whether 20 examples can be learned by heart."),
        click.option("--preflight", is_flag=True, help="Judge the config before its first update."),
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


def make_console(*, width: int | None = None) -> Console:
    """Make a console that neither guesses at emoji and numbers nor breaks paths; wider where no terminal limits it."""
    console = Console(highlight=False, emoji=False, markup=False, width=width)
    if width is None and not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH_OF_FILES
    return console
