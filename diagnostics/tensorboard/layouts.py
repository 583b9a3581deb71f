"""Reading by layout: a stretch of records that differ in time, step and values only is read at once, as a table.

A run writes the same tags step after step, so that record follows record with the same bytes at the same places.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradvitals.diagnostics.tensorboard.records import CHECKSUM, HEADER, encode_record, masked_crc
from gradvitals.diagnostics.tensorboard.wide_events import DOUBLE, FLOAT32, ScalarTemplate

MOST_BYTES = 2**17
"""Read at once: few enough for the cache."""

FEW = 4
"""Records that are compared first, then twice as many, and so on: little is lost where a stretch is soon over."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What consecutive records of one layout hold.

    Attributes:
        steps: `(records,)`.
        values: `(records, tags)`.
        end: Where the record behind them starts, in bytes.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float32]
    end: int


class RecordLayout:
    """Where time, step and values are in a record of certain scalars, and what all its other bytes are.

    Args:
        tags: Of the scalars, in their order.
        step_bytes: How many bytes the step takes as a varint.

    Attributes:
        tags: As given.
        header: What every such record starts with: its length, and the checksum of that.
    """

    def __init__(self, tags: tuple[str, ...], step_bytes: int) -> None:
        template = ScalarTemplate(tags)
        step = 1 << 7 * (step_bytes - 1)
        record = encode_record(template.encode(0.0, step, [0.0] * len(tags)))
        self.tags, self.header = tags, record[: HEADER.size]
        self._record = np.frombuffer(record, np.uint8)
        wall_time = HEADER.size + 1
        first = wall_time + DOUBLE.size + 1
        self._step = slice(first, first + step_bytes)
        self._places = template.places + len(record) - CHECKSUM.size - template.size
        self._behind_step = first + step_bytes
        self._lead = record[self._behind_step : self._places[0]]
        self._fixed = np.full(len(record), 0xFF, np.uint8)
        self._fixed[wall_time : wall_time + DOUBLE.size] = 0
        self._fixed[self._step] = 0
        self._fixed[self._places[:, np.newaxis] + np.arange(FLOAT32.itemsize)] = 0
        self._fixed[-CHECKSUM.size :] = 0

    def read(self, content: bytes, start: int) -> Stretch | None:
        """Read the records of this layout that follow one another from `start` on, or the first of many.

        Returns:
            What they hold; None if no whole and undamaged record of this layout starts there.
        """
        size = len(self._record)
        if not content.startswith(self._lead, start + self._behind_step):
            return None  # other tags of the same length
        if not (most := min((len(content) - start) // size, max(MOST_BYTES // size, 1))):
            return None
        table = np.frombuffer(content, np.uint8, most * size, start).reshape(most, size)
        if not (count := self._count_undamaged(content, start, self._count_alike(table))):
            return None
        # Four bytes from every place of a record on are a float32, most of them at an odd address.
        floats = np.ndarray((count, size - FLOAT32.itemsize), FLOAT32, content, start, (size, 1))
        return Stretch(_steps(table[:count, self._step]), floats[:, self._places], start + count * size)

    def _count_alike(self, table: NDArray[np.uint8]) -> int:
        """Count the leading rows that are records of this layout, but for their checksum."""
        alike, end = 0, FEW
        while alike < len(table):
            rows = table[alike:end]
            changed = ((rows ^ self._record) & self._fixed).any(axis=1)
            leading = _leading(~changed & _are_varints(rows[:, self._step]))
            alike += leading
            if leading < len(rows):
                break
            end *= 2
        return alike

    def _count_undamaged(self, content: bytes, start: int, count: int) -> int:
        """Count the leading records whose data match their checksum."""
        size = len(self._record)
        for record in range(count):
            data, end = start + record * size + HEADER.size, start + (record + 1) * size - CHECKSUM.size
            if masked_crc(content[data:end]) != CHECKSUM.unpack_from(content, end)[0]:
                return record
        return count


def _leading(are_alike: NDArray[np.bool_]) -> int:
    """Count the rows before the first that is not alike."""
    return len(are_alike) if are_alike.all() else int(are_alike.argmin())


def _are_varints(table: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which rows are one varint each: all bytes but the last have their highest bit set."""
    continued = table >= 0x80
    return continued[:, :-1].all(axis=1) & ~continued[:, -1]


def _steps(table: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Decode a varint a row."""
    return (table.astype(np.int64) & 0x7F) @ (1 << 7 * np.arange(table.shape[1], dtype=np.int64))
