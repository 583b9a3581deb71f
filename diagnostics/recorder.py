"""The recorder: what a training measures goes through it, into the record and to every sink."""

from collections.abc import Mapping, Sequence

from gradvitals.diagnostics.faults import Fault
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Incident, Note
from gradvitals.diagnostics.sink import Sink
from gradvitals.engine.events import EpochEnded


class Recorder:
    """Records one training.

    Attributes:
        record: The measurements so far.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        """Begin an empty record."""
        self.record = Record()
        self._sinks = sinks
        self._last_finite_step = 0

    def begin(self, context: Context) -> None:
        """Record what is known before the first step."""
        self.record.context = context
        for sink in self._sinks:
            sink.context(context)

    def add(self, note: Note) -> None:
        """Record a note."""
        self.record.add(note)
        for sink in self._sinks:
            sink.note(note)

    def add_once(self, note: Note | None) -> None:
        """Record a note, unless there is one of its kind and step: a training may end where it was just looked at."""
        if note is not None and note.step not in [known.step for known in self.record.notes(type(note))[-1:]]:
            self.add(note)

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record scalars by tag."""
        if values:
            self.record.add_scalars(step, values)
            for sink in self._sinks:
                sink.scalars(step, values)

    def settle_fault(self, step: int, fault: Fault | None) -> None:
        """Record the first fault ever; it names non-finite parameters where they are what it comes from."""
        if fault is None:
            self._last_finite_step = step
        elif not self.record.notes(Incident):
            self.add(Incident(step, self._last_finite_step, fault.what, fault.layer))

    def tell_epoch(self, event: EpochEnded) -> None:
        """Hand an epoch's scores on; the record does not keep them."""
        for sink in self._sinks:
            sink.epoch(event)

    def close(self) -> None:
        """Close the sinks."""
        for sink in self._sinks:
            sink.close()
