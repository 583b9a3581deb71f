"""Runs one training: its folder, its monitor, its event files, its findings."""

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
from gradvitals.diagnostics.live_pace import LivePace
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.engine.events import EpochEnded, Scores, TrainingEnded
from gradvitals.engine.history import History
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.config.dump import dump
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.data.mapped import as_trained, read_mapped
from gradvitals.experiments.files import write_json, write_text
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.intervention.yardstick import RowScores, score_rows
from gradvitals.experiments.network_graph import network_nodes
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.rules import configured
from gradvitals.experiments.run_folder import CONFIG_FILE, FINDINGS_FILE, FINISHED, RunSummary, write_summary
from gradvitals.experiments.session import end_session, start_session
from gradvitals.experiments.watched_training import train_experiment, watch_experiment


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run belongs.

    Attributes:
        folder: Its folder.
        origin: The config's file, for errors.
        base_dir: What relative paths in the config are relative to.
        axes: All values of every swept key, for the hyperparameter table.
        mapped: The folder of its data set, where that is in files for several processes (`data.mapped`).
        scored: Whether the score of every validation row is wanted, too (`intervention.yardstick`).
        watched: Whether it is watched and judged; if not, nothing is written, and there is no folder.
    """

    folder: Path
    origin: str
    base_dir: Path
    axes: Mapping[str, Sequence[Any]]
    mapped: Path | None = None
    scored: bool = False
    watched: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of many went.

    Attributes:
        planned: The run.
        summary: Of what became of it; None where it failed.
        error: The sentence that says why.
        row_scores: The score of every validation row, where that was wanted and the training came to an end.
    """

    planned: PlannedRun
    summary: RunSummary | None
    error: str = ""
    row_scores: RowScores | None = None


class OpenRun:
    """A run: begin its folder, train its experiment, then close it, whatever has happened.

    Attributes:
        experiment: With its initial weights.
        history: What its training fills.
        watched: Whether it is watched.
    """

    def __init__(self, planned: PlannedRun, place: Place, *, at_once: int = 1, pace: LivePace | None = None) -> None:
        """Assemble the experiment; nothing is written yet.

        Args:
            planned: What to run.
            place: Where.
            at_once: Runs that are trained at once and share the time it takes.
            pace: How often they get a verdict meanwhile; one for all of them.

        Raises:
            UserError: If data and config do not fit.
        """
        self.planned, self._place, self._at_once, self._pace = planned, place, at_once, pace
        config, dataset = planned.config, load_dataset(planned, place)
        self._dataset = dataset if place.scored else None
        self.watched = place.watched
        self._classifies = dataset.task != "regression"
        fit = check_fit(config, dataset, origin=place.origin)
        self.experiment, self.history = assemble(config, dataset, fit), History()
        self._diagnoses = configured(config.diagnostics.rules, origin=place.origin)
        self._monitor: Monitor | None = None
        self._result: tuple[RunSummary, Verdict] | None = None
        self._row_scores: RowScores | None = None
        self._error = ""
        self._writer: RunWriter | None = None
        versions = {"gradvitals": __version__, "numpy": np.__version__, "python": platform.python_version()}
        model = _describe(self.experiment)
        self._summary = RunSummary(place.folder.name, "running", planned.axes, model=model, versions=versions)
        self._started: float | None = None

    def begin(self) -> None:
        """Make the folder, write what TensorBoard wants to know at the start, and put the monitor on the experiment."""
        self._started, folder, config = time.perf_counter(), self._place.folder, self.planned.config
        if not self.watched:
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG_FILE, dump(config))
        write_summary(folder, self._summary)
        self._writer = RunWriter(folder)
        start_session(self._writer, self.planned, self._place.axes, classifies=self._classifies)
        self._writer.graph(network_nodes(self.experiment.network.circuit))
        self._monitor = watch_experiment(
            config, self.experiment, sinks=(self._writer,), diagnoses=self._diagnoses, pace=self._pace
        )

    def fail(self, problem: BaseException) -> None:
        """Say what stopped it, also before the first step and after the last one; a run that is closed has ended."""
        if self._result is None:
            self.history.reason = "failed" if isinstance(problem, Exception) else "interrupted"
            self._error = f"{type(problem).__name__}: {problem}" if isinstance(problem, Exception) else ""

    def ended(self, event: TrainingEnded) -> None:
        """Close it as soon as its training is done, however long others take."""
        if event.reason in FINISHED:
            self.close()

    def close(self) -> tuple[RunSummary, Verdict]:
        """Write what became of it, once it has begun."""
        if self._result is not None:
            return self._result
        history, folder = self.history, self._place.folder
        finished = history.reason in FINISHED
        writer, self._writer = self._writer, None
        if writer is not None:
            end_session(writer, self.planned, history.steps, history.reason)
            writer.close()
        if finished and self._dataset is not None:
            self._row_scores = score_rows(self.experiment, self._dataset)
        verdict = judge(Record(), self._diagnoses) if self._monitor is None else self._monitor.verdict
        summary = replace(
            self._summary,
            status=history.reason,
            seconds=0.0 if self._started is None else round((time.perf_counter() - self._started) / self._at_once, 3),
            steps=history.steps,
            forward_passes=history.forward_passes,
            scores=_last_scores(history),
            verdict=verdict.outcome if finished or verdict.outcome != "healthy" else "not_judged",
            findings=tuple(finding.key for finding in verdict.standing if finding.severity > Severity.INFO),
            error=self._error,
        )
        if self._started is not None and self.watched:
            write_json(folder / FINDINGS_FILE, {"version": 1, "run": summary.name, **verdict.to_json()})
            write_summary(folder, summary)
        self._result = summary, verdict
        return self._result

    @property
    def outcome(self) -> Outcome:
        """How it went, once it has ended."""
        return Outcome(self.planned, self.close()[0], "", self._row_scores)


