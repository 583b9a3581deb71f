"""The reader: all event files of one run's folder as arrays, with every damage named instead of passed over."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from gradvitals.diagnostics.tensorboard.file_names import find_event_files
from gradvitals.diagnostics.tensorboard.records import DamagedRecordError, DamageKind, read_records
from gradvitals.diagnostics.tensorboard.series import Series, SeriesCollector
from gradvitals.diagnostics.tensorboard.tensors import read_number, read_string
from gradvitals.diagnostics.tensorboard.wide_events import ScalarTemplate, split_event

WIDE = 8  # tags; with fewer, decoding the protocol buffer is as fast as matching a template


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
        self._templates: dict[int, ScalarTemplate] = {}  # by the length of the encoded summary

    def read(self, content: bytes) -> None:
        for offset, data in read_records(content):
            if self._take_known_layout(data):
                continue
            try:
                event = Event.FromString(data)
            except DecodeError as error:
                reason = "a record with the right checksums is no event"
                raise DamagedRecordError(kind="corrupt", offset=offset, reason=reason) from error
            self._take(event)
            self._learn_layout(event, data)

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

    def _take_known_layout(self, data: bytes) -> bool:
        """Take an event whose bytes differ from those of an earlier one only in time, step and values."""
        split = split_event(data) if self._templates else None
        template = self._templates.get(len(split[1])) if split else None
        values = template.decode(split[1]) if split and template else None
        if split is None or template is None or values is None:
            return False
        self._scalars.add(template.tags, split[0], values)
        return True

    def _learn_layout(self, event: Event, data: bytes) -> None:
        values = event.summary.value
        split = split_event(data) if len(values) >= WIDE else None
        if split and all(value.WhichOneof("value") == "simple_value" for value in values):
            template = ScalarTemplate(tuple(value.tag for value in values))
            if template.decode(split[1]) is not None:
                self._templates[len(split[1])] = template
