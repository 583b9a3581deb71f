"""`gradvitals sweep`: the grid, live progress, and at the end the map of what broke where."""

from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradvitals.experiments.better_rate import MOST_HINTS, better_rates
from gradvitals.experiments.checking import check_path
from gradvitals.experiments.cli.options import (
    LOGS,
    config_argument,
    existing,
    load,
    logdir_option,
    make_console,
    no_pin_option,
    plan_options,
    print_plan,
    seed_option,
    set_option,
    worker_count,
    workers_option,
)
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.map_terminal import terminal_map
from gradvitals.experiments.run_folder import MAP_FILE, RunSummary
from gradvitals.experiments.runner import Outcome
from gradvitals.experiments.sweep import Plan, make_plan, run_sweep
from gradvitals.experiments.sweep_map import best_run, draw_map


@click.command("sweep")
@config_argument
@logdir_option
@workers_option("Processes [one per core].")
@no_pin_option
@seed_option
@set_option
@plan_options
@click.option("--check", is_flag=True, help="Exit with 1 if the best run has a standing error.")
def command(
    config: str,
    logdir: Path | None,
    workers: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    *,
    no_pin: bool,
    quiet: bool,
    dry_run: bool,
    resume: bool,
    force_new: bool,
    check: bool,
) -> int:
    """Train every combination of CONFIG's [sweep], and map what broke where.

    \b
    gradvitals sweep learning_rate_x_initialization
    gradvitals sweep experiment.toml --workers 4 --resume
    """  # noqa: D301 - \b keeps click from filling the lines
    console = make_console()
    plan = make_plan(load(config, overrides, seed), logdir or LOGS)
    if dry_run:
        print_plan(console, plan)
        return Exit.DONE
    counts: Counter[str] = Counter()
    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("runs", total=len(plan.runs), counts="")

        def follow(outcome: Outcome) -> None:
            counts["failed" if outcome.summary is None else outcome.summary.verdict.replace("_", " ")] += 1
            text = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
            progress.update(task, advance=1, counts=text)

        folders = existing(resume=resume, force_new=force_new)
        summaries, failed = run_sweep(plan, folders, worker_count(workers), follow, pin=not no_pin)
    _sum_up(console, plan, summaries, quiet=quiet)
    for outcome in failed:
        click.echo(f"gradvitals: {outcome.planned.name}: {outcome.error}", err=True)
    if failed:
        return Exit.INTERNAL
    return check_path(plan.folder, {}, "best").exit if check else Exit.DONE


def _sum_up(console: Console, plan: Plan, summaries: list[RunSummary], *, quiet: bool) -> None:
    if not summaries:
        return
    console.print(terminal_map(draw_map(plan.axes, summaries), console.width))
    best = best_run([summary for summary in summaries if summary.finished])
    if best is not None:
        score = best.score("accuracy")
        what = f"loss {best.score('loss'):.4g}" if score is None else f"accuracy {score:.3f}"
        console.print(f"best: {best.name} ({what} on validation, {best.verdict})", soft_wrap=True)
    for each in better_rates(plan.axes, summaries)[:MOST_HINTS]:
        console.print(f"hint: {each.text}", soft_wrap=True)
    if not quiet and plan.axes:
        console.print(f"the map as a picture: {plan.folder / MAP_FILE}", soft_wrap=True)
    if not quiet:
        console.print(f"every run's curves:   gradvitals board {plan.folder}", soft_wrap=True)
        console.print(f"why a run failed:     gradvitals check {plan.folder}/RUN", soft_wrap=True)
