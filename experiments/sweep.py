"""A sweep: the runs of a plan, started, followed and summed up."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.config.root import MOST_SEED
from gradvitals.experiments.config.sweep import axis_values
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.executor import run_many
from gradvitals.experiments.files import write_json
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.map_log import log_map
from gradvitals.experiments.map_picture import prepare_to_paint, save_map
from gradvitals.experiments.plan import PlannedRun, expand
from gradvitals.experiments.rules import configured
from gradvitals.experiments.run_folder import (
    MAP_FILE,
    MAP_RUN,
    SWEEP_FILE,
    Existing,
    RunSummary,
    choose_folder,
    read_summary,
)
from gradvitals.experiments.runner import Outcome, Place, load_dataset
from gradvitals.experiments.shared_data import by_data
from gradvitals.experiments.sweep_map import draw_map


@dataclass(frozen=True, slots=True)
class Plan:
    """What a config asks for, and where it goes.

    Attributes:
        loaded: The config.
        folder: Where its runs' folders are: the log root and the config's name.
        runs: All of them.
        axes: All values of every swept key.
    """

    loaded: LoadedConfig
    folder: Path
    runs: tuple[PlannedRun, ...]
    axes: dict[str, Sequence[Any]]


def make_plan(loaded: LoadedConfig, logdir: Path) -> Plan:
    """Expand a config into its runs.

    Raises:
        UserError: If a combination of the sweep is no valid config.
    """
    axes: dict[str, Sequence[Any]] = {key: axis_values(axis) for key, axis in loaded.config.sweep.items()}
    return Plan(loaded, logdir / loaded.config.name, expand(loaded.config, origin=loaded.origin), axes)


def with_seeds(loaded: LoadedConfig, seeds: int) -> LoadedConfig:
    """Give a config that runs with several seeds, from its own one upwards; a sweep over seeds keeps those it has.

    Raises:
        UserError: If there are no such seeds, or the sweep has fewer.
    """
    config = loaded.config
    if "seed" in config.sweep:
        own = len(axis_values(config.sweep["seed"]))
        if own < seeds:
            sentence = f"{loaded.origin}: sweep.seed: {own} seeds, and --seeds asks for {seeds}"
            raise UserError(sentence)
        return loaded
    last = config.seed + seeds - 1
    if last > MOST_SEED:
        sentence = f"--seeds: from seed {config.seed} on there are not {seeds}; the last one is {MOST_SEED}"
        raise UserError(sentence)
    sweep = {**config.sweep, "seed": tuple(range(config.seed, last + 1))}
    return replace(loaded, config=config.model_copy(update={"sweep": sweep}))


def place_runs(plan: Plan, existing: Existing) -> tuple[list[tuple[PlannedRun, Place]], list[RunSummary]]:
    """Give what is still to run, with its place, and the summaries of what is finished and kept.

    Every run is checked against its data before the first starts, so that nothing is half done when one cannot run.

    Raises:
        UserError: If a run's folder exists and nothing says what to do with it, or a run does not fit its data.
    """
    pending: list[tuple[PlannedRun, Place]] = []
    kept: list[RunSummary] = []
    for planned in plan.runs:
        folder = choose_folder(plan.folder, planned.name, existing)
        if folder is None:
            summary = read_summary(plan.folder / planned.name)
            # its axes are this plan's: the same run may have been made alone, or by a sweep over other keys
            kept += [replace(summary, name=planned.name, axes=planned.axes)] if summary is not None else []
            continue
        pending.append((planned, Place(folder, plan.loaded.origin, plan.loaded.base_dir, plan.axes)))
    for ((planned, place),) in by_data([[run] for run in pending]):  # so that each set is loaded once
        check_fit(planned.config, load_dataset(planned, place), origin=place.origin)
        configured(planned.config.diagnostics.rules, origin=place.origin)
    return pending, kept


def run_sweep(
    plan: Plan, existing: Existing, workers: int, on_outcome: Callable[[Outcome], None], *, pin: bool = True
) -> tuple[list[RunSummary], list[Outcome]]:
    """Run a sweep. Its summary lists all runs from the start on; its map is drawn at the end or when interrupted.

    Returns:
        The summaries in the plan's order, and the outcomes of the runs that failed.

    Raises:
        UserError: Before anything is started or written, if a run cannot be.
    """
    pending, kept = place_runs(plan, existing)
    folders = {planned.name: place.folder.name for planned, place in pending}
    summaries = {summary.name: summary for summary in kept}
    failed: list[Outcome] = []
    plan.folder.mkdir(parents=True, exist_ok=True)
    _write_sweep(plan, summaries, folders)
    meanwhile = prepare_to_paint if plan.axes else None
    try:
        with closing(run_many(pending, workers, pin=pin, meanwhile=meanwhile)) as outcomes:  # ends the workers first
            for outcome in outcomes:
                if outcome.summary is None:
                    failed.append(outcome)
                else:
                    summaries[outcome.planned.name] = outcome.summary
                on_outcome(outcome)
    finally:
        _write_sweep(plan, summaries, folders)
        ordered = [summaries[planned.name] for planned in plan.runs if planned.name in summaries]
        if ordered and plan.axes:
            drawn = draw_map(plan.axes, ordered)
            png = save_map(drawn, plan.folder / MAP_FILE, title=plan.loaded.config.name)
            log_map(drawn, png, plan.folder / MAP_RUN, finished=len(ordered))
    return ordered, failed


def _write_sweep(plan: Plan, summaries: Mapping[str, RunSummary], folders: Mapping[str, str]) -> None:
    """Write `sweep.json`: all runs of the plan, those not finished yet with no more than their axes."""
    runs: list[dict[str, Any]] = []
    for planned in plan.runs:
        run = summaries.get(planned.name)
        axes = dict(planned.axes)
        if run is None:
            runs.append({"name": folders[planned.name], "axes": axes, "status": "missing"})
            continue
        found = {"verdict": run.verdict, "findings": list(run.findings), "scores": run.scores}
        runs.append({"name": run.name, "axes": axes, "status": run.status, **found})
    axes = {key: list(values) for key, values in plan.axes.items()}
    write_json(plan.folder / SWEEP_FILE, {"version": 1, "name": plan.loaded.config.name, "axes": axes, "runs": runs})
