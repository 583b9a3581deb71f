"""The sink: one run's measurements, notes, scores and verdicts in TensorBoard event files.

At the top of the run's folder are the diagnostics, in `train/` and `validation/` the scores of every epoch under the
same tags, so that the stock charts overlay the two.
"""

import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from tensorboard.compat.proto.summary_pb2 import Summary

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.histogram import Histogram
from gradvitals.diagnostics.markdown import verdict_markdown
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.note_kinds import kind_of, note_to_json
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.pictures.picture import Picture
from gradvitals.diagnostics.tensorboard import summaries
from gradvitals.diagnostics.tensorboard.charts import Recorded, layout
from gradvitals.diagnostics.tensorboard.event_file import EventFile, Moment
from gradvitals.diagnostics.tensorboard.graph import GraphNode, graph_def
from gradvitals.diagnostics.tensorboard.layer_graph import layer_nodes
from gradvitals.engine.events import EpochEnded, Scores

MEASUREMENTS = "gradvitals/measurements"
"""Series of everything recorded that is no scalar: one JSON object per note, `{kind: fields}`."""

FINDINGS = "gradvitals/findings"
"""Series of verdicts, each whole; the last one counts."""

PARTS = ("train", "validation")

MOST_HELD, LONGEST_HELD = 256, 1.0
"""Scalars and notes are held back until there are so many, or for so many seconds, and written together.

That costs a third of writing each.
"""


Held: TypeAlias = tuple[str, float, int, Mapping[str, float] | Note]
"""What is still to be written: where, wall time, step, and scalars by tag or a note."""


class RunWriter:
    """Writes a run's event files; an event is on its way to the disk when the call returns, save scalars and notes.

    Those follow with the next event of another kind, within a second of training, and when the process ends: only one
    that is killed outright loses them.

    Attributes:
        folder: The run's.
    """

    def __init__(self, folder: Path) -> None:
        """Open the event file at the top of the folder; those of `train/` and `validation/` open when needed.

        Where an earlier attempt left these two, they open at once: readers then drop its points.
        """
        self.folder = folder
        self._files = {"": EventFile(folder)}
        self._files |= {part: EventFile(folder / part) for part in PARTS if (folder / part).is_dir()}
        self._has_graph = False
        self._recorded: Recorded | None = None
        self._held: list[Held] = []
        self._written = 0.0
        weakref.finalize(self, _write_held, self._files, self._held)  # also of a writer that nobody closed

    @property
    def top(self) -> EventFile:
        """The event file at the top of the run's folder, with everything so far."""
        self._write_held()
        return self._files[""]

    def graph(self, nodes: Sequence[GraphNode]) -> None:
        """Write the network's graph, if there is any; without it the context brings one of the layers."""
        if nodes:
            self.top.graph(graph_def(nodes))
            self._has_graph = True

    def context(self, context: Context) -> None:
        """Write what is known before the first step, and what to make of the run's curves."""
        self._recorded = Recorded(
            layers=tuple((layer.name, layer.activation) for layer in context.layers),
            data=context.samples is not None,
            epochs=context.config is not None,  # other trainings show whether they have any
            recurrent=(context.config or {}).get("model.kind") == "rnn",
        )
        known = summaries.json_tensor(MEASUREMENTS, {"context": note_to_json(context)})
        self.top.summary(0, known, layout(self._recorded))
        if not self._has_graph:
            self.graph(layer_nodes(context.layers, context.loss))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars as one event, soon."""
        self._hold("", step, values)

    def note(self, note: Note) -> None:
        """Write a note, soon."""
        self._hold("", note.step, note)

    def histograms(self, step: int, histograms: Mapping[str, Histogram]) -> None:
        """Write histograms, all in one event."""
        self.top.summary(step, *(summaries.histogram(tag, reduced) for tag, reduced in histograms.items()))

    def pictures(self, step: int, pictures: Mapping[str, Picture]) -> None:
        """Write pictures, all in one event."""
        shown = pictures.items()
        self.top.summary(step, *(summaries.image_png(tag, it.png, it.width, it.height, it.about) for tag, it in shown))

    def verdict(self, step: int, verdict: Verdict) -> None:
        """Write the verdict so far, as data and as text."""
        data = summaries.json_tensor(FINDINGS, verdict.to_json())
        self.top.summary(step, data, summaries.text("findings", verdict_markdown(verdict)))

    def epoch(self, event: EpochEnded) -> None:
        """Write an epoch's scores, soon."""
        if self._recorded is not None and not self._recorded.epochs:
            self._recorded = replace(self._recorded, epochs=True)
            self.top.summary(0, layout(self._recorded))
        self._scores("train", event.step, event.training, {"learning_rate": event.learning_rate})
        if event.validation is not None:
            self._scores("validation", event.step, event.validation, {})

    def close(self) -> None:
        """Write what is left, and close every file."""
        try:
            self._write_held()
        finally:
            for file in self._files.values():
                file.close()

    def _hold(self, part: str, step: int, what: Mapping[str, float] | Note) -> None:
        now = time.time()
        self._held.append((part, now, step, what))
        if len(self._held) >= MOST_HELD or not 0.0 <= now - self._written < LONGEST_HELD:  # clocks are also set back
            self._write_held()

    def _write_held(self) -> None:
        if self._held:
            self._written = self._held[-1][1]
            _write_held(self._files, self._held)

    def _scores(self, part: str, step: int, scores: Scores, further: Mapping[str, float]) -> None:
        if part not in self._files:
            self._files[part] = EventFile(self.folder / part)
        values = {"epoch_loss": scores.loss, **further}
        if scores.accuracy is not None:
            values["epoch_accuracy"] = scores.accuracy
        self._hold(part, step, values)


def _write_held(files: Mapping[str, EventFile], held: list[Held]) -> None:
    """Write what is held, and hold nothing."""
    moments: dict[str, list[Moment]] = {}
    for part, wall_time, step, what in held:
        values = what if isinstance(what, Mapping) else (_note_value(what),)
        moments.setdefault(part, []).append((wall_time, step, values))
    held.clear()
    for part, of_part in moments.items():
        if files[part].is_usable:
            files[part].moments(of_part)


def _note_value(note: Note) -> Summary.Value:
    return summaries.json_tensor(MEASUREMENTS, {kind_of(type(note)): note_to_json(note)})
