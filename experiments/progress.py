"""How far runs have come, in words: which have ended, which were stopped, and which have no end so far."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import time

from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.seen_scores import NO_LOSS, seen_scores
from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.diagnostics.tensorboard.run_record import RunRecord
from gradvitals.experiments.run_folder import FINISHED, RunSummary

RUNNING = "running"
"""The status of a run whose record has no end: it is running, or was killed; nobody can tell from its files."""

NOT_BEGUN = "not begun"

UNITS = ((90.0, 1.0, "s"), (5_400.0, 60.0, "min"), (129_600.0, 3_600.0, "h"))
"""Up to how many seconds a time is given in which unit, of how many."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        status: How its training ended, or `running`.
        step: The last one that anything was recorded for.
        total_steps: Planned ones; None where nobody knows.
        silent: Seconds since its files were last written; None where there are none.
        scores: Last losses and accuracies so far, by what they were computed on.
        knows_loss: Whether there is a loss to be seen; a watched training may have told none.
        why: What went wrong in watching it; empty where nothing did.
    """

    status: str
    step: int
    total_steps: int | None
    silent: float | None
    scores: Mapping[str, Mapping[str, float]]
    knows_loss: bool = True
    why: str = ""

    @property
    def finished(self) -> bool:
        """Whether the training came to an end of its own."""
        return self.status in FINISHED

    @property
    def reached(self) -> str:
        """The step that it has come to."""
        return f"step {self.step:,}" + ("" if self.total_steps is None else f" of {self.total_steps:,}")

    @property
    def word(self) -> str:
        """Its status, as in a table."""
        return "no end so far" if self.status == RUNNING else self.status.replace("_", " ")

    @property
    def so_far(self) -> str:
        """What stands behind its verdict while that is none of a whole training; empty otherwise."""
        return "" if self.finished else f" so far, at {self.reached}"

    @property
    def gap(self) -> str:
        """Why it is no basis for a judgement, as a sentence; empty where it is one."""
        if self.finished:
            return ""
        if self.status == RUNNING:
            return f"no end so far: the record reaches {self.reached}"
        ending = Ending(self.step, self.status, self.why)
        return f"{ending.what} at {self.reached}{ending.because}"

    @property
    def told(self) -> str:
        """What else is to be said of a run that is not done: its scores, and since when it has been silent."""
        part, scores = next(((part, of) for part, of in [*self.scores.items()][::-1] if of), ("", {}))
        known = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        written = "" if self.silent is None or self.status != RUNNING else f"last written {ago(self.silent)}"
        return "; ".join(each for each in (f"so far {known} on {part}" if known else "", written) if each)

    def score(self, name: str) -> float | None:
        """Give the last loss or accuracy, on the validation set where there is one."""
        return next((of[name] for of in [*self.scores.values()][::-1] if name in of), None)


def read_progress(folder: Path, run: RunRecord, summary: RunSummary | None) -> Progress | None:
    """Find out how far a run has come.

    Args:
        folder: The run's.
        run: Its record.
        summary: What its `run.json` says, where it has one.

    Returns:
        None for logs that are none of ours.
    """
    if run.record.context is None:
        if summary is None or summary.finished:
            return None
        return Progress(summary.status, summary.steps, None, _silent(folder), {})
    context, endings = run.record.context, run.record.notes(Ending)
    status, why = (endings[-1].reason, endings[-1].why) if endings else (RUNNING, "")
    seen = seen_scores(context, run.record.notes(Probe))
    scores = {part: of for part, of in run.last_scores.items() if of}
    if not scores and seen is not None:
        scores = {seen.where: seen.last}
    knows_loss = context.loss != NO_LOSS
    return Progress(status, run.record.last_step, context.total_steps, _silent(folder), scores, knows_loss, why)


def unfinished_text(planned: int, states: Iterable[Progress | None]) -> str:
    """Say of a sweep how many of its runs are not done, and why not.

    Args:
        planned: How many runs there should be.
        states: How far each of those that are not done has come; None for one that has not begun.
    """
    found = list(states)
    counts = Counter(NOT_BEGUN if state is None else state.status for state in found)
    words = {
        "running": _number(counts.pop(RUNNING, 0), "has no end so far", "have no end so far"),
        "interrupted": _number(counts.pop("interrupted", 0), "was interrupted", "were interrupted"),
        "failed": _number(counts.pop("failed", 0), "failed", "failed"),
        "unwatched": _number(counts.pop("unwatched", 0), "was not watched to its end", "were not watched to their end"),
        NOT_BEGUN: _number(counts.pop(NOT_BEGUN, 0), "has not begun", "have not begun"),
        "ended": _number(sum(counts.values()), "was not closed", "were not closed"),
    }
    silent = [state.silent for state in found if state is not None and state.status == RUNNING]
    known = [each for each in silent if each is not None]
    if known:
        words["running"] += f" (last written {ago(min(known))})"
    told = ", ".join(filter(None, words.values()))
    return f"{len(found)} of {planned} runs {'is' if len(found) == 1 else 'are'} not done: {told}"


def ago(seconds: float) -> str:
    """Say how long ago something was.

    >>> ago(12.3), ago(600.0), ago(7200.0), ago(400_000.0)
    ('12 s ago', '10 min ago', '2 h ago', '5 d ago')
    """
    size, unit = next(((size, unit) for most, size, unit in UNITS if seconds < most), (86_400.0, "d"))
    return f"{max(seconds, 0.0) / size:.0f} {unit} ago"


def _number(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}" if count else ""


def _silent(folder: Path) -> float | None:
    """Give the seconds since any of a run's event files was written."""
    parts = [part for part in (folder, folder / "train", folder / "validation") if part.is_dir()]
    times = [file.stat().st_mtime for part in parts for file in find_event_files(part)]
    return time() - max(times) if times else None
