"""Events that carry many scalars: encoded once as a template in which only the float32s change, and read back so.

The wire format of such an event: `09 <wall time: double> 10 <step: varint> 2a <length: varint> <summary>`, the summary
being one `0a <length: varint> 0a <length: varint> <tag> 15 <value: float32>` for each scalar.
"""

import math
import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary

WALL_TIME, STEP, SUMMARY, VALUE = b"\x09", b"\x10", b"\x2a", b"\x0a"  # field numbers and wire types
FLOAT32 = np.dtype("<f4")
FLOAT32_MAX = float(np.finfo(np.float32).max)
_DOUBLE = struct.Struct("<d")
_LARGEST_STEP = 2**63 - 1


class ScalarTemplate:
    """The encoded summary of a fixed tuple of tags."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.tags = tags
        messages = [Summary.Value(tag=tag, simple_value=0.0).SerializeToString() for tag in tags]
        fields = [VALUE + encode_varint(len(message)) + message for message in messages]
        self._blank = b"".join(fields)
        # A value is the last four bytes of its field: what leads it alternates with it.
        self._struct = struct.Struct("<" + "".join(f"{len(field) - 4}sf" for field in fields))
        self._alternating: list[bytes | float] = [part for field in fields for part in (field[:-4], 0.0)]
        self._prefix = SUMMARY + encode_varint(len(self._blank))
        self._places = np.cumsum([len(field) for field in fields])[:, np.newaxis] + np.arange(-4, 0)

    def encode(self, wall_time: float, step: int, values: Iterable[float]) -> bytes:
        """Encode one event with one value for each tag, in their order.

        Raises:
            TypeError: If a value is no number.
        """
        alternating = self._alternating.copy()
        alternating[1::2] = values = list(values)
        try:
            summary = self._struct.pack(*alternating)
        except OverflowError:
            alternating[1::2] = [within_float32(value) for value in values]
            summary = self._struct.pack(*alternating)
        except struct.error as error:
            msg = f"every scalar must be one number: {error}"
            raise TypeError(msg) from error
        return b"".join((WALL_TIME, _DOUBLE.pack(wall_time), STEP, encode_varint(step), self._prefix, summary))

    def decode(self, summary: bytes) -> NDArray[np.float32] | None:
        """Return the values `(tags,)` of an encoded summary, or None if it is not one of exactly these tags."""
        if len(summary) != len(self._blank):
            return None
        rest = np.frombuffer(summary, np.uint8).copy()
        values = rest[self._places]
        rest[self._places] = 0
        return values.view(FLOAT32)[:, 0] if rest.tobytes() == self._blank else None


def within_float32(value: float) -> float:
    """Give the nearest float that float32, the only precision of event files, can hold.

    A finite value never becomes infinite, so that an infinity in the record was one in the training.
    """
    return value if math.isinf(value) else min(max(value, -FLOAT32_MAX), FLOAT32_MAX)


def split_event(event: bytes) -> tuple[int, bytes] | None:
    """Find the step and the summary of an encoded event without decoding it.

    Returns:
        The step and the encoded summary, or None if the event has anything else in it or other fields first.
    """
    try:
        step, position = 0, 1 + _DOUBLE.size
        if event[position] == STEP[0]:
            step, position = decode_varint(event, position + 1)
        length, start = decode_varint(event, position + 1)
    except IndexError:
        return None
    plain = event[0] == WALL_TIME[0] and event[position] == SUMMARY[0] and start + length == len(event)
    return (step, event[start:]) if plain and step <= _LARGEST_STEP else None


def encode_varint(number: int) -> bytes:
    """Encode a number ≥ 0 as protocol buffers do: seven bits a byte, the lowest first.

    >>> encode_varint(300).hex()
    'ac02'
    """
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def decode_varint(data: bytes, start: int) -> tuple[int, int]:
    """Decode the varint at `start`; return the number and where it ends.

    Raises:
        IndexError: If the data end first.
    """
    number = 0
    for shift in range(0, 70, 7):
        byte = data[start]
        start += 1
        number |= (byte & 0x7F) << shift
        if byte <= 0x7F:
            break
    return number, start
