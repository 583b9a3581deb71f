"""What trials have shown of a sick config: of every arm its scores and effects, and what lifts or cures it."""

import math
from dataclasses import dataclass, field

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.data import Task
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.effects import Effect
from gradvitals.experiments.intervention.trials import Trial
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.majority import combine as combine_seeds
from gradvitals.experiments.run_report import subject

RECOVERED = 0.9
"""Share of the sane defaults' effect that a cure must have, where it is not within 3 SE of them."""


@dataclass(slots=True, eq=False)
class Tried:
    """What is known of an arm.

    Attributes:
        arm: What it changes.
        screened: Scores by seed, from the screening.
        scores: Scores by seed, from the fresh seeds.
        trials: Those of the fresh seeds that were watched.
        screening: Effect against the control on the screening's seeds.
        effect: Effect against the control on the fresh seeds; None where it was not tried on them.
        against_sane: The same against the sane-defaults arm.
    """

    arm: Arm
    screened: dict[int, RowScores] = field(default_factory=dict)
    scores: dict[int, RowScores] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    screening: Effect | None = None
    effect: Effect | None = None
    against_sane: Effect | None = None

    @property
    def mean(self) -> float:
        """Mean score over the fresh seeds, or else over the screening's; NaN without any."""
        scores = self.scores or self.screened
        return sum(each.mean for each in scores.values()) / len(scores) if scores else math.nan

    @property
    def together(self) -> CheckedRun | None:
        """The watched trials by majority; None without any."""
        runs = [trial.checked for trial in self.trials.values() if trial.checked is not None]
        return combine_seeds(runs) if runs else None

    @property
    def impaired(self) -> int:
        """In how many watched trials the gate calls it impaired at the end; below 100 updates it calls nothing so."""
        return sum(trial.impaired is True for trial in self.trials.values())


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
        unit: Seconds of one run: of the sick one, or where that broke off, of one of the sane defaults.
        unit_text: Whose they are.
        spent: Seconds that everything took, the sick run included.
        runs: Trainings made.
        share: Of the epochs that were trained to screen.
        same_rows: Whether all seeds have the same validation set.
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
    same_rows: bool = False
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

    def vanished(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the sick run's findings that do not stand in most seeds of an arm that was watched."""
        together = tried.together
        if together is None:
            return ()
        left = {subject(each.id, each.layer) for each in together.verdict.standing if each.severity > Severity.INFO}
        return tuple(each for each in self.standing if subject(each.id, each.layer) not in left)

    def left(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the warnings and errors that stand in most seeds of an arm that was watched."""
        together = tried.together
        standing = () if together is None else together.verdict.standing
        return tuple(each for each in standing if each.severity > Severity.INFO)

    def lasting(self, tried: Tried) -> tuple[Finding, ...]:
        """Give the sick run's findings that stand in most seeds of an arm, too."""
        gone = self.vanished(tried)
        return tuple(each for each in self.standing if each not in gone)

    @property
    def is_harmed(self) -> bool:
        """Whether it is impaired, or the sane defaults are better by more than 3 SE."""
        sane = self.sane
        return self.is_impaired or (sane is not None and sane.effect is not None and sane.effect.is_better)

    def lifts(self, tried: Tried) -> bool:
        """Tell whether an arm was seen to lift the impairment.

        Of an impaired run: the gate finds most seeds unimpaired, and the yardstick is better by more than 3 SE. Of one
        that is not: the provisional root is gone, and the yardstick is better by more than 3 SE, or not worse by more
        than 3 SE where the sane defaults are no better either.
        """
        effect, together = tried.effect, tried.together
        if effect is None or together is None or 2 * tried.impaired >= len(tried.trials):
            return False
        if not self.is_impaired and not any(each.explained_by is None for each in self.vanished(tried)):
            return False
        return effect.is_better if self.is_harmed else not effect.is_worse

    def cures(self, tried: Tried) -> bool:
        """Tell whether an arm lifts the impairment, leaves no error in most seeds, and leaves little to gain.

        That is as good as the sane defaults, or, where nothing of what was found is left, nine tenths of what they
        gain: they may train faster than the user's own optimizer ever did, and that is no fault of it.
        """
        if not self.lifts(tried) or any(each.severity is Severity.ERROR for each in self.left(tried)):
            return False
        sane, against = self.sane, tried.against_sane
        if sane is None or sane.effect is None or against is None or tried.effect is None:
            return True
        return against.is_as_good or (not self.lasting(tried) and tried.effect.mean >= RECOVERED * sane.effect.mean)
