"""Events that carry many scalars: encoded once as a template in which only the float32s change.

The wire format of such an event: `09 <wall time: double> 10 <step: varint> 2a <length: varint> <summary>`, the summary
being one `0a <length: varint> 0a <length: varint> <tag> 15 <value: float32>` for each scalar.
"""

import math
import struct
from collections.abc import Iterable

import numpy as np

WALL_TIME, STEP, SUMMARY = b"\x09", b"\x10", b"\x2a"  # an event's fields, as number and wire type
VALUE, TAG, NUMBER = b"\x0a", b"\x0a", b"\x15"  # a summary's, and those of its values
FLOAT32 = np.dtype("<f4")
FLOAT32_MAX = float(np.finfo(np.float32).max)
DOUBLE = struct.Struct("<d")


class ScalarTemplate:
    """The encoded summary of a fixed tuple of tags.

    Attributes:
        size: Of the summary, in bytes.
        places: Where in it the values are, each four bytes long: `(tags,)`.
    """

    def __init__(self, tags: tuple[str, ...]) -> None:
        leads = [_lead(tag.encode()) for tag in tags]
        ends = np.cumsum([len(lead) + FLOAT32.itemsize for lead in leads])
        self.size, self.places = int(ends[-1]), ends - FLOAT32.itemsize
        self._struct = struct.Struct("<" + "".join(f"{len(lead)}sf" for lead in leads))
        self._alternating: list[bytes | float] = [part for lead in leads for part in (lead, 0.0)]
        self._prefix = SUMMARY + encode_varint(self.size)

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
        return b"".join((WALL_TIME, DOUBLE.pack(wall_time), STEP, encode_varint(step), self._prefix, summary))


def _lead(tag: bytes) -> bytes:
    """Encode what comes before a scalar's value: the lengths of message and tag, and the tag."""
    message = TAG + encode_varint(len(tag)) + tag + NUMBER
    return VALUE + encode_varint(len(message) + FLOAT32.itemsize) + message


def within_float32(value: float) -> float:
    """Give the nearest float that float32, the only precision of event files, can hold.

    A finite value never becomes infinite, so that an infinity in the record was one in the training.
    """
    return value if math.isinf(value) else min(max(value, -FLOAT32_MAX), FLOAT32_MAX)


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
