"""Our runs among TensorBoard's: three of its runs are one of ours, and what is known of each is read once."""

import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from gradvitals.diagnostics.findings import Judged
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.signs import Look, look_of
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS, MEASUREMENTS
from gradvitals.diagnostics.tensorboard.summaries import PLUGIN_NAME
from gradvitals.diagnostics.tensorboard.vitals_tab.hyperparameters import (
    Domains,
    Values,
    read_domains,
    read_end,
    read_values,
)
from gradvitals.diagnostics.tensorboard.vitals_tab.logs import ByTag, Logs
from gradvitals.diagnostics.tensorboard.vitals_tab.recorded_verdict import RecordedVerdict, read_verdict
from gradvitals.diagnostics.tensorboard.vitals_tab.run_notes import find_context, find_scores, read_ending

RUNNING = "running"
"""The status of a run whose record does not reach its end: it is running, or was killed."""

FINISHED = frozenset({"completed", "early_stopping", "non_finite"})
SCORES = ("epoch_accuracy", "epoch_loss")

Stamp: TypeAlias = tuple[tuple[int, float], ...]
"""Where a run's own series end; while that stays the same, so does what they say."""


Ends: TypeAlias = tuple[Mapping[str, tuple[int, float]], ...]
"""Where the scores of a run's parts end, by tag."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """One of our runs.

    Attributes:
        name: TensorBoard's name of its top folder.
        stamp: Where its series end.
        status: How its training ended; `running` where that is not recorded.
        verdict: The last one; None where none was recorded, or what was is none.
        values: Its value on every axis of its sweep.
        domains: All values of every axis, as far as they are known.
        scores: Last validation accuracy and loss, or those of the training where there is no validation.
        scored_on: What the scores are of where no epochs were told, in words; empty otherwise.
    """

    name: str
    stamp: Stamp
    status: str
    verdict: RecordedVerdict | None
    values: Values = field(default_factory=dict)
    domains: Domains = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    scored_on: str = ""

    @property
    def sweep(self) -> str:
        """The folder that it is in; empty at the top of the logs."""
        return self.name.rpartition("/")[0]

    @property
    def last_step(self) -> int:
        """The last step that was judged or measured."""
        return max(step for step, _ in self.stamp)

    @property
    def last_time(self) -> float:
        """When that was, in seconds since 1970."""
        return max(time for _, time in self.stamp)

    @property
    def root(self) -> str:
        """Its first root diagnosis; where nothing stands, `failed` if it was stopped, `running` without an end."""
        serious = [] if self.verdict is None else self.verdict.serious
        if serious:
            return serious[0].id
        return RUNNING if self.status == RUNNING else "" if self.status in FINISHED else "failed"

    @property
    def outcome(self) -> Judged:
        """Its verdict in a word; a run that has not ended is not healthy yet."""
        if self.verdict is None or (self.verdict.verdict == "healthy" and self.status not in FINISHED):
            return "not_judged"
        return self.verdict.verdict

    @property
    def look(self) -> Look:
        """How it looks on the map."""
        return look_of(self.root, self.outcome)


class RunIndex:
    """Knows our runs, and reads of them only what is new."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, KnownRun] = {}
        self._ends: dict[str, Ends] = {}
        self._contexts: dict[str, tuple[Stamp, Context | None]] = {}

    def runs(self, logs: Logs) -> dict[str, KnownRun]:
        """Give all of our runs, by name and in its order."""
        stamps = {run: _stamp(tags) for run, tags in logs.list_series(PLUGIN_NAME).items()}
        stamps = {run: stamp for run, stamp in stamps.items() if stamp}
        with self._lock:
            known = {name: run for name, run in self._known.items() if stamps.get(name) == run.stamp}
            known |= _read_runs(logs, {name: stamp for name, stamp in stamps.items() if name not in known})
            known = self._with_scores(logs, known)
            self._known = {name: known[name] for name in sorted(known, key=_natural)}
            return self._known

    def contexts(self, logs: Logs, runs: Collection[KnownRun]) -> dict[str, Context | None]:
        """Give what was known of runs before their first step; None where that was not recorded."""
        with self._lock:
            missing = {run.name: run.stamp for run in runs if self._context_is_missing(run)}
            self._contexts |= {
                name: (stamp, find_context(logs.read_all_notes(name, MEASUREMENTS))) for name, stamp in missing.items()
            }
            return {run.name: self._contexts[run.name][1] for run in runs}

    def _with_scores(self, logs: Logs, runs: Mapping[str, KnownRun]) -> dict[str, KnownRun]:
        """Give the runs with their last scores, which are read where there are new ones."""
        ends = _list_ends(logs, runs)
        same = (run for name, run in self._known.items() if ends.get(name) == self._ends.get(name))
        known = {run.name: run.scores for run in same if not run.scored_on}
        scores = known | _read_scores(logs, [name for name in runs if name not in known])
        self._ends = ends
        return {name: self._with_seen(logs, replace(run, scores=scores[name])) for name, run in runs.items()}

    def _with_seen(self, logs: Logs, run: KnownRun) -> KnownRun:
        """Give a run that tells of no epochs with what was seen at its last look; one of a sweep will tell of them."""
        if run.scores or run.values:
            return run
        before = self._known.get(run.name)
        if before is not None and before.stamp == run.stamp:
            return replace(run, scores=before.scores, scored_on=before.scored_on)
        seen = find_scores(logs.read_all_notes(run.name, MEASUREMENTS))
        if seen is None:
            return run
        return replace(run, scores={f"epoch_{name}": value for name, value in seen.last.items()}, scored_on=seen.where)

    def _context_is_missing(self, run: KnownRun) -> bool:
        stamp, context = self._contexts.get(run.name, ((), None))
        return not stamp or (context is None and stamp != run.stamp)


