"""A run's folder: what it is called, what is in it, and that no finished one is ever overwritten."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.files import read_json, write_json

RUN_FILE, CONFIG_FILE, FINDINGS_FILE, SWEEP_FILE, MAP_FILE = (
    "run.json",
    "config.toml",
    "findings.json",
    "sweep.json",
    "map.png",
)
GRAPHS = "circuit"
"""Where `gradvitals circuit` leaves its graphs, below a log folder."""

MAP_RUN = "map"
"""Where a sweep leaves its map for TensorBoard."""

Status: TypeAlias = Literal["running", "completed", "early_stopping", "non_finite", "interrupted", "failed"]
FINISHED = frozenset({"completed", "early_stopping", "non_finite"})
Existing: TypeAlias = Literal["refuse", "resume", "new"]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What `run.json` says of a run.

    Attributes:
        name: Of the run: its folder's name.
        status: How far it came.
        axes: The swept keys and their values.
        seconds: Wall time of the training, watching included.
        steps: Updates made.
        forward_passes: Over a batch, that the updates needed.
        scores: Last loss and accuracy, by `training` and `validation`.
        verdict: What the diagnoses say together.
        findings: Keys of the standing warnings and errors, roots first.
        model: Layers, sizes and number of parameters.
        versions: Of what it ran on.
        error: What went wrong, for a failed run.
    """

    name: str
    status: Status
    axes: Mapping[str, Any]
    seconds: float = 0.0
    steps: int = 0
    forward_passes: int = 0
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    verdict: str = "not_judged"
    findings: tuple[str, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether the training came to an end of its own."""
        return self.status in FINISHED

    @property
    def root(self) -> str:
        """Id of the first root finding; empty for a healthy run."""
        return self.findings[0].partition("@")[0] if self.findings else ""

    def score(self, name: str) -> float | None:
        """Give the last validation score of this name, or the training score where there is no validation."""
        for part in ("validation", "training"):
            value = self.scores.get(part, {}).get(name)
            if value is not None:
                return value
        return None


_SUMMARY = TypeAdapter(RunSummary)


def write_summary(folder: Path, summary: RunSummary) -> None:
    """Write `run.json`."""
    write_json(folder / RUN_FILE, {"version": 1, **asdict(summary)})


def read_summary(folder: Path) -> RunSummary | None:
    """Read `run.json`; None where there is none that is ours."""
    data = read_json(folder / RUN_FILE)
    try:
        return _SUMMARY.validate_python(data)
    except ValidationError:
        return None


def read_sweep(folder: Path) -> dict[str, RunSummary | None]:
    """Read which runs a sweep planned, by name, with the summaries of those that are finished; empty for no sweep."""
    data = read_json(folder / SWEEP_FILE)
    runs = data.get("runs") if isinstance(data, dict) else None
    names = [run["name"] for run in runs if isinstance(run, dict) and "name" in run] if isinstance(runs, list) else []
    planned: dict[str, RunSummary | None] = {}
    for name in names:
        if isinstance(name, str) and name == Path(name).name:
            summary = read_summary(folder / name)
            planned[name] = summary if summary is not None and summary.finished else None
    return planned


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run: ours, or any with event files at its top that is no part of one of ours."""
    return (folder / RUN_FILE).is_file() or bool(find_event_files(folder))


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the run folders at and below a folder, in order.

    The parts of a run are not runs of their own; a sweep's map and the graphs of `gradvitals circuit` are none at all.
    """
    if is_run(folder):
        yield folder
        return
    for child in _folders_in(folder):
        yield from find_runs(child)


def find_sweeps(folder: Path) -> Iterator[Path]:
    """Yield the folders with a sweep's plan at and below a folder, in order, also those that hold no run yet."""
    if is_run(folder):
        return
    if (folder / SWEEP_FILE).is_file():
        yield folder
    for child in _folders_in(folder):
        yield from find_sweeps(child)


def _folders_in(folder: Path) -> Iterator[Path]:
    """Yield the folders in which runs are looked for."""
    for child in sorted(folder.iterdir()):
        hidden = child.is_symlink() or child.name.startswith(".")
        if child.is_dir() and not hidden and not _holds_graphs(child) and not holds_map(child):
            yield child


def holds_map(folder: Path) -> bool:
    """Tell whether a folder has but the map of the sweep around it."""
    of_sweep = folder.name == MAP_RUN and (folder.parent / SWEEP_FILE).is_file()
    return of_sweep and not any(child.is_dir() or child.name == RUN_FILE for child in folder.iterdir())


def _holds_graphs(folder: Path) -> bool:
    return folder.name == GRAPHS and not any((child / RUN_FILE).exists() for child in folder.iterdir())


def choose_folder(parent: Path, name: str, existing: Existing) -> Path | None:
    """Choose where a run goes; None for a finished run that `resume` leaves as it is.

    Raises:
        UserError: If there is a run of that name already and nothing says what to do with it, or the folder cannot be.
    """
    folder = parent / name
    _refuse_file(folder)
    if not folder.exists():
        return folder
    if existing == "new":
        numbers = (number for number in range(2, 10_000))
        return next(candidate for number in numbers if not (candidate := parent / f"{name}-{number}").exists())
    summary = read_summary(folder)
    if existing == "resume":
        return None if summary is not None and summary.finished else folder
    state = summary.status if summary is not None else "no run of ours"
    sentence = (
        f"{folder}: exists already ({state}) — use --resume to keep what is finished, or --force-new for another folder"
    )
    raise UserError(sentence)


def _refuse_file(folder: Path) -> None:
    """Refuse a place for a run where a file is in the way, or where nothing may be written."""
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not existing.is_dir():
        sentence = f"{existing}: a file; a folder is needed here for the runs"
        raise UserError(sentence)
    if not os.access(existing, os.W_OK | os.X_OK):
        sentence = f"{existing}: cannot be written to — use --logdir for another folder"
        raise UserError(sentence)