def run_one(
    planned: PlannedRun, place: Place, on_epoch: Callable[[EpochEnded], None] | None = None
) -> tuple[RunSummary, Verdict]:
    """Train one run, watched, and write its folder; whatever stops it, the folder says how far it came.

    Raises:
        UserError: If data and config do not fit; nothing is written then.
    """
    return run_alone(planned, place, on_epoch).close()


def run_alone(planned: PlannedRun, place: Place, on_epoch: Callable[[EpochEnded], None] | None = None) -> OpenRun:
    """Do the same, watched or not, and give the run, closed."""
    run = OpenRun(planned, place)
    try:
        run.begin()
        if on_epoch is not None:
            run.experiment.network.hooks.on(EpochEnded, on_epoch)
        train_experiment(planned.config, run.experiment, history=run.history, watched=run.watched)
    except BaseException as problem:
        run.fail(problem)
        raise
    finally:
        run.close()
    return run


def load_dataset(planned: PlannedRun, place: Place) -> Dataset:
    """Load a run's data; the runs of one process that share data and seed load them once."""
    if place.mapped is not None:
        return _read_mapped(place.mapped)
    config = planned.config
    return _load(
        config.data,
        config.seed,
        place.base_dir,
        place.origin,
        sequence_length=config.model.sequence_length,
        dtype=config.training.dtype,
    )


def forget_datasets() -> None:
    """Let go of the data that this process has loaded."""
    _load.cache_clear()


@lru_cache(maxsize=2)
def _load(
    data: DataConfig, seed: int, base_dir: Path, origin: str, *, sequence_length: int | None, dtype: str
) -> Dataset:
    return as_trained(load_data(data, seed, base_dir, origin=origin, sequence_length=sequence_length), dtype)


@lru_cache(maxsize=2)
def _read_mapped(folder: Path) -> Dataset:
    return read_mapped(folder)


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
