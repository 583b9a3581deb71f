"""The stages of an intervention, so that choosing does not flatter what is chosen (the winner's curse).

All arms are *screened* on the sick run's own seed. The few that are worth it are *scored* on fresh seeds, and only
these seeds speak of effects. What is as good as the sane defaults is then *watched* on them, since a cure leaves no
error behind. Where no single change cures, pairs go the same way. From a cure it goes on to what surely surpasses it.
"""

from collections.abc import Callable, Sequence

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.arms import RATE, Arm, touches, unique
from gradvitals.experiments.intervention.catalogue import TENFOLD, list_arms, make_sane_defaults, rates_near
from gradvitals.experiments.intervention.choice import Choice
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.rounds import PROBED_BESIDES, Rounds
from gradvitals.experiments.intervention.trials import Laboratory
from gradvitals.experiments.intervention.tried import Tried

MOST_TRIED = 3
"""Single changes that are scored on fresh seeds to find a cure, and likewise pairs."""

FIRST = 2
"""Fresh seeds after which a change that has gained too little with each of them is tried no further."""

OUTCOMES = 0.75
"""Of the budget, what may be spent when what errors prescribe is tried although a cure is known."""

LEAST_PAIRS, MOST_PAIRS = 3, 10
"""Pairs that are screened, as many as the budget allows; ten are all of five changes."""

MOST_RUNGS = 4
"""Further steps of the learning rate, tenfold each, as long as they help."""

MOST_STEPS = 3
"""Times that something better is looked for beside the best so far."""

MOST_RIVALS = 2
"""Arms that are scored against the best so far, each time."""


