"""The stages of an intervention, so that choosing does not flatter what is chosen (the winner's curse).

All arms are *screened* on the sick run's own seed. The few that are worth it are *scored* on fresh seeds, and only
these seeds speak of effects. What is as good as the sane defaults is then *watched* on them, since a cure leaves no
error behind. Where no single change cures, pairs go the same way.
"""

from collections.abc import Sequence

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.arms import RATE, unique
from gradvitals.experiments.intervention.catalogue import faster_and_slower, list_arms, make_sane_defaults
from gradvitals.experiments.intervention.choice import Choice
from gradvitals.experiments.intervention.evidence import Intervention, Tried
from gradvitals.experiments.intervention.trials import SCORED, Laboratory, fresh_seeds

MOST_TRIED = 3
"""Single changes that are scored on fresh seeds to find a cure, and likewise pairs."""

LEAST_PAIRS, MOST_PAIRS = 3, 10
"""Pairs that are screened, as many as the budget allows; ten are all of five changes."""

SCREENED_SHARE = 0.5
"""Of the epochs that are trained to screen."""

MOST_RUNGS = 4
"""Further steps of the learning rate, tenfold each, as long as they help."""

SCREENED_ROWS = 200
"""Validation rows from which on one seed is enough to screen with; of fewer it takes two."""


