"""Event files taken apart into their records."""

from collections.abc import Callable

import pytest

from gradvitals.diagnostics.tensorboard.records import read_record

ReadRecords = Callable[[bytes], list[tuple[int, bytes]]]


@pytest.fixture
def read_records() -> ReadRecords:
    """Give the offset and the data of every record of a whole file."""

    def read(content: bytes) -> list[tuple[int, bytes]]:
        records, start = [], 0
        while start < len(content):
            data, end = read_record(content, start)
            records.append((start, data))
            start = end
        return records

    return read
