"""`gradvitals run`: one training run, watched, with its findings at the end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.report import report
from gradvitals.engine.events import EpochEnded
from gradvitals.experiments.checking import CheckedPath, check_path
from gradvitals.experiments.cli.check_text import print_path
from gradvitals.experiments.cli.options import (
    LOGS,
    config_argument,
    existing,
    load,
    logdir_option,
    make_console,
    plan_options,
    preflight_options,
    print_plan,
    seed_option,
    set_option,
    worker_count,
    workers_option,
)
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.executor import limited_blas
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.preflight_check import check_run_before_training
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import Plan, make_plan, place_runs

GO_ON = "mend what fails, accept it for a while in [check.ignore], or train without --preflight"


@click.command("run")
@config_argument
@logdir_option
@workers_option("Threads for matrix products [1]; more pay from networks of MNIST's size on.")
@seed_option
@set_option
@plan_options
@preflight_options
@click.option("--check", is_flag=True, help="Exit with 1 if an error stands or a limit of [check] is exceeded.")
@click.option("--confirm", is_flag=True, help="Find the root of errors by intervention: try changes, and re-run.")
@click.option("--verbose", "-v", is_flag=True, help="Show also what is only info or has cleared.")
def command(
    config: str,
    logdir: Path | None,
    workers: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    *,
    quiet: bool,
    dry_run: bool,
    resume: bool,
    force_new: bool,
    preflight: bool,
    overfit: bool,
    check: bool,
    confirm: bool,
    verbose: bool,
) -> int:
    """Train the network of CONFIG, a TOML file or the name of a bundled config, and say what ails it.

    \b
    gradvitals run dying_relu
    gradvitals run experiment.toml --set training.epochs=50 --seed 1
    gradvitals run experiment.toml --preflight
    """  # noqa: D301 - \b keeps click from filling the lines
    console = make_console()
    plan = make_plan(load(config, overrides, seed), logdir or LOGS)
    if dry_run:
        print_plan(console, plan)
        return Exit.DONE
    if len(plan.runs) > 1:
        sentence = f"{config}: a sweep of {len(plan.runs)} runs — use `gradvitals sweep {config}`"
        raise UserError(sentence)
    pending, kept = place_runs(plan, existing(resume=resume, force_new=force_new))
    if kept:
        folder = plan.folder / kept[0].name
        checked = check_path(folder, {}, "all")
        _print_verdict(
            console, checked.runs[0].name, checked.runs[0].verdict, checked if check else None, verbose=verbose
        )
        if not quiet:
            console.print(f"finished before, in {folder}", soft_wrap=True)
        _confirm(console, plan, kept[0].verdict, workers, wanted=confirm)
        return checked.exit if check else Exit.DONE
    (planned, place), epochs = pending[0], plan.runs[0].config.training.epochs
    if preflight or overfit:
        with limited_blas(workers):
            before = check_run_before_training(planned, place, {}, overfit=overfit)
        runs = (replace(before, name=f"pre-flight of {place.folder.name}"),)
        print_path(console, CheckedPath(place.folder, runs, before.exit, runs), quiet=quiet, verbose=verbose)
        if before.exit is Exit.FAILED:
            click.echo(f"gradvitals: not trained: {GO_ON}", err=True)
            return Exit.FAILED
    hidden = quiet or not console.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[scores]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress, limited_blas(workers):
        task = progress.add_task(f"{epochs} epochs", total=epochs, scores="")
        summary, verdict = run_one(
            planned, place, lambda event: progress.update(task, advance=1, scores=describe_scores(event))
        )
    if not quiet:
        scores = ", ".join(_last(summary.scores.get(part, {}), part) for part in summary.scores)
        console.print(f"{summary.steps} updates in {summary.seconds:.2f} s; {scores}", soft_wrap=True)
    judged = check_path(place.folder, {}, "all") if check else None
    _print_verdict(console, place.folder.name, verdict, judged, verbose=verbose)
    _confirm(console, plan, verdict.outcome, workers, wanted=confirm)
    if not quiet:
        console.print(f"in {place.folder} — look at it with: gradvitals board {plan.folder}", soft_wrap=True)
    return Exit.DONE if judged is None else judged.exit


def _confirm(console: Console, plan: Plan, outcome: str, workers: int | None, *, wanted: bool) -> None:
    """Print what trials of changes show of the root, where that is wanted and an error stands."""
    if not wanted or outcome != "error":
        return
    from gradvitals.experiments.intervention.conclusion import conclude
    from gradvitals.experiments.intervention.confirm import try_on
    from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS
    from gradvitals.experiments.intervention.show import render

    found = try_on(plan.loaded, ENOUGH_SEEDS, worker_count(workers))
    console.print(render(found, conclude(found)))


def _print_verdict(
    console: Console, name: str, verdict: Verdict, checked: CheckedPath | None, *, verbose: bool
) -> None:
    """Print what the diagnoses say; of a run that is checked, also the limits exceeded and what is accepted."""
    if checked is None:
        console.print(report(name, verdict, verbose=verbose))
    else:
        print_path(console, checked, quiet=False, verbose=verbose)


def describe_scores(event: EpochEnded) -> str:
    """Write an epoch's scores for the progress bar."""
    text = f"loss {event.training.loss:.4g}"
    if event.validation is not None and event.validation.accuracy is not None:
        return f"{text}, validation accuracy {event.validation.accuracy:.3f}"
    return text if event.validation is None else f"{text}, validation loss {event.validation.loss:.4g}"


def _last(scores: Mapping[str, float | None], part: str) -> str:
    accuracy = scores.get("accuracy")
    return f"{part} loss {scores['loss']:.4g}" + ("" if accuracy is None else f", accuracy {accuracy:.3f}")
