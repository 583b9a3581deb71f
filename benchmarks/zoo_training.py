"""One candidate trained the way a user would: a config, our loader, a monitor; its scores and its record kept.

What `experiments/runner.py` does, without the event files and the findings: those are judged later, from the record.
"""

import gzip
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from zoo_grid import Candidate

import gradvitals.diagnostics
import gradvitals.engine
import gradvitals.experiments
from gradvitals.diagnostics.measurements import Record, context_from_json
from gradvitals.diagnostics.note_kinds import NOTES, note_from_json, note_to_json
from gradvitals.diagnostics.tensorboard.strict_json import decode_json, encode_json
from gradvitals.engine.events import Array
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.files import write_bytes
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.watched_training import train_experiment, watch_experiment

RECORDS = "records"
JUDGING = (
    "judge.py",
    "gate.py",
    "behind.py",
    "learned.py",
    "lag.py",
    "roots.py",
    "persistence.py",
    "findings.py",
    "harm.py",
    "explain.py",
    "markdown.py",
    "report.py",
)
"""Files of the diagnostics that only read records: a change in them leaves the records as good as they were."""

Scores = dict[str, float | None]


def train_candidate(candidate: Candidate, folder: Path) -> tuple[Scores, Record]:
    """Train a candidate under a monitor.

    Args:
        candidate: What to train.
        folder: The zoo's, which the paths of its config are relative to.

    Returns:
        Its scores on the validation set, and what the monitor recorded.
    """
    config = parse_config(dict(candidate.config), candidate.family)
    dataset = load_data(
        config.data, config.seed, folder, origin=candidate.family, sequence_length=config.model.sequence_length
    )
    experiment = assemble(config, dataset, check_fit(config, dataset, origin=candidate.family))
    with watch_experiment(config, experiment) as monitor:
        history = train_experiment(config, experiment)
    scores = score(experiment, dataset)
    return {**scores, "updates": float(history.steps)}, monitor.record


def score(experiment: Experiment, dataset: Dataset) -> Scores:
    """Score a trained network on the validation set, and the trivial predictor beside it.

    Returns:
        For a classification `accuracy`, `majority` (that of the training set's commonest class) and `skill`, 1 − its
        log-loss over that of the training set's class shares (McFadden's R²; None for a hinge or weighted classes).
        For a regression `r2`, the same in original units as in standardised ones. What is not finite is None.
    """
    validation = experiment.validation
    result = experiment.network.probe(validation.inputs, validation.targets)
    if dataset.task == "regression":
        return {"r2": _finite(r_squared(result.outputs, validation.targets))}
    classes, held_out = np.asarray(dataset.targets), np.asarray(dataset.validation_targets)
    shares = np.bincount(classes, minlength=dataset.outputs) / len(classes)
    constant = float(-np.log(shares[held_out]).mean())
    network = experiment.network
    has_probabilities = "cross_entropy" in network.loss_name and network.class_weight is None
    return {
        "accuracy": None if result.scores is None else _finite(float(result.scores.mean())),
        "majority": float((held_out == shares.argmax()).mean()),
        "skill": _finite(1.0 - float(result.losses.mean()) / constant) if has_probabilities else None,
    }


def r_squared(outputs: Array, targets: Array) -> float:
    """Give R² of outputs `(samples, columns)`, the mean over the columns; NaN where an output is not finite."""
    return float(r2_score(targets, outputs)) if np.isfinite(outputs).all() else math.nan


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def record_path(folder: Path, key: str) -> Path:
    """Give the file of a run's record."""
    return folder / RECORDS / f"{key}.json.gz"


def save_record(path: Path, record: Record) -> None:
    """Write a record: context, notes and series as JSON, compressed. A finite number keeps its float32 digits."""
    content: Any = {
        "context": None if record.context is None else note_to_json(record.context),
        "notes": {kind: [note_to_json(note) for note in record.notes(cls)] for kind, cls in NOTES.items()},
        "series": {tag: _series_to_json(record, tag) for tag in record.tags()},
    }
    write_bytes(path, gzip.compress(encode_json(content), 6, mtime=0))


def _series_to_json(record: Record, tag: str) -> dict[str, list[Any]]:
    series = record.series(tag)
    return {"steps": series.steps.tolist(), "values": [float(str(value)) for value in series.values]}


def load_record(path: Path) -> Record:
    """Read a record; kinds of notes that this version does not know are passed over."""
    content: Any = decode_json(gzip.decompress(path.read_bytes()))
    return record_from_json(content)


def record_from_json(content: Mapping[str, Any]) -> Record:
    """Make a record from plain data."""
    record = Record()
    record.context = None if content["context"] is None else context_from_json(content["context"])
    for kind, notes in content["notes"].items():
        for note in notes if kind in NOTES else ():
            record.add(note_from_json(kind, note))
    for tag, series in content["series"].items():
        record.add_series(tag, np.array(series["steps"], np.int64), np.array(series["values"], np.float64))
    return record


def measuring_digest() -> str:
    """Give a digest of all code that a record depends on: a record made by other code is stale.

    That is the engine, of the experiments what makes a network of a config, and of the diagnostics what measures.
    """
    engine, diagnostics, experiments = (
        Path(package.__path__[0]) for package in (gradvitals.engine, gradvitals.diagnostics, gradvitals.experiments)
    )
    paths = [
        *engine.glob("*.py"),
        *(path for path in diagnostics.glob("*.py") if path.name not in JUDGING),
        *diagnostics.glob("adapters/*.py"),
        *(experiments / name for name in ("assemble.py", "architecture.py", "fit.py", "watched_training.py")),
        *experiments.glob("data/*.py"),
    ]
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