class Search:
    """Looks for the smallest change that cures, and takes down what it has tried."""

    def __init__(self, lab: Laboratory, config: Config, dataset: Dataset, found: Intervention, budget: float) -> None:
        """Know the sick config.

        Args:
            lab: Where trainings are made.
            config: The sick one.
            dataset: Its data.
            found: Its run, judged; what is tried is added to it.
            budget: What everything may cost.
        """
        self.lab, self.config, self.dataset, self.found = lab, config, dataset, found
        self.rounds = Rounds(lab, config, dataset, found, budget)

    def go(self) -> None:
        """Screen, score, watch: single changes first, and pairs where none of them cures.

        Where nothing stands against the run, only if the sane defaults, or what remarks prescribe, show that it could
        be better.
        """
        found = self.found
        sane = make_sane_defaults(self.config, self.dataset)
        found.sane = None if sane is None else Tried(sane)
        fixed = [found.control, *([found.sane] if found.sane else [])]
        self.rounds.score(fixed)
        if not found.standing and not found.is_harmed and (self.cure_of_remarks() or not found.is_harmed):
            return
        arms = [Tried(arm) for arm in unique(self.list_arms(found.standing), (each.arm for each in found.tried))]
        self.rounds.screen([*fixed, *arms])
        self.climb(arms)
        found.tried += arms
        choice = Choice(found, self.config, self.dataset, arms)
        if not found.is_harmed and not any(each.arm.prescribed_by or choice.helps(each) for each in arms):
            found.notes.append("no harm was seen, and no change of the config is known for what was found")
            return
        if not (self.cure_with(choice.promising(), pairs=1) or self.cure_with_pairs(choice) or self.cure_unsure()):
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
        self.rounds.score(tried)
        found.tried += tried
        better = [each for each in (found.sane, *tried) if each is not None]
        while not found.is_harmed and self.rounds.be_surer(better, found.control):
            pass
        return found.is_harmed and any(self.is_cure(each) for each in tried)

    def cure_with_pairs(self, choice: Choice) -> bool:
        """Try the pairs that follow from trials; then the others, where none of these is level with the sane defaults.

        What is not, and yet gains enough, is come back to then; unless another rate of it may be. Last come other
        values of what works with some seeds only.
        """
        if self.cure_with(self.screened_pairs(choice, choice.followed), level=True):
            return True
        pairs = self.screened_pairs(choice, choice.pairs)
        if self.cure_with(pairs, pairs=0 if self.kept_pair() is None else 1):
            return True
        best = self.kept_pair()
        if best is not None and self.rounds.affordable(watched=1, of=best) and self.is_cure(best):
            return True
        return bool(choice.varied(1)) and self.cure_with(self.screened_pairs(choice, choice.varied))

    def kept_pair(self) -> Tried | None:
        """Give the best of what has several keys, may cure by its scores, and was not watched."""
        several = [each for each in self.found.tried if each.arm.keys > 1 and not each.trials]
        return max(filter(self.found.may_cure, several), key=lambda each: each.mean, default=None)

    def screened_pairs(self, choice: Choice, some: Callable[[int], list[Tried]]) -> list[Tried]:
        """Screen as many pairs as can be paid for besides a cure; give all so far, and what else has several keys."""
        paid = self.rounds.paid(self.screened_cost, scored=1, watched=1)
        pairs = some(min(paid, MOST_PAIRS)) if paid >= LEAST_PAIRS else []
        if paid < LEAST_PAIRS:
            self.rounds.take_down_the_end()
        if pairs:
            self.rounds.screen(pairs)
            self.climb(pairs)
            self.found.tried += pairs
        return choice.of_several_keys()

    @property
    def screened_cost(self) -> float:
        """What it costs at most to screen an arm."""
        share = self.lab.trained(self.found.control.arm, self.found.share)
        return len(self.rounds.screening_seeds) * share * self.rounds.scored()

    def climb(self, tried: list[Tried]) -> None:
        """Go on with the learning rate where the best change is one of it, tenfold or a tenth, as long as it helps."""
        for _ in range(MOST_RUNGS):
            rates = [each for each in tried if RATE in each.arm.changes and each.screened]
            best = max(rates, key=lambda each: each.mean, default=None)
            if best is None or best.mean <= self.found.control.mean:
                return
            near = rates_near(self.config, self.dataset, best.arm, TENFOLD)
            new = [Tried(arm) for arm in unique(near, (each.arm for each in tried))]
            if not new or self.rounds.paid(self.screened_cost, scored=1, watched=1) < len(new):
                return
            self.rounds.screen(new)
            tried += new
            if all(each.mean <= best.mean for each in new):
                return

    def cure_with(self, choice: Sequence[Tried], *, pairs: int = 0, level: bool = False) -> bool:
        """Score the best of a choice on fresh seeds, the smallest changes first, until one cures.

        Args:
            choice: Screened.
            pairs: From the second on, as much as so many pairs cost is kept for them.
            level: Whether to leave it at the first that is behind the sane defaults, is no part of them, and has no
                rate to go on with.
        """
        for count in range(MOST_TRIED):
            worth = Choice.worth_trying(self.found, choice)  # chosen anew: the last one's trials tell
            each = next(iter(self.rounds.payable(worth)), None)
            if each is None:
                break
            if count and not self.rounds.is_affordable(scored=1 + pairs, watched=1 + pairs, of=each):
                break
            self.rounds.score([each], self.found.seeds[:FIRST])
            if self.found.is_hopeless(each):
                continue
            if level and not self.found.is_level(each) and RATE not in each.keys and not self.is_of_defaults(each):
                break
            if count:  # the first one was likely, and yet failed: from now on the scores are looked at first
                self.rounds.score([each])
            else:
                self.score_or_watch(each)
            if self.is_cure(each) or (self.found.is_near(each) and self.is_cure_surely(each, pairs=pairs)):
                return True
        return False

    def is_of_defaults(self, tried: Tried) -> bool:
        """Tell whether the sane defaults change all keys that an arm changes."""
        sane = () if self.found.sane is None else self.found.sane.keys
        return all(any(touches(key, other) for other in sane) for key in tried.keys)

    def score_or_watch(self, tried: Tried) -> None:
        """Go on with an arm on the other seeds: watched where it is likely to cure by the first ones, else scored."""
        likely = self.found.may_cure(tried) and self.found.is_near(tried)
        if likely and not self.fails_at_once(tried):
            self.rounds.watch(tried, self.rounds.watched_seeds)
        self.rounds.score([tried])

    def is_cure(self, tried: Tried) -> bool:
        """Watch what may cure by its scores, and tell whether it does.

        What leaves an error on one seed is hardly a cure on most of them.
        """
        seeds = {*self.rounds.watched_seeds} - tried.trials.keys()
        missing = len(seeds) * self.lab.prices.watched(tried.arm.config)
        if not self.found.may_cure(tried) or missing > self.rounds.left or self.fails_at_once(tried):
            return False
        self.rounds.watch_most(tried)
        return self.found.cures_all(tried)

    def fails_at_once(self, tried: Tried) -> bool:
        """Watch an arm on one seed, and tell whether it leaves there what it must not."""
        self.rounds.watch(tried, self.rounds.watched_seeds[:1])
        return self.found.fails(tried)

    def is_cure_surely(self, tried: Tried, *, pairs: int = 0) -> bool:
        """Try on more seeds what would cure but for that the seeds so far do not make sure of it.

        As much as so many pairs cost is kept for them.
        """
        found = self.found
        affordable = self.rounds.is_affordable(scored=2 + pairs, watched=1 + pairs, of=tried)
        if not found.may_be_as_good(tried) or not affordable:
            return False
        if self.fails_at_once(tried):
            return False
        while found.may_be_as_good(tried) and self.rounds.be_surer([tried], found.control):
            pass
        return self.is_cure(tried)

    def cure_unsure(self) -> bool:
        """Try on more seeds what seems to cure of all that was tried, the smallest first."""
        unsure = [each for each in self.found.tried if self.found.may_be_as_good(each)]
        return any(self.is_cure_surely(each) for each in sorted(unsure, key=lambda each: (each.arm.size, -each.mean)))

    def improve(self, choice: Choice) -> None:
        """Go on from the cure, or from what comes nearest to one, as long as something surely surpasses it."""
        for _ in range(MOST_STEPS):
            best = self.found.cure or choice.nearest()
            if best is None:
                return
            self.rounds.score([best])
            if not self.is_surpassed(best, choice):
                return

    def is_surpassed(self, best: Tried, choice: Choice) -> bool:
        """Try what may surpass the best so far: another rate, or a cause mended that it spares."""
        if any(self.surpasses(each, best) for each in choice.pressing(best)[:MOST_RIVALS]):
            return True
        rivals = choice.improvements(best)
        paid = self.rounds.paid(self.rounds.scored(), scored=1, watched=1) - PROBED_BESIDES
        better = self.rounds.probe(best, rivals[:paid]) if paid > 0 and rivals else []
        self.take_down(rivals[: max(paid, 0)])
        return any(self.surpasses(each, best) for each in better[:MOST_RIVALS])

    def take_down(self, tried: Sequence[Tried]) -> None:
        """Keep what was tried, each once."""
        self.found.tried += [each for each in tried if each not in self.found.tried]

    def surpasses(self, rival: Tried, best: Tried) -> bool:
        """Score and watch a rival of the best so far, and tell whether it takes its place.

        What does not even lead on the first seeds is tried no further, unless it puts the program right.
        """
        found, rounds = self.found, self.rounds
        if not rounds.is_affordable(scored=1, watched=1, of=rival):
            return False
        self.take_down([rival])
        rounds.score([rival], found.seeds[:FIRST])
        first = found.compare(rival.scores, best.scores)
        if first is None or (first.mean <= 0.0 and not found.surpasses(rival, best)):
            return False
        if rounds.left < (len(found.seeds) - FIRST) * rounds.scored(rival) + rounds.costs(watched=1, of=rival):
            self.score_or_watch(rival)  # what is left does not pay for looking at the scores before it is watched
        rounds.score([rival])
        while rounds.be_surer([rival], best):
            pass
        return (found.surpasses(rival, best) or not found.cures(best)) and self.is_cure(rival)

    def watch_best(self) -> None:
        """Watch what tells most of the root where nothing cures."""
        best = Choice.most_telling(self.found)
        if best is not None and self.rounds.affordable(watched=1, of=best):
            self.rounds.score([best])
            self.rounds.watch_most(best)

    def try_prescribed(self, singles: Sequence[Tried]) -> None:
        """Try on fresh seeds what errors and roots prescribe and was only screened, so that each has its outcome."""
        rounds, seeds = self.rounds, {*self.found.seeds}
        of = (each for each in self.found.standing if each.severity is Severity.ERROR or each.explained_by is None)
        keys = {each.key for each in of}
        prescribed = [each for each in singles if keys.intersection(each.arm.prescribed_by)]
        budget = OUTCOMES * rounds.budget
        new = [each for each in prescribed if not each.scores.keys() >= seeds]
        paid = int((budget - self.lab.cost) / rounds.costs(scored=1))
        rounds.score(new[: max(paid, 0)])
        for each in prescribed:
            scored = each.scores.keys() >= seeds
            if scored and self.found.may_lift(each) and self.lab.cost + rounds.costs(watched=1, of=each) <= budget:
                rounds.watch_most(each)
