"""Which of the arms screened are worth training on fresh seeds, and in which order."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.roots import RATES
from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.arms import RATE, Arm, combine, make_arm, touches, unique
from gradvitals.experiments.intervention.catalogue import CUSTOMARY_RATES, LOWER, rates_besides, rates_near
from gradvitals.experiments.intervention.effects import SURE
from gradvitals.experiments.intervention.evidence import BY_NATURE, RECOVERED, Intervention
from gradvitals.experiments.intervention.tried import Tried

LIKELY = 2.0
"""Standard errors of the rows by which a single change must help in the screening to be tried before there are pairs.

Not of the seeds: two say nothing of their spread, and where the sick run itself is now good, now bad, they differ much.
"""

MOST_DEFAULTS = 4
"""Changes of the sane defaults up to which all their pairs are screened: where these cure, a part of them may."""

MOST_FOLLOWED = 4
"""Pairs of a change that helps with what is prescribed for what it leaves; the other pairs come after them."""

MOST_SPARED = 3
"""Changes that are tried on top of one that spares what prescribes them."""

HOW_LONG_STEPS_ARE = "update_ratio"
"""It tells, and not why: of what made them so it prescribes nothing."""


class Choice:
    """Chooses among the arms of an intervention by what is known of them so far."""

    def __init__(self, found: Intervention, config: Config, dataset: Dataset, arms: Sequence[Tried]) -> None:
        """Know the arms.

        Args:
            found: What is known.
            config: The sick one.
            dataset: Its data.
            arms: Those screened first: of one key, and what needs a second to be valid.
        """
        self.found, self.config, self.dataset, self.arms = found, config, dataset, arms

    @property
    def singles(self) -> list[Tried]:
        """Changes of one key."""
        return [each for each in self.arms if each.arm.keys == 1]

    def promising(self) -> list[Tried]:
        """Give the single changes that may cure alone: they help, and may gain what the sane defaults do."""
        return [each for each in self.singles if self._promises_enough(each)]

    def of_several_keys(self) -> list[Tried]:
        """Give what was screened and has several keys, and single changes where none of these was scored."""
        scored = any(each.effect is not None for each in self.singles)
        return [
            *([] if scored else filter(self.helps, self.singles)),
            *(each for each in self.found.tried if each.arm.keys > 1),
        ]

    def _promises_enough(self, tried: Tried) -> bool:
        sane, screening = self.found.sane, tried.screening
        if sane is None or sane.effect is None or screening is None or not sane.effect.is_better:
            return True
        return self.helps(tried) and screening.mean + SURE * screening.se >= RECOVERED * sane.effect.mean

    def helps(self, tried: Tried) -> bool:
        """Tell whether a change helps in the screening, and can be what the provisional root is about.

        Where there is no harm, that must vanish; what it prescribes is of the key that has to change.
        """
        root = next((each.key for each in self.found.standing if each.explained_by is None), "")
        keys = {key for each in self.arms if root in each.arm.prescribed_by for key in each.arm.changes}
        if not self.found.is_harmed and keys and not any(touches(a, b) for a in keys for b in tried.arm.changes):
            return tried.screening is not None and tried.screening.is_better
        return tried.screening is not None and tried.screening.mean > LIKELY * tried.screening.row_se

    @staticmethod
    def worth_trying(found: Intervention, choice: Sequence[Tried]) -> list[Tried]:
        """Order what screening leaves: better than the control by 1 SE of the rows, near the best, the smallest first.

        Of what is not harmed, also what findings prescribe, which may make them vanish and change no score.
        """
        new = [each for each in choice if each.effect is None and not _is_refuted(found, each)]
        able = [each for each in new if each.screened and not all(score.broken for score in each.screened.values())]
        better = [each for each in able if each.screening is not None and each.screening.mean > each.screening.row_se]
        if found.is_harmed:
            return _near_best(found, better)
        prescribed = [each for each in able if each.arm.prescribed_by]
        return list(dict.fromkeys([*_near_best(found, better), *_near_best(found, prescribed)]))

    @staticmethod
    def most_telling(found: Intervention) -> Tried | None:
        """Give the smallest change that may cure in part, or else the best of what helps; None where nothing does."""
        better = [each for each in found.tried if each.effect is not None and each.effect.is_better]
        partly = [each for each in better if found.may_cure(each) and not found.errors_left(each)]
        if partly:
            return min(partly, key=lambda each: (each.arm.size, -each.mean))
        return max(better, key=lambda each: each.mean, default=None)

    def followed(self, count: int) -> list[Tried]:
        """Pair what was watched with what is prescribed for what it leaves, and two each of what is known to help."""
        pairs = [*self._followed(), *self._of_defaults()]
        return [Tried(arm) for arm in unique(pairs, (each.arm for each in self.found.tried))[:count]]

    def pairs(self, count: int) -> list[Tried]:
        """Pair what helps with what is prescribed for what it leaves; the changes of the sane defaults; the likeliest.

        The likeliest are what helps alone, what the sane defaults change, and what findings prescribe: of two faults,
        each may hide what mending the other does; the screening then says nothing of either.
        """
        best: dict[tuple[str, ...], Tried] = {}
        for each in sorted((each for each in self.singles if each.screened), key=self._likelihood):
            best.setdefault(tuple(sorted(each.arm.changes)), each)
        likely = list(best.values())
        ranked = [(rank, other) for rank in range(len(likely)) for other in range(rank)]
        combined = [combine(likely[other].arm, likely[rank].arm, self.config, self.dataset) for rank, other in ranked]
        likeliest = (pair for pair in combined if pair is not None)
        pairs = [*self._followed(), *self._of_defaults(), *likeliest]
        return [Tried(arm) for arm in unique(pairs, (each.arm for each in self.found.tried))[:count]]

    def varied(self, count: int) -> list[Tried]:
        """Give what has several keys, and works with some seeds only, with another value of one: other weights, say."""
        split = [each for each in self.found.tried if each.arm.keys > 1 and each.is_split]
        better = [each for each in split if each.effect is not None and each.effect.mean > 0.0]
        both = [(each, other) for each in better for other in self.singles if other.keys <= each.keys]
        made = (make_arm(self.config, {**each.arm.changes, **other.arm.changes}, self.dataset) for each, other in both)
        pairs = (arm for arm in made if arm is not None)
        return [Tried(arm) for arm in unique(pairs, (each.arm for each in self.found.tried))[:count]]

    def nearest(self) -> Tried | None:
        """Give what comes nearest to a cure: the best of what lifts the impairment, or else of what helps."""
        better = [each for each in self.found.tried if each.effect is not None and each.effect.is_better]
        lifting = [each for each in better if self.found.lifts(each)]
        return max(lifting or better, key=lambda each: each.mean, default=None)

    def improvements(self, best: Tried) -> list[Tried]:
        """Give what may surpass the best so far: where it has one key, with what it spares; and its own rate changed.

        What cures a single fault leaves nothing of this that is surely better; a second fault may hide behind it. A
        rate that made up for that fault is too high once it is mended. What leaves the rate as it is, and is behind the
        sane defaults, is tried with others.
        """
        spared = self._with_cures(best, self._spared(best))[:MOST_SPARED] if best.arm.keys == 1 else []
        made_up = spared if RATE in best.keys else []
        lower = [arm for each in made_up for arm in rates_near(self.config, self.dataset, each, LOWER)]
        besides = [] if self.found.is_near(best) else rates_besides(self.config, self.dataset, best.arm)
        return self._untried([*spared, *lower, *rates_near(self.config, self.dataset, best.arm), *besides])

    def pressing(self, best: Tried) -> list[Tried]:
        """Give the same of what a change of one key leaves, at its own rate.

        That is what stands in some seeds as a warning or an error, and a fault of the program, be it but a remark.
        """
        if best.arm.keys > 1:
            return []
        left = {each.key: each for each in (*self.found.program_left(best), *self.found.left_in_some(best))}
        return self._untried(self._with_cures(best, left.values()))

    def _untried(self, arms: Iterable[Arm]) -> list[Tried]:
        """Give what was not yet tried on fresh seeds, with what else is known of it."""
        known = {training_hash(each.arm.config): each for each in self.found.tried}
        tried = [known.get(training_hash(arm.config)) or Tried(arm) for arm in unique(arms, ())]
        return [each for each in tried if each.effect is None]

    def _spared(self, best: Tried) -> list[Finding]:
        """Give the causes that a change leaves, also as remarks, and those that it made bearable."""
        left = [each for each in self.found.left(best, Severity.INFO) if each.id in (*BY_NATURE, *RATES)]
        causes = [each for each in self.found.standing if each.id in BY_NATURE]
        return left + [each for each in causes if not any(touches(a, b) for a in best.keys for b in _keys(each))]

    def _with_cures(self, tried: Tried, findings: Iterable[Finding]) -> list[Arm]:
        """Give a change with what findings prescribe besides it."""
        cures = [cure.set for each in findings for cure in each.prescriptions if cure.set]
        spare = [cure for cure in cures if not any(touches(one, other) for one in cure for other in tried.keys)]
        by = tried.arm.prescribed_by
        arms = (make_arm(self.config, {**tried.arm.changes, **cure}, self.dataset, prescribed_by=by) for cure in spare)
        return [arm for arm in arms if arm is not None]

    def _followed(self) -> list[Arm]:
        """Give the changes that were watched, with what their own findings prescribe."""
        watched = sorted((each for each in self.singles if each.trials), key=lambda each: -each.mean)
        left = ((each, (*self.found.left(each), *self.found.causes_left(each))) for each in watched)
        return [arm for each, findings in left for arm in self._with_cures(each, findings)][:MOST_FOLLOWED]

    def _of_defaults(self) -> Iterator[Arm]:
        """Yield two each of the changes that make the sane defaults, which are known to help, at their best values."""
        sane = self.found.sane
        if sane is None or sane.effect is None or not sane.effect.is_better or sane.arm.keys > MOST_DEFAULTS:
            return
        for two in itertools.combinations(map(self._at_its_best, sane.arm.changes.items()), 2):
            arm = make_arm(self.config, dict(two), self.dataset)
            if arm is not None and arm.keys == 2:
                yield arm

    def _at_its_best(self, change: tuple[str, Any]) -> tuple[str, Any]:
        """Give a change of the sane defaults, or what was best of its key where that alone helps: a rate, say."""
        plain = (each for each in self.singles if len(each.keys) == 1)
        helping = [each for each in plain if touches(change[0], *each.keys) and self.helps(each)]
        best = min(helping, key=lambda each: (-each.mean_screened, each.arm.size), default=None)
        return change if best is None else next(iter(best.arm.changes.items()))

    def _likelihood(self, tried: Tried) -> tuple[bool, float, bool, bool, tuple[int, tuple[int, ...]]]:
        """Order single changes, the likeliest to be half of a cure first."""
        sane = {} if self.found.sane is None else self.found.sane.arm.changes
        helps = tried.screening is not None and tried.screening.is_better
        is_sane = any(touches(key, other) for key in tried.arm.changes for other in sane)
        optimizer = tried.arm.config.training.optimizer
        usual = optimizer.learning_rate in CUSTOMARY_RATES[optimizer.kind] or RATE not in tried.arm.changes
        return (
            not helps,
            -tried.mean if helps else 0.0,
            not usual,
            not (is_sane or tried.arm.prescribed_by),
            tried.arm.size,
        )


def _keys(finding: Finding) -> set[str]:
    return {key for cure in finding.prescriptions for key in cure.set or ()}


def _is_refuted(found: Intervention, tried: Tried) -> bool:
    """Tell whether the trials of other changes speak against one: it would leave what they left, or gain as little.

    An error that is a cause by its nature, and outlived a change, outlives others that spare its keys too.
    """
    if any(_gains_as_little(found, tried, other) for other in found.tried):
        return True
    for other in found.tried:
        for finding in found.left(other):
            keys = _keys(finding)
            if finding.severity is not Severity.ERROR or finding.id not in BY_NATURE or not keys:
                continue
            if not any(touches(one, key) for key in keys for one in tried.keys):
                return True
    return False


def _gains_as_little(found: Intervention, tried: Tried, other: Tried) -> bool:
    """Tell whether a change is no better in the screening than one that failed, and would fail as that did.

    That is so of another value of the keys with which one failed, and of a second key beside a change that gained too
    little; unless that one worked with some seeds, those of the screening, say: a smaller rate may with all, and what
    screened well by luck is no bar.
    """
    if other.effect is None or other.is_split or tried.mean_screened > other.mean_screened:
        return False
    if other.keys == tried.keys:
        return True
    return other.keys < tried.keys and tried.arm.extends(other.arm) and not found.may_cure(other)


def _near_best(found: Intervention, choice: Sequence[Tried]) -> list[Tried]:
    """Give those within 3 SE of the best, the smallest first, then in the order of the findings that prescribe.

    Of as many keys, what a root prescribes comes before all others where it leads, or is behind by less than a standard
    error. A finding knows the key better than its value: of several values of what it prescribes the one that scores
    best is the first, unless the one that it names is behind by less than a standard error.
    """
    best = max(choice, key=lambda each: each.mean, default=None)
    if best is None:
        return []
    effects = ((each, found.compare(each.screened, best.screened)) for each in choice)
    near = [each for each, effect in effects if effect is None or not effect.is_worse]
    provisional = [finding.key for finding in found.standing]
    roots = {each.key for each in found.standing if each.explained_by is None and each.id != HOW_LONG_STEPS_ARE}
    ranks: dict[frozenset[str], int] = {}
    leaders: dict[frozenset[str], Tried] = {}
    for each in sorted(near, key=lambda each: -each.mean):
        ranks[each.keys] = min(_rank(each.arm, provisional), ranks.get(each.keys, len(provisional)))
        leaders.setdefault(each.keys, each)

    def is_level(tried: Tried, other: Tried) -> bool:
        effect = found.compare(tried.screened, other.screened)
        return effect is None or effect.mean >= -effect.row_se

    def order(tried: Tried) -> tuple[int, bool, tuple[int, tuple[int, ...]], int, bool, float, int]:
        rank = _rank(tried.arm, provisional)
        leads = bool(roots.intersection(tried.arm.prescribed_by)) and is_level(tried, best)
        is_meant = rank < len(provisional) and is_level(tried, leaders[tried.keys])
        return tried.arm.keys, not leads, tried.arm.size, ranks[tried.keys], not is_meant, -tried.mean, rank

    return sorted(near, key=order)


def _rank(arm: Arm, provisional: Sequence[str]) -> int:
    """Give the place of the first finding, in the provisional order, that prescribes an arm."""
    return min((provisional.index(key) for key in arm.prescribed_by if key in provisional), default=len(provisional))
