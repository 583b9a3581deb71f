"""What trials have shown of a sick config: of every arm its scores and effects, and what lifts or cures it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.roots import DATA, NUMBERS, PROGRAM, WEIGHTS
from gradvitals.experiments.config.data import Task
from gradvitals.experiments.intervention.arms import touches
from gradvitals.experiments.intervention.effects import SURE, Effect, compare_arms
from gradvitals.experiments.intervention.trials import Trial
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.intervention.yardstick import WORTH, RowScores
from gradvitals.experiments.run_report import subject

BY_NATURE = frozenset({*PROGRAM, *DATA, *NUMBERS, *WEIGHTS})
"""What is a cause by its nature: of the program, the data, the numbers or the initial weights."""

LIKELIER = 1.0
"""Standard errors by which another value of the same keys must be better to be taken."""

HALF = 0.5
"""Share of the sane defaults' effect that a change must have with some seed to be tried with more."""

RECOVERED = 0.9
"""Share of the sane defaults' effect that a cure must have, where it is not within 3 SE of them."""


@dataclass(slots=True)
class Intervention:
    """What was tried on a sick config, and what came of it.

    Attributes:
        sick: Its run with its own seed, judged.
        task: Of its data.
        control: The sick config on the seeds of the others.
        sane: The sane-defaults arm; None where the config is that already.
        tried: All other arms: those tried on fresh seeds first, in the order of the trials.
        seeds: The fresh seeds.
        more_seeds: Those on which only that was scored, too, of which the first ones made nobody sure.
        unit: Seconds of one run: of the sick one, or where that broke off, of one of the sane defaults.
        unit_text: Whose they are.
        spent: Seconds that everything took, the sick run included.
        runs: Trainings made.
        share: Of the epochs that are wanted to screen.
        screened: Of the epochs that were trained to screen, as there are updates that it takes at least.
        same_rows: Whether all seeds have the same validation set.
        stopped: Whether the search ended because more would have cost too much.
        notes: What else is to be said, a sentence each.
    """

    sick: Trial
    task: Task
    control: Tried
    sane: Tried | None
    tried: list[Tried]
    seeds: tuple[int, ...]
    unit: float
    unit_text: str = "the sick run"
    spent: float = 0.0
    runs: int = 1
    share: float = 1.0
    screened: float = 1.0
    same_rows: bool = False
    more_seeds: tuple[int, ...] = ()
    stopped: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The sick run's standing warnings and errors that its config does not ignore, provisional roots first."""
        checked = self.sick.checked
        standing = () if checked is None else checked.verdict.without(checked.excused).standing
        return tuple(each for each in standing if each.severity > Severity.INFO)

    @property
    def is_impaired(self) -> bool:
        """Whether the sick run does not do its job, as the gate sees it."""
        return self.sick.impaired is True

    def is_watched(self, tried: Tried) -> bool:
        """Tell whether an arm was watched on so many of the seeds that the others cannot change what most say."""
        count, total = len(tried.trials), len(tried.scores.keys() & {*self.seeds})
        if count == 0 or 2 * count <= total:
            return 0 < count >= total
        seen = Counter(alarm for trial in tried.trials.values() for alarm in trial.alarms)
        tallies = (tried.impaired, *seen.values())
        return all(2 * each > total or 2 * (each + total - count) < total for each in tallies) or count >= total

    def vanished(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the sick run's findings that do not stand in most seeds of an arm that was watched."""
        if tried.together is None:
            return ()
        left = {subject(each.id, each.layer) for each in self.left(tried)}
        return tuple(each for each in self.standing if subject(each.id, each.layer) not in left)

    def left(self, tried: Tried, least: Severity = Severity.WARNING) -> tuple[Finding, ...]:
        """Give what stands in most seeds of an arm that was watched: warnings and errors, or remarks too."""
        together = tried.together
        return () if together is None else tuple(each for each in together.verdict.standing if each.severity >= least)

    def errors_left(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the errors among them."""
        return self.left(tried, Severity.ERROR)

    def lasting(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the sick run's findings that stand in most seeds of an arm, too."""
        gone = self.vanished(tried)
        return tuple(each for each in self.standing if each not in gone)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The sick run's remarks on what is a cause by its nature, also those that have cleared, with a cure each."""
        findings = () if self.sick.checked is None else self.sick.checked.verdict.findings
        remarks = (each for each in findings if each.severity is Severity.INFO)
        return tuple(each for each in remarks if each.id in BY_NATURE and any(cure.set for cure in each.prescriptions))

    @property
    def is_harmed(self) -> bool:
        """Whether it is impaired, or the sane defaults are better by more than 3 SE.

        Where nothing stands against it, they must be better by as much as counts, as a user's own optimizer may be
        slower; or what a remark prescribes must be better by more than 3 SE.
        """
        if self.is_impaired:
            return True
        effect = None if self.sane is None else self.sane.effect
        by_sane = effect is not None and effect.is_better and (bool(self.standing) or effect.mean >= WORTH[self.task])
        return by_sane or (not self.standing and any(self._mends_a_remark(each) for each in self.tried))

    def _mends_a_remark(self, tried: Tried) -> bool:
        keys = {each.key for each in self.remarks}
        return tried.effect is not None and tried.effect.is_better and bool(keys.intersection(tried.arm.prescribed_by))

    def compare(self, one: Mapping[int, RowScores], other: Mapping[int, RowScores]) -> Effect | None:
        """Compare two arms by their scores on the seeds that both have."""
        return compare_arms(one, other, same_rows=self.same_rows)

    def may_lift(self, tried: Tried) -> bool:
        """Tell whether nothing but being watched is missing for an arm to lift the impairment."""
        effect = tried.effect
        return effect is not None and (effect.is_better if self.is_harmed else not effect.is_worse)

    def may_cure(self, tried: Tried) -> bool:
        """Tell whether nothing but being watched is missing for an arm to cure: by its scores it gains enough."""
        return self.may_lift(tried) and (self._is_as_good(tried) or self._recovers(tried))

    def is_unsure(self, effect: Effect | None) -> bool:
        """Tell whether an arm is better by as much as counts, and by 1 SE, but not by 3."""
        return effect is not None and effect.mean >= max(WORTH[self.task], effect.se) and not effect.is_better

    def is_hopeless(self, tried: Tried) -> bool:
        """Tell whether no seed of an arm gained half of what the sane defaults did; only of an impaired run."""
        if not self.is_impaired or self.sane is None or self.sane.effect is None:
            return False
        sane, control = self.sane.scores, self.control.scores
        return all(
            score.mean - control[seed].mean < HALF * (sane[seed].mean - control[seed].mean)
            for seed, score in tried.scores.items()
        )

    def may_be_as_good(self, tried: Tried) -> bool:
        """Tell whether an arm would cure by its scores, but for the seeds that do not agree on its being better."""
        enough = self._is_as_good(tried) or self._recovers(tried)
        return enough and self.is_harmed and self.is_unsure(tried.effect)

    def is_level(self, tried: Tried) -> bool:
        """Tell whether an arm is not even behind the sane defaults by more than 1 SE of the rows."""
        effect = tried.against_sane
        return effect is None or effect.mean >= -effect.row_se

    def is_near(self, tried: Tried) -> bool:
        """Tell whether an arm is level with the sane defaults, or behind them by less than counts."""
        effect = tried.against_sane
        return effect is None or self.is_level(tried) or effect.mean > -WORTH[self.task]

    def fails(self, tried: Tried) -> bool:
        """Tell whether an arm, in most of the seeds on which it was watched, is impaired or leaves what it must not."""
        half = not self._is_as_good(tried) and bool(self.causes_left(tried))
        leaves = half or bool(self.errors_left(tried)) or not self._mends_a_root(tried)
        return leaves or 2 * tried.impaired >= len(tried.trials)

    def lifts(self, tried: Tried) -> bool:
        """Tell whether an arm was seen to lift the impairment, watched on all fresh seeds.

        Of an impaired run: the gate finds most seeds unimpaired, and the yardstick is better by more than 3 SE. Of one
        that is not: the provisional root, if one stands, is gone, and the yardstick is better by more than 3 SE, or not
        worse by more than 3 SE where the sane defaults are no better either.
        """
        if not self.may_lift(tried) or not self.is_watched(tried) or 2 * tried.impaired >= len(tried.trials):
            return False
        return self._mends_a_root(tried)

    def cures(self, tried: Tried) -> bool:
        """Tell whether an arm lifts the impairment, leaves no error in most seeds, and leaves little to gain.

        That is as good as the sane defaults, or, where nothing of what was found is left, nine tenths of what they
        gain: they may train faster than the user's own optimizer ever did, and that is no fault of it.
        """
        if not self.lifts(tried) or self.errors_left(tried):
            return False
        return self._is_as_good(tried) or (not self.lasting(tried) and self._recovers(tried))

    def cures_all(self, tried: Tried) -> bool:
        """Tell whether an arm cures and leaves no cause behind that a change of the config could mend."""
        return self.cures(tried) and (self._is_as_good(tried) or not self.causes_left(tried))

    def causes_left(self, tried: Tried) -> tuple[Finding, ...]:
        """Give what is a cause by its nature, still stands in an arm, and prescribes something; remarks too."""
        left = self.left(tried, Severity.INFO)
        return tuple(each for each in left if each.id in BY_NATURE and any(cure.set for cure in each.prescriptions))

    def program_left(self, tried: Tried) -> tuple[Finding, ...]:
        """Give those of them that are faults of the program, and stand against the sick run as more than remarks."""
        known = {each.id for each in self.standing if each.id in PROGRAM}
        return tuple(each for each in self.causes_left(tried) if each.id in known)

    def left_in_some(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the same of what stands as a warning or an error in any of the seeds on which an arm was watched."""
        verdicts = (trial.verdict for trial in tried.trials.values() if trial.verdict is not None)
        left = {
            each.key: each
            for verdict in verdicts
            for each in verdict.standing
            if each.severity > Severity.INFO and each.id in BY_NATURE and any(cure.set for cure in each.prescriptions)
        }
        return tuple(left.values())

    @property
    def cure(self) -> Tried | None:
        """The smallest change that cures; one that also changes all that it does takes its place where surely better.

        What leaves a cause behind that could be mended counts only where nothing else cures.
        """
        cures = [each for each in self.tried if each.effect is not None and self.cures(each)]
        best = [each for each in cures if not any(self.surpasses(other, each) for other in cures)]
        return min(best, key=lambda each: (not self.cures_all(each), each.arm.size, -each.mean), default=None)

    def surpasses(self, one: Tried, other: Tried) -> bool:
        """Tell whether an arm is better than another that it goes beyond by more than 3 SE, and so worth another key.

        Of the same keys it takes another value only: more than 1 SE is enough. What puts the program right need not be
        better, if it is not worse by more than 3 SE: a score on a few seeds does not show all that a fault of it costs.
        """
        effect = self.compare(one.scores, other.scores) if one.keys >= other.keys else None
        if effect is not None and self.puts_right(one, other):
            return not effect.is_worse
        return effect is not None and effect.mean > (SURE if one.keys > other.keys else LIKELIER) * effect.se

    def puts_right(self, one: Tried, other: Tried) -> bool:
        """Tell whether an arm changes what mends the program that another leaves wrong, and was not seen to fail."""
        cures = [{key for cure in each.prescriptions for key in cure.set or ()} for each in self.program_left(other)]
        mended = all(any(touches(key, mine) for key in keys for mine in one.keys) for keys in cures)
        return bool(cures) and mended and not self.program_left(one)

    def _mends_a_root(self, tried: Tried) -> bool:
        """Tell whether a root is gone; of an impaired run the impairment tells, and one without findings has none."""
        is_told = self.is_impaired or not self.standing
        return is_told or any(each.explained_by is None for each in self.vanished(tried))

    def _is_as_good(self, tried: Tried) -> bool:
        return tried.against_sane is None or tried.against_sane.is_as_good

    def _recovers(self, tried: Tried) -> bool:
        sane = None if self.sane is None else self.sane.effect
        return sane is None or tried.effect is None or tried.effect.mean >= RECOVERED * sane.mean
