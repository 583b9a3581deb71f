"""Runs one training: its folder, its monitor, its event files, its findings."""

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gradvitals import __version__
from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.tensorboard import hparams
from gradvitals.diagnostics.tensorboard.graph import graph_def
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.engine.events import EpochEnded, Scores
from gradvitals.engine.history import History
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.config.dump import dump
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.files import write_json, write_text
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.network_graph import network_nodes
from gradvitals.experiments.plan import PlannedRun, label
from gradvitals.experiments.rules import configured
from gradvitals.experiments.run_folder import CONFIG_FILE, FINDINGS_FILE, FINISHED, RunSummary, write_summary
from gradvitals.experiments.watched_training import train_experiment, watch_experiment

OUTCOMES = (
    hparams.Metric("epoch_accuracy", "validation"),
    hparams.Metric("epoch_loss", "validation"),
    hparams.Metric("epoch_loss", "train"),
    hparams.Metric("verdict/errors"),
    hparams.Metric("verdict/worst_dead_fraction"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run belongs.

    Attributes:
        folder: Its folder.
        origin: The config's file, for errors.
        base_dir: What relative paths in the config are relative to.
        axes: All values of every swept key, for the hyperparameter table.
    """

    folder: Path
    origin: str
    base_dir: Path
    axes: Mapping[str, Sequence[Any]]


def run_one(
    planned: PlannedRun, place: Place, on_epoch: Callable[[EpochEnded], None] | None = None
) -> tuple[RunSummary, Verdict]:
    """Train one run, watched, and write its folder; whatever stops it, the folder says how far it came.

    Raises:
        UserError: If data and config do not fit; nothing is written then.
    """
    config = planned.config
    dataset = load_dataset(planned, place)
    fit = check_fit(config, dataset, origin=place.origin)
    experiment = assemble(config, dataset, fit)
    diagnoses = configured(config.diagnostics.rules, origin=place.origin)

    place.folder.mkdir(parents=True, exist_ok=True)
    write_text(place.folder / CONFIG_FILE, dump(config))
    versions = {"gradvitals": __version__, "numpy": np.__version__, "python": platform.python_version()}
    summary = RunSummary(place.folder.name, "running", planned.axes, model=_describe(experiment), versions=versions)
    write_summary(place.folder, summary)
    started = time.perf_counter()
    error = ""
    history = History()
    writer = RunWriter(place.folder)
    monitor: Monitor | None = None
    try:
        _write_hparams(writer, planned, place)
        writer.top.graph(graph_def(network_nodes(experiment.network.circuit)))
        monitor = watch_experiment(config, experiment, sinks=(writer,), diagnoses=diagnoses)
        if on_epoch is not None:
            experiment.network.hooks.on(EpochEnded, on_epoch)
        train_experiment(config, experiment, history=history)
    except BaseException as problem:
        # Whatever stopped it, also before the first step and after the last one.
        history.reason = "failed" if isinstance(problem, Exception) else "interrupted"
        error = f"{type(problem).__name__}: {problem}" if history.reason == "failed" else ""
        raise
    finally:
        writer.top.summary(history.steps, hparams.session_end("success" if history.reason in FINISHED else "failure"))
        writer.close()
        verdict = judge(Record() if monitor is None else monitor.record, diagnoses)
        summary = replace(
            summary,
            status=history.reason,
            seconds=round(time.perf_counter() - started, 3),
            steps=history.steps,
            forward_passes=history.forward_passes,
            scores=_last_scores(history),
            verdict=verdict.outcome if history.reason in FINISHED or verdict.outcome != "healthy" else "not_judged",
            findings=tuple(finding.key for finding in verdict.standing if finding.severity > Severity.INFO),
            error=error,
        )
        write_json(place.folder / FINDINGS_FILE, {"version": 1, "run": summary.name, **verdict.to_json()})
        write_summary(place.folder, summary)
    return summary, verdict


def load_dataset(planned: PlannedRun, place: Place) -> Dataset:
    """Load a run's data; the runs of one process that share data and seed load them once."""
    config = planned.config
    return _load(config.data, config.seed, place.base_dir, place.origin, config.model.sequence_length)


@lru_cache(maxsize=2)
def _load(data: DataConfig, seed: int, base_dir: Path, origin: str, sequence_length: int | None) -> Dataset:
    return load_data(data, seed, base_dir, origin=origin, sequence_length=sequence_length)


def _describe(experiment: Experiment) -> dict[str, Any]:
    network = experiment.network
    layers = [
        {"name": info.name, "activation": info.activation, "fan_in": info.fan_in, "fan_out": info.fan_out}
        for info in network.layers
    ]
    return {"loss": network.loss_name, "layers": layers, "parameters": int(network.parameters.size)}


def _last_scores(history: History) -> dict[str, dict[str, float | None]]:
    parts: dict[str, list[Scores]] = {"training": history.training, "validation": history.validation}
    return {
        name: {"loss": scores[-1].loss, "accuracy": scores[-1].accuracy} for name, scores in parts.items() if scores
    }


def _write_hparams(writer: RunWriter, planned: PlannedRun, place: Place) -> None:
    """Write what TensorBoard's HParams tab needs: the same experiment in every run, and this run's own values."""
    if not planned.axes:
        return
    shown = {key: _hparams(values) for key, values in place.axes.items()}
    axes = {key: list(values.values()) for key, values in shown.items()}
    own = {key: shown[key][_identity(value)] for key, value in planned.axes.items()}
    group = ",".join(f"{key.rpartition('.')[2]}={label(value)}" for key, value in planned.axes.items() if key != "seed")
    writer.top.summary(0, hparams.experiment(axes, OUTCOMES), hparams.session_start(own, group_name=group))


def _hparams(values: Sequence[Any]) -> dict[str, hparams.Hparam]:
    """Give an axis as TensorBoard can show it: all numbers, all booleans, or else all text."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    as_they_are = numbers or all(isinstance(value, bool) for value in values)
    return {_identity(value): value if as_they_are else label(value) for value in values}


def _identity(value: object) -> str:
    """Tell a swept value from all others: tables and lists are no keys, and 1 equals true."""
    return json.dumps(value, sort_keys=True)
