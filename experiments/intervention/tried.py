"""What is known of one arm: its scores, by the ways it was tried, and what came of it where it was watched."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.effects import Effect
from gradvitals.experiments.intervention.trials import Trial
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.majority import combine as combine_seeds


@dataclass(slots=True, eq=False)
class Tried:
    """What is known of an arm.

    Attributes:
        arm: What it changes.
        screened: Scores by seed, from the screening.
        probed: Scores by seed, in full on the screening's seeds, of what may surpass a cure.
        scores: Scores by seed, from the fresh seeds.
        trials: Those of the fresh seeds that were watched.
        screening: Effect against the control on the screening's seeds.
        effect: Effect against the control on the fresh seeds; None where it was not tried on them.
        against_sane: The same against the sane-defaults arm.
    """

    arm: Arm
    screened: dict[int, RowScores] = field(default_factory=dict)
    probed: dict[int, RowScores] = field(default_factory=dict)
    scores: dict[int, RowScores] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    screening: Effect | None = None
    effect: Effect | None = None
    against_sane: Effect | None = None

    @property
    def mean(self) -> float:
        """Mean score over the fresh seeds, or else over the screening's; NaN without any."""
        return _mean(self.scores or self.probed or self.screened)

    @property
    def keys(self) -> frozenset[str]:
        """What it changes, whatever to."""
        return frozenset(self.arm.changes)

    @property
    def mean_screened(self) -> float:
        """Mean score over the screening's seeds; NaN without any."""
        return _mean(self.screened)

    @property
    def mean_probed(self) -> float:
        """Mean score over the seeds on which it was probed; NaN without any."""
        return _mean(self.probed)

    @property
    def is_split(self) -> bool:
        """Whether it works with some seeds and not with others: fresh ones, or those of the screening alone."""
        if self.effect is None:
            return False
        by_luck = self.screening is not None and self.screening.is_better and not self.effect.is_better
        return self.effect.is_split or by_luck

    @property
    def together(self) -> CheckedRun | None:
        """The watched trials by majority; None without any."""
        runs = [trial.checked for trial in self.trials.values() if trial.checked is not None]
        return combine_seeds(runs) if runs else None

    @property
    def impaired(self) -> int:
        """In how many watched trials the gate calls it impaired at the end; below 100 updates it calls nothing so."""
        return sum(trial.impaired is True for trial in self.trials.values())


def _mean(scores: Mapping[int, RowScores]) -> float:
    return sum(each.mean for each in scores.values()) / len(scores) if scores else math.nan
