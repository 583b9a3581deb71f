"""Many trainings by config, resumable: each watched by our monitor and, on request, by the peers, on the same run.

A folder has `runs.jsonl`, a line for every finished run, and `records`, what the monitor recorded of it. A line whose
code has changed since is trained again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from finished_runs import add_line, end_torn_line, read_lines, train_each
from peer_alarms import Alarm
from peer_trace import record_batch_fits, record_trace
from peers import PEERS
from zoo_training import RECORDS, Scores, measuring_digest, record_path, save_record, score

from gradvitals.diagnostics.measurements import Record
from gradvitals.engine.events import EpochEnded
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.watched_training import train_experiment, watch_experiment

Row = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Job:
    """A training to be done.

    Attributes:
        key: What it is known by.
        config: Its plain config.
        peers: Whether the peers look too.
    """

    key: str
    config: Mapping[str, Any]
    peers: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A line of the file of finished runs.

    Attributes:
        key: Of the job.
        code: Digest of the code that measured.
        scores: On the validation set; empty where it could not be trained.
        history: Step, losses and accuracies of every epoch.
        alarms: Of every peer, `[rule, layer, step]` each; empty unless they looked.
        error: Why it could not be trained.
    """

    key: str
    code: str
    scores: Scores = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    alarms: dict[str, list[list[Any]]] = field(default_factory=dict)
    error: str = ""


def run_jobs(jobs: Sequence[Job], folder: Path, workers: int) -> dict[str, Finished]:
    """Train what has no line of the present code yet, and give all lines by key.

    Args:
        jobs: What is wanted.
        folder: Keeps lines and records; paths in configs are relative to it.
        workers: Processes, one BLAS thread each; 1 trains here.
    """
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    code, lines = campaign_digest(), read_lines(folder, Finished)
    missing = [job for job in jobs if job.key not in lines or lines[job.key].code != code]
    missing += [job for job in jobs if job not in missing and job.peers and not _looked(lines[job.key])]
    print(f"{len(jobs)} runs, {len(jobs) - len(missing)} already trained", flush=True)
    end_torn_line(folder)
    train_each(_attempt, missing, workers, folder, code)
    lines = read_lines(folder, Finished)
    return {job.key: lines[job.key] for job in jobs}


def _looked(line: Finished) -> bool:
    return bool(line.alarms) or bool(line.error)


def campaign_digest() -> str:
    """Give a digest of the code that a line depends on: what measures, and the peers."""
    digest = hashlib.sha256(measuring_digest().encode())
    for path in sorted(Path(__file__).parent.glob("peer*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _attempt(job: Job, folder: Path, code: str) -> None:
    """Train, keep the record, then write the line."""
    try:
        with np.errstate(all="ignore"):
            line, record = train_job(job, folder, code)
    except Exception as error:  # noqa: BLE001 - it is counted and named, and the others go on
        line = Finished(job.key, code, error=f"{type(error).__name__}: {error}")
    else:
        save_record(record_path(folder, job.key), record)
    add_line(folder, line)


def train_job(job: Job, folder: Path, code: str = "") -> tuple[Finished, Record]:
    """Train a job under our monitor, and the peers' recorder where they are to look."""
    config = parse_config(dict(job.config), job.key)
    dataset = load_data(config.data, config.seed, folder, origin=job.key, sequence_length=config.model.sequence_length)
    experiment = assemble(config, dataset, check_fit(config, dataset, origin=job.key))
    history: list[Row] = []

    def keep(event: EpochEnded) -> None:
        unseen = event.validation or event.training
        history.append(
            {
                "step": event.step,
                "loss": event.training.loss,
                "accuracy": event.training.accuracy,
                "val_loss": unseen.loss,
                "val_accuracy": unseen.accuracy,
            }
        )

    experiment.network.hooks.on(EpochEnded, keep)
    with watch_experiment(config, experiment) as monitor:
        trace = record_trace(config, experiment) if job.peers else None
        done = train_experiment(config, experiment)
    scores = {**score(experiment, dataset), "updates": float(done.steps)}
    alarms: dict[str, list[list[Any]]] = {}
    if trace is not None:
        record_batch_fits(config, dataset, trace)
        alarms = {name: [_plain(alarm) for alarm in rules(trace)] for name, rules in PEERS.items()}
    return Finished(job.key, code, scores, history, alarms), monitor.record


def _plain(alarm: Alarm) -> list[Any]:
    return [alarm.rule, alarm.layer, alarm.step]
