"""`gradvitals check`: judge runs, log folders, sweeps or configs; the command for CI."""

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console

from gradvitals.diagnostics.report import report
from gradvitals.experiments.checking import CheckedPath, CheckedRun, Require, check_path, severest
from gradvitals.experiments.cli.options import load, make_console, worker_count
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text, write_text
from gradvitals.experiments.suggest import show
from gradvitals.experiments.sweep import make_plan, run_sweep

MOST_SHOWN = 10
"""Runs of one path that are reported in full; of more, only those that fail."""


@click.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to a file.")
@click.option("--fail-on", help="info, warning, error (default), or ids of diagnoses separated by commas.")
@click.option("--max-dead", type=float, help="Largest share of dead units in any layer.")
@click.option("--max-saturated", type=float, help="Largest share of saturated units in any layer.")
@click.option("--max-update-ratio", type=float, help="Largest median update ratio over the last half of a run.")
@click.option("--min-accuracy", type=float, help="Least accuracy on the validation set.")
@click.option("--max-loss-ratio", type=float, help="Largest training loss relative to the best constant output's.")
@click.option("--require", type=click.Choice(["best", "all"]), default="best", show_default=True, help="In a sweep.")
@click.option("--logdir", type=click.Path(path_type=Path, file_okay=False), help="Keep the runs of a config here.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes for a config's runs; one per core by default.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Replace a config's seed.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable.")
@click.option("--quiet", "-q", is_flag=True, help="Print only runs that fail.")
@click.option("--verbose", "-v", is_flag=True, help="Show also what is only info or has cleared.")
def command(
    paths: tuple[str, ...],
    form: str,
    output: Path | None,
    require: Require,
    logdir: Path | None,
    workers: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    *,
    quiet: bool,
    verbose: bool,
    **limits: str | float | None,
) -> int:
    """Judge each PATH: a run's folder, a sweep, any TensorBoard log folder with our record, or a config to run first.

    Exits with 0 if all is healthy, 1 if an error stands or a limit is exceeded, 2 for bad usage, config or data, 3 if
    it could not judge.

    \b
    gradvitals check logs/dying_relu --max-dead 0.1
    gradvitals check experiment.toml --format json --output report.json
    """  # noqa: D301 - \b keeps click from filling the lines
    wanted = _limits(limits)
    checked: list[CheckedPath] = []
    codes: list[Exit] = []
    for path in paths:
        try:
            found = _check(path, wanted, require, logdir, worker_count(workers), overrides, seed)
            checked.append(found)
            codes.append(found.exit)
        except UserError as error:
            for sentence in error.sentences:
                click.echo(f"gradvitals: {sentence}", err=True)
            codes.append(Exit.USAGE)
    if form == "json":
        runs = [run.to_json() for path in checked for run in path.runs]
        text = json_text({"version": 1, "runs": runs})
        if output is None:
            click.echo(text, nl=False)
        else:
            write_text(output, text)
    else:
        with nullcontext() if output is None else output.open("w") as file:
            console = make_console() if file is None else Console(file=file, width=100, highlight=False, markup=False)
            for found in checked:
                _print(console, found, quiet=quiet, verbose=verbose)
    return severest(codes)


def _limits(limits: dict[str, Any]) -> dict[str, Any]:
    """Validate the limits given as flags as the config's are.

    Raises:
        UserError: If a value is not one.
    """
    given = {key: value for key, value in limits.items() if value is not None}
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


def _check(
    path: str,
    limits: dict[str, Any],
    require: Require,
    logdir: Path | None,
    workers: int,
    overrides: tuple[str, ...],
    seed: int | None,
) -> CheckedPath:
    """Judge a folder, or run a config, in a temporary folder unless told, and judge that."""
    if Path(path).is_dir():
        return check_path(Path(path), limits, require)
    loaded = load(path, overrides, seed)
    with tempfile.TemporaryDirectory(prefix="gradvitals-") if logdir is None else nullcontext(str(logdir)) as root:
        plan = make_plan(loaded, Path(root))
        _, failed = run_sweep(plan, "refuse" if logdir is None else "resume", workers, lambda _: None)
        if failed:
            raise UserError(*(f"{path}: {outcome.planned.name}: {outcome.error}" for outcome in failed))
        return check_path(plan.folder, limits, require if plan.axes else "all")


def _print(console: Console, found: CheckedPath, *, quiet: bool, verbose: bool) -> None:
    if not found.runs:
        console.print(f"{found.path}: no runs here: no event files and no run.json", style="magenta", soft_wrap=True)
        return
    shown = [run for run in found.runs if run.exit is not Exit.DONE] if quiet else list(found.runs)
    if found.best:
        shown = [run for run in shown if run.name == found.best]
    elif len(found.runs) > MOST_SHOWN and not verbose:
        shown = [run for run in shown if run.exit is not Exit.DONE]
    for run in shown:
        _print_run(console, run, verbose=verbose)
    if len(found.runs) > 1 and not quiet:
        counts = {code: sum(run.exit is code for run in found.runs) for code in Exit}
        words = {Exit.DONE: "pass", Exit.FAILED: "fail", Exit.NOT_JUDGED: "not judged"}
        text = ", ".join(f"{counts[code]} {word}" for code, word in words.items() if counts[code])
        rule = f"; the best by validation, {found.best}, counts (--require all: every run)" if found.best else ""
        console.print(f"{found.path}: {len(found.runs)} runs: {text}{rule}", soft_wrap=True)


def _print_run(console: Console, run: CheckedRun, *, verbose: bool) -> None:
    console.print(report(run.name, run.verdict, verbose=verbose))
    for note in run.notes:
        console.print(f"  note: {note}", style="magenta", soft_wrap=True)
