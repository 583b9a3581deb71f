"""The stages of an intervention, so that choosing does not flatter what is chosen (the winner's curse).

All arms are *screened* on the sick run's own seed. The few that are worth it are *scored* on fresh seeds, and only
these seeds speak of effects. What is as good as the sane defaults is then *watched* on them, since a cure leaves no
error behind. Where no single change cures, pairs go the same way.
"""

from collections.abc import Sequence
from pathlib import Path

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.arms import RATE, Arm, unique
from gradvitals.experiments.intervention.catalogue import TENFOLD, list_arms, make_sane_defaults, rates_near
from gradvitals.experiments.intervention.choice import Choice
from gradvitals.experiments.intervention.evidence import Intervention, Tried
from gradvitals.experiments.intervention.trials import Laboratory, cost_of_scoring, fresh_seeds
from gradvitals.experiments.runner import Place

MOST_TRIED = 3
"""Single changes that are scored on fresh seeds to find a cure, and likewise pairs."""

FIRST = 2
"""Fresh seeds after which a change that has gained too little with each of them is tried no further."""

OUTCOMES = 0.75
"""Of the budget, what may be spent when what errors prescribe is tried although a cure is known."""

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
        lab.scored = cost_of_scoring(config, Place(Path(), lab.loaded.origin, lab.loaded.base_dir, {}))
        count = 1 if rows >= SCREENED_ROWS or slow else 2
        found.share = SCREENED_SHARE / 2.0 if slow else SCREENED_SHARE
        self.screening_seeds = (
            config.seed,
            *fresh_seeds(config.seed, len(found.seeds) + count - 1)[len(found.seeds) :],
        )

    def go(self) -> None:
        """Screen, score, watch: single changes first, and pairs where none of them cures.

        Where nothing stands against the run, only if the sane defaults, or what remarks prescribe, show that it could
        be better.
        """
        found = self.found
        sane = make_sane_defaults(self.config, self.dataset)
        found.sane = None if sane is None else Tried(sane)
        fixed = [found.control, *([found.sane] if found.sane else [])]
        self.score(fixed)
        if not found.standing and not found.is_harmed and (self.cure_of_remarks() or not found.is_harmed):
            return
        arms = [Tried(arm) for arm in unique(self.list_arms(found.standing), (each.arm for each in found.tried))]
        self.screen([*fixed, *arms])
        self.climb(arms)
        found.tried += arms
        choice = Choice(found, self.config, self.dataset, arms)
        if not found.is_harmed and not any(each.arm.prescribed_by or choice.helps(each) for each in arms):
            found.notes.append("no harm was seen, and no change of the config is known for what was found")
            return
        if not (
            self.cure_with(choice.promising(), pairs=1)
            or self.cure_unsure()
            or self.cure_with(self.screened_pairs(choice))
            or self.cure_unsure()
        ):
            self.watch_best()
        self.improve(choice)
        self.try_prescribed(arms)

    def list_arms(self, findings: Sequence[Finding]) -> tuple[Arm, ...]:
        """List what to try, these findings standing."""
        return list_arms(self.config, self.dataset, findings)

    def cure_of_remarks(self) -> bool:
        """Score what remarks prescribe, where nothing else stands, and watch it until something cures."""
        found = self.found
        tried = [Tried(arm) for arm in self.list_arms(found.remarks) if arm.prescribed_by]
        self.score(tried)
        found.tried += tried
        self.be_surer([each for each in (found.sane, *tried) if each is not None])
        return found.is_harmed and any(self.is_cure(each) for each in tried)

    def screened_pairs(self, choice: Choice) -> list[Tried]:
        """Screen as many pairs as can be paid for besides a cure; give them with what else has several keys."""
        share = self.lab.trained(self.found.control.arm, self.found.share)
        cost = len(self.screening_seeds) * share * self.lab.scored
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
            near = rates_near(self.config, self.dataset, best.arm, TENFOLD)
            new = [Tried(arm) for arm in unique(near, (each.arm for each in tried))]
            if not new or not self.is_affordable(scored=1, watched=1):
                return
            self.screen(new)
            tried += new
            if all(each.mean <= best.mean for each in new):
                return

    def score(self, tried: Sequence[Tried], seeds: Sequence[int] = ()) -> None:
        """Score arms on fresh seeds, on all of them unless given, where they were not yet."""
        by_arm = {each.arm: each for each in tried}
        wanted = [(each.arm, seed) for each in tried for seed in seeds or self.found.seeds if seed not in each.scores]
        for trial in self.lab.run(wanted):
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

    def watch_most(self, tried: Tried) -> None:
        """Watch an arm on most of the fresh seeds, and on the others where these do not agree."""
        self.watch(tried, self.found.seeds[: self.most])
        if not self.found.is_watched(tried):
            self.watch(tried, self.found.seeds)

    @property
    def most(self) -> int:
        """How many of the fresh seeds are most of them."""
        return len(self.found.seeds) // 2 + 1

    def cure_with(self, choice: Sequence[Tried], *, pairs: int = 0) -> bool:
        """Score the best of a choice on fresh seeds, the smallest changes first, until one cures.

        From the second on, as much as so many pairs cost is kept for them.
        """
        for count in range(MOST_TRIED):
            each = next(iter(Choice.worth_trying(self.found, choice)), None)  # chosen anew: the last one's trials tell
            if each is None or not self.affordable(scored=1, watched=1):
                break
            if count and not self.is_affordable(scored=1 + pairs, watched=1 + pairs):
                break
            self.score([each], self.found.seeds[:FIRST])
            if self.found.is_hopeless(each):
                continue
            self.score([each])
            if self.is_cure(each):
                return True
        return False

    def is_cure(self, tried: Tried) -> bool:
        """Watch what may cure by its scores, and tell whether it does.

        What leaves an error on the first seed is no cure on most of them.
        """
        if not self.found.may_cure(tried):
            return False
        self.watch(tried, self.found.seeds[:1])
        if self.found.fails(tried):
            return False
        self.watch_most(tried)
        return self.found.cures_all(tried)

    def cure_unsure(self) -> bool:
        """Try on more seeds what seems to cure, though the seeds so far do not make sure of it."""
        unsure = [each for each in self.found.tried if self.found.may_be_as_good(each)]
        unsure.sort(key=lambda each: (each.arm.size, -each.mean))
        return self.be_surer(unsure[:1]) and any(self.is_cure(each) for each in unsure[:1])

    def be_surer(self, tried: Sequence[Tried]) -> bool:
        """Score on as many fresh seeds again, with the control and the sane defaults, what is better but not surely."""
        found, more = self.found, len(self.found.seeds)
        unsure = [each for each in tried if found.is_unsure(each)]
        fixed = [each for each in (found.control, found.sane) if each is not None and each not in unsure]
        cost = more * self.lab.scored * (len(unsure) + len(fixed))
        if not unsure or found.more_seeds or self.lab.cost + cost + self.costs(watched=1) > self.budget:
            return False
        found.more_seeds = fresh_seeds(self.config.seed, 2 * more + 1)[more + 1 :]  # the one between is the screening's
        self.score([*fixed, *unsure], found.more_seeds)
        found.notes.append(f"{more} seeds left {unsure[0].arm.name} unsure: scored on {more} more")
        return True

    def improve(self, choice: Choice) -> None:
        """Put in the place of the cure what surely surpasses it: another rate, or a cause mended that it spares."""
        cure = self.found.cure
        if cure is None or not self.is_affordable(scored=1, watched=1):
            return
        better = choice.improvements(cure)
        self.screen([each for each in better if not each.screened])
        self.found.tried += [each for each in better if each not in self.found.tried]
        better = [each for each in better if each.mean_screened > cure.mean_screened]
        for each in sorted(better, key=lambda each: -each.mean_screened)[:1]:
            self.score([each])
            if self.found.surpasses(each, cure):
                self.is_cure(each)

    def watch_best(self) -> None:
        """Watch what tells most of the root where nothing cures."""
        best = Choice.most_telling(self.found)
        if best is not None and self.affordable(watched=1):
            self.score([best])
            self.watch_most(best)

    def try_prescribed(self, singles: Sequence[Tried]) -> None:
        """Try on fresh seeds what errors prescribe and was only screened, so that each has its outcome."""
        errors = {each.key for each in self.found.standing if each.severity is Severity.ERROR}
        prescribed = [each for each in singles if errors.intersection(each.arm.prescribed_by)]
        budget, seeds = OUTCOMES * self.budget, {*self.found.seeds}
        new = [each for each in prescribed if not each.scores.keys() >= seeds]
        paid = int((budget - self.lab.cost) / self.costs(scored=1))
        self.score(new[: max(paid, 0)])
        for each in prescribed:
            scored = each.scores.keys() >= seeds
            if scored and self.found.may_lift(each) and self.lab.cost + self.costs(watched=1) <= budget:
                self.watch_most(each)

    def costs(self, *, scored: int = 0, watched: int = 0) -> float:
        """Give what arms cost that are scored on the fresh seeds, and watched on most of them."""
        return len(self.found.seeds) * scored * self.lab.scored + self.most * watched

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
