"""What became of units between two scans, computed anew from the parameters kept and the rows of the training set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradvitals.diagnostics.past_parameters import Moment, past_pre_activations, work_per_row
from gradvitals.diagnostics.unit_death import UnitState
from gradvitals.engine.events import Array, LayerInfo

LEAST_LOOKS = 8
"""Moments between two scans that units are looked at, each halving what is left for one of them, and perhaps more."""

PASSES = LEAST_LOOKS + 4
"""Through the layers below: at both scans and between, and of the old inputs for new weights."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A unit before and after its death.

    Attributes:
        unit: Its index.
        before: At the last moment known before it; None where none is.
        after: At the first moment known after it.
        with_new_weights: Largest pre-activation on the inputs and with the bias before, with the weights after.
        lasting: Whether it was silent at every moment since then, as far as any is known.
    """

    unit: int
    before: UnitState | None
    after: UnitState
    with_new_weights: float | None
    lasting: bool = True


@dataclass(slots=True)
class Replay:
    """Computes units of one layer at kept moments.

    Attributes:
        layers: From the first to theirs.
        moments: The parameters kept, from those of the scan before on; those of the scan that found them dead are last.
        inputs: Rows of the training set, `(rows, …)`.
        looks: Most moments to look at between the first and the last.
        work: Multiply-adds so far.
    """

    layers: Sequence[LayerInfo]
    moments: Sequence[Moment]
    inputs: Array
    looks: int
    work: float = 0.0
    _known: dict[int, Array] = field(default_factory=dict)

    @np.errstate(over="ignore", invalid="ignore")
    def deaths(self, units: Array, most: int) -> list[Replayed]:
        """Describe, of the units that died since the first moment, those that fired on most rows then."""
        values = self._values(0, 0, units)
        chosen = np.argsort(-(values > 0.0).sum(axis=0), kind="stable")[:most]
        units, self._known = units[chosen], {0: values[:, chosen]}
        last = len(self.moments) - 1
        self._known[last] = self._values(last, last, units)
        low, high = self._narrow(units)
        lasting = self._make_last(units, low, high)
        crossed = self._with_new_weights(units, low, high)
        return [
            Replayed(
                unit,
                self._state(low[place], place, unit),
                self._state(high[place], place, unit),
                crossed[place],
                bool(lasting[place]),
            )
            for place, unit in enumerate(units.tolist())
        ]

    @np.errstate(over="ignore", invalid="ignore")
    def born_dead(self, units: Array, most: int) -> list[Replayed]:
        """Describe, of units that are dead at the last moment, those that are nearest to firing."""
        last = len(self.moments) - 1
        values = self._values(last, last, units)
        chosen = np.argsort(-values.max(axis=0), kind="stable")[:most]
        self._known = {last: values[:, chosen]}
        return [
            Replayed(unit, None, self._state(last, place, unit), None)
            for place, unit in enumerate(units[chosen].tolist())
        ]

    def _narrow(self, units: Array) -> tuple[Array, Array]:
        """Give, for every unit, a moment at which it fires and a later one at which it is silent, near to each other.

        One that fires on other rows only, so that these cannot tell, keeps the first moment and the last.
        """
        low, high = np.zeros(len(units), np.intp), np.full(len(units), len(self.moments) - 1)
        told = ~_silent(self._known[0]) & _silent(self._known[len(self.moments) - 1])
        for _ in range(self.looks):
            wide = np.flatnonzero(told & (high - low > 1))
            if not wide.size:
                break
            middle = int(low[wide[0]] + high[wide[0]]) // 2  # of the unit that fired on most rows, before others
            self._known[middle] = self._values(middle, middle, units)
            silent, inside = _silent(self._known[middle]), told & (low < middle) & (middle < high)
            low[inside & ~silent] = middle
            high[inside & silent] = middle
        return low, high

    def _make_last(self, units: Array, low: Array, high: Array) -> Array:
        """Take the last death of a unit that came back; tell of which it is known that they did not since.

        From the end backwards, as far as looks are left.
        """
        lasting = np.ones(len(units), np.bool_)
        for moment in range(len(self.moments) - 2, 0, -1):
            later = high < moment
            if not later.any():
                break
            if moment not in self._known:
                if len(self._known) - 2 >= self.looks:
                    return lasting & ~later
                self._known[moment] = self._values(moment, moment, units)
            again = later & ~_silent(self._known[moment])
            low[again], high[again] = moment, moment + 1
        return lasting

    def _with_new_weights(self, units: Array, low: Array, high: Array) -> list[float]:
        """Give the largest pre-activations on the inputs and with the biases before, with the weights after."""
        largest = [0.0] * len(units)
        for before, after in sorted(set(zip(low.tolist(), high.tolist(), strict=True))):
            places = np.flatnonzero((low == before) & (high == after))
            values = (
                self._values(before, after, units[places])
                if len(self.layers) > 1
                else self._known[after][:, places]  # the inputs of the first layer stay as they are
            )
            for place, highest in zip(places.tolist(), values.max(axis=0).tolist(), strict=True):
                unit = int(units[place])
                largest[place] = highest - (self._bias(after, unit) or 0.0) + (self._bias(before, unit) or 0.0)
        return largest

    def _values(self, below: int, own: int, units: Array) -> Array:
        """Compute pre-activations `(rows, units)`, the layer's own parameters perhaps of another moment."""
        self.work += len(self.inputs) * work_per_row(self.layers, len(units))
        parameters = self.moments[own].parameters[self.layers[-1].name]
        return past_pre_activations(self.layers, self.moments[below].parameters, parameters, self.inputs, units)

    def _state(self, moment: int, place: int, unit: int) -> UnitState:
        weights = self.moments[moment].parameters[self.layers[-1].name]["weight"][:, unit]
        return UnitState(self.moments[moment].step, self._known[moment][:, place], self._bias(moment, unit), weights)

    def _bias(self, moment: int, unit: int) -> float | None:
        bias = self.moments[moment].parameters[self.layers[-1].name].get("bias")
        return None if bias is None else float(bias[unit])


def _silent(values: Array) -> Array:
    """Tell which units `(rows, units)` fire on no row; NaN is not silent."""
    return np.asarray(values.max(axis=0) <= 0.0)