def _stamp(tags: Mapping[str, Any]) -> Stamp:
    series = [tags[tag] for tag in (MEASUREMENTS, FINDINGS) if tag in tags]
    return tuple((int(each.max_step), float(each.max_wall_time)) for each in series)


def _read_runs(logs: Logs, stamps: Mapping[str, Stamp]) -> dict[str, KnownRun]:
    """Read verdict, ending and hyperparameters of runs."""
    if not stamps:
        return {}
    verdicts = logs.read_notes(stamps, FINDINGS, most=1)
    endings = {run: read_ending(notes) for run, notes in logs.read_notes(stamps, MEASUREMENTS, most=1).items()}
    hyperparameters: ByTag = logs.list_series("hparams", stamps)
    return {
        run: KnownRun(
            run,
            stamp,
            endings.get(run) or read_end(hyperparameters.get(run, {})) or RUNNING,
            next((read_verdict(content) for content in verdicts.get(run, [])[-1:]), None),
            read_values(hyperparameters.get(run, {})),
            read_domains(hyperparameters.get(run, {})),
        )
        for run, stamp in stamps.items()
    }


def _list_ends(logs: Logs, runs: Collection[str]) -> dict[str, Ends]:
    """Give where the scores of runs end; TensorBoard may read them later than the rest, or not all at once."""
    parts = {run: (part_of(run, "train"), part_of(run, "validation")) for run in runs}
    found = logs.list_ends([part for of_run in parts.values() for part in of_run], SCORES) if parts else {}
    return {run: tuple(found.get(part, {}) for part in of_run) for run, of_run in parts.items()}


def _read_scores(logs: Logs, runs: Collection[str]) -> dict[str, dict[str, float]]:
    """Read the last scores of runs, those on the validation set where there are any."""
    if not runs:
        return {}
    parts = {run: (part_of(run, "train"), part_of(run, "validation")) for run in runs}
    read = logs.read_last([part for of_run in parts.values() for part in of_run], SCORES)
    return {run: {**read.get(train, {}), **read.get(validation, {})} for run, (train, validation) in parts.items()}


def part_of(run: str, part: str) -> str:
    """Name the run that TensorBoard makes of a part of ours."""
    return part if run == "." else f"{run}/{part}"


def _natural(name: str) -> tuple[tuple[int, float, str], ...]:
    """Sort numbers within names by their size."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", name)
    return tuple((1, float(part), "") if place % 2 else (0, 0.0, part) for place, part in enumerate(parts))
