"""`--confirm`: the root of a checked run by intervention, and its verdict revised accordingly."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.intervention.as_json import to_json
from gradvitals.experiments.intervention.conclusion import conclude
from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.intervene import intervene
from gradvitals.experiments.intervention.prices import prices_of
from gradvitals.experiments.intervention.show import how_lines, intervention_lines
from gradvitals.experiments.intervention.trials import Laboratory
from gradvitals.experiments.plan import expand
from gradvitals.experiments.runner import Place, load_dataset

BUDGET = 20.0
"""Trainings of the sick config, watched, that an intervention may cost."""


def try_on(
    loaded: LoadedConfig,
    seeds: int,
    workers: int,
    *,
    folder: Path | None = None,
    pin: bool = True,
    told: Callable[[int], None] | None = None,
) -> Intervention:
    """Intervene on a config of one run.

    Args:
        loaded: The config, without a sweep.
        seeds: Fresh seeds.
        workers: Processes.
        folder: Where the judged runs stay; a temporary one unless given.
        pin: Whether each process keeps to a core.
        told: Is called with the number of trainings made, whenever one ends.

    Raises:
        UserError: If it does not fit its data.
    """
    config = expand(loaded.config, origin=loaded.origin)[0]
    place = Place(Path(), loaded.origin, loaded.base_dir, {})
    dataset = load_dataset(config, place)
    check_fit(config.config, dataset, origin=loaded.origin)
    with tempfile.TemporaryDirectory(prefix="gradvitals-") as scratch:
        prices = prices_of(config.config, dataset, place)
        lab = Laboratory(loaded, folder or Path(scratch), prices, workers, pin, told=told)
        return intervene(lab, config.config, dataset, seeds, BUDGET)


def confirm_run(run: CheckedRun, loaded: LoadedConfig, seeds: int | None, workers: int, *, pin: bool) -> CheckedRun:
    """Find the root of what fails a run by intervention; a run that does not fail stays as it is.

    Args:
        run: Judged, with a config of its own.
        loaded: What its config was loaded from.
        seeds: Fresh seeds; five unless given.
        workers: Processes.
        pin: Whether each keeps to a core.
    """
    if run.config is None or not run.failing:
        return run
    own = replace(loaded, config=run.config)
    found = try_on(own, seeds or ENOUGH_SEEDS, workers, pin=pin)
    concluded = conclude(found, run.verdict)
    notes = (*run.notes, *intervention_lines(found, concluded), *how_lines(found))
    return replace(run, verdict=concluded.verdict, notes=notes, intervention=to_json(found, concluded))
