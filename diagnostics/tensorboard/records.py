"""The framing of event files: every record has a length, data and two checksums, and any of them can be damaged.

A record is `<length: uint64> <masked crc of the length: uint32> <data> <masked crc of the data: uint32>`, all little
endian.
"""

from struct import Struct
from typing import Literal, TypeAlias

import google_crc32c

DamageKind: TypeAlias = Literal["truncated", "corrupt"]

LENGTH = Struct("<Q")
CHECKSUM = Struct("<I")
HEADER = Struct("<QI")
LARGEST_RECORD = 2**31  # protocol buffers end here


class DamagedRecordError(ValueError):
    """A record that cannot be trusted; nothing after it in the file can be found either.

    Attributes:
        kind: `truncated`: the file ends inside the record, or holds only zeros from one of its checksums on, which is
            what a power cut leaves; earlier records are all there. `corrupt`: bytes were changed.
        offset: Where the record starts, in bytes from the start of the file.
    """

    def __init__(self, *, kind: DamageKind, offset: int, reason: str) -> None:
        super().__init__(f"{kind} at byte {offset}: {reason}")
        self.kind: DamageKind = kind
        self.offset = offset


def masked_crc(data: bytes) -> int:
    """Compute the CRC-32C of `data`, rotated and shifted so that the checksum of a checksum is no special case."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def encode_record(data: bytes) -> bytes:
    """Frame `data` as one record."""
    length = LENGTH.pack(len(data))
    return b"".join((length, CHECKSUM.pack(masked_crc(length)), data, CHECKSUM.pack(masked_crc(data))))


def read_record(content: bytes, start: int) -> tuple[bytes, int]:
    """Read the record at `start`; return its data and where it ends.

    Raises:
        DamagedRecordError: If it is not whole, or was changed.
    """
    data_start = start + HEADER.size
    if data_start > len(content):
        raise DamagedRecordError(kind="truncated", offset=start, reason="the file ends inside a record's header")
    length, length_crc = HEADER.unpack_from(content, start)
    if masked_crc(content[start : start + LENGTH.size]) != length_crc:
        raise _failed_check(content, start, start + LENGTH.size, "length")
    if length > LARGEST_RECORD:
        raise DamagedRecordError(kind="corrupt", offset=start, reason=f"a record of {length} bytes is not possible")
    data_end = data_start + length
    if data_end + CHECKSUM.size > len(content):
        raise DamagedRecordError(kind="truncated", offset=start, reason="the file ends inside a record's data")
    data = content[data_start:data_end]
    if masked_crc(data) != CHECKSUM.unpack_from(content, data_end)[0]:
        raise _failed_check(content, start, data_end, "data")
    return data, data_end + CHECKSUM.size


def _failed_check(content: bytes, start: int, checksum_start: int, part: str) -> DamagedRecordError:
    """Tell blocks that never reached the disk, and read as zeros, from bytes that were changed."""
    if not content[checksum_start:].strip(b"\0"):
        return DamagedRecordError(
            kind="truncated", offset=start, reason="the file ends in zeros that were never written"
        )
    return DamagedRecordError(kind="corrupt", offset=start, reason=f"the checksum of a record's {part} does not match")
