"""How often an update raises the loss of its own batch, and whether that tells a learning rate that is too high.

    python benchmarks/overshoot.py --faults FOLDER --zoo FOLDER [--runs 100000] [--seed 0] [--limit N]

An e-process against a share of ½ would be valid at any stopping time. First it is simulated: its null, and which share
it finds in how many steps. Then trainings are repeated, with the loss of every batch computed again after its update,
under the same dropout masks: the rates too high of the fault bench's tuning half, their healthy twins, and the healthy
networks of the zoo's tuning half. FOLDERs are those of finished `fault_bench.py` and `healthy_zoo.py`. Besides the
losses that rose, the updates are counted that went beyond the lowest loss on their way, by a parabola through the slope
and both losses.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from campaign import Finished
from fault_harm import measure_harm
from fault_injections import Injection, injections
from finished_runs import read_lines
from healthy_zoo import Line, candidates
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from zoo_data import prepare
from zoo_selection import Run, select
from zoo_verdicts import upper_bound

from gradvitals.diagnostics.error_budget import LEVEL
from gradvitals.engine.dropout import held_masks
from gradvitals.engine.schedules import Schedule
from gradvitals.engine.training import Trainer
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit

Numbers: TypeAlias = NDArray[np.float64]

SHARE = 0.5
"""Of updates that raise the loss, where the rate is not called too high."""

BETS = np.linspace(0.1, 1.9, 10)
"""λ of the e-process: the mean over them of Π(1 + λ(x − ½))."""

OBSERVED = 100
"""Steps that a monitor looks at in a training of ordinary length; here drawn at random."""

EARLY = 20
"""Steps whose best rate is told."""

RATE = "rate too high"


@dataclass(frozen=True, slots=True)
class Steps:
    """What the updates of a training did, up to the first number that is not finite.

    Attributes:
        rose: Whether the loss of its batch was higher after each, `(steps,)`.
        quality: r, the change of the loss over what the slope promised: below ½ it went beyond the lowest loss on its
            way, which 1/(2(1 − r)) times the step would have reached.
    """

    rose: NDArray[np.bool_]
    quality: Numbers

    @property
    def passed(self) -> NDArray[np.bool_]:
        """Whether each went beyond the lowest loss on its way."""
        return np.asarray(self.quality < 0.5)

    @property
    def multiplier(self) -> float:
        """By what the rate should have been multiplied for the lowest loss of its batch, in the median of the first."""
        first = self.quality[:EARLY]
        return float(np.median(np.where(first < 1.0, 0.5 / np.maximum(1.0 - first, 1e-9), np.inf)))


def largest_evidence(seen: NDArray[Any]) -> Numbers:
    """Give the largest e-value ever of rows of observations `(runs, steps)`, as its logarithm."""
    logs = np.stack([np.log1p(bet * (seen - SHARE)).cumsum(axis=1) for bet in BETS])
    return np.asarray(np.logaddexp.reduce(logs, axis=0).max(axis=1) - math.log(len(BETS)))


def speaks(seen: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell of rows of observations whether the e-process ever reaches the level of one rule."""
    return np.asarray(largest_evidence(seen) >= -math.log(LEVEL))


