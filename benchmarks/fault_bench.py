"""The fault bench: faults injected by config at five doses, their harm measured, and what our diagnoses say of them.

    python benchmarks/fault_bench.py --out FOLDER [--half tuning] [--seeds 3] [--workers 2] [--json FILE]

Every injection of `fault_injections.py` is trained on three seeds beside its healthy twin. Harm is the twins'
validation score less its own; an injection without harm counts as healthy, whatever is wrong with it. Base and faults
decide the half, by hash: rules are tuned on `tuning` only, and `held_out` is run to report. Beside ours: a NaN check, a
rule on the loss alone, and a logistic model of the final metrics, fitted without the base that it judges. Intervals are
bootstrapped over base × fault. `--rejudge` trains nothing.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Finished, Job, campaign_digest, run_jobs
from fault_comparators import logistic, loss_only, nan_check
from fault_harm import measure_harm
from fault_injections import HALVES, SEEDS, Half, Injection, injections
from fault_judging import JudgedFault, judge_fault
from finished_runs import finish, read_lines
from intervals import bootstrap
from machine import describe_machine
from threadpoolctl import threadpool_limits
from zoo_training import load_record, record_path

from gradvitals.experiments.files import write_json

SEED = 11
"""Of the bootstrap."""


def judge_all(faults: Sequence[Injection], lines: Mapping[str, Finished], folder: Path) -> list[JudgedFault]:
    """Judge the records of injections."""
    judged = []
    for one in faults:
        if lines[one.key].error:
            print(f"could not be trained: {one.name}: {lines[one.key].error}")
            continue
        done = measure_harm(one, lines)
        if done is None:
            print(f"no healthy twin has a score, so its harm is not known: {one.name}")
            continue
        record = load_record(record_path(folder, one.key))
        judged.append(judge_fault(one, record, harm=done.value, harmful=done.harmful))
    return judged


def rate(runs: Sequence[JudgedFault], of: Callable[[JudgedFault], bool | None]) -> dict[str, Any]:
    """Give the share of runs that something is true of, with a bootstrap interval; None of a run leaves it out."""
    told = [(run, value) for run in runs if (value := of(run)) is not None]
    values = [float(value) for _, value in told]
    interval = bootstrap(values, [run.cluster for run, _ in told], np.random.default_rng(SEED))
    return {"hits": int(sum(values)), "total": len(values), "interval_95": interval}


def summary(runs: Sequence[JudgedFault]) -> dict[str, Any]:
    """Give what is said of the injections as plain data."""
    harmful = [run for run in runs if run.harmful]
    harmless = [run for run in runs if not run.harmful]
    single = [run for run in harmful if len(run.injection.faults) == 1]
    pairs = [run for run in harmful if len(run.injection.faults) > 1]
    kinds = list(dict.fromkeys(run.injection.faults[0].name for run in runs if len(run.injection.faults) == 1))
    return {
        "harmful": len(harmful),
        "harmless": len(harmless),
        "single": _counted(single),
        "two faults": _counted(pairs),
        "by fault": {
            name: {
                "diagnosis": next(run.injection.faults[0].diagnosis for run in runs if _only(run) == name),
                "injections": sum(_only(run) == name for run in runs),
                **_counted([run for run in single if _only(run) == name]),
                "errors where harmless": sum(run.errors for run in harmless if _only(run) == name),
            }
            for name in kinds
        },
        "by dose": {str(dose): _counted([run for run in single if run.injection.dose == dose]) for dose in range(1, 6)},
        "missed": [_line(run) for run in harmful if not run.named],
        "wrong root": [_line(run) for run in harmful if run.named and not run.root_first],
        "loud without harm": [_line(run) for run in harmless if run.errors],
    }


def _only(run: JudgedFault) -> str | None:
    return run.injection.faults[0].name if len(run.injection.faults) == 1 else None


def _counted(runs: Sequence[JudgedFault]) -> dict[str, Any]:
    steps = [run.steps for run in runs if run.steps is not None]
    return {
        "alarm": rate(runs, lambda run: bool(run.alarms)),
        "named": rate(runs, lambda run: run.named),
        "own diagnosis": rate(runs, lambda run: run.diagnosed),
        "right root first": rate(runs, lambda run: run.root_first),
        "right layer": rate(runs, lambda run: run.layer_right),
        "median steps": float(np.median(steps)) if steps else None,
    }


def _line(run: JudgedFault) -> dict[str, Any]:
    return {"injection": run.injection.name, "key": run.injection.key, "harm": run.harm, "alarms": list(run.alarms)}


def compare(
    runs: Sequence[JudgedFault], twins: Sequence[Injection], lines: Mapping[str, Finished], folder: Path
) -> dict[str, Any]:
    """Hold ours against what is easy: alarms on harmful injections, on harmless ones, and on the twins."""
    of_twins = judge_all([twin for twin in twins if not twin.keys], lines, folder)
    everything = [*runs, *of_twins]
    model = logistic([run.injection for run in everything], [run.harmful for run in everything], lines)
    by_key = {run.injection.key: said for run, said in zip(everything, model, strict=True)}
    tools: dict[str, Callable[[JudgedFault], bool | None]] = {
        "gradvitals, errors": lambda run: run.errors,
        "gradvitals, warnings and errors": lambda run: bool(run.alarms),
        "NaN check": lambda run: nan_check(lines[run.injection.key]),
        "loss only": lambda run: loss_only(lines[run.injection.key]),
        "logistic model": lambda run: by_key[run.injection.key],
    }
    parts = {
        "harmful": [run for run in runs if run.harmful],
        "harmless": [run for run in runs if not run.harmful],
        "twins": of_twins,
    }
    return {tool: {part: rate(of_part, says) for part, of_part in parts.items()} for tool, says in tools.items()}


def show(share: Mapping[str, Any]) -> str:
    """Write a share as a table has it."""
    if not share["total"]:
        return "–"
    text = f"{share['hits']} of {share['total']}, {100.0 * share['hits'] / share['total']:.0f} %"
    interval = share["interval_95"]
    return text if interval is None else f"{text} ({100.0 * interval[0]:.0f}–{100.0 * interval[1]:.0f})"


def tables(summed: Mapping[str, Any], compared: Mapping[str, Any]) -> str:
    """Lay the figures out as Markdown."""
    columns = ("alarm", "named", "own diagnosis", "right root first", "right layer")
    head = "| " + " | ".join(columns) + " | median steps |"
    lines = [f"| harmful faults {head}", "|---" * (len(columns) + 2) + "|"]
    rows = {"one fault": summed["single"], "two faults": summed["two faults"], **summed["by fault"]}
    rows |= {f"dose {dose}": counted for dose, counted in summed["by dose"].items()}
    for name, counted in rows.items():
        steps = "–" if counted["median steps"] is None else f"{counted['median steps']:g}"
        what = f"{name} (`{counted['diagnosis']}`)" if "diagnosis" in counted else name
        lines.append(f"| {what} | " + " | ".join(show(counted[column]) for column in columns) + f" | {steps} |")
    lines += ["", "| alarms of | harmful | harmless | healthy twins |", "|---|---|---|---|"]
    lines += [
        f"| {tool} | " + " | ".join(show(parts[part]) for part in ("harmful", "harmless", "twins")) + " |"
        for tool, parts in compared.items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Inject the faults of a half into the fixed bases."""
    halves: tuple[Half, ...] = HALVES
    parser = parser_of(__doc__)
    parser.add_argument("--half", choices=halves, default="tuning", help="which half of base × fault")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of each injection; its twins have all")
    options = parser.parse_args()
    return run_bench(options, [one for one in injections(options.half) if one.seed in SEEDS[: options.seeds]])


