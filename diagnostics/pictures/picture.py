"""A finished picture: a few hundred bytes of PNG, painted in at most 256 colours."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]
"""A palette: `(colours, 3)`, red, green and blue from 0 to 255."""

COMPRESSION: Final = 1
"""Of zlib's levels the quickest: plain areas shrink to little with any."""

BLUE_TO_RED: Final = ((33, 82, 160), (125, 174, 218), (247, 247, 247), (236, 154, 118), (163, 36, 52))
DARK_TO_LIGHT: Final = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Values around zero, and values from the least to the largest; both hold for readers who cannot tell red from green.

The second is Matplotlib's viridis (S. van der Walt & N. Smith, 2015).
"""

CLASSES: Final = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (188, 189, 34),
    (23, 190, 207),
    (90, 90, 140),
)
INK: Final = (24, 24, 27)
UNKNOWN: Final = (150, 150, 150)
"""Where a number is not finite."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, ready to be shown.

    Attributes:
        png: The file.
        width: In pixels.
        height: In pixels.
        about: What it shows, in Markdown.
    """

    png: bytes
    width: int
    height: int
    about: str


def paint(places: NDArray[np.uint8], palette: Colours, about: str) -> Picture:
    """Make a picture of places in a palette, `(height, width)`."""
    from PIL import Image

    height, width = places.shape
    image = Image.frombytes("P", (width, height), places.tobytes())
    image.putpalette(palette.tobytes())
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=COMPRESSION)
    return Picture(buffer.getvalue(), width, height, about)


def ramp(anchors: tuple[tuple[int, int, int], ...], count: int) -> Colours:
    """Give colours that lead evenly from the first anchor to the last, `(count, 3)`."""
    where = np.linspace(0.0, len(anchors) - 1.0, count)
    channels = [np.interp(where, np.arange(len(anchors)), channel) for channel in zip(*anchors, strict=True)]
    return np.stack(channels, axis=1).round().astype(np.uint8)