class Search:
    """Looks for the smallest change that cures, and takes down what it has tried."""

    def __init__(self, lab: Laboratory, config: Config, dataset: Dataset, found: Intervention, budget: float) -> None:
        """Know the sick config.

        Args:
            lab: Where trainings are made.
            config: The sick one.
            dataset: Its data.
            found: Its run, judged; what is tried is added to it.
            budget: Watched trainings that everything may cost.
        """
        self.lab, self.config, self.dataset, self.found, self.budget = lab, config, dataset, found, budget
        rows = len(dataset.validation_inputs) or len(dataset.inputs)
        slow = config.training.gradient != "backprop"  # nothing is stacked then, and watching costs next to nothing
        lab.scored = 1.0 if slow else SCORED
        count = 1 if rows >= SCREENED_ROWS or slow else 2
        found.share = SCREENED_SHARE / 2.0 if slow else SCREENED_SHARE
        self.screening_seeds = (
            config.seed,
            *fresh_seeds(config.seed, len(found.seeds) + count - 1)[len(found.seeds) :],
        )

    def go(self) -> None:
        """Screen, score, watch: single changes first, and pairs where none of them cures.

        Where nothing stands against the run, only if the sane defaults show that it could be better.
        """
        found = self.found
        sane = make_sane_defaults(self.config, self.dataset)
        found.sane = None if sane is None else Tried(sane)
        fixed = [found.control, *([found.sane] if found.sane else [])]
        self.score(fixed)
        if not found.standing and not found.is_harmed:
            return
        arms = [Tried(arm) for arm in list_arms(self.config, self.dataset, found.standing)]
        self.screen([*fixed, *arms])
        self.climb(arms)
        found.tried += arms
        choice = Choice(found, self.config, self.dataset, arms)
        if not found.is_harmed and not any(each.arm.prescribed_by or choice.helps(each) for each in arms):
            found.notes.append("no harm was seen, and no change of the config is known for what was found")
            return
        if not self.cure_with(choice.promising()) and not self.cure_with(self.screened_pairs(choice)):
            self.watch_best()
        self.try_prescribed(arms)

    def screened_pairs(self, choice: Choice) -> list[Tried]:
        """Screen as many pairs as can be paid for besides a cure; give them with what else has several keys."""
        cost = len(self.screening_seeds) * self.found.share * self.lab.scored
        paid = int((self.budget - self.lab.cost - self.costs(scored=1, watched=1)) / cost)
        pairs = choice.pairs(min(paid, MOST_PAIRS)) if paid >= LEAST_PAIRS else []
        if pairs:
            self.screen(pairs)
            self.climb(pairs)
            self.found.tried += pairs
        return [*choice.of_several_keys(), *pairs]

    def screen(self, tried: Sequence[Tried]) -> None:
        """Score arms on the sick run's own seed, and those that help there on the others of the screening."""
        control = self.found.control
        chosen = list(tried)
        for seed in self.screening_seeds:
            by_arm = {each.arm: each for each in chosen}
            for trial in self.lab.run([(arm, seed) for arm in by_arm], share=self.found.share):
                by_arm[trial.arm].screened[trial.seed] = trial.scores
            chosen = [each for each in chosen if each.arm.role != "change" or each.mean > control.mean_screened]
        for each in tried:
            each.screening = self.found.compare(each.screened, control.screened)

    def climb(self, tried: list[Tried]) -> None:
        """Go on with the learning rate where the best change is one of it, tenfold or a tenth, as long as it helps."""
        for _ in range(MOST_RUNGS):
            rates = [each for each in tried if RATE in each.arm.changes and each.screened]
            best = max(rates, key=lambda each: each.mean, default=None)
            if best is None or best.mean <= self.found.control.mean:
                return
            near = faster_and_slower(self.config, self.dataset, best.arm)
            new = [Tried(arm) for arm in unique(near, (each.arm for each in tried))]
            if not new or not self.is_affordable(scored=1, watched=1):
                return
            self.screen(new)
            tried += new
            if all(each.mean <= best.mean for each in new):
                return

    def score(self, tried: Sequence[Tried]) -> None:
        """Score arms on the fresh seeds."""
        by_arm = {each.arm: each for each in tried}
        for trial in self.lab.run([(arm, seed) for arm in by_arm for seed in self.found.seeds]):
            by_arm[trial.arm].scores[trial.seed] = trial.scores
        sane = self.found.sane
        for each in tried:
            each.effect = self.found.compare(each.scores, self.found.control.scores)
            each.against_sane = None if sane is None or each is sane else self.found.compare(each.scores, sane.scores)

    def watch(self, tried: Tried, seeds: Sequence[int]) -> None:
        """Train an arm watched, on those of the fresh seeds on which it was not yet."""
        wanted = [(tried.arm, seed) for seed in seeds if seed not in tried.trials]
        for trial in self.lab.run(wanted, watched=[tried.arm]):
            tried.trials[trial.seed] = trial

    def cure_with(self, choice: Sequence[Tried]) -> bool:
        """Score the best of a choice on fresh seeds, the smallest changes first; watch what may cure until one does.

        What leaves an error on the first seed is no cure on most of them, so the next one's turn comes.
        """
        for _ in range(MOST_TRIED):
            each = next(iter(Choice.worth_trying(self.found, choice)), None)  # chosen anew: the last one's trials tell
            if each is None or not self.affordable(scored=1, watched=1):
                break
            self.score([each])
            if not self.found.may_cure(each):
                continue
            self.watch(each, self.found.seeds[:1])
            if self.found.fails(each):
                continue
            self.watch(each, self.found.seeds)
            if self.found.cures_all(each):
                return True
        return False

    def watch_best(self) -> None:
        """Watch what may cure in part, the smallest first, or else the best of what helps: it tells the root."""
        better = [each for each in self.found.tried if each.effect is not None and each.effect.is_better]
        partly = [each for each in better if self.found.may_cure(each) and not self.found.errors_left(each)]
        better.sort(key=lambda each: -each.mean)
        for each in (*sorted(partly, key=lambda each: (each.arm.size, -each.mean)), *better)[:1]:
            if self.affordable(watched=1):
                self.watch(each, self.found.seeds)

    def try_prescribed(self, singles: Sequence[Tried]) -> None:
        """Try on fresh seeds what errors prescribe and was only screened, so that each has its outcome."""
        errors = {each.key for each in self.found.standing if each.severity is Severity.ERROR}
        for each in singles:
            if not errors.intersection(each.arm.prescribed_by):
                continue
            if each.effect is None and self.is_affordable(scored=1):
                self.score([each])
            if self.found.may_lift(each) and self.is_affordable(watched=1):
                self.watch(each, self.found.seeds)

    def costs(self, *, scored: int = 0, watched: int = 0) -> float:
        """Give what arms cost on the fresh seeds."""
        return len(self.found.seeds) * (scored * self.lab.scored + watched)

    def is_affordable(self, *, scored: int = 0, watched: int = 0) -> bool:
        """Tell whether more arms, on the fresh seeds, fit into the budget."""
        return self.lab.cost + self.costs(scored=scored, watched=watched) <= self.budget

    def affordable(self, *, scored: int = 0, watched: int = 0) -> bool:
        """Tell the same, and take down that the search ends where they do not."""
        fits = self.is_affordable(scored=scored, watched=watched)
        note = f"stopped: more trials would cost more than {self.budget:g} trainings"
        if not fits and note not in self.found.notes:
            self.found.notes.append(note)
        return fits
