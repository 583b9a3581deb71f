"""Diagnosis by intervention: which change lifts the impairment, and what vanishes with it."""

from pathlib import Path

import numpy as np

from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.search import Search
from gradvitals.experiments.intervention.trials import Laboratory, fresh_seeds
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset


def intervene(lab: Laboratory, config: Config, dataset: Dataset, seeds: int, budget: float) -> Intervention:
    """Find the smallest change of a config that lifts its impairment.

    Args:
        lab: Where trainings are made.
        config: The sick one.
        dataset: Its data, by its own seed.
        seeds: How many fresh seeds.
        budget: What it may all cost, by the laboratory's prices. It is no time, so that what is found does not depend
            on the machine.

    Raises:
        UserError: If the sick config could not be run.
    """
    control = Arm(config, {}, "control")
    trials = lab.run([(control, config.seed)], watched=[control])
    if not trials:
        raise UserError(*lab.failures)
    (sick,) = trials
    lab.unit = lab.spent
    found = Intervention(sick, dataset.task, Tried(control), None, [], fresh_seeds(config.seed, seeds), lab.spent)
    found.same_rows = _same_rows(lab, config, dataset)
    checked = sick.checked
    if checked is not None and checked.exit is not Exit.NOT_JUDGED:
        lab.cost += lab.prices.choosing
        Search(lab, config, dataset, found, budget).go()
    found.spent, found.runs = lab.spent, lab.runs
    _set_unit(found)
    found.notes += lab.failures
    return found


def _same_rows(lab: Laboratory, config: Config, dataset: Dataset) -> bool:
    """Tell whether another seed validates on the same rows, as where the source fixes the split."""
    (seed,) = fresh_seeds(config.seed, 1)
    planned = PlannedRun(config.model_copy(update={"seed": seed}), {}, "other")
    other = load_dataset(planned, Place(Path(), lab.loaded.origin, lab.loaded.base_dir, {}))
    return np.array_equal(dataset.validation_inputs, other.validation_inputs)


def _set_unit(found: Intervention) -> None:
    """Take one run of what was cured for the unit of time where the sick run broke off before its end."""
    whole = [trial.seconds for each in found.tried if found.lifts(each) for trial in each.trials.values()]
    if found.sick.broke_off and whole:
        found.unit = max(found.unit, sum(whole) / len(whole))
        found.unit_text = "a whole run (the sick one broke off)"
