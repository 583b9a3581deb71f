"""What the first layer looks for: its weights as images, where its inputs are images."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from gradvitals.diagnostics.pictures.picture import BLUE_TO_RED, INK, UNKNOWN, Picture, paint, ramp
from gradvitals.engine.events import Array, Observable

LEAST_SIDE = 8
"""Of a flat row of pixels that is taken for a square image: so many columns, a square number of them, no table has."""

LARGEST_KERNEL = 11
MOST_FILTERS, TILE = 36, 16
"""How many are shown, and about how many pixels wide each at least; TensorBoard enlarges small pictures."""

FULL_COLOUR = 3.0
"""Times the rms of the weights in a picture: one large weight must not turn all others white."""

STEPS = 251
"""Shades from the most negative weight to the most positive."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Paints the first layer.

    Attributes:
        layer: Its name.
        shape: How a unit's weights are laid out: as an image's `(height, width)`, or `(channels, height, width)` or
            `(height, width, channels)`, of which it shows the mean over the channels.
        channel_axis: Which of them are the channels; None where there are none.
    """

    layer: str
    shape: tuple[int, ...]
    channel_axis: int | None

    @classmethod
    def of(cls, network: Observable, inputs: Array) -> Self | None:
        """Take a network whose first layer looks at images; None for any other."""
        if not network.layers:
            return None
        first = network.layers[0]
        found = _layout(inputs.shape[1:], first.fan_in)
        return None if found is None else cls(first.name, *found)

    @property
    def tag(self) -> str:
        """What the pictures are logged as."""
        return f"filters/{self.layer}"

    def paint(self, network: Observable) -> Picture | None:
        """Paint the weights as they are; None where they are not what they were taken for."""
        weight = network.parameters_by_layer().get(self.layer, {}).get("weight")
        if weight is None or weight.ndim != 2 or len(weight) != math.prod(self.shape):
            return None
        units = weight.shape[1]
        filters = np.asarray(weight.T[:MOST_FILTERS], np.float64).reshape(-1, *self.shape)
        if self.channel_axis is not None:
            filters = filters.mean(axis=1 + self.channel_axis)
        finite = np.isfinite(filters)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            scale = FULL_COLOUR * float(np.sqrt(np.mean(np.square(filters, where=finite, out=np.zeros_like(filters)))))
            shades = np.clip(filters / (scale or 1.0), -1.0, 1.0)
        places = np.where(finite, np.rint((np.nan_to_num(shades) + 1.0) * (STEPS - 1) / 2.0), STEPS).astype(np.uint8)
        palette = np.vstack([ramp(BLUE_TO_RED, STEPS), np.array([INK, UNKNOWN], np.uint8)])
        shown = f"the first {len(filters)} of {units} units" if units > len(filters) else f"all {units} units"
        about = (
            f"Incoming weights of {self.layer}, {shown}, each as an image of its inputs: blue is negative, white zero,"
            f" red positive, in full colour from {FULL_COLOUR:.0f} times their rms on; black is no finite number."
        )
        return paint(_tile(places, STEPS + 1), palette, about)


def _layout(sample: tuple[int, ...], fan_in: int) -> tuple[tuple[int, ...], int | None] | None:
    """Tell how the weights of a unit are laid out, and which axis has the channels; None where inputs are no images."""
    if len(sample) == 1:
        side = math.isqrt(fan_in)
        return ((side, side), None) if sample[0] == fan_in == side * side and side >= LEAST_SIDE else None
    if len(sample) == 2 and min(sample) >= LEAST_SIDE and math.prod(sample) == fan_in:
        return sample, None
    if len(sample) != 3 or (axis := next((axis for axis in (0, 2) if sample[axis] in {1, 3}), None)) is None:
        return None
    channels, per_channel = sample[axis], fan_in // sample[axis]
    if math.prod(sample) == fan_in:
        return sample, axis
    side = math.isqrt(per_channel)
    if side * side * channels != fan_in or not 2 <= side <= LARGEST_KERNEL:
        return None
    return ((channels, side, side) if axis == 0 else (side, side, channels)), axis


def _tile(images: Array, gap: int) -> Array:
    """Lay images `(count, height, width)` out as a wall, enlarged, with a line of the colour `gap` between them."""
    count, height, width = images.shape
    across = math.isqrt(count - 1) + 1
    down = -(-count // across)
    factor = max(TILE // max(height, width), 1)
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    wall = np.full((down * across, height * factor + 1, width * factor + 1), gap, np.uint8)
    wall[:count, :-1, :-1] = large
    tall, wide = wall.shape[1:]
    return wall.reshape(down, across, tall, wide).swapaxes(1, 2).reshape(down * tall, across * wide)[:-1, :-1]