def simulate(runs: int, generator: np.random.Generator) -> None:
    """Print the null and the power."""
    print(f"simulated, {runs:,} runs each, level {LEVEL:.1e}; steps seen: share of runs in which it speaks")
    for share in (0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0):
        told = []
        for steps in (25, 50, 100, 200, 500):
            number = runs if share == SHARE else max(runs // 20, 1)
            blocks = [min(2000, number - done) for done in range(0, number, 2000)]
            alarms = sum(int(speaks(generator.random((size, steps)) < share).sum()) for size in blocks)
            found = f"{alarms / number:.1e} (at most {upper_bound(alarms, number):.1e})"
            told.append(f"{steps}: {found if share == SHARE else f'{alarms / number:.0%}'}")
        print(f"  a share of {share:.2f}   " + "   ".join(told))


def retrain(raw: Mapping[str, Any], name: str, folder: Path) -> Steps:
    """Repeat a training, and compute the loss of every batch again after its update."""
    config = parse_config(dict(raw), name)
    dataset = load_data(config.data, config.seed, folder, origin=name, sequence_length=config.model.sequence_length)
    return measure(config, assemble(config, dataset, check_fit(config, dataset, origin=name)))


@np.errstate(all="ignore")
def measure(config: Config, experiment: Experiment) -> Steps:
    """Train as the loop does, and measure every update."""
    network, samples = experiment.network, experiment.samples
    size = min(config.training.batch_size, len(samples))
    total = config.training.epochs * -(-len(samples) // size)
    trainer = Trainer(
        network,
        experiment.optimizer,
        clip=experiment.clip,
        penalty=experiment.penalty,
        strategy=experiment.strategy,
        rate_factor=_factor(experiment.schedule, total),
    )
    rose: list[bool] = []
    quality: list[float] = []
    for _ in range(config.training.epochs):
        order = experiment.generator.permutation(len(samples))
        for start in range(0, len(order), size):
            rows, before = order[start : start + size], network.parameters.copy()
            loss = trainer.step(samples, rows)
            slope = float(network.gradients.astype(np.float64) @ (network.parameters - before))
            circuit = network.training_circuit(len(rows))
            with held_masks(circuit):
                circuit.forward()
            after = float(circuit.values["loss"])
            if not (math.isfinite(loss) and math.isfinite(after) and math.isfinite(slope)):
                return Steps(np.array(rose, np.bool_), np.array(quality))
            rose.append(after > loss)
            quality.append((after - loss) / slope if slope < 0.0 else math.nan)
    return Steps(np.array(rose, np.bool_), np.array(quality))


def _factor(schedule: Schedule | None, total: int) -> Any:  # noqa: ANN401 - what a trainer takes
    return None if schedule is None else lambda step: schedule(step, total_steps=total)


def report(title: str, runs: list[Steps], generator: np.random.Generator) -> None:
    """Print the shares over some trainings, and in how many an e-process speaks."""
    print(f"\n{title}: {len(runs)} trainings")
    for what, of_runs in (
        ("losses that rose", [run.rose for run in runs]),
        ("updates beyond the lowest loss on their way", [run.passed for run in runs]),
    ):
        known = [seen for seen in of_runs if len(seen)]
        shares = np.array([seen.mean() for seen in known] or [math.nan])
        drawn = [np.sort(generator.permutation(len(seen))[:OBSERVED]) for seen in known]
        some = sum(bool(speaks(seen[rows][None])[0]) for seen, rows in zip(known, drawn, strict=True))
        every = sum(bool(speaks(seen[None])[0]) for seen in known)
        quartiles = " ".join(f"{value:.2f}" for value in np.quantile(shares, (0.5, 0.9, 1.0)))
        print(f"  {what}: share in the median, in the ninth of ten, at most {quartiles}; above ½ in", end=" ")
        print(f"{int((shares > SHARE).sum())}; speaks of {some} by {OBSERVED} steps, of {every} by all")


def report_multipliers(told: Mapping[str, Sequence[Steps]]) -> None:
    """Print, by what the rate was multiplied with, what the steps say it should be multiplied with."""
    print(f"\nbest multiplier of the rate, median of the first {EARLY} steps: the least, middle and largest run")
    for name, runs in told.items():
        known = [run.multiplier for run in runs if len(run.quality)]
        print(f"  {name}: " + " ".join(f"{value:.2g}" for value in np.quantile(known or [math.nan], (0.0, 0.5, 1.0))))


def faults(folder: Path, limit: int | None) -> Mapping[str, list[Injection]]:
    """Give the rates too high of the tuning half and their twins, by harm."""
    lines = read_lines(folder, Finished)
    chosen = [one for one in injections("tuning") if [fault.name for fault in one.faults] == [RATE]][:limit]
    told = [(one, measure_harm(one, lines)) for one in chosen]
    return {
        "rates too high that do harm": [one for one, harm in told if harm is not None and harm.harmful],
        "rates too high that do none": [one for one, harm in told if harm is not None and not harm.harmful],
        "their healthy twins": [*{twin.key: twin for one in chosen for twin in one.twins}.values()],
    }


def healthy(folder: Path, limit: int | None) -> list[Run]:
    """Give the networks of the zoo's tuning half that trained well."""
    lines, sets = read_lines(folder, Line), prepare(folder)
    known = [one for one in candidates(sets, ("tuning",)) if one.key in lines and not lines[one.key].error]
    return list(select([Run(one, lines[one.key].scores) for one in known], sets).healthy[:limit])


def main() -> None:
    """Simulate, retrain, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=Path, required=True, metavar="FOLDER", help="of a finished fault bench")
    parser.add_argument("--zoo", type=Path, required=True, metavar="FOLDER", help="of a finished healthy zoo")
    parser.add_argument("--runs", type=int, default=100_000, help="simulated runs of the null")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation, and of the steps drawn")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N trainings of each kind")
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    simulate(options.runs, generator)
    with threadpool_limits(1):
        doses: dict[str, list[Steps]] = {}
        for title, kind in faults(options.faults, options.limit).items():
            done = [retrain(one.config, one.name, options.faults) for one in kind]
            report(title, done, generator)
            for one, steps in zip(kind, done, strict=True):
                doses.setdefault(f"{title}, dose {one.dose}", []).append(steps)
        report_multipliers(doses)
        runs = [run.candidate for run in healthy(options.zoo, options.limit)]
        report("healthy networks", [retrain(one.config, one.family, options.zoo) for one in runs], generator)


if __name__ == "__main__":
    main()
