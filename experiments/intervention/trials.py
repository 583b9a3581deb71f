"""Runs arms with several seeds, all together: those that are alike share the run axis, others the processes."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.experiments.blocks import Run, cut_into_blocks
from gradvitals.experiments.checking import CheckedRun, check_path
from gradvitals.experiments.config.dump import config_hash
from gradvitals.experiments.config.load import LoadedConfig
from gradvitals.experiments.config.root import MOST_SEED, Config
from gradvitals.experiments.executor import run_many
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.prices import Prices
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.run_folder import RunSummary, choose_folder
from gradvitals.experiments.run_report import subject
from gradvitals.experiments.runner import Place

LEAST_UPDATES = 150
"""Updates below which no training is shortened: the impairment gate speaks from 100 on."""

LEAST_TAKEN = 0.3
"""Share of its price that a training is charged which broke off at once: it is set up and judged all the same."""

WORTH_A_POOL = 8.0
"""Seconds of training from which on several processes are worth the second that they take to start."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One arm with one seed, trained.

    Attributes:
        arm: What was changed.
        seed: Of data, weights and order.
        scores: Of every validation row.
        checked: Its verdict; None where it was only scored.
        impaired: Whether the gate called it impaired at the end; None where that was not judged.
        seconds: That the training took, watching and judging included.
        broke_off: Whether it ended with numbers that are not finite.
    """

    arm: Arm
    seed: int
    scores: RowScores
    checked: CheckedRun | None = None
    impaired: bool | None = None
    seconds: float = 0.0
    broke_off: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """What the diagnoses say; None where it was only scored."""
        return None if self.checked is None else self.checked.verdict

    @property
    def alarms(self) -> frozenset[tuple[str, Severity]]:
        """What stands as a warning or an error, by its subject."""
        standing = () if self.verdict is None else self.verdict.standing
        return frozenset(
            (subject(each.id, each.layer), each.severity) for each in standing if each.severity > Severity.INFO
        )


@dataclass(slots=True)
class Laboratory:
    """Where arms are tried: the same data, a folder, workers; it keeps the time.

    Attributes:
        loaded: Where the sick config came from.
        folder: For the runs that are watched.
        prices: What trainings cost, in units of the sick run.
        workers: Processes.
        pin: Whether each keeps to a core.
        unit: Seconds that the sick run took.
        spent: Seconds that trials took so far.
        runs: Trainings made so far.
        cost: What they cost by their prices.
        failures: Why trainings did not come to an end, a sentence each.
        told: Is called with the number of trainings made, whenever one ends.
    """

    loaded: LoadedConfig
    folder: Path
    prices: Prices
    workers: int = 1
    pin: bool = True
    unit: float = 0.0
    spent: float = 0.0
    runs: int = 0
    cost: float = 0.0
    failures: list[str] = field(default_factory=list)
    told: Callable[[int], None] | None = None

    def run(
        self, wanted: Iterable[tuple[Arm, int]], *, watched: Collection[Arm] = (), share: float = 1.0
    ) -> list[Trial]:
        """Train arms with their seeds: each seed gives all arms the same split, order and draw of weights.

        Args:
            wanted: Arms and seeds.
            watched: The arms that are watched and judged; the others are only scored.
            share: Of the epochs that are trained.

        Returns:
            The trials that came to an end; why others did not is in `failures`.
        """
        started = time.perf_counter()
        planned: dict[str, tuple[Arm, int, Place]] = {}
        runs = []
        for arm, seed in wanted:
            config = self.shortened(arm.config, share).model_copy(update={"seed": seed})
            is_watched = arm in watched
            name = f"{arm.role},seed={seed}-{config_hash(config, 12)}{'' if is_watched else '-scored'}"
            folder = (choose_folder(self.folder, name, "new") if is_watched else None) or self.folder / name
            place = Place(folder, self.loaded.origin, self.loaded.base_dir, {}, scored=True, watched=is_watched)
            planned[name] = arm, seed, place
            runs.append((PlannedRun(config, {}, name), place))
        costs = self._prices(runs)
        trials = []
        workers = self.workers if len(runs) * self.unit > WORTH_A_POOL else 1
        for outcome in run_many(runs, workers, pin=self.pin):
            arm, seed, place = planned[outcome.planned.name]
            self.runs += 1
            if self.told is not None:
                self.told(self.runs)
            if outcome.summary is None or outcome.row_scores is None:
                self.failures.append(f"{arm.name} with seed {seed}: {outcome.error}")
            else:
                trials.append(_read(arm, seed, place, outcome.summary, outcome.row_scores))
                costs[outcome.planned.name] *= self._taken(outcome.planned.config, outcome.summary)
        self.spent += time.perf_counter() - started
        self.cost += sum(costs.values())
        return trials

    def _prices(self, runs: Sequence[Run]) -> dict[str, float]:
        """Give what each of some runs costs by its name: what is only scored, by the stack that it is trained in."""
        return {
            planned.name: self._price(planned.config, len(block), watched=place.watched)
            for block in cut_into_blocks(runs, 1)  # so many workers as there may be, what is found is the same
            for planned, place in block
        }

    def _price(self, config: Config, together: int, *, watched: bool) -> float:
        return self.prices.watched(config) if watched else self.prices.scored(config, together)

    def _taken(self, config: Config, summary: RunSummary) -> float:
        """Give the share of its price that a training is charged: less where it broke off before its end."""
        if summary.status != "non_finite":
            return 1.0
        return max(LEAST_TAKEN, summary.steps / max(self.prices.steps(config), 1))

    def trained(self, arm: Arm, share: float) -> float:
        """Give the share of an arm's epochs that is trained when this share is wanted."""
        return self.shortened(arm.config, share).training.epochs / max(arm.config.training.epochs, 1)

    def shortened(self, config: Config, share: float) -> Config:
        """Give a config with fewer epochs, but with updates enough to tell learning from not learning.

        Numeric gradients are taken by backpropagation where not all epochs are wanted: they are the same, and dear.
        """
        if share < 1.0 and config.training.gradient == "numeric":
            config = config.model_copy(update={"training": config.training.model_copy(update={"gradient": "backprop"})})
        steps = math.ceil(self.prices.rows / min(config.training.batch_size, self.prices.rows))
        epochs = max(math.ceil(config.training.epochs * share), math.ceil(LEAST_UPDATES / steps))
        if epochs >= config.training.epochs:
            return config
        return config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})


def _read(arm: Arm, seed: int, place: Place, summary: RunSummary, scores: RowScores) -> Trial:
    started = time.perf_counter()
    broke_off = summary.status == "non_finite"
    if not place.watched:
        return Trial(arm, seed, scores, None, None, summary.seconds, broke_off)
    checked = check_path(place.folder, {}, "all").runs[0]
    judged = [check for check in judge_gate(read_record(place.folder).record).checks if check.judged]
    impaired = judged[-1].impaired if judged else None
    seconds = summary.seconds + time.perf_counter() - started
    return Trial(arm, seed, scores, checked, impaired, seconds, broke_off)


def fresh_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Give seeds that the choice of arms has not seen.

    >>> fresh_seeds(0, 3)
    (1, 2, 3)
    """
    return tuple((seed + 1 + offset) % (MOST_SEED + 1) for offset in range(count))
