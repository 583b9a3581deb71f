"""`gradvitals repair`: try cures on a sick config, say what they do, and write the smallest one that works."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.report import report
from gradvitals.experiments.cli.options import (
    load,
    make_console,
    no_pin_option,
    seed_option,
    set_option,
    worker_count,
    workers_option,
)
from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.intervention.arms import describe
from gradvitals.experiments.intervention.as_json import to_json
from gradvitals.experiments.intervention.catalogue import list_arms, make_sane_defaults
from gradvitals.experiments.intervention.conclusion import Conclusion, conclude
from gradvitals.experiments.intervention.confirm import try_on
from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.rewrite import refuse_existing, write_repaired
from gradvitals.experiments.intervention.show import effect_text, render
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.intervention.yardstick import YARDSTICK
from gradvitals.experiments.paths import is_file, is_folder
from gradvitals.experiments.plan import PlannedRun, expand
from gradvitals.experiments.run_folder import CONFIG_FILE
from gradvitals.experiments.runner import Place, load_dataset


@click.command("repair")
@click.argument("config", metavar="CONFIG|RUN")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The repaired config [NAME_repaired.toml].",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--seeds", metavar="N", type=click.IntRange(min=1), default=5, show_default=True, help="Fresh seeds of every trial."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--logdir", metavar="FOLDER", type=click.Path(path_type=Path), help="Keep the judged runs here.")
@workers_option("Processes for the trials [one per core].")
@no_pin_option
@seed_option
@set_option
@click.option("--dry-run", is_flag=True, help="Print what would be tried, and do nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what became of it.")
@click.option("--verbose", "-v", is_flag=True, help="Show what is of no consequence, too.")
def command(
    config: str,
    output: Path | None,
    seeds: int,
    form: str,
    logdir: Path | None,
    workers: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    *,
    force: bool,
    no_pin: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Find the smallest change that makes the network of CONFIG, or of a RUN's folder, learn, and write it as a config.

    What its findings prescribe and a dozen changes of one key are screened on its own seed, the best of them tried on
    fresh seeds beside the unchanged config and beside sane defaults; pairs where no single change is enough.

    Exits with 0 if it is cured, or there is nothing to repair, 1 if nothing of what was tried cures it, 2 for bad
    usage, config or data, 3 if the run could not be judged.

    \b
    gradvitals repair dying_relu
    gradvitals repair experiment.toml -o better.toml
    gradvitals repair logs/experiment/seed=0-0a1b2c --seeds 10
    """  # noqa: D301 - \b keeps click from filling the lines
    given = [*overrides, *([] if seed is None else [f"seed={seed}"])]
    loaded = load(_config_of(config), given, None)
    planned = _single(loaded)
    dataset = _dataset(planned, loaded)
    if dry_run:
        _print_arms(planned, dataset, seeds)
        return Exit.DONE
    target = output or Path(f"{loaded.config.name}_repaired.toml")
    refuse_existing(target, force=force)
    folder = None if logdir is None else logdir / f"{loaded.config.name}_repair"
    console = make_console()
    with _progress(console, shown=form == "text" and not quiet) as told:
        found = try_on(loaded, seeds, worker_count(workers), folder=folder, pin=not no_pin, told=told)
    concluded = conclude(found)
    code = _exit(found, concluded)
    said = _outcome(found, concluded, code)
    written = None
    if concluded.cure is not None:
        write_repaired(target, loaded, concluded.cure.arm, given, said)
        written = target
    if form == "json":
        click.echo(json_text(_as_json(config, found, concluded, code, written)), nl=False)
    else:
        _print(console, config, found, concluded, said, written, quiet=quiet, verbose=verbose)
    return code


def _config_of(path: str) -> str:
    """Give the config of a run's folder, or the path itself.

    Raises:
        UserError: If the folder has none.
    """
    if not is_folder(Path(path)):
        return path
    inside = Path(path) / CONFIG_FILE
    if not is_file(inside):
        sentence = (
            f"{path}: a folder without {CONFIG_FILE}; a run of gradvitals has one, those of adapters cannot be re-run"
        )
        raise UserError(sentence)
    return str(inside)


def _single(loaded: LoadedConfig) -> PlannedRun:
    """Give the one run of a config.

    Raises:
        UserError: If it is a sweep.
    """
    plan = expand(loaded.config, origin=loaded.origin)
    if len(plan) > 1:
        sentence = f"{loaded.origin}: a sweep of {len(plan)} runs — repair the folder of one of its runs"
        raise UserError(sentence)
    return plan[0]


def _dataset(planned: PlannedRun, loaded: LoadedConfig) -> Dataset:
    dataset = load_dataset(planned, Place(Path(), loaded.origin, loaded.base_dir, {}))
    check_fit(planned.config, dataset, origin=loaded.origin)
    return dataset


