"""How arms are tried, from cheap to dear: screened, probed, scored, watched; and what may still be spent on it."""

from collections.abc import Sequence

from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.trials import Laboratory, fresh_seeds
from gradvitals.experiments.intervention.tried import Tried

SCREENED_SHARE = 0.5
"""Of the epochs that are trained to screen."""

SCREENED_ROWS = 200
"""Validation rows from which on one seed is enough to screen with; of fewer it takes two."""

MOST_PROBED_AGAIN = 2
"""Arms that are probed on a second seed, those that were best on the first."""

PROBED_BESIDES = 2 + MOST_PROBED_AGAIN
"""Trials that probing takes besides the first one of each rival: those of the best so far, and the second ones."""

MOST_BLOCKS = 2
"""Times that as many fresh seeds again are taken where those so far leave unsure what is plainly better."""


class Rounds:
    """Tries the arms of one intervention, takes down what they score, and counts what it costs."""

    def __init__(self, lab: Laboratory, config: Config, dataset: Dataset, found: Intervention, budget: float) -> None:
        """Know the sick config.

        Args:
            lab: Where trainings are made.
            config: The sick one.
            dataset: Its data.
            found: Its run, judged.
            budget: What everything may cost.
        """
        self.lab, self.config, self.found, self.budget = lab, config, found, budget
        rows = len(dataset.validation_inputs) or len(dataset.inputs)
        slow = config.training.gradient != "backprop"  # nothing is stacked then, and watching costs next to nothing
        found.share = SCREENED_SHARE / 2.0 if slow else SCREENED_SHARE
        found.screened = lab.trained(found.control.arm, found.share)
        self.probing_seeds = (config.seed, *self._fresh(len(found.seeds), 1))
        self.screening_seeds = self.probing_seeds[: 1 if rows >= SCREENED_ROWS or slow else 2]

    def _fresh(self, start: int, count: int) -> tuple[int, ...]:
        return fresh_seeds(self.config.seed, start + count)[start:]

    def screen(self, tried: Sequence[Tried]) -> None:
        """Score arms on the sick run's own seed, and those that help there on the others of the screening.

        Where not even the sane defaults help with that seed, though they do with others, all are scored on another one.
        """
        control = self.found.control
        chosen = list(tried)
        for seed in self.probing_seeds:
            if seed not in self.screening_seeds:
                break
            by_arm = {each.arm: each for each in chosen}
            for trial in self.lab.run([(arm, seed) for arm in by_arm], share=self.found.share):
                by_arm[trial.arm].screened[trial.seed] = trial.scores
            if self._tells_nothing(seed):
                self.screening_seeds = self.probing_seeds
            else:
                chosen = [each for each in chosen if each.arm.role != "change" or each.mean > control.mean_screened]
        for each in tried:
            each.screening = self.found.compare(each.screened, control.screened)

    def _tells_nothing(self, seed: int) -> bool:
        """Tell whether the sane defaults do not help with a seed, though they do with the fresh ones."""
        sane = self.found.sane
        if sane is None or sane.effect is None or not sane.effect.is_better:
            return False
        control = {key: scores for key, scores in self.found.control.screened.items() if key == seed}
        screening = self.found.compare(sane.screened, control)
        return screening is not None and screening.mean <= screening.row_se

    def probe(self, best: Tried, rivals: Sequence[Tried]) -> list[Tried]:
        """Train in full, on the screening's seeds, what may be better than the best so far.

        Screening stops early, which favours what is fast: that tells what helps, but not which of two cures is better.

        Returns:
            What is not behind by more than a standard error, the best of both seeds first.
        """
        chosen = list(rivals)
        for seed in self.probing_seeds:
            by_arm = {each.arm: each for each in (best, *chosen) if seed not in each.probed}
            for trial in self.lab.run([(arm, seed) for arm in by_arm]):
                by_arm[trial.arm].probed[trial.seed] = trial.scores
            ahead = [each for each in chosen if not self._is_behind(each, best)]
            chosen = sorted(ahead, key=lambda each: -each.mean_probed)[:MOST_PROBED_AGAIN]
        return chosen

    def _is_behind(self, rival: Tried, best: Tried) -> bool:
        effect = self.found.compare(rival.probed, best.probed)
        return effect is None or effect.mean < -effect.row_se

    def score(self, tried: Sequence[Tried], seeds: Sequence[int] = ()) -> None:
        """Score arms on fresh seeds, on all of them unless given, where they were not yet."""
        by_arm = {each.arm: each for each in tried}
        wanted = [(each.arm, seed) for each in tried for seed in seeds or self.found.seeds if seed not in each.scores]
        for trial in self.lab.run(wanted):
            by_arm[trial.arm].scores[trial.seed] = trial.scores
        self.take_effects(tried)

    def take_effects(self, tried: Sequence[Tried]) -> None:
        """Compare arms with the control and the sane defaults, on the seeds that both have."""
        sane = self.found.sane
        for each in tried:
            each.effect = self.found.compare(each.scores, self.found.control.scores)
            each.against_sane = None if sane is None or each is sane else self.found.compare(each.scores, sane.scores)

    def watch(self, tried: Tried, seeds: Sequence[int]) -> None:
        """Train an arm watched, on those of the fresh seeds on which it was not yet; it is scored by that, too."""
        wanted = [(tried.arm, seed) for seed in seeds if seed not in tried.trials]
        for trial in self.lab.run(wanted, watched=[tried.arm]):
            tried.trials[trial.seed] = trial
            tried.scores[trial.seed] = trial.scores
        self.take_effects([tried])

    def watch_most(self, tried: Tried) -> None:
        """Watch an arm on most of the fresh seeds, and on others until these cannot change what most say."""
        self.watch(tried, self.watched_seeds)
        for seed in self.found.seeds:
            if not self.found.is_watched(tried):
                self.watch(tried, (seed,))

    @property
    def watched_seeds(self) -> tuple[int, ...]:
        """Most of the fresh seeds, the last of them: on the first ones arms are scored, which tells which to watch."""
        return self.found.seeds[-self.most :]

    @property
    def most(self) -> int:
        """How many of the fresh seeds are most of them."""
        return len(self.found.seeds) // 2 + 1

    def be_surer(self, tried: Sequence[Tried], beside: Tried) -> bool:
        """Score on as many fresh seeds again what is better than another arm, but not surely, and that arm.

        Returns:
            Whether there was such an arm, and the budget for it.
        """
        found = self.found
        unsure = [each for each in tried if found.is_unsure(found.compare(each.scores, beside.scores))]
        seeds = self._further(unsure)
        arms = [*unsure, beside]
        cost = sum(self.scored(each) for each in arms for seed in seeds if seed not in each.scores)
        if not seeds or cost + self.costs(watched=1) > self.left:
            return False
        found.more_seeds = tuple(sorted({*found.more_seeds, *seeds}))
        self.score(arms, seeds)
        known = len(unsure[0].scores) - len(seeds)
        found.notes.append(f"{known} seeds left {unsure[0].arm.name} unsure: scored on {len(seeds)} more")
        return True

    def _further(self, unsure: Sequence[Tried]) -> tuple[int, ...]:
        """Give the first block of further seeds that not all of these have; none where they have all."""
        count = len(self.found.seeds)
        starts = (count + 1 + block * count for block in range(MOST_BLOCKS))  # the one between is the screening's
        blocks = (self._fresh(start, count) for start in starts)
        return next((block for block in blocks if any(not each.scores.keys() >= {*block} for each in unsure)), ())

    def scored(self, tried: Tried | None = None) -> float:
        """Give what one training costs that is only scored: of an arm, or of the sick config."""
        return self.lab.prices.scored((tried or self.found.control).arm.config)

    def costs(self, *, scored: int = 0, watched: int = 0, of: Tried | None = None) -> float:
        """Give what arms cost that are scored on the fresh seeds, and watched on most of them.

        Where an arm is both, it is scored on the others alone.

        Args:
            scored: Arms.
            watched: Arms.
            of: The first of them, where it is known; the others are taken to cost what the sick config does.
        """
        both = min(scored, watched)
        cost = (len(self.found.seeds) * scored - self.most * both) * self.scored() + self.most * watched
        if of is None:
            return cost
        return cost + (self.costs(scored=min(scored, 1), watched=min(watched, 1)) * (self._work(of) - 1.0))

    def _work(self, tried: Tried) -> float:
        """Give how many times what the sick config costs an arm does: smaller batches are more updates."""
        return max(self.scored(tried) / self.scored(), self.lab.prices.watched(tried.arm.config))

    @property
    def left(self) -> float:
        """What of the budget is left."""
        return self.budget - self.lab.cost

    def is_affordable(self, *, scored: int = 0, watched: int = 0, of: Tried | None = None) -> bool:
        """Tell whether more arms, on the fresh seeds, fit into the budget; see `costs`."""
        return self.costs(scored=scored, watched=watched, of=of) <= self.left

    def affordable(self, *, scored: int = 0, watched: int = 0, of: Tried | None = None) -> bool:
        """Tell the same, and take down that the search ends where they do not."""
        fits = self.is_affordable(scored=scored, watched=watched, of=of)
        if not fits:
            self.take_down_the_end()
        return fits

    def payable(self, tried: Sequence[Tried]) -> list[Tried]:
        """Give those arms that can be scored and watched; where none of them can, take down that the search ends."""
        fit = [each for each in tried if self.is_affordable(scored=1, watched=1, of=each)]
        if tried and not fit:
            self.take_down_the_end()
        return fit

    def take_down_the_end(self) -> None:
        """Take down that the search ends because more would cost too much."""
        self.found.stopped = True
        note = f"stopped: more trials would cost more than {self.budget:g} trainings"
        if note not in self.found.notes:
            self.found.notes.append(note)

    def paid(self, cost: float, *, scored: int = 0, watched: int = 0) -> int:
        """Give how many trials of a cost can be paid for besides arms that are scored and watched."""
        return max(int((self.left - self.costs(scored=scored, watched=watched)) / cost), 0)
