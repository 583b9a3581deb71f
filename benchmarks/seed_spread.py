"""How often two runs that differ in the seed alone are called different: the false alarms of `diff` and `--baseline`.

    python benchmarks/seed_spread.py [--seeds 40] [--pairs 20] [--workers 2] [--json FILE]

Trains healthy and sick configs with many seeds each, and compares sets of seeds that have none in common, as `diff` and
`check --baseline` would. Whatever is called new or worse is a false alarm. Sets of one are disjoint pairs of seeds;
larger ones are drawn anew for every comparison.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from machine import describe_machine

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.baseline import hold_against, make_baseline
from gradvitals.experiments.checking import CheckedPath, CheckedRun, check_path
from gradvitals.experiments.comparison import compare_reports
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.fault_cases import FAULT_CASES
from gradvitals.experiments.majority import combine
from gradvitals.experiments.run_report import from_json
from gradvitals.experiments.sweep import make_plan, run_sweep, with_seeds

SIZES = ((1, 1), (5, 1), (3, 3), (5, 5), (10, 10))
"""Seeds on either side."""

FIRST_SEED = 1000
"""Others than those of any test."""

HEALTHY = 12
"""How many of the fault cases' healthy twins."""

SICK: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("dying_relu", ("model.bias_init.value=-1.5",)),
    ("dying_relu", ("model.bias_init.value=-3.0",)),
    ("saturated_sigmoid", ("model.init.std=3.0",)),
    ("memorising", ()),
    ("initialization_scale", ()),
    ("exploding_initialization", ()),
    ("dying_relu_healthy", ("training.optimizer.learning_rate=1.0",)),
    ("dying_relu_healthy", ("training.optimizer.learning_rate=3.0",)),
)
"""Configs whose findings vary with the seed."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What comparisons of one kind said.

    Attributes:
        kind: `healthy` or `sick`.
        base: Seeds on one side.
        head: Seeds on the other.
        compared: Pairs of sets.
        scores: Scores compared.
        worse_scores: Of these, called worse.
        findings: Findings compared that stand on either side as a warning or an error.
        worse_findings: Of these, called worse.
        new_findings: Of these, called new.
        diff_failed: Comparisons with which `diff` exits with 1.
        check_failed: Comparisons in which `check --baseline` exits with 1.
        check_worse: Of these, those in which a finding is called worse.
    """

    kind: str
    base: int
    head: int
    compared: int
    scores: int
    worse_scores: int
    findings: int
    worse_findings: int
    new_findings: int
    diff_failed: int
    check_failed: int
    check_worse: int


COUNTED = tuple(field.name for field in fields(Tally))[3:]


def train(name: str, overrides: Sequence[str], seeds: int, workers: int) -> list[CheckedRun]:
    """Train a config with many seeds, and judge every run."""
    loaded = with_seeds(load_config(name, [*overrides, f"seed={FIRST_SEED}"]), seeds)
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(loaded, Path(folder))
        run_sweep(plan, "refuse", workers, lambda _: None)
        return list(check_path(plan.folder, {}, "all").runs)


def compare_sets(base: Sequence[CheckedRun], head: Sequence[CheckedRun]) -> Counter[str]:
    """Compare two sets of seeds in both ways, and count what is said."""
    before = [report for run in base for report in from_json(run.to_json())]
    after = [report for run in head for report in from_json(run.to_json())]
    (pair,) = compare_reports(before, after).pairs
    said: Counter[str] = Counter(compared=1)
    for row in pair.rows:
        if row.kind == "score":
            said["scores"] += 1
            said["worse_scores"] += row.status == "worse"
        elif row.severity > Severity.INFO:
            said["findings"] += 1
            said["worse_findings"] += row.status == "worse"
            said["new_findings"] += row.status == "new"
            said["diff_failed"] = max(
                said["diff_failed"], int(row.status in {"new", "worse"} and row.severity is Severity.ERROR)
            )
    run = head[0] if len(head) == 1 else combine(head)
    found = hold_against(CheckedPath(Path(), (run,), run.exit, (run,)), make_baseline(before))
    held = found.runs[0]
    said["check_failed"] = int(found.exit is Exit.FAILED)
    said["check_worse"] = int(held.baseline is not None and "worse" in held.baseline.states.values())
    return said


def main() -> None:
    """Train, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    healthy = [(case.twin, ()) for case in FAULT_CASES if case.means == "run"][:HEALTHY]
    kinds: dict[str, Sequence[tuple[str, tuple[str, ...]]]] = {"healthy": healthy, "sick": SICK}
    said = {(kind, *size): Counter[str]() for kind in kinds for size in SIZES}
    for kind, configs in kinds.items():
        for name, overrides in configs:
            print(" ".join((name, *overrides)), file=sys.stderr, flush=True)
            runs = train(name, overrides, arguments.seeds, arguments.workers)
            for base, head in SIZES:
                fixed = generator.permutation(len(runs))
                for turn in range(arguments.pairs):
                    drawn = fixed[2 * turn :] if base == head == 1 else generator.permutation(len(runs))
                    chosen = [runs[n] for n in drawn[: base + head]]
                    said[kind, base, head] += compare_sets(chosen[:base], chosen[base:])
    tallies = [Tally(*key, *(counts[name] for name in COUNTED)) for key, counts in said.items()]
    print(", ".join(describe_machine().values()))
    print(f"\n{len(healthy)} healthy and {len(SICK)} sick configs, {arguments.pairs} comparisons of each\n")
    print("| configs | seeds | comparisons | scores worse | findings worse | findings new | diff = 1 | baseline = 1 |")
    print("|---|---|---|---|---|---|---|---|")
    for tally in tallies:
        print(
            f"| {tally.kind} | {tally.base} against {tally.head} | {tally.compared} "
            f"| {_share(tally.worse_scores, tally.scores)} | {_share(tally.worse_findings, tally.findings)} "
            f"| {_share(tally.new_findings, tally.findings)} | {_share(tally.diff_failed, tally.compared)} "
            f"| {_share(tally.check_failed, tally.compared)} ({tally.check_worse} worse) |"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(tally) for tally in tallies], indent=2), encoding="utf-8")


def _share(count: int, total: int) -> str:
    return f"{count} of {total}" + (f" ({count / total:.2%})" if total else "")


if __name__ == "__main__":
    main()