def _print_arms(planned: PlannedRun, dataset: Dataset, seeds: int) -> None:
    """Print the arms; what findings prescribe is known only once the config has run."""
    arms = list_arms(planned.config, dataset, ())
    sane = make_sane_defaults(planned.config, dataset)
    click.echo(f"{len(arms)} changes to screen, the smallest first, besides what findings prescribe:")
    for arm in arms:
        click.echo(f"  {arm.name}")
    click.echo(f"then the best on {seeds} fresh seeds, beside the control and the sane defaults:")
    click.echo(f"  {'the config is that already' if sane is None else describe(sane.changes)}")


@contextmanager
def _progress(console: Console, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Count the trainings in a line where somebody looks."""
    columns = (
        TextColumn("{task.completed} trainings of the sick config and of what might mend it"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task("trials", total=None)
        yield lambda runs: progress.update(task, completed=runs)


def _exit(found: Intervention, concluded: Conclusion) -> Exit:
    if concluded.cure is not None:
        return Exit.DONE
    checked = found.sick.checked
    if checked is None or checked.exit is Exit.NOT_JUDGED:
        return Exit.NOT_JUDGED
    return Exit.FAILED if found.standing or found.is_harmed else Exit.DONE


def _outcome(found: Intervention, concluded: Conclusion, code: Exit) -> str:
    """Say in a sentence what became of it."""
    score = YARDSTICK[found.task]
    cure = concluded.cure
    if cure is not None and cure.effect is not None:
        sane = found.sane
        beside = ""
        if sane is not None and cure.against_sane is not None:
            against = cure.against_sane
            beside = f"; against the sane defaults, of {_keys(sane)}, {against.mean:+.3f} ± {against.se:.3f}"
        said = "cured" if found.is_harmed else "no harm was seen, and what was found is cleared"
        said += "" if len(found.seeds) >= ENOUGH_SEEDS else ", as far as so few seeds can tell,"
        return f"{said} with {_keys(cure)}: {cure.arm.name} ({effect_text(cure.effect, score)}{beside})"
    if code is Exit.DONE:
        return "nothing to repair: no warning and no error stands"
    if code is Exit.NOT_JUDGED:
        return "not judged: nobody knows whether there is anything to repair"
    if not found.is_harmed and concluded.provisional is not None and not any(each.effect for each in found.tried):
        return f"no automatic cure: no key of the config mends {concluded.provisional.key}"
    within = " was found before the trials would have cost too much" if found.stopped else ""
    return f"no automatic cure{within}{_shortfall(found, concluded, score)}"


def _keys(tried: Tried) -> str:
    return f"{tried.arm.keys} key{'' if tried.arm.keys == 1 else 's'}"


def _shortfall(found: Intervention, concluded: Conclusion, score: str) -> str:
    """Say what the best of what was tried lacks; nothing where nothing helps."""
    sane, lifting = found.sane, concluded.lifting
    said = ""
    if lifting is not None and lifting.effect is not None:
        errors = [each.key for each in found.left(lifting) if each.severity is Severity.ERROR]
        said = f": {lifting.arm.name} is better ({effect_text(lifting.effect, score)})"
        said += f", but {', '.join(errors)} stays" if errors else ""
    if sane is not None and sane.effect is not None and sane.effect.is_better:
        said += f"; the sane defaults, of {_keys(sane)}, have {effect_text(sane.effect, score)}"
    return said


def _print(
    console: Console,
    name: str,
    found: Intervention,
    concluded: Conclusion,
    said: str,
    written: Path | None,
    *,
    quiet: bool,
    verbose: bool,
) -> None:
    with console.capture() as capture:
        if not quiet:
            console.print(report(name, concluded.verdict, verbose=verbose))
            if found.runs > 1:
                console.print(render(found, concluded))
        console.print(said, soft_wrap=True)
        if written is not None and not quiet:
            console.print(f"written to {written} — try it with: gradvitals run {written}", soft_wrap=True)
    click.echo(re.sub(" +$", "", capture.get(), flags=re.MULTILINE), nl=False)  # blocks are padded to their width


def _as_json(
    name: str, found: Intervention, concluded: Conclusion, code: Exit, written: Path | None
) -> dict[str, object]:
    checked = found.sick.checked
    run = {} if checked is None else replace(checked, verdict=concluded.verdict).to_json()
    words = {Exit.DONE: "cured" if concluded.cure is not None else "healthy", Exit.FAILED: "no_cure"}
    outcome = words.get(code, "not_judged")
    return {
        "version": 1,
        "outcome": outcome,
        "written": None if written is None else str(written),
        "runs": [{**run, "run": name, "intervention": to_json(found, concluded)}],
    }
