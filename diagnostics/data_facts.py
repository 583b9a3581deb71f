"""What is known of the data before the first update: gaps, scales, order, and rows that are in both sets."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradvitals.diagnostics.column_scales import Columns
from gradvitals.diagnostics.label_order import UnseenLabels, count_runs, find_unseen, labels_of
from gradvitals.diagnostics.row_overlap import Overlap, measure_overlap
from gradvitals.diagnostics.set_scales import compare_scales
from gradvitals.diagnostics.start_notes import DataFacts
from gradvitals.diagnostics.target_copies import find_copy
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Observable

MOST_NAMED = 50
"""Constant columns, and targets, that a note lists one by one."""


@np.errstate(over="ignore", invalid="ignore")
def measure_data(network: Observable, data: WatchedData, columns: Columns | None, *, step: int) -> DataFacts:
    """Measure the data.

    Args:
        network: Is asked for the loss of a row that is not finite; it may know what to do with one.
        data: Of at least one training row.
        columns: Statistics of the training inputs; None where these are no quantities.
        step: The step the note carries.
    """
    facts = data.known.get("facts", lambda: _measure(data, columns))
    return replace(facts, step=step, spoils=_spoils(network, data, facts.not_finite, step))


def _measure(data: WatchedData, columns: Columns | None) -> DataFacts:
    """Measure what no network need be asked for."""
    nothing = np.zeros(0, np.int64)
    constant, compared, means, spreads = nothing, nothing, nothing, nothing
    if columns is not None:
        constant, compared = np.flatnonzero(columns.constant), np.flatnonzero(columns.compared)
        means, spreads = columns.mean[compared], columns.std[compared]
    widest, narrowest = (int(spreads.argmax()), int(spreads.argmin())) if len(compared) else (None, None)
    runs = None
    if data.targets.size and np.isfinite(data.targets[:, 0]).all():
        labels = labels_of(data.targets)
        runs = count_runs(data.targets[:, 0] > np.median(data.targets[:, 0]) if labels is None else labels)
    overlap, unseen = _overlap(data), _unseen(data)
    few_targets = np.asarray(data.targets[:, :MOST_NAMED], np.float64)
    return DataFacts(
        step=0,
        rows=len(data.inputs),
        columns=data.inputs[0].size,
        validation_rows=None if data.validation_inputs is None else len(data.validation_inputs),
        not_finite=_not_finite(data),
        spoils=None,
        constant_count=len(constant),
        constant_columns=tuple(map(int, constant[:MOST_NAMED])),
        rms=float(np.sqrt((means**2 + spreads**2).mean())) if len(compared) else None,
        widest_column=None if widest is None else int(compared[widest]),
        widest=None if widest is None else float(spreads[widest]),
        widest_mean=None if widest is None else float(means[widest]),
        narrowest_column=None if narrowest is None else int(compared[narrowest]),
        narrowest=None if narrowest is None else float(spreads[narrowest]),
        narrowest_mean=None if narrowest is None else float(means[narrowest]),
        runs=None if runs is None else runs.count,
        runs_expected=None if runs is None else runs.expected,
        runs_deviation=None if runs is None else runs.deviation,
        shared_rows=None if overlap is None else overlap.shared,
        shared_expected=None if overlap is None else overlap.expected,
        shared_chance=None if overlap is None else overlap.chance,
        target_means=tuple(map(float, few_targets.mean(axis=0))),
        target_deviations=tuple(map(float, few_targets.std(axis=0))),
        complete=data.complete,
        unseen_rows=None if unseen is None else unseen.rows,
        unseen_labels=() if unseen is None else unseen.labels,
        unseen_chance=None if unseen is None else unseen.chance,
        copied_column=None if data.discrete or data.several else find_copy(data.inputs, data.targets),
        set_scale=_set_scale(data),
    )


def _not_finite(data: WatchedData) -> dict[str, tuple[int, int, int]]:
    """Give, for every part that holds NaN or infinity, how many rows do, and row and column of the first."""
    parts = {
        "training inputs": data.inputs,
        "training targets": data.targets,
        "validation inputs": data.validation_inputs,
        "validation targets": data.validation_targets,
    }
    found = {}
    for name, part in parts.items():
        if part is None or not part.size or part.dtype.kind != "f":
            continue
        rows = part.reshape(len(part), -1)
        suspects = np.flatnonzero(~np.isfinite(rows @ np.ones(rows.shape[1], rows.dtype)))  # a sum may overflow
        bad = ~np.isfinite(rows[suspects])
        found_in = np.flatnonzero(bad.any(axis=1))
        if len(found_in):
            found[name] = len(found_in), int(suspects[found_in[0]]), int(bad[found_in[0]].argmax())
    return found


def _spoils(
    network: Observable, data: WatchedData, not_finite: Mapping[str, tuple[int, int, int]], step: int
) -> bool | None:
    """Tell whether the loss of a training row that is not finite is not finite either."""
    firsts = [not_finite[name][1] for name in ("training inputs", "training targets") if name in not_finite]
    if not firsts:
        return None
    results = [network.probe(data.inputs[row : row + 1], data.targets[row : row + 1], step=step) for row in firsts]
    return not all(math.isfinite(float(result.losses[0])) for result in results)


def _set_scale(data: WatchedData) -> float | None:
    """Compare the scales of the two sets, where inputs are quantities."""
    if data.validation_inputs is None or data.discrete:
        return None
    return compare_scales(data.inputs, data.validation_inputs)


def _unseen(data: WatchedData) -> UnseenLabels | None:
    """Compare the classes of the two sets, where all of the training set is there."""
    if data.validation_targets is None or not data.complete:
        return None
    ours, theirs = labels_of(data.targets), labels_of(data.validation_targets)
    return None if ours is None or theirs is None else find_unseen(ours, theirs)


def _overlap(data: WatchedData) -> Overlap | None:
    """Compare whole examples, targets included: where few values occur, the same inputs may well come twice."""
    if data.validation_inputs is None or data.validation_targets is None or not len(data.validation_inputs):
        return None
    ours = data.inputs, data.targets
    theirs = data.validation_inputs, data.validation_targets
    alike = [block.astype(own.dtype) for own, block in zip(ours, theirs, strict=True)]
    return measure_overlap(*([block.reshape(len(block), -1) for block in table] for table in (ours, alike)))
