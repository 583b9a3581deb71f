"""The exact dead-unit scan: which ReLU units are silent on every training example, at frozen weights.

Per layer it keeps the units not yet seen active, feeds the training set in chunks, drops units as they fire, and goes
no deeper than the deepest layer that still has suspects, where it computes the suspects' columns only. A unit whose
interval bound max(W,0)·x_max + min(W,0)·x_min + b is not positive is certified dead without a pass. A healthy network
is through after a chunk or two, or at once where a probe has already seen its units fire; only dead units that the
bound cannot certify cost a whole pass.

A network that is not layerwise, as one unrolled through time, is run whole, chunk by chunk until every unit has fired.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from gradvitals.diagnostics.metrics import RECTIFIED, SLOPED
from gradvitals.engine.events import Array, LayerForward, Observable

Box: TypeAlias = tuple[Array, Array]
"""Smallest and largest value of every feature, each `(features,)`."""

BETWEEN = frozenset({"linear", "leaky_relu", "gelu"})
"""Activations whose outputs lie between 0 and the pre-activation."""

CHUNK = 500
"""Rows per pass; 500 to 1,000 measured fastest on a 784-256-128 network."""

MOST_NUMBERS = 2**22
"""Inputs of a pass, where a row is an image: a convolution's outputs are many times as large."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Dead units by layer, as sorted indices, and what it took to find them.

    Attributes:
        dead: For every ReLU layer, the units silent on every row.
        rows: Rows of the set.
        cost: Rows passed forward, counted in passes through the whole network.
    """

    dead: Mapping[str, tuple[int, ...]]
    rows: int
    cost: float


class DeadUnitScanner:
    """Scans one network over one training set, as often as asked."""

    def __init__(self, network: Observable, inputs: Array) -> None:
        """Take the whole training set, `(samples, features)` or, of networks that are not layerwise, `(samples, …)`."""
        self._network, self._inputs = network, inputs

    @cached_property
    def box(self) -> Box:
        """The box that the inputs span; found when the first suspect outlives the first chunk."""
        return self._inputs.min(axis=0).reshape(-1), self._inputs.max(axis=0).reshape(-1)

    def scan(self, silent: Mapping[str, Array] | None = None) -> ScanResult:
        """Find every ReLU unit that is silent on all rows, at all time steps; exact, not sampled.

        It computes in the network's own precision: what fires in float64 may round to silence in float32.

        Args:
            silent: Which units of a layer were silent on some of these rows at these weights, `(units,)`, as a probe
                has seen; every other unit of that layer is not dead, and need not be looked at.
        """
        silent = {} if silent is None else silent
        suspects = {
            info.name: silent.get(info.name, np.ones(info.fan_out, np.bool_))
            for info in self._network.layers
            if info.activation in RECTIFIED
        }
        if not any(units.any() for units in suspects.values()):
            return ScanResult(dict.fromkeys(suspects, ()), len(self._inputs), 0.0)
        if not self._network.layerwise:
            return self._scan_by_events(suspects)
        return self._scan_by_layers(suspects)

    @property
    def _rows_at_once(self) -> int:
        return min(max(MOST_NUMBERS // max(int(self._inputs[0].size), 1), 1), CHUNK)

    @property
    def _dtype(self) -> np.dtype[Any]:
        network = self._network
        return network.parameters_by_layer()[network.layers[0].name]["weight"].dtype

    @np.errstate(over="ignore", invalid="ignore")
    def _scan_by_events(self, silent: dict[str, Array]) -> ScanResult:
        """Run the whole network, chunk by chunk until every unit has fired: its layers cannot be run by themselves."""
        network, inputs = self._network, self._inputs
        seen: set[str] = set()

        def note(event: LayerForward) -> None:
            if event.layer in silent:
                seen.add(event.layer)
                silent[event.layer] = silent[event.layer] & (event.outputs.max(axis=0) <= 0)  # a NaN is not silent

        rows = 0
        while rows < len(inputs) and any(units.any() for units in silent.values()):
            chunk = inputs[rows : rows + self._rows_at_once]
            network.observe(chunk, note)  # which takes them into its own precision, unless they are token ids
            rows += len(chunk)
        dead = {
            layer: tuple(np.flatnonzero(units).tolist()) if layer in seen else ()  # of one nobody came by, who knows
            for layer, units in silent.items()
        }
        return ScanResult(dead, len(inputs), float(rows))

    @np.errstate(over="ignore", invalid="ignore")  # a diverged network is scanned too
    def _scan_by_layers(self, silent: Mapping[str, Array]) -> ScanResult:
        """Look at suspects only, no deeper than there are any."""
        network, inputs, layers, dtype = self._network, self._inputs, self._network.layers, self._dtype
        suspects: dict[int, Array] = {
            i: np.flatnonzero(silent[info.name]) for i, info in enumerate(layers) if info.name in silent
        }
        dead: dict[int, list[int]] = {index: [] for index in suspects}
        work = 0.0
        for start in range(0, len(inputs), CHUNK):
            if start == CHUNK and any(map(len, suspects.values())):  # the first chunk settles most units, often all
                self._certify_suspects(suspects, dead)
            deepest = max((index for index, units in suspects.items() if len(units)), default=-1)
            if deepest < 0:
                break
            rows = min(CHUNK, len(inputs) - start)
            hidden = np.asarray(inputs[start : start + CHUNK], dtype).reshape(rows, -1)
            for index in range(deepest + 1):
                units = suspects.get(index)
                at_the_end = index == deepest and units is not None
                hidden = network.layer_outputs(index, hidden, units if at_the_end else None)
                work += rows * layers[index].fan_in * hidden.shape[1]
                if units is not None and len(units):
                    highest = (hidden if at_the_end else hidden[:, units]).max(axis=0)
                    suspects[index] = units[highest <= 0]  # a NaN is not silent
        for index, units in suspects.items():
            dead[index] += units.tolist()
        found = {layers[index].name: tuple(sorted(units)) for index, units in dead.items()}
        return ScanResult(found, len(inputs), work / sum(info.fan_in * info.fan_out for info in layers))

    def _certify_suspects(self, suspects: dict[int, Array], dead: dict[int, list[int]]) -> None:
        """Move the suspects that cannot fire on any input in the box to the dead."""
        for index, certified in enumerate(certify(self._network, *self.box)):
            units = suspects.get(index)
            if units is not None and len(units):
                dead[index] += units[certified[units]].tolist()
                suspects[index] = units[~certified[units]]


@np.errstate(over="ignore", invalid="ignore")
def certify(network: Observable, low: Array, high: Array) -> Iterator[Array]:
    """Yield for every layer which units' pre-activations are ≤ 0 for any input in the box [low, high].

    By interval arithmetic through the layers, in float64, widened by the rounding that the layer's own precision may
    add. The box grows loose with depth, except where units below are dead. It ends behind a layer whose activation it
    cannot bound.
    """
    parameters = network.parameters_by_layer()
    dtype = parameters[network.layers[0].name]["weight"].dtype
    low, high = (bound.astype(dtype).astype(np.float64) for bound in (low, high))  # rounded as the network sees them
    for info in network.layers:
        weight = parameters[info.name]["weight"]
        rounding = info.fan_in * float(np.finfo(weight.dtype).eps)
        wide = weight.astype(np.float64)
        bias = np.asarray(parameters[info.name].get("bias", np.zeros(info.fan_out)), np.float64)
        positive, negative = np.maximum(wide, 0.0), np.minimum(wide, 0.0)
        slack = rounding * (np.maximum(np.abs(low), np.abs(high)) @ np.abs(wide) + np.abs(bias))
        upper = high @ positive + low @ negative + bias + slack
        lower = low @ positive + high @ negative + bias - slack
        yield np.asarray(upper <= 0.0)
        if info.activation in RECTIFIED:
            low, high = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
        elif info.activation in SLOPED:
            low, high = np.full(info.fan_out, -1.0), np.full(info.fan_out, 1.0)
        elif info.activation in BETWEEN:
            low, high = np.minimum(lower, 0.0), np.maximum(upper, 0.0)
        else:
            return
