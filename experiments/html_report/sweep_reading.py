"""A sweep read back, with its runs as they are judged now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradvitals.diagnostics.findings import Severity
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.files import read_json
from gradvitals.experiments.progress import unfinished_text
from gradvitals.experiments.run_folder import SWEEP_FILE, RunSummary, read_summary, read_sweep


@dataclass(frozen=True, slots=True)
class SweepRead:
    """A sweep.

    Attributes:
        folder: Where it is.
        axes: The swept keys and their values; empty where there are none, or the plan is damaged.
        summaries: Of the runs that have begun, as they are judged now.
        unfinished: How many runs are not done, and why not, in words; empty where all are.
    """

    folder: Path
    axes: Mapping[str, list[Any]]
    summaries: tuple[RunSummary, ...]
    unfinished: str


def read_sweep_back(folder: Path, checked: Mapping[Path, CheckedRun]) -> SweepRead:
    """Read a sweep's folder.

    Args:
        folder: The sweep's.
        checked: All runs that were judged, by their folders.
    """
    axes, points = _read_plan(folder)
    planned = read_sweep(folder)
    names = list(planned)
    found: list[RunSummary] = []
    for name in names:
        summary, run = read_summary(folder / name), checked.get(folder / name)
        point = points.get(name, {})
        if summary is None or run is None or not all(key in point and point[key] in axes[key] for key in axes):
            continue
        standing = run.verdict.without(run.excused).standing
        keys = tuple(finding.key for finding in standing if finding.severity > Severity.INFO)
        scores = summary.scores if summary.finished else run.scores  # `run.json` has them only at the end
        found.append(replace(summary, name=name, axes=point, verdict=run.outcome, findings=keys, scores=scores))
    runs = {name: checked.get(folder / name) for name, ended in planned.items() if ended is None}
    states = [None if run is None else run.progress for run in runs.values()]
    return SweepRead(folder, axes, tuple(found), unfinished_text(len(names), states) if states else "")


def _read_plan(folder: Path) -> tuple[dict[str, list[Any]], dict[str, dict[str, Any]]]:
    """Read the values of every axis, and the point of every run by its name; nothing of what is damaged."""
    data = read_json(folder / SWEEP_FILE)
    axes = data.get("axes") if isinstance(data, dict) else None
    if not isinstance(axes, dict) or not all(isinstance(values, list) and values for values in axes.values()):
        return {}, {}
    runs = [run for run in data["runs"] if isinstance(run, dict)] if isinstance(data.get("runs"), list) else []
    points = {run["name"]: run["axes"] for run in runs if isinstance(run.get("axes"), dict) and "name" in run}
    return axes, {name: point for name, point in points.items() if isinstance(name, str)}
