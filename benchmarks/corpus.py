"""The open trace corpus: what a monitor measured of runs with known faults, without pickle; see docs/corpus.md.

    python benchmarks/corpus.py build FOLDER --runs RUNS [--half tuning] [--seeds 1] [--workers 2]
    python benchmarks/corpus.py answer FOLDER ANSWERS.json

`build` trains every injection of `fault_injections.py` and its healthy twins (RUNS keeps the finished ones, and may be
the folder of `fault_bench.py`), and writes each as a JSON file with its arrays beside it. `answer` judges the corpus
with our diagnoses and writes what they say in the form that `corpus_score.py` scores.
"""

import argparse
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Finished, Job, campaign_digest, run_jobs
from fault_harm import HarmDone, measure_harm
from fault_injections import HALVES, SEEDS, Half, Injection, injections
from finished_runs import finish
from machine import describe_machine
from zoo_training import load_record, record_from_json, record_path

from gradvitals import __version__
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.note_kinds import NOTES, note_to_json
from gradvitals.experiments.config.dump import as_plain
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.files import read_json, write_bytes, write_json

VERSION = 1
INDEX, RUNS = "index.json", "runs"


def write_corpus(
    folder: Path, faults: Sequence[Injection], lines: Mapping[str, Finished], records: Path, *, about: Mapping[str, Any]
) -> int:
    """Write injections and their twins; give how many runs there are.

    Args:
        folder: Of the corpus.
        faults: The injections.
        lines: Finished runs by key, with those of all twins.
        records: The folder with what the monitor recorded.
        about: Where the corpus comes from, for its index.
    """
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    twins = {twin.key: twin for one in faults for twin in one.twins}
    able = [one for one in (*twins.values(), *faults) if one.key in lines and not lines[one.key].error]
    entries = []
    for one in able:
        harm = measure_harm(one, lines)
        if harm is None:  # no healthy twin has a score to compare with
            continue
        record = load_record(record_path(records, one.key))
        entry = _entry(one, harm)
        write_json(folder / RUNS / f"{one.key}.json", {**entry, **_measured(one, lines[one.key], record)})
        write_bytes(folder / RUNS / f"{one.key}.npz", _arrays(record))
        entries.append(entry)
    write_json(folder / INDEX, {"version": VERSION, "about": about, "runs": entries})
    return len(entries)


def _entry(one: Injection, harm: HarmDone) -> dict[str, Any]:
    """Give what the index says of a run: what is wrong with it and what that costs."""
    return {
        "run": one.key,
        "base": one.base.name,
        "seed": one.seed,
        "half": one.half if one.faults else None,
        "dose": one.dose,
        "set": dict(one.keys),
        "faults": [
            {"name": fault.name, "diagnosis": fault.diagnosis, "roots": list(fault.roots), "layer": fault.layer}
            for fault in one.faults
        ],
        "healthy_twin": one.twin.key if one.faults else None,
        "harm": {
            "yardstick": one.base.yardstick,
            "value": harm.value,
            "twins_deviation": harm.error,
            "harmful": bool(one.faults) and harm.harmful,
        },
    }


def _measured(one: Injection, line: Finished, record: Record) -> dict[str, Any]:
    """Give what was measured, but for the arrays."""
    return {
        "version": VERSION,
        "config": as_plain(parse_config(one.config)),
        "scores": line.scores,
        "history": line.history,
        "context": None if record.context is None else note_to_json(record.context),
        "notes": {kind: [note_to_json(note) for note in record.notes(cls)] for kind, cls in NOTES.items()},
        "tags": record.tags(),
    }


def _arrays(record: Record) -> bytes:
    """Pack the series: for every tag `steps/TAG` `(n,)` int64 and `values/TAG` `(n,)` float32."""
    arrays = {}
    for tag in record.tags():
        series = record.series(tag)
        arrays[f"steps/{tag}"] = np.asarray(series.steps, np.int64)
        arrays[f"values/{tag}"] = np.asarray(series.values, np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_run(folder: Path, run: str) -> tuple[dict[str, Any], Record]:
    """Read a run of a corpus: its JSON, and its measurements as a record that diagnoses judge."""
    data: dict[str, Any] = read_json(folder / RUNS / f"{run}.json")
    record = record_from_json({"context": data["context"], "notes": data["notes"], "series": {}})
    with np.load(folder / RUNS / f"{run}.npz", allow_pickle=False) as arrays:
        for tag in data["tags"]:
            record.add_series(tag, arrays[f"steps/{tag}"], arrays[f"values/{tag}"])
    return data, record


def our_answers(folder: Path) -> Iterator[dict[str, Any]]:
    """Judge every run of a corpus and give what is said of it, as `gradvitals check --format json` words it."""
    for entry in read_json(folder / INDEX)["runs"]:
        _, record = read_run(folder, entry["run"])
        yield {"run": entry["run"], **judge(record).to_json()}


def main() -> int:
    """Build a corpus, or judge one."""
    options = _options()
    if options.command == "answer":
        answers = list(our_answers(options.folder))
        write_json(options.answers, {"version": VERSION, "runs": answers})
        print(f"{len(answers)} runs judged: {options.answers}")
        return 0
    faults = [one for one in injections(options.half) if one.seed in SEEDS[: options.seeds]]
    twins = {twin.key: twin for one in faults for twin in one.twins}
    jobs = [Job(one.key, one.config) for one in (*twins.values(), *faults)]
    lines = run_jobs(jobs, options.runs, options.workers)
    about = {
        "gradvitals": __version__,
        "code": campaign_digest(),
        "half": options.half,
        "seeds": list(SEEDS[: options.seeds]),
        **describe_machine(),
    }
    count = write_corpus(options.folder, faults, lines, options.runs, about=about)
    print(f"{count} runs: {options.folder / INDEX}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="train and write a corpus")
    build.add_argument("folder", type=Path, help="of the corpus")
    build.add_argument("--runs", type=Path, required=True, metavar="RUNS", help="keeps the finished runs")
    halves: tuple[Half, ...] = HALVES
    build.add_argument("--half", choices=halves, default="tuning", help="of the injections")
    build.add_argument("--seeds", type=int, default=1, metavar="N", help="of each injection")
    build.add_argument("--workers", type=int, default=2, help="processes, one BLAS thread each")
    answer = commands.add_parser("answer", help="judge a corpus with our diagnoses")
    answer.add_argument("folder", type=Path, help="of the corpus")
    answer.add_argument("answers", type=Path, metavar="ANSWERS.json", help="to write")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)
