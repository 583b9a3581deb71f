"""The map of a sweep: two axes of the user's choice, and per cell what broke there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isnan, nan

from gradvitals.diagnostics.signs import faded, look_of, score_text, sign_of, what_stands_for
from gradvitals.diagnostics.tensorboard.strict_json import Json
from gradvitals.diagnostics.tensorboard.vitals_tab.hyperparameters import Value, axis_labels
from gradvitals.diagnostics.tensorboard.vitals_tab.run_index import RUNNING, SCORES, KnownRun

SEED = "seed"
ACCURACY, LOSS = SCORES


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a sweep: its key, its values in their order, and their labels."""

    key: str
    values: tuple[Value, ...]
    labels: tuple[str, ...]

    def place(self, run: KnownRun) -> int | None:
        """Give where a run stands on it; None for nowhere."""
        value = run.values.get(self.key)
        alike = (at for at, each in enumerate(self.values) if each == value and type(each) is type(value))
        return next(alike, None)


def find_axes(runs: Sequence[KnownRun]) -> list[Axis]:
    """Find the axes of a sweep: the keys in which its runs differ, or are planned to differ."""
    values: dict[str, dict[tuple[type, Value], Value]] = {}
    for run in runs:
        for key, domain in (*run.domains.items(), *((key, [value]) for key, value in run.values.items())):
            values.setdefault(key, {}).update({(type(value), value): value for value in domain})
    axes = [Axis(key, tuple(of.values()), tuple(axis_labels(list(of.values())))) for key, of in values.items()]
    return [axis for axis in axes if len(axis.values) > 1] or axes[:1]


def draw_sweep_map(runs: Sequence[KnownRun], columns: str | None, rows: str | None) -> dict[str, Json]:
    """Draw the map.

    Args:
        runs: Of one sweep.
        columns: Key along the top; None for the one with the most values. The seed comes last.
        rows: Key along the side; likewise; empty for none.

    Raises:
        ValueError: If a key is no axis of the sweep.
    """
    axes = {axis.key: axis for axis in find_axes(runs)}
    column_axis, row_axis = _choose(axes, columns, rows)
    score = ACCURACY if any(ACCURACY in run.scores for run in runs) else LOSS
    groups: dict[tuple[int, int], list[KnownRun]] = {}
    elsewhere: list[str] = []
    for run in runs:
        place = (
            0 if row_axis is None else row_axis.place(run),
            None if column_axis is None else column_axis.place(run),
        )
        if place[0] is None or place[1] is None:
            elsewhere.append(run.name)
        else:
            groups.setdefault((place[0], place[1]), []).append(run)
    cells = [_cell(row, column, group, score) for (row, column), group in sorted(groups.items())]
    return {
        "axes": [{"key": axis.key, "labels": axis.labels} for axis in axes.values()],
        "columns": None if column_axis is None else column_axis.key,
        "rows": None if row_axis is None else row_axis.key,
        "score_name": score.removeprefix("epoch_"),
        "cells": list(cells),
        "legend": _legend(runs),
        "elsewhere": tuple(elsewhere),
        "best": _best(runs, score),
    }


def _choose(axes: Mapping[str, Axis], columns: str | None, rows: str | None) -> tuple[Axis | None, Axis | None]:
    """Choose the axes of the map: those with the most values unless the user says otherwise; the seed is the last."""
    for key in (columns, rows):
        if key and key not in axes:
            msg = f"{key!r} is no axis of this sweep; its axes are {', '.join(axes) or 'none'}"
            raise ValueError(msg)
    usual = sorted((key for key in axes if key != SEED), key=lambda key: -len(axes[key].values)) or list(axes)
    column = columns or next((key for key in usual if key != rows), None)
    row = next((key for key in usual if key != column), None) if rows is None else rows
    return axes[column] if column else None, axes[row] if row and row != column else None


def _cell(row: int, column: int, runs: Sequence[KnownRun], score: str) -> Json:
    """Combine the runs of a cell: what stands for them, and the mean score."""
    counts = Counter((run.root, run.outcome) for run in runs)
    root, outcome = what_stands_for([(run.root, run.outcome) for run in runs])
    scores = [run.scores[score] for run in runs if score in run.scores]
    mean = sum(scores) / len(scores) if scores else None
    look = look_of(root, outcome)
    if not root and outcome != "not_judged" and mean is not None and score == ACCURACY:
        look = faded(look, mean)
    return {
        "row": row,
        "column": column,
        "root": root,
        "verdict": outcome,
        "sign": sign_of(outcome),
        "look": asdict(look),
        "score": mean,
        "score_text": "" if mean is None else score_text(mean),
        "counts": [[look_of(*each).name, each[1], count] for each, count in counts.most_common()],
        "running": sum(run.status == RUNNING for run in runs),
        "runs": [run.name for run in sorted(runs, key=lambda run: run.root != root)],
    }


def _legend(runs: Sequence[KnownRun]) -> Json:
    """Give the looks on the map: healthy ones, then the commonest diagnosis first."""
    looks = Counter(run.look for run in runs)
    ordered = sorted(looks, key=lambda look: (look.name != look_of("", "healthy").name, -looks[look]))
    return [{**asdict(look), "runs": looks[look]} for look in ordered]


def _best(runs: Sequence[KnownRun], score: str) -> Json:
    """Give the run with the best score that has ended: of equal accuracies the one with the lower loss."""

    def quality(run: KnownRun) -> tuple[float, float]:
        loss = run.scores.get(LOSS, inf)
        return (run.scores[ACCURACY] if score == ACCURACY else 0.0, -inf if isnan(loss) else -loss)

    scored = [run for run in runs if run.status != RUNNING and not isnan(run.scores.get(score, nan))]
    best = max(scored, key=quality, default=None)
    return None if best is None else {"run": best.name, "score": best.scores[score]}
