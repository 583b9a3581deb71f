"""Symmetry: groups of hidden units that no update can tell apart, because all their weights are equal.

Units with equal incoming and equal outgoing weights compute the same and get the same gradient, so they stay equal: a
group is one unit, however many it has. Whether any are equal is asked once, before the first update, of the bits; only
if there are any are they asked again, with a tolerance, for a matrix product does not treat its columns alike to the
last bit.

References:
    cs231n, "Setting up the data and the model" (neural-networks-2), section "Pitfall: all zero initialization".
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from gradvitals.diagnostics.notes import Symmetry
from gradvitals.engine.events import Array, LayerArrays, LayerInfo, Observable

Groups: TypeAlias = Mapping[str, tuple[tuple[int, ...], ...]]
"""By layer, groups of two units and more, as indices; layers without one are left out."""

SAME = {4: 1e-5, 8: 1e-12}
"""By bytes per number: relative difference of weights below which units count as equal after some updates. Rounding
leaves some 1e-7 and 1e-16 after 20 updates of any size that trains."""

ALIKE = 1e-2
"""Below this difference they still act as one."""

RECURRENT = "recurrent_weight"

Parts: TypeAlias = Sequence[tuple[Array, bool]]
"""Matrices `(units, …)` with the weights of each unit, and whether they lead to units of the same layer."""


class SymmetryWatcher:
    """Looks at a network, at once and whenever asked, and remembers which units were equal at first."""

    def __init__(self, network: Observable) -> None:
        self._network = network
        self._at_first: Groups | None = None

    def look(self, step: int) -> Symmetry | None:
        """Take the note; None where nothing was equal at first, or it is not known which layer reads which."""
        if self._at_first is not None and not self._at_first:
            return None
        layers, parameters = self._network.layers, self._network.parameters_by_layer()
        if not self._network.layerwise and not any(RECURRENT in arrays for arrays in parameters.values()):
            return None
        if self._at_first is None:
            self._at_first = find_equal_units(layers, parameters)
            return Symmetry(step, self._at_first, self._at_first)
        width = parameters[layers[0].name]["weight"].dtype.itemsize
        same, alike = (
            split_groups(self._at_first, layers, parameters, tolerance) for tolerance in (SAME[width], ALIKE)
        )
        return Symmetry(step, same, alike)


def find_equal_units(layers: Sequence[LayerInfo], parameters: LayerArrays) -> Groups:
    """Find the hidden units whose incoming and outgoing weights are equal, every one; nearly free where none are.

    Args:
        layers: In the order of the forward pass; each reads the one before.
        parameters: Their arrays: `weight` `(fan_in, units · pieces)`, `bias`, and others that have a value per unit or,
            as `recurrent_weight`, lead from unit to unit.
    """
    found: dict[str, tuple[tuple[int, ...], ...]] = {}
    for info, following in _pairs(layers, parameters):
        first_weights = parameters[info.name]["weight"][0].reshape(info.fan_out, -1)[:, 0]
        _, inverse, counts = np.unique(first_weights, return_inverse=True, return_counts=True)
        repeated = np.flatnonzero(counts[inverse] > 1)
        if len(repeated):
            directions = _weights(info, parameters[info.name], parameters[following.name])
            groups = [group for same in _by_bits(repeated, directions) for group in _gather(same, directions, 0.0)]
            found |= {info.name: tuple(groups)} if groups else {}
    return found


def split_groups(groups: Groups, layers: Sequence[LayerInfo], parameters: LayerArrays, tolerance: float) -> Groups:
    """Split groups into those whose units still have equal weights, up to a difference relative to their norm."""
    found: dict[str, tuple[tuple[int, ...], ...]] = {}
    for info, following in _pairs(layers, parameters):
        directions = _weights(info, parameters[info.name], parameters[following.name])
        parts = [
            part for group in groups.get(info.name, ()) for part in _gather(np.array(group), directions, tolerance)
        ]
        found |= {info.name: tuple(parts)} if parts else {}
    return found


def _pairs(layers: Sequence[LayerInfo], parameters: LayerArrays) -> list[tuple[LayerInfo, LayerInfo]]:
    """Give every hidden layer with the one that reads it, where both are matrices that fit each other."""
    shapes = {info.name: parameters[info.name]["weight"].shape for info in layers}
    return [
        (info, following)
        for info, following in pairwise(layers)
        if len(shapes[info.name]) == len(shapes[following.name]) == 2 and shapes[following.name][0] == info.fan_out
    ]


def _weights(info: LayerInfo, arrays: Mapping[str, Array], following: Mapping[str, Array]) -> tuple[Parts, Parts]:
    """Give the incoming and the outgoing weights of every unit; recurrent weights are both."""
    units = info.fan_out
    incoming: list[tuple[Array, bool]] = []
    outgoing: list[tuple[Array, bool]] = [(following["weight"], False)]
    for name, array in arrays.items():
        if name == RECURRENT:
            incoming.append((array.T, True))
            outgoing.append((array, True))
        elif array.shape[-1] % units == 0:  # a slope that all units share tells none from the others
            by_unit = np.moveaxis(array.reshape(-1, units, array.shape[-1] // units), 1, 0)
            incoming.append((by_unit.reshape(units, -1), False))
    return incoming, outgoing


def _by_bits(units: Array, directions: Sequence[Parts]) -> list[Array]:
    """Gather units whose weights to and from other layers have the same bits: quick however many units there are."""
    matrices = [matrix for parts in directions for matrix, within in parts if not within]
    rows = [np.ascontiguousarray(matrix[units]) + 0.0 for matrix in matrices]  # −0 becomes 0
    gathered: dict[bytes, list[int]] = {}
    for position, unit in enumerate(units.tolist()):
        gathered.setdefault(b"".join(matrix[position].tobytes() for matrix in rows), []).append(unit)
    return [np.array(group) for group in gathered.values()]


def _gather(units: Array, directions: Sequence[Parts], tolerance: float) -> list[tuple[int, ...]]:
    """Gather the units that are as the first of them, then those as the first of the others, and so on."""
    found = []
    while len(units) > 1:
        unit, others = int(units[0]), units[1:]
        near = np.ones(len(others), np.bool_)
        for parts in directions:
            near &= _differences(parts, unit, others) <= tolerance
        if near.any():
            found.append((unit, *others[near].tolist()))
        units = others[~near]
    return found


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # of a diverged network
def _differences(parts: Parts, unit: int, others: Array) -> Array:
    """Give ‖difference‖ / ‖weights of the unit‖ for each of the others; weights within the layer with both exchanged.

    Exchanging two equal units changes no weight: so u → v may differ from u → u, if v → u and v → v differ as much.
    """
    squares, norm = np.zeros(len(others)), 0.0
    for matrix, within in parts:
        seen = matrix[others].astype(np.float64)
        if within:
            seen[np.arange(len(others)), others] = matrix[others, unit]
            seen[:, unit] = matrix[others, others]
        own = matrix[unit].astype(np.float64)
        squares += ((seen - own) ** 2).sum(axis=1)
        norm += float(own @ own)
    return np.where(squares == 0.0, 0.0, np.sqrt(squares / norm))
