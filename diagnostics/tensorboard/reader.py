"""The reader: all event files of one run's folder as arrays, with every damage named instead of passed over."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.diagnostics.tensorboard.layouts import RecordLayout
from gradvitals.diagnostics.tensorboard.records import HEADER, DamagedRecordError, DamageKind, read_record
from gradvitals.diagnostics.tensorboard.series import Series, SeriesCollector
from gradvitals.diagnostics.tensorboard.tensors import read_number, read_string
from gradvitals.diagnostics.tensorboard.wide_events import encode_varint

WIDE = 8
"""Tags; with fewer, a layout is worth its making only where the next event has the same tags."""

LAYOUTS_KEPT = 64  # those of several runs, which have the same tags in a sweep


@dataclass(frozen=True, slots=True)
class Damage:
    """Where an event file stops being readable; everything before is read, everything behind is lost.

    Attributes:
        file: The event file.
        kind: `truncated`: the end is missing, as after a kill or a power cut. `corrupt`: bytes were changed.
        offset: Where the damaged record starts, in bytes.
        message: One sentence for people.
    """

    file: Path
    kind: DamageKind
    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class RunLog:
    """What the event files of one folder say.

    Attributes:
        files: The event files, in the order in which they were read.
        scalars: Tag → series.
        texts: Tag → (step, markdown in UTF-8) of TensorBoard's text series.
        tensors: Tag → (step, content) of all other series of single strings, `gradvitals/…` among them.
        damage: At most one for each file.
    """

    files: tuple[Path, ...]
    scalars: dict[str, Series]
    texts: dict[str, list[tuple[int, bytes]]]
    tensors: dict[str, list[tuple[int, bytes]]]
    damage: tuple[Damage, ...]


def read_run(folder: Path) -> RunLog:
    """Read the event files of `folder`, not of the folders inside it, as one run.

    A file that continues a run at some step replaces what the files before it said from that step on. Tags written
    twice at a step have both points.

    Raises:
        OSError: If the folder or one of its files cannot be read. Damaged contents never raise.
    """
    files = tuple(find_event_files(folder))
    collector = _Collector()
    damage: list[Damage] = []
    for file in files:
        try:
            collector.read(file.read_bytes())
        except DamagedRecordError as error:
            damage.append(Damage(file, error.kind, error.offset, f"{file}: {error}"))
    return collector.log(files, damage)


class _Collector:
    """Takes the events of one run in the order of their files."""

    def __init__(self) -> None:
        self._scalars = SeriesCollector()
        self._strings: dict[str, list[tuple[int, bytes]]] = {}
        self._plugins: dict[str, str] = {}  # writers may name a tag's plugin only the first time
        self._layouts: dict[bytes, RecordLayout] = {}  # the last one met of every length
        self._last_tags: tuple[str, ...] = ()

    def read(self, content: bytes) -> None:
        start = 0
        while start < len(content):
            layout = self._layouts.get(content[start : start + HEADER.size])
            stretch = None if layout is None else layout.read(content, start)
            if layout is not None and stretch is not None:
                self._scalars.add_stretch(layout.tags, stretch.steps, stretch.values)
                start = stretch.end
                continue
            data, end = read_record(content, start)
            try:
                event = Event.FromString(data)
            except DecodeError as error:
                reason = "a record with the right checksums is no event"
                raise DamagedRecordError(kind="corrupt", offset=start, reason=reason) from error
            self._take(event)
            start = end

    def log(self, files: tuple[Path, ...], damage: Iterable[Damage]) -> RunLog:
        filled = {tag: points for tag, points in self._strings.items() if points}
        texts = {tag: points for tag, points in filled.items() if self._plugins[tag] == "text"}
        tensors = {tag: points for tag, points in filled.items() if tag not in texts}
        return RunLog(files, self._scalars.series(), texts, tensors, tuple(damage))

    def _take(self, event: Event) -> None:
        what = event.WhichOneof("what")
        if what == "session_log" and event.session_log.status == SessionLog.START:
            self._drop_from(event.step)
        elif what == "summary":
            self._take_summary(event.step, event.summary.value)

    def _take_summary(self, step: int, values: Iterable[Summary.Value]) -> None:
        numbers: list[tuple[str, float]] = []
        for value in values:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                numbers.append((value.tag, value.simple_value))
            elif kind == "tensor" and (number := read_number(value.tensor)) is not None:
                numbers.append((value.tag, number))
            elif kind == "tensor":
                self._take_string(step, value)
        if numbers:
            tags, scalars = zip(*numbers, strict=True)
            self._scalars.add(tags, step, scalars)
            self._expect(tags, step)

    def _take_string(self, step: int, value: Summary.Value) -> None:
        self._plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        content = read_string(value.tensor)
        if content is not None:
            self._strings.setdefault(value.tag, []).append((step, content))

    def _drop_from(self, step: int) -> None:
        """Forget what a run that was continued at `step` had done beyond it."""
        self._scalars.drop_from(step)
        for points in self._strings.values():
            points[:] = [point for point in points if point[0] < step]

    def _expect(self, tags: tuple[str, ...], step: int) -> None:
        """Expect more events of these scalars and nothing else."""
        if (len(tags) >= WIDE or tags == self._last_tags) and step >= 0:
            layout = _layout_of(tags, len(encode_varint(step)))
            self._layouts[layout.header] = layout
        self._last_tags = tags


@lru_cache(LAYOUTS_KEPT)
def _layout_of(tags: tuple[str, ...], step_bytes: int) -> RecordLayout:
    return RecordLayout(tags, step_bytes)
