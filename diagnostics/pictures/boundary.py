"""What a network answers over the plane of its inputs, where they are two numbers: the decision boundary."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self, TypeAlias

import numpy as np

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_QUANTITIES, OF_YES_OR_NO
from gradvitals.diagnostics.pictures.picture import (
    CLASSES,
    DARK_TO_LIGHT,
    INK,
    UNKNOWN,
    Colours,
    Picture,
    paint,
    ramp,
)
from gradvitals.engine.events import Array, LayerForward, Observable

TAG = "decision_boundary"

GRID, SIDE = 32, 176
"""Points a side at which the network is asked, and pixels between which its outputs are interpolated.

1,024 rows, as many as four probes have, are passed forward for a picture.
"""

MARGIN = 0.08
"""Of the inputs' range on every side."""

TINT = 0.62
"""How far a class's area is from its dots' colour towards white."""

LARGEST = 1e37
"""Outputs count as no larger, so that their differences are finite."""

MOST_CLASSES = 50
"""Ten colours come round for the eleventh class; with very many, a picture is none."""

SHADES = 120
"""Of a regression's values, and again of its dots."""

Kind: TypeAlias = Literal["classes", "yes or no", "values"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """Paints the plane.

    Attributes:
        kind: What an answer is: one of several classes, one of two, or a value.
        inputs: The samples shown as dots, `(samples, 2)`.
        targets: Theirs, `(samples, outputs)`.
        low: The plane's lower left corner, `(2,)`.
        high: Its upper right one, `(2,)`.
        threshold: The output from which on a yes is said.
    """

    kind: Kind
    inputs: Array
    targets: Array
    low: Array
    high: Array
    threshold: float

    @classmethod
    def of(cls, network: Observable, inputs: Array, sample: tuple[Array, Array]) -> Self | None:
        """Take a network of two inputs and one answer; None for any other, and where inputs leave no plane.

        Args:
            network: What is watched.
            inputs: The training set's, whose range is shown.
            sample: Inputs and targets of the samples that are shown.
        """
        kind = _kind(network, sample[1])
        is_plane = inputs.ndim == 2 and inputs.shape[1] == 2 and np.issubdtype(inputs.dtype, np.floating)
        if kind is None or not is_plane or not len(sample[0]) or not _ends_with_last_layer(network, sample):
            return None
        low, high = inputs.min(axis=0).astype(np.float64), inputs.max(axis=0).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            margin = MARGIN * (high - low)
            if not (np.isfinite(margin).all() and (margin > 0.0).all()):
                return None
        takes = None if network.loss_info is None else network.loss_info.takes
        threshold = 0.5 if takes == "probabilities" else 0.0
        return cls(kind, *sample, low - margin, high + margin, threshold)

    def paint(self, network: Observable) -> Picture | None:
        """Paint what the network answers now; None where it does not answer as it did."""
        grid = self._ask(network)
        if grid is None:
            return None
        unknown = ~np.isfinite(grid).all(axis=0)
        grid = np.asarray(np.clip(np.where(unknown, 0.0, grid), -LARGEST, LARGEST), np.float32)
        if self.kind == "values":
            places, palette = self._shade(_enlarged(grid[0]))
            what = "dark is low and light is high"
        else:
            places, palette = self._colour(grid)
            what = "an area has the colour of the class that the network says there"
        if unknown.any():
            places[_enlarged(np.asarray(unknown, np.float32)) > 0.0] = len(palette) - 2
        self._dot(places, self._truths(palette), ink=len(palette) - 1)
        dots = f"dots are {len(self.inputs)} training samples with what they are"
        (left, bottom), (right, top) = self.low, self.high
        about = (
            f"What the network says of its two inputs, from {left:.3g} to {right:.3g} (across) and from {bottom:.3g} to"
            f" {top:.3g} (upwards): {what}; {dots}; grey is no finite number."
        )
        return paint(places, palette, about)

    def _ask(self, network: Observable) -> Array | None:
        """Give the outputs `(outputs, GRID, GRID)`, the top row first; of as many rows at a time as the sample has."""
        across, up = (np.linspace(self.low[axis], self.high[axis], GRID) for axis in (0, 1))
        rows = np.stack([np.tile(across, GRID), up[::-1].repeat(GRID)], axis=1).astype(self.inputs.dtype)
        size = len(self.inputs)  # a further shape would be compiled anew by some
        padded = np.vstack([rows, rows[: -len(rows) % size]]) if len(rows) >= size else np.resize(rows, (size, 2))
        outputs = [_last_outputs(network, part) for part in padded.reshape(-1, size, 2)]
        found = np.concatenate(outputs)[: GRID * GRID]
        if found.shape[1] != self._width or len(found) != GRID * GRID:
            return None
        return np.asarray(found.T.reshape(-1, GRID, GRID), np.float32)

    @property
    def _width(self) -> int:
        return self.targets.shape[1] if self.kind == "classes" else 1

    def _colour(self, grid: Array) -> tuple[Array, Colours]:
        """Give what is said at each pixel, as a place in a palette of the classes' tints and colours."""
        count = max(len(grid), 2)
        if len(grid) == 1:
            said = (_enlarged(grid[0]) > self.threshold).view(np.uint8)
        elif len(grid) == 2:
            said = (_enlarged(grid[1] - grid[0]) > 0.0).view(np.uint8)
        else:
            said = _largest(grid)
        kinds = min(count, len(CLASSES))
        colours = np.array(CLASSES[:kinds], np.uint8)
        tints = (colours + TINT * (255.0 - colours)).round().astype(np.uint8)
        return said if count == kinds else said % kinds, np.vstack([tints, colours, np.array([UNKNOWN, INK], np.uint8)])

    def _shade(self, values: Array) -> tuple[Array, Colours]:
        """Give the value at each pixel, as a place in a palette of shades from the least target to the largest."""
        return self._shades_of(values), np.vstack([ramp(DARK_TO_LIGHT, SHADES), np.array([UNKNOWN, INK], np.uint8)])

    def _shades_of(self, values: Array) -> Array:
        low, high = float(self.targets.min()), float(self.targets.max())
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.nan_to_num((values - low) / ((high - low) or 1.0))
        return np.rint(np.clip(share, 0.0, 1.0) * (SHADES - 1)).astype(np.uint8)

    def _truths(self, palette: Colours) -> Array:
        """Give what the samples are, as places in the palette."""
        if self.kind == "values":
            return self._shades_of(self.targets[:, 0])
        truths = self.targets.argmax(axis=1) if self.kind == "classes" else self.targets[:, 0] > 0.5
        kinds = (len(palette) - 2) // 2
        return (kinds + truths % kinds).astype(np.uint8)

    def _dot(self, places: Array, colours: Array, *, ink: int) -> None:
        """Put the samples in, each a dot with a dark edge."""
        with np.errstate(over="ignore", invalid="ignore"):
            share = (self.inputs.astype(np.float64) - self.low) / (self.high - self.low)
        inside = np.isfinite(share).all(axis=1)
        at = np.rint(share[inside] * (SIDE - 1)).astype(np.int64)
        rows, columns = SIDE - 1 - at[:, 1], at[:, 0]
        for radius, filling in ((3.2, np.full(len(at), ink, np.uint8)), (2.3, colours[inside])):
            down, right = _disc(radius)
            places[np.clip(rows + down, 0, SIDE - 1), np.clip(columns + right, 0, SIDE - 1)] = filling


def _kind(network: Observable, targets: Array) -> Kind | None:
    if network.loss_name in OF_ONE_CLASS and 1 < targets.shape[1] <= MOST_CLASSES:
        return "classes"
    if targets.shape[1] != 1:
        return None
    if network.loss_name in OF_YES_OR_NO:
        return "yes or no"
    return "values" if network.loss_name in OF_QUANTITIES and np.isfinite(targets).all() else None


def _ends_with_last_layer(network: Observable, sample: tuple[Array, Array]) -> bool:
    """Tell whether the last layer's outputs are the network's: nothing is added to them, or made of them."""
    outputs = network.probe(*sample).outputs
    last = _last_outputs(network, sample[0])
    return outputs.shape == last.shape and np.array_equal(outputs, last, equal_nan=True)


def _last_outputs(network: Observable, inputs: Array) -> Array:
    """Run forward, frozen; give the last layer's outputs."""
    seen: list[Array] = []
    last = network.layers[-1].name

    def keep(event: LayerForward) -> None:
        if event.layer == last:
            seen.append(event.outputs.copy())

    network.observe(inputs, keep)
    return seen[-1] if seen else np.empty((len(inputs), 0))


def _largest(grid: Array) -> Array:
    """Give at each pixel which of the outputs `(classes, GRID, GRID)` is the largest, the first of equals."""
    best = _enlarged(grid[0])
    said = np.zeros(best.shape, np.uint8)
    for place, outputs in enumerate(grid[1:], start=1):
        answer = _enlarged(outputs)
        np.copyto(said, place, where=answer > best)
        np.maximum(best, answer, out=best)
    return said


def _enlarged(grid: Array) -> Array:
    """Interpolate `(GRID, GRID)` to `(SIDE, SIDE)`, linearly along each side."""
    weights = _interpolation(GRID, SIDE)
    return np.asarray(weights @ grid @ weights.T)


@lru_cache(maxsize=1)
def _interpolation(points: int, pixels: int) -> Array:
    """Give the weights `(pixels, points)` with which pixels between points mix them linearly."""
    where = np.linspace(0.0, points - 1.0, pixels)
    return np.maximum(0.0, 1.0 - np.abs(where[:, np.newaxis] - np.arange(points))).astype(np.float32)


@lru_cache(maxsize=2)
def _disc(radius: float) -> tuple[Array, Array]:
    """Give the offsets of a disc's pixels, `(pixels, 1)` each, so that they meet every sample's place."""
    reach = np.arange(-int(radius), int(radius) + 1)
    down, right = (offsets.ravel() for offsets in np.meshgrid(reach, reach, indexing="ij"))
    inside = down**2 + right**2 <= radius**2
    return down[inside, np.newaxis], right[inside, np.newaxis]
