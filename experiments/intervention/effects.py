"""How much better one arm is than another: the mean of the paired differences over seeds, with its standard error.

An arm and the one it is compared with have the same seeds, so the same split, order of examples and, where their shapes
agree, initial weights; what differs between seeds cancels out of the difference.

The standard error is the larger of two. *Between seeds*: the spread of the seeds' differences, over √n. *Of the rows*:
the error of the validation set as a sample, from the differences of the rows (paired, as in McNemar's test); few seeds
that happen to agree have a spread of nearly 0, and yet a validation set of 30 rows tells no two networks apart that
differ by one row. Half a row that got better and half a row that got worse are added to every set (Agresti & Min 2005,
"Simple improved confidence intervals for comparing matched proportions"), so that the error is never 0. Where all seeds
have the same validation set, its error does not shrink with the number of seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.experiments.intervention.yardstick import RowScores

SURE = 3.0
"""Standard errors beyond which a difference counts."""

SPLIT = 1.5
"""Ratio of the error between seeds to that of the rows from which on five seeds differ by more than their rows.

At about the 5 % level: four times its square is χ² with 4 degrees of freedom."""

ENOUGH_SEEDS = 5
"""Paired seeds from which on what was found is called confirmed; of fewer it is only said in how many."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the yardstick.

    Attributes:
        mean: Mean paired difference over the seeds; positive is better.
        se: Its standard error.
        row_se: The part of it that is the validation rows'; seeds that disagree do not enlarge it.
        seeds: How many pairs.
        better: In how many of them the change was better.
    """

    mean: float
    se: float
    row_se: float
    seeds: int
    better: int

    @property
    def is_better(self) -> bool:
        """Whether it is better by more than 3 SE."""
        return self.mean > SURE * self.se

    @property
    def is_worse(self) -> bool:
        """Whether it is worse by more than 3 SE."""
        return self.mean < -SURE * self.se

    @property
    def is_as_good(self) -> bool:
        """Whether it is not worse by more than 3 SE of the rows: that some seeds fail is no excuse for it."""
        return self.mean >= -SURE * self.row_se

    @property
    def is_split(self) -> bool:
        """Whether it works with some seeds and not with others, and they differ more than their rows explain."""
        return 0 < self.better < self.seeds and self.se > SPLIT * self.row_se

    def to_json(self) -> dict[str, float | int]:
        """Give it as JSON."""
        return {"mean": self.mean, "se": self.se, "row_se": self.row_se, "seeds": self.seeds, "better": self.better}


def compare_arms(arm: Mapping[int, RowScores], other: Mapping[int, RowScores], *, same_rows: bool) -> Effect | None:
    """Compare an arm with another on the seeds that both have; None where they have none in common.

    Args:
        arm: Its row scores by seed.
        other: Those of what it is compared with.
        same_rows: Whether all seeds have the same validation set.
    """
    seeds = sorted(arm.keys() & other.keys())
    if not seeds:
        return None
    differences = [arm[seed].rows - other[seed].rows for seed in seeds]
    means = np.array([each.mean() for each in differences])
    between = float(means.var(ddof=1) / len(seeds)) if len(seeds) > 1 else 0.0
    of_rows = _row_variance([np.mean(differences, axis=0)] if same_rows else differences)
    se, better = math.sqrt(max(between, of_rows)), int((means > 0.0).sum())
    return Effect(float(means.mean()), se, math.sqrt(of_rows), len(seeds), better)


def _row_variance(differences: list[Array]) -> float:
    """Give the variance of the mean over sets of rows, each with two rows of ±1/√2 more."""
    variances = [(((each - each.mean()) ** 2).sum() + 1.0) / len(each) ** 2 for each in differences]
    return float(np.sum(variances)) / len(variances) ** 2
