"""A run of a sweep in TensorBoard's HParams tab: the sweep's axes and outcomes, its own values, and how it ended."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gradvitals.diagnostics.tensorboard import hparams
from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.experiments.plan import PlannedRun, label
from gradvitals.experiments.run_folder import FINISHED, Status

LOSSES = (hparams.Metric("epoch_loss", "validation"), hparams.Metric("epoch_loss", "train"))
VERDICT = (hparams.Metric("verdict/errors"), hparams.Metric("verdict/worst_dead_fraction"))
ACCURACY = hparams.Metric("epoch_accuracy", "validation")

UNFINISHED = ".unfinished"
"""Ends the name of the event file in which a run that was stopped says so, and nothing else.

Of several ends TensorBoard shows the first; so that of a run that is resumed is taken back.
"""

ALL_SEEDS = "all seeds"
"""The group of a sweep over nothing else."""


def start_session(
    writer: RunWriter, planned: PlannedRun, axes: Mapping[str, Sequence[Any]], *, classifies: bool
) -> None:
    """Write what the tab needs at the start: the same experiment in every run of a sweep, and this run's own values.

    Args:
        writer: Of the run.
        planned: The run; one without axes has no place in the table.
        axes: All values of every swept key.
        classifies: Whether there are accuracies.
    """
    for superseded in writer.folder.glob(f"*tfevents*{UNFINISHED}"):
        superseded.unlink()
    if not planned.axes:
        return
    shown = {key: _shown(values) for key, values in axes.items()}
    domains = {key: list(values.values()) for key, values in shown.items()}
    own = {key: shown[key][_identity(value)] for key, value in planned.axes.items()}
    outcomes = (*((ACCURACY,) if classifies else ()), *LOSSES, *VERDICT)
    session = hparams.session_start(own, group_name=_group(planned.axes, axes))
    writer.top.summary(0, hparams.experiment(domains, outcomes), session)


def end_session(writer: RunWriter, planned: PlannedRun, steps: int, status: Status) -> None:
    """Write how a run ended; that it was stopped goes into a file of its own.

    Args:
        writer: Of the run.
        planned: The run; of one without axes nothing is written.
        steps: Updates made.
        status: How it ended; one whose loss is not finite has come to its end, and failed.
    """
    if not planned.axes:
        return
    if status in FINISHED:
        writer.top.summary(steps, hparams.session_end("failure" if status == "non_finite" else "success"))
        return
    with EventFile(writer.folder, resume_step=steps + 1, suffix=UNFINISHED) as file:
        file.summary(steps + 1, hparams.session_end("failure"))


def _group(own: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> str:
    """Name what runs that differ in the seed alone have in common."""
    settings = {key: value for key, value in own.items() if key != "seed"}
    parts = [f"{key.rpartition('.')[2]}={_text(value, axes[key])}" for key, value in settings.items()]
    return ",".join(parts) or ALL_SEEDS


def _shown(values: Sequence[Any]) -> dict[str, hparams.Hparam]:
    """Give an axis as TensorBoard can show it: all numbers, all booleans, or else all text."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    as_they_are = numbers or all(isinstance(value, bool) for value in values)
    return {_identity(value): value if as_they_are else _text(value, values) for value in values}


def _text(
    value: Any,  # noqa: ANN401 - whatever a config can hold
    values: Sequence[Any],
) -> str:
    """Give a value as briefly as tells it from the others of its axis."""
    brief = label(value)
    return brief if sum(label(other) == brief for other in values) == 1 else _identity(value)


def _identity(value: object) -> str:
    """Tell a swept value from all others: tables and lists are no keys, and 1 equals true."""
    return json.dumps(value, sort_keys=True)
