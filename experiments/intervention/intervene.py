"""Diagnosis by intervention: which change lifts the impairment, and what vanishes with it.

In stages, so that choosing does not flatter what is chosen (the winner's curse): all arms are *screened* on the sick
run's own seed; the few that are worth it are *tried* on fresh seeds, and only these seeds speak of effects.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.intervention.arms import (
    CUSTOMARY_RATES,
    RATE,
    Arm,
    combine,
    faster_and_slower,
    list_arms,
    make_sane_defaults,
    touches,
    unique,
)
from gradvitals.experiments.intervention.effects import SURE, Effect, compare_arms
from gradvitals.experiments.intervention.evidence import RECOVERED, Intervention, Tried
from gradvitals.experiments.intervention.trials import SCORED, Laboratory, fresh_seeds
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

MOST_TRIED = 3
"""Single changes that are tried on fresh seeds, and likewise pairs."""

MOST_PAIRS = 10
"""All pairs of five changes."""

SCREENED_SHARE = 0.5
"""Of the epochs that are trained to screen."""

LIKELY = 2.0
"""Standard errors of the screening by which a single change must help to be tried before there are pairs."""

MOST_RUNGS = 4
"""Further steps of the learning rate, tenfold each, as long as they help."""

SCREENED_ROWS = 200
"""Validation rows from which on one seed is enough to screen with; of fewer it takes two."""


def intervene(lab: Laboratory, config: Config, dataset: Dataset, seeds: int, budget: float) -> Intervention:
    """Find the smallest change of a config that lifts its impairment.

    Args:
        lab: Where trainings are made.
        config: The sick one.
        dataset: Its data, by its own seed.
        seeds: How many fresh seeds.
        budget: Watched trainings that it may all cost; one that is only scored counts as `SCORED`. It is no time, so
            that what is found does not depend on the machine.

    Raises:
        UserError: If the sick config could not be run.
    """
    lab.rows = len(dataset.inputs)
    control = Arm(config, {}, "control")
    trials = lab.run([(control, config.seed)], watched=[control])
    if not trials:
        raise UserError(*lab.failures)
    (sick,) = trials
    lab.unit = lab.spent
    found = Intervention(sick, dataset.task, Tried(control), None, [], fresh_seeds(config.seed, seeds), lab.spent)
    found.same_rows = _same_rows(lab, config, dataset)
    checked = sick.checked
    if checked is not None and found.standing and checked.exit is not Exit.NOT_JUDGED:
        _Search(lab, config, dataset, found, budget).go()
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


class _Search:
    """The stages of an intervention."""

    def __init__(self, lab: Laboratory, config: Config, dataset: Dataset, found: Intervention, budget: float) -> None:
        self.lab, self.config, self.dataset, self.found, self.budget = lab, config, dataset, found, budget
        rows = len(dataset.validation_inputs) or len(dataset.inputs)
        slow = config.training.gradient != "backprop"  # nothing is stacked then, and watching costs next to nothing
        lab.scored = 1.0 if slow else SCORED
        count = 1 if rows >= SCREENED_ROWS or slow else 2
        self.arms: list[Arm] = []
        found.share = SCREENED_SHARE / 2.0 if slow else SCREENED_SHARE
        self.screening_seeds = (
            config.seed,
            *fresh_seeds(config.seed, len(found.seeds) + count - 1)[len(found.seeds) :],
        )

    def go(self) -> None:
        """Screen, try; where no single change cures, screen and try pairs."""
        found = self.found
        sane = make_sane_defaults(self.config, self.dataset)
        found.sane = None if sane is None else Tried(sane)
        arms = [Tried(arm) for arm in list_arms(self.config, self.dataset, found.standing)]
        self.screen([found.control, *([found.sane] if found.sane else []), *arms])
        self.climb(arms)
        found.tried += arms
        self.try_fresh([found.control, *([found.sane] if found.sane else [])], watched=False)
        self.arms = [each.arm for each in arms]
        if not found.is_harmed and not any(each.arm.prescribed_by or self.helps(each) for each in arms):
            found.notes.append("no harm was seen, and no change of the config is known for what was found")
            return
        singles = [each for each in arms if each.arm.keys == 1]
        others = [each for each in arms if each.arm.keys > 1]
        if self.try_best([*filter(self.promises_enough, singles)]) or self.try_pairs(singles, others):
            self.try_prescribed(arms)

    def try_pairs(self, singles: Sequence[Tried], known: Sequence[Tried]) -> bool:
        """Screen pairs, and try the best of them and of those that belong together."""
        pairs = self.pairs(singles)
        if pairs and self.affordable(len(pairs) * len(self.screening_seeds) * self.found.share * self.lab.scored):
            self.screen(pairs)
            self.climb(pairs)
            self.found.tried += pairs
        tried = any(each.effect is not None for each in singles)
        return self.try_best([*([] if tried else filter(self.helps, singles)), *known, *pairs])

    def promises_enough(self, tried: Tried) -> bool:
        """Tell whether a change may cure alone: it helps in the screening, and may gain what the sane defaults do."""
        sane, screening = self.found.sane, tried.screening
        if sane is None or sane.effect is None or screening is None or not sane.effect.is_better:
            return True
        return self.helps(tried) and screening.mean + SURE * screening.se >= RECOVERED * sane.effect.mean

    def helps(self, tried: Tried) -> bool:
        """Tell whether a change helps in the screening, and can be what the provisional root is about.

        Where nothing is impaired, that must vanish; what it prescribes is of the key that has to change.
        """
        root = next((each.key for each in self.found.standing if each.explained_by is None), "")
        keys = {key for arm in self.arms if root in arm.prescribed_by for key in arm.changes}
        if not self.found.is_impaired and keys and not any(touches(a, b) for a in keys for b in tried.arm.changes):
            return False
        return tried.screening is not None and tried.screening.mean > LIKELY * tried.screening.se

    def try_prescribed(self, singles: Sequence[Tried]) -> None:
        """Try on fresh seeds what errors prescribe and was only screened, so that each has its outcome."""
        errors = {each.key for each in self.found.standing if each.severity is Severity.ERROR}
        for each in singles:
            if each.effect is not None or not errors.intersection(each.arm.prescribed_by):
                continue
            helps = each.screening is not None and each.screening.is_better  # else its score alone refutes it
            if self.lab.cost + len(self.found.seeds) * (1.0 if helps else self.lab.scored) <= self.budget:
                self.try_fresh([each], watched=helps)

    def screen(self, tried: Sequence[Tried]) -> None:
        """Score arms on the screening's seeds."""
        by_arm = {each.arm: each for each in tried}
        wanted = [(arm, seed) for arm in by_arm for seed in self.screening_seeds]
        for trial in self.lab.run(wanted, share=self.found.share):
            by_arm[trial.arm].screened[trial.seed] = trial.scores
        for each in tried:
            each.screening = self.compare(each.screened, self.found.control.screened)

    def climb(self, tried: list[Tried]) -> None:
        """Go on with the learning rate where the best change is one of it, tenfold or a tenth, as long as it helps."""
        for _ in range(MOST_RUNGS):
            rates = [each for each in tried if RATE in each.arm.changes and each.screened]
            best = max(rates, key=lambda each: each.mean, default=None)
            if best is None or best.mean <= self.found.control.mean:
                return
            near = faster_and_slower(self.config, self.dataset, best.arm)
            new = [Tried(arm) for arm in unique(near, (each.arm for each in tried))]
            if not new:
                return
            self.screen(new)
            tried += new
            if all(each.mean <= best.mean for each in new):
                return

    def try_best(self, choice: Sequence[Tried]) -> bool:
        """Try the best of a choice on fresh seeds, the smallest changes first, until one cures."""
        for each in [each for each in self.worth_trying(choice) if each.effect is None][:MOST_TRIED]:
            if not self.affordable(len(self.found.seeds)):
                return False
            self.try_fresh([each], watched=True)
            if self.found.lifts(each) or (each.effect is not None and each.effect.is_better):
                return self.found.cures(each)  # the others, within 3 SE of it, would not cure either
        return False

    def worth_trying(self, choice: Sequence[Tried]) -> list[Tried]:
        """Order what screening leaves: better than the control by 1 SE, within 3 SE of the best, the smallest first.

        Of what nobody calls impaired, also what findings prescribe, which may make them vanish and change no score.
        """
        able = [each for each in choice if each.screened and not all(score.broken for score in each.screened.values())]
        better = [each for each in able if each.screening is not None and each.screening.mean > each.screening.se]
        if self.found.is_impaired:
            return self.near_best(better)
        better = [each for each in better if self.helps(each)]
        return list(dict.fromkeys([*self.near_best(better), *self.near_best([e for e in able if e.arm.prescribed_by])]))

    def near_best(self, choice: Sequence[Tried]) -> list[Tried]:
        """Give those within 3 SE of the best, the smallest first, then in the order of the findings that prescribe."""
        best = max(choice, key=lambda each: each.mean, default=None)
        if best is None:
            return []
        near = [each for each in choice if not _is_worse(self.compare(each.screened, best.screened))]
        provisional = [finding.key for finding in self.found.standing]
        return sorted(near, key=lambda each: (each.arm.size, _rank(each.arm, provisional), -each.mean))

    def try_fresh(self, tried: Sequence[Tried], *, watched: bool) -> None:
        """Train arms on the fresh seeds."""
        by_arm = {each.arm: each for each in tried}
        wanted = [(arm, seed) for arm in by_arm for seed in self.found.seeds]
        for trial in self.lab.run(wanted, watched=list(by_arm) if watched else ()):
            by_arm[trial.arm].scores[trial.seed] = trial.scores
            if watched:
                by_arm[trial.arm].trials[trial.seed] = trial
        sane = self.found.sane
        for each in tried:
            each.effect = self.compare(each.scores, self.found.control.scores)
            each.against_sane = None if sane is None or each is sane else self.compare(each.scores, sane.scores)

    def pairs(self, singles: Sequence[Tried]) -> list[Tried]:
        """Pair the likeliest changes: what helps alone, what the sane defaults change, what findings prescribe.

        Of two faults, each may hide what mending the other does; the screening then says nothing of either.
        """
        best: dict[tuple[str, ...], Tried] = {}
        for each in sorted((each for each in singles if each.screened), key=self.likelihood):
            best.setdefault(tuple(sorted(each.arm.changes)), each)
        likely = list(best.values())
        ranked = [(rank, other) for rank in range(len(likely)) for other in range(rank)]
        pairs = [
            pair
            for rank, other in ranked
            if (pair := combine(likely[other].arm, likely[rank].arm, self.config, self.dataset)) is not None
        ]
        return [Tried(arm) for arm in unique(pairs, (each.arm for each in self.found.tried))[:MOST_PAIRS]]

    def likelihood(self, tried: Tried) -> tuple[bool, float, bool, bool, tuple[int, int]]:
        """Order single changes, the likeliest to be half of a cure first."""
        sane = {} if self.found.sane is None else self.found.sane.arm.changes
        helps = tried.screening is not None and tried.screening.is_better
        is_sane = any(touches(key, other) for key in tried.arm.changes for other in sane)
        usual = (
            tried.arm.config.training.optimizer.learning_rate
            in CUSTOMARY_RATES[tried.arm.config.training.optimizer.kind]
            or RATE not in tried.arm.changes
        )
        return (
            not helps,
            -tried.mean if helps else 0.0,
            not usual,
            not (is_sane or tried.arm.prescribed_by),
            tried.arm.size,
        )

    def affordable(self, cost: float) -> bool:
        """Tell whether more trainings fit into the budget."""
        fits = self.lab.cost + cost <= self.budget
        note = f"stopped: more trials would cost more than {self.budget:g} trainings"
        if not fits and note not in self.found.notes:
            self.found.notes.append(note)
        return fits

    def compare(self, one: dict[int, RowScores], other: dict[int, RowScores]) -> Effect | None:
        return compare_arms(one, other, same_rows=self.found.same_rows)


def _is_worse(effect: Effect | None) -> bool:
    return effect is not None and effect.is_worse


def _rank(arm: Arm, provisional: Sequence[str]) -> int:
    """Give the place of the first finding, in the provisional order, that prescribes an arm."""
    return min((provisional.index(key) for key in arm.prescribed_by if key in provisional), default=len(provisional))
