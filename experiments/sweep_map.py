"""The map of a sweep: two axes, and per cell what broke there, or how well it trained."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradvitals.diagnostics.signs import what_stands_for
from gradvitals.experiments.plan import label
from gradvitals.experiments.run_folder import RunSummary


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs at one place of the map, combined.

    Attributes:
        runs: How many there are.
        root: The commonest root diagnosis, empty if most are healthy; of several the one with the worse verdict.
        verdict: The worst that it has.
        score: Mean accuracy, or mean loss where there is no accuracy; None without scores.
        names: Of the runs, those with the root first.
    """

    runs: int
    root: str
    verdict: str
    score: float | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SweepMap:
    """The map.

    Attributes:
        column_axis: Key along the top; empty for a sweep without axes.
        row_axis: Key along the side; empty for a sweep over one axis.
        columns: Its values, as labels.
        rows: Likewise.
        cells: By (row, column); absent where no run is there yet.
        score_name: `accuracy` or `loss`.
    """

    column_axis: str
    row_axis: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    score_name: str

    @property
    def roots(self) -> list[str]:
        """The diagnoses on the map, the commonest first."""
        counts = Counter(cell.root for cell in self.cells.values() if cell.root)
        return [root for root, _ in counts.most_common()]


def draw_map(axes: Mapping[str, Sequence[Any]], summaries: Sequence[RunSummary]) -> SweepMap:
    """Draw the map over the two axes with the most values; runs that differ in other axes share a cell."""
    keys = sorted((key for key in axes if key != "seed"), key=lambda key: -len(axes[key])) or list(axes)
    column_axis, row_axis = (*keys, "", "")[:2]
    score_name = "accuracy" if any(summary.score("accuracy") is not None for summary in summaries) else "loss"
    columns = _labels(axes[column_axis]) if column_axis else ("",)
    rows = _labels(axes[row_axis]) if row_axis else ("",)
    groups: dict[tuple[str, str], list[RunSummary]] = {}
    for summary in summaries:
        place = (_place(summary, row_axis, axes, rows), _place(summary, column_axis, axes, columns))
        groups.setdefault(place, []).append(summary)
    cells = {place: _combine(group, score_name) for place, group in groups.items()}
    return SweepMap(column_axis, row_axis, columns, rows, cells, score_name)


def best_run(summaries: Sequence[RunSummary]) -> RunSummary | None:
    """Give the finished run with the best validation accuracy, then the lowest validation loss."""
    scored = [summary for summary in summaries if summary.score("loss") is not None]

    def quality(summary: RunSummary) -> tuple[float, float]:
        accuracy, loss = summary.score("accuracy"), summary.score("loss")
        finite = loss is not None and loss == loss  # noqa: PLR0124 - NaN is the worst
        return (accuracy if accuracy is not None and finite else -1.0, -loss if loss is not None and finite else -1e300)

    return max(scored, key=quality, default=None)


def _labels(values: Sequence[Any]) -> tuple[str, ...]:
    """Label an axis: numbers with as few digits as tell them apart."""
    for digits in range(2, 13):
        labels = tuple(f"{value:.{digits}g}" if isinstance(value, float) else label(value) for value in values)
        if len(set(labels)) == len(values):
            return labels
    return tuple(label(value) for value in values)


def _place(summary: RunSummary, axis: str, axes: Mapping[str, Sequence[Any]], labels: Sequence[str]) -> str:
    """Give the label of a run's value on an axis."""
    return labels[list(axes[axis]).index(summary.axes[axis])] if axis else ""


def _combine(runs: Sequence[RunSummary], score_name: str) -> Cell:
    root, verdict = what_stands_for([(_root(summary), summary.verdict) for summary in runs])
    scores = [score for summary in runs if (score := summary.score(score_name)) is not None]
    names = tuple(summary.name for summary in sorted(runs, key=lambda summary: _root(summary) != root))
    return Cell(len(runs), root, verdict, sum(scores) / len(scores) if scores else None, names)


def _root(summary: RunSummary) -> str:
    """Give what a run is shown as: `failed` if it was stopped, `running` without an end, if nothing stands so far."""
    if summary.finished:
        return summary.root
    return summary.root or ("running" if summary.status == "running" else "failed")
