"""The sink: an event file that belongs to one process and holds every event the moment it was written."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import index
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import Summary

from gradvitals.diagnostics.tensorboard.file_names import create_event_file
from gradvitals.diagnostics.tensorboard.records import encode_record
from gradvitals.diagnostics.tensorboard.tags import check_tag
from gradvitals.diagnostics.tensorboard.wide_events import ScalarTemplate

Moment: TypeAlias = tuple[float, int, Mapping[str, float] | Sequence[Summary.Value]]
"""What one event holds: wall time in seconds since 1970, step, and scalars by tag or values made by `summaries`."""

FILE_VERSION = "brain.Event:2"
TEMPLATES_KEPT = 32  # runs have a handful of sets of tags, those of a sweep the same: each step's, probe's, epoch's


class EventFile:
    """A new event file, for one run's folder and one thread at a time.

    No thread, no queue, no buffer: an event is one write to the operating system before its method returns, so a killed
    process loses none. An existing file is never appended to: records behind a torn one cannot be read.

    Args:
        folder: The run's folder; made if it is not there. One writer at a time.
        resume_step: The first step that this file may hold. Readers drop what earlier files say from that step on.
        suffix: What its name ends in, to be told from others.

    Attributes:
        path: The file, named so that it is read after all others in the folder.

    Raises:
        OSError: If the file cannot be created.
        ValueError: If `resume_step` is negative.
    """

    def __init__(self, folder: Path, *, resume_step: int = 0, suffix: str = "") -> None:
        resume_step = _check_step(resume_step)
        self._file = create_event_file(folder, suffix)
        self.path = Path(self._file.name)
        self._pid = os.getpid()
        self._size = 0
        version = Event(wall_time=time.time(), file_version=FILE_VERSION)
        start = Event(wall_time=time.time(), step=resume_step, session_log=SessionLog(status=SessionLog.START))
        try:
            self._write(version.SerializeToString(), start.SerializeToString())
        except OSError:
            self._file.close()
            raise

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write any number of scalars as one event.

        Args:
            step: Global update count.
            values: Tag → value. Kept as float32: NaN and ±∞ as they are, finite values at most ±3.4e38.

        Raises:
            TypeError: If a value is no number.
            ValueError: If a tag is not allowed or the step is negative.
            RuntimeError: If the file was closed, or opened by another process.
            OSError: If the event cannot be written; the file is then as it was before.
        """
        self.moments([(time.time(), step, values)])

    def summary(self, step: int, *values: Summary.Value) -> None:
        """Write values made by `summaries` or `hparams` as one event; raises as `scalars` does."""
        self.moments([(time.time(), step, values)])

    def moments(self, moments: Sequence[Moment]) -> None:
        """Write events of several moments at once; raises as `scalars` does."""
        events = [self._encode(*moment) for moment in moments if moment[2]]
        if events:
            self._write(*events)

    def graph(self, graph_def: GraphDef) -> None:
        """Write the run's graph, of which TensorBoard shows one; raises as `scalars` does."""
        self._write(Event(wall_time=time.time(), graph_def=graph_def.SerializeToString()).SerializeToString())

    @property
    def is_usable(self) -> bool:
        """Whether it is open, and this process's own."""
        return not self._file.closed and os.getpid() == self._pid

    def sync(self) -> None:
        """Wait until all events are on the disk, where a power cut leaves them; raises as `scalars` does."""
        self._check_usable()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close; does nothing the second time. In a forked child only the child's copy is closed."""
        if self._file.closed:
            return
        try:
            if os.getpid() == self._pid:
                self.sync()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, wall_time: float, step: int, values: Mapping[str, float] | Sequence[Summary.Value]) -> bytes:
        if isinstance(values, Mapping):
            return _checked_template(tuple(values)).encode(wall_time, _check_step(step), values.values())
        for value in values:
            check_tag(value.tag)
        event = Event(wall_time=wall_time, step=_check_step(step), summary=Summary(value=values))
        return bytes(event.SerializeToString())

    def _write(self, *events: bytes) -> None:
        self._check_usable()
        frames = b"".join(map(encode_record, events))
        rest = memoryview(frames)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            # Half a record, as a full disk leaves it, would hide all later ones from every reader.
            self._file.seek(self._size)
            self._file.truncate()
            raise
        self._size += len(frames)

    def _check_usable(self) -> None:
        if self._file.closed:
            msg = f"{self.path} is closed"
            raise RuntimeError(msg)
        if os.getpid() != self._pid:
            msg = f"{self.path} belongs to process {self._pid}; after a fork open an EventFile in a folder of its own"
            raise RuntimeError(msg)


@lru_cache(TEMPLATES_KEPT)
def _checked_template(tags: tuple[str, ...]) -> ScalarTemplate:
    return ScalarTemplate(tuple(check_tag(tag) for tag in tags))


def _check_step(step: int) -> int:
    """Return the step as an int, which a NumPy integer is not."""
    if not 0 <= step < 2**63:
        msg = f"a step counts updates, from 0 to 2^63 - 1, got {step}"
        raise ValueError(msg)
    return index(step)
