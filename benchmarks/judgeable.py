"""What is judgeable after N steps: every diagnosis on its sick configs and their twins, trained for N updates in all.

    python benchmarks/judgeable.py [--seeds 5] [--steps 25,50,100] [--json FILE]

Each length is a plan of its own, as a short test in CI would be: warm-up, probes and checks follow the planned length.
A cell says in how many of the runs (three doses × the seeds) the diagnosis stands in the right layer, as an error or a
warning; `–` where it says itself that it cannot judge yet. What a healthy twin raises is counted apart.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.explain import explain
from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.engine.events import EpochEnded, Scores, TrainingEnded, TrainingStarted
from gradvitals.engine.history import Reason
from gradvitals.engine.training import Trainer
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.fault_cases import FAULT_CASES, FaultCase
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.runner import Place, load_dataset
from gradvitals.experiments.sweep import make_plan
from gradvitals.experiments.watched_training import watch_experiment

STEPS = (25, 50, 100, 200, 300, 500)
FIRST_SEED = 100
"""Others than those that the rules were tuned and tested on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One diagnosis after so many updates.

    Attributes:
        diagnosis: Its id.
        steps: Updates in all.
        fired: Sick runs in which it stands as a warning or an error, in the right layer.
        errors: Of these, those with an error.
        unjudged: Sick runs of which it says that it cannot judge them.
        runs: Sick runs.
        twin_alarms: Twins' runs in which any diagnosis stands as a warning or an error, by its key.
        twins: Twins' runs.
    """

    diagnosis: str
    steps: int
    fired: int
    errors: int
    unjudged: int
    runs: int
    twin_alarms: dict[str, int]
    twins: int


def verdict_after(steps: int, name: str, overrides: Sequence[str], seed: int) -> Verdict:
    """Train a bundled config for exactly so many updates, watched from start to end."""
    loaded = load_config(name, [*overrides, f"seed={seed}"])
    (planned,) = make_plan(loaded, Path()).runs
    dataset = load_dataset(planned, Place(Path(), loaded.origin, loaded.base_dir, {}))
    experiment = assemble(planned.config, dataset, check_fit(planned.config, dataset, origin=loaded.origin))
    monitor = watch_experiment(planned.config, experiment, total_steps=steps)
    train_for(steps, planned.config, experiment)
    return monitor.verdict


def train_for(steps: int, config: Config, experiment: Experiment) -> None:
    """Train as `engine.training.train` does, but for a number of updates that need not end with an epoch."""
    network, samples, hooks = experiment.network, experiment.samples, experiment.network.hooks
    batch = min(config.training.batch_size, len(samples))
    trainer = Trainer(
        network, experiment.optimizer, clip=experiment.clip, penalty=experiment.penalty, strategy=experiment.strategy
    )
    unheld = getattr(experiment.optimizer, "unheld", ())
    hooks.emit(TrainingStarted(0, steps, batch, trainer.strategy.by_layer, unheld))
    reason: Reason = "completed"
    epoch = 0
    with np.errstate(all="ignore"):
        while trainer.steps < steps and reason == "completed":
            epoch += 1
            order = experiment.generator.permutation(len(samples))
            losses: list[float] = []
            for start in range(0, min(len(order), (steps - trainer.steps) * batch), batch):
                losses.append(trainer.step(samples, order[start : start + batch]))
                if not np.isfinite(losses[-1]):
                    reason = "non_finite"
                    break
            scores = Scores(float(np.mean(losses)), None)
            hooks.emit(EpochEnded(epoch, trainer.steps, experiment.optimizer.learning_rate, scores, None))
    hooks.emit(TrainingEnded(trainer.steps, reason))


def measure(case: FaultCase, steps: int, seeds: Sequence[int]) -> Cell:
    """Train all doses of a sick config and its twin, and count what stands."""
    sick = [verdict_after(steps, case.config, dose, seed) for dose in ((), *case.doses) for seed in seeds]
    severities = [
        [
            finding.severity
            for finding in verdict.standing
            if finding.id == case.id and finding.layer == case.layer and finding.severity > Severity.INFO
        ]
        for verdict in sick
    ]
    twins = [verdict_after(steps, case.twin, (), seed) for seed in seeds]
    alarms = Counter(
        finding.key for verdict in twins for finding in verdict.standing if finding.severity > Severity.INFO
    )
    return Cell(
        case.id,
        steps,
        fired=sum(bool(found) for found in severities),
        errors=sum(Severity.ERROR in found for found in severities),
        unjudged=sum(any(judgement.id == case.id for judgement in verdict.not_judged) for verdict in sick),
        runs=len(sick),
        twin_alarms=dict(alarms),
        twins=len(twins),
    )


def table(cells: Sequence[Cell], lengths: Sequence[int]) -> str:
    """Lay the cells out as Markdown: a row per diagnosis, a column per length."""
    by_place = {(cell.diagnosis, cell.steps): cell for cell in cells}
    lines = [
        "| diagnosis | " + " | ".join(f"{steps} steps" for steps in lengths) + " | all from | it needs |",
        "|---|" + "---|" * (len(lengths) + 2),
    ]
    needs = {diagnosis.id: explain(diagnosis).parts["Needs"] for diagnosis in CATALOGUE}
    for name in dict.fromkeys(cell.diagnosis for cell in cells):
        row = [by_place[name, steps] for steps in lengths]
        complete = [cell.fired == cell.runs for cell in row]
        since = next((cell.steps for n, cell in enumerate(row) if all(complete[n:])), None)
        lines.append(f"| `{name}` | " + " | ".join(map(_text, row)) + f" | {since or '–'} | {needs[name]} |")
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    counts = ((cell.errors, "E"), (cell.fired - cell.errors, "W"), (cell.unjudged, "–"))
    told = [f"{number} {letter}" if number < cell.runs else letter for number, letter in counts if number]
    return " ".join(told) or "0"


def main() -> None:
    """Train, print the table, and what the healthy twins raised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", default=",".join(map(str, STEPS)))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    lengths = [int(word) for word in arguments.steps.split(",")]
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    cases = [case for case in FAULT_CASES if case.means == "run"]
    with threadpool_limits(1):
        cells = [measure(case, steps, seeds) for case in cases for steps in lengths]
    print(", ".join(describe_machine().values()) + "\n")
    print(f"E: error, W: warning, –: not judged yet; without a number: in all {cells[0].runs} runs\n")
    print(table(cells, lengths))
    twins = sum(cell.twins for cell in cells)
    alarms = [(cell.diagnosis, cell.steps, key, n) for cell in cells for key, n in cell.twin_alarms.items()]
    print(f"\n{sum(n for *_, n in alarms)} warnings or errors in {twins} runs of the healthy twins")
    for diagnosis, steps, key, n in alarms:
        print(f"  twin of {diagnosis}, {steps} steps: {key} in {n} runs")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
