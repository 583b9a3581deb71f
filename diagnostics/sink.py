"""Where a monitor sends what it records."""

from collections.abc import Mapping
from typing import Protocol

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.histogram import Histogram
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.pictures.picture import Picture
from gradvitals.engine.events import EpochEnded


class Sink(Protocol):
    """Where measurements go: numbers, notes, finished pictures and verdicts, never live arrays."""

    def context(self, context: Context) -> None:
        """Take what is known before the first step."""
        ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Take scalars by tag."""
        ...

    def note(self, note: Note) -> None:
        """Take a note."""
        ...

    def histograms(self, step: int, histograms: Mapping[str, Histogram]) -> None:
        """Take histograms by tag."""
        ...

    def pictures(self, step: int, pictures: Mapping[str, Picture]) -> None:
        """Take pictures by tag."""
        ...

    def verdict(self, step: int, verdict: Verdict) -> None:
        """Take the verdict so far."""
        ...

    def epoch(self, event: EpochEnded) -> None:
        """Take an epoch's scores."""
        ...

    def close(self) -> None:
        """Take nothing more."""
        ...