def run_bench(options: argparse.Namespace, faults: Sequence[Injection]) -> int:
    """Train injections and their twins, measure harm, judge, print."""
    folder: Path = options.out
    twins = list({twin.key: twin for one in faults for twin in one.twins}.values())
    jobs = [Job(one.key, one.config) for one in (*twins, *faults)]
    lines = read_lines(folder, Finished) if options.rejudge else run_jobs(jobs, folder, options.workers)
    missing = [job.key for job in jobs if job.key not in lines]
    if missing:
        print(f"{len(missing)} of {len(jobs)} runs are not trained yet", file=sys.stderr)
        return 2
    with threadpool_limits(1):
        runs = judge_all(faults, lines, folder)
        summed, compared = summary(runs), compare(runs, twins, lines, folder)
    print(f"\n{summed['harmful']} of {len(runs)} injections do harm\n")
    print(tables(summed, compared))
    for title in ("missed", "wrong root", "loud without harm"):
        names = Counter(line["injection"].partition(", dose")[0] for line in summed[title])
        print(f"\n{title}: {len(summed[title])}")
        for name, number in names.most_common():
            print(f"  {number} × {name}")
    if options.json is not None:
        write_numbers(options.json, options.half, summed, compared, runs)
    return 0


def write_numbers(
    path: Path, half: str, summed: Mapping[str, Any], compared: Mapping[str, Any], runs: Sequence[JudgedFault]
) -> None:
    """Write everything as strict JSON: the harm of a run without a score is a word."""
    head = {"half": half, "code": campaign_digest(), "machine": describe_machine()}
    details = [{**asdict(run), "injection": run.injection.name} for run in runs]
    write_json(path, {**head, **summed, "comparators": compared, "runs": details})


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Give what every bench of injected faults may be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="keeps runs and records")
    parser.add_argument("--workers", type=int, default=2, help="processes, one BLAS thread each")
    parser.add_argument("--rejudge", action="store_true", help="train nothing, judge the records that are there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    return parser


if __name__ == "__main__":
    finish(main)
