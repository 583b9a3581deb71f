"""`gradvitals check`: judge runs, log folders, sweeps or configs; the command for CI."""

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from gradvitals.experiments.baseline import Baseline, hold_against, make_baseline
from gradvitals.experiments.checking import CheckedPath, CheckedRun, Require, check_path
from gradvitals.experiments.cli.check_text import ANY_COUNTS, BEST_COUNTS, as_text, no_runs
from gradvitals.experiments.cli.options import (
    load,
    make_console,
    no_pin_option,
    preflight_options,
    print_plan,
    seed_option,
    set_option,
    worker_count,
    workers_option,
)
from gradvitals.experiments.cli.output_file import refuse_output
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import write_text
from gradvitals.experiments.formats.outcome import CheckOutcome, Refused
from gradvitals.experiments.formats.render import FORMATS, render
from gradvitals.experiments.majority import judge_by_majority
from gradvitals.experiments.paths import is_file, is_folder
from gradvitals.experiments.preflight_check import check_before_training
from gradvitals.experiments.run_folder import CONFIG_FILE, Existing, find_runs
from gradvitals.experiments.run_report import read_report
from gradvitals.experiments.show import show
from gradvitals.experiments.sweep import make_plan, run_sweep, with_seeds


@click.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report to a file, whole or not at all; the terminal shows the text.",
)
@click.option(
    "--fail-on", metavar="WHAT", help="info, warning, error (default), or ids of diagnoses separated by commas."
)
@click.option("--max-dead", type=float, metavar="SHARE", help="Largest share of dead units in any layer.")
@click.option("--max-saturated", type=float, metavar="SHARE", help="Largest share of saturated units in any layer.")
@click.option(
    "--max-update-ratio", type=float, metavar="X", help="Largest median update ratio over the last half of a run."
)
@click.option("--min-accuracy", type=float, metavar="SHARE", help="Least accuracy on the validation set.")
@click.option(
    "--max-loss-ratio", type=float, metavar="X", help="Largest training loss relative to the best constant output's."
)
@click.option("--require", type=click.Choice(["best", "all"]), default="best", show_default=True, help="In a sweep.")
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Fail only on what is new or worse than in this JSON report of an earlier check.",
)
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(min=1),
    help="Judge by the majority of N seeds: run a config with them, or find them in a folder.",
)
@click.option("--confirm", is_flag=True, help="Find the root of errors by intervention: try changes, and re-run.")
@click.option("--logdir", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep the runs of a config here.")
@preflight_options
@workers_option("Processes for the runs of a config [one per core].")
@no_pin_option
@seed_option
@set_option
@click.option("--dry-run", is_flag=True, help="Print what would be run and judged, and do nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Print only runs that fail.")
@click.option("--verbose", "-v", is_flag=True, help="Show also what is only info or has cleared.")
def command(
    paths: tuple[str, ...],
    form: str,
    output: Path | None,
    require: Require,
    baseline: Path | None,
    seeds: int | None,
    logdir: Path | None,
    workers: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    *,
    confirm: bool,
    no_pin: bool,
    preflight: bool,
    overfit: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **limits: str | float | None,
) -> int:
    """Judge each PATH: a run's folder, a sweep, any TensorBoard log folder with our record, or a config to run first.

    Exits with 0 if all is healthy, 1 if an error stands or a limit is exceeded, 2 for bad usage, config or data, 3 if
    it could not judge.

    \b
    gradvitals check logs/dying_relu --max-dead 0.1
    gradvitals check experiment.toml --format junit --output report.xml
    gradvitals check experiment.toml --seeds 5 --baseline baseline.json
    gradvitals check experiment.toml --preflight
    """  # noqa: D301 - \b keeps click from filling the lines
    before = preflight or overfit
    wanted = _limits(limits, before=before)
    if dry_run:
        return _print_plans(paths, overrides, seed, seeds, logdir)
    refuse_output(output, "leave --output out to write to standard output")
    known = _read_baseline(baseline, seeds, before=before)
    if before and confirm:
        sentence = "--confirm: re-runs trained networks — leave it out, or leave out --preflight and --overfit"
        raise UserError(sentence)
    checked: list[CheckedPath] = []
    refused: list[Refused] = []
    for path in paths:
        prefix = path if len(paths) > 1 else ""
        try:
            _refuse_event_file(Path(path))
            if before:
                _refuse_folder(Path(path))
                plan = make_plan(load(path, overrides, seed), Path())
                found = check_before_training(plan, wanted, require, overfit=overfit)
            elif is_folder(Path(path)):
                found = _by_majority(check_path(Path(path), wanted, require, prefix=prefix), seeds, require)
            else:
                loaded = _load(path, overrides, seed, seeds)
                found = _run_and_check(loaded, wanted, require, seeds, logdir, workers, pin=not no_pin)
        except UserError as error:
            for sentence in error.sentences:
                click.echo(f"gradvitals: {sentence}", err=True)
            refused.append(Refused(path, error.sentences))
        else:
            found = found if known is None else hold_against(found, known)
            checked.append(_confirmed(found, seeds, workers, pin=not no_pin) if confirm else found)
    counts = ANY_COUNTS if before else BEST_COUNTS
    outcome = CheckOutcome(tuple(checked), tuple(refused), counts, verbose=verbose)
    _deliver(outcome, form, output, quiet=quiet)
    return outcome.exit


def _deliver(outcome: CheckOutcome, form: str, output: Path | None, *, quiet: bool) -> None:
    """Write the report where it is wanted; the terminal has the text, unless it was to get another format."""
    if output is not None:
        content = render(form, outcome)
        content = as_text(outcome, quiet=quiet, plain=True) if content is None else content
        # a file name that is no text becomes one, as on the terminal
        write_text(output.resolve(), content.encode(errors="replace").decode())
    text = render(form, outcome) if output is None else None
    click.echo(as_text(outcome, quiet=quiet, plain=False) if text is None else text, nl=False)
    if output is not None and not quiet:
        click.echo(f"written to {output}")
    if text is not None:
        _warn(outcome.checked)


def _read_baseline(baseline: Path | None, seeds: int | None, *, before: bool) -> Baseline | None:
    """Read the baseline before anything is run.

    Raises:
        UserError: If it is none, or compares trained networks before there are any.
    """
    given = [name for name, value in (("--baseline", baseline), ("--seeds", seeds)) if value is not None]
    if before and given:
        sentence = f"{given[0]}: for trained networks — leave it out, or leave out --preflight and --overfit"
        raise UserError(sentence)
    return None if baseline is None else make_baseline(read_report(baseline, "--baseline"))


def _confirmed(found: CheckedPath, seeds: int | None, workers: int | None, *, pin: bool) -> CheckedPath:
    """Find the roots of the runs that count and fail, by intervention; what else there is stays as it is."""
    new: dict[int, CheckedRun] = {}
    for run in found.counting:
        if run.exit is not Exit.FAILED or run.config is None:
            continue
        from gradvitals.experiments.intervention.confirm import confirm_run

        path = found.source or run.folder / CONFIG_FILE
        loaded = LoadedConfig(run.config, str(path), path.parent, path)
        try:
            new[id(run)] = confirm_run(run, loaded, seeds, worker_count(workers), pin=pin)
        except UserError as error:  # such as data that are no longer there: the verdict stands all the same
            for sentence in error.sentences:
                click.echo(f"gradvitals: not confirmed: {sentence}", err=True)
            notes = (*run.notes, *(f"not confirmed: {sentence}" for sentence in error.sentences))
            new[id(run)] = replace(run, notes=notes)
    runs = tuple(new.get(id(run), run) for run in found.runs)
    return replace(found, runs=runs, counting=tuple(new.get(id(run), run) for run in found.counting))


def _by_majority(found: CheckedPath, seeds: int | None, require: Require) -> CheckedPath:
    """Judge by the majority of the seeds, if that is wanted; the folder of the runs must still be there."""
    return found if seeds is None else judge_by_majority(found, seeds, require)


def _load(path: str, overrides: Sequence[str], seed: int | None, seeds: int | None) -> LoadedConfig:
    """Load a config, with as many seeds as it is to be judged by."""
    loaded = load(path, overrides, seed)
    return loaded if seeds is None else with_seeds(loaded, seeds)


def _print_plans(
    paths: Sequence[str], overrides: Sequence[str], seed: int | None, seeds: int | None, logdir: Path | None
) -> int:
    """Print the runs of every folder, and the plan of every config."""
    console = make_console()
    for path in paths:
        if is_folder(Path(path)):
            for folder in find_runs(Path(path)):
                console.print(str(folder), soft_wrap=True)
        else:
            plan = make_plan(_load(path, overrides, seed, seeds), logdir or Path("(a temporary folder)"))
            print_plan(console, plan)
    return Exit.DONE


def _refuse_event_file(path: Path) -> None:
    """Say what to give instead of a single event file.

    Raises:
        UserError: If it is one.
    """
    if "tfevents" in path.name and is_file(path):
        sentence = f"{path}: an event file — check its folder: gradvitals check {path.parent}"
        raise UserError(sentence)


def _refuse_folder(path: Path) -> None:
    """Say what to give instead of a folder, whose runs are trained already.

    Raises:
        UserError: If it is one.
    """
    if is_folder(path):
        example = path / CONFIG_FILE if is_file(path / CONFIG_FILE) else "CONFIG"
        sentence = f"{path}: a folder, and a pre-flight is of a config: gradvitals check {example} --preflight"
        raise UserError(sentence)


def _warn(checked: Sequence[CheckedPath]) -> None:
    """Say on standard error what the report itself has no place for, or whoever looks at the terminal would miss."""
    for found in checked:
        empty = () if found.runs else (no_runs(found),)
        for sentence in (*empty, *found.gaps, *(warning for run in found.runs for warning in run.warnings)):
            click.echo(f"gradvitals: warning: {sentence}", err=True)


def _limits(limits: dict[str, Any], *, before: bool) -> dict[str, Any]:
    """Validate the limits given as flags as the config's are; all but `fail_on` are for a trained network.

    Raises:
        UserError: If a value is not one, or a limit is given before training.
    """
    given = {key: value for key, value in limits.items() if value is not None}
    misplaced = [f"--{key.replace('_', '-')}" for key in given if before and key != "fail_on"]
    if misplaced:
        sentence = f"{misplaced[0]}: a limit for a trained network — leave it out, or leave out --preflight"
        raise UserError(sentence)
    if isinstance(given.get("fail_on"), str) and given["fail_on"] not in {"info", "warning", "error"}:
        given["fail_on"] = [word.strip() for word in given["fail_on"].split(",")]
    try:
        CheckConfig.model_validate(given)
    except ValidationError as error:
        from gradvitals.experiments.config.explain import explain

        problems = explain(error, given, CheckConfig)
        flags = [f"--{problem.key.partition('[')[0].replace('_', '-')}: {problem.text}" for problem in problems]
        raise UserError(*(flags or [f"bad limits: {show(given)}"])) from error
    return given


def _run_and_check(
    loaded: LoadedConfig,
    limits: dict[str, Any],
    require: Require,
    seeds: int | None,
    logdir: Path | None,
    workers: int | None,
    *,
    pin: bool,
) -> CheckedPath:
    """Run a config, in a temporary folder unless told, and judge what comes of it."""
    with tempfile.TemporaryDirectory(prefix="gradvitals-") if logdir is None else nullcontext(str(logdir)) as root:
        plan = make_plan(loaded, Path(root))
        folders: Existing = "refuse" if logdir is None else "resume"
        _, failed = run_sweep(plan, folders, worker_count(workers), lambda _: None, pin=pin)
        for outcome in failed:
            click.echo(f"gradvitals: {loaded.origin}: {outcome.planned.name}: {outcome.error}", err=True)
        found = check_path(plan.folder, limits, require if plan.axes else "all", prefix=plan.folder.name)
        found = _by_majority(found, seeds, require)
    return replace(found, path=Path(loaded.origin), source=loaded.path)
