"""The arrays of a connected circuit: every value's, every wanted gradient's, and the columns of ones behind some."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.events import Array

if TYPE_CHECKING:
    from gradvitals.engine.circuit import Circuit, Placed, Value


class CircuitArrays:
    """Values and gradients by name, allocated once.

    A bias is the last row of its weight and meets a column of ones behind the inputs (cs231n, "Linear classification",
    section "Bias trick"). Gates see such a value without that column, except those that read or keep it.

    Attributes:
        values: Every value's array; parameters are the caller's own.
        gradients: The caller's own, those of the values to go back to, and those of the values on the way to either.
    """

    def __init__(
        self,
        circuit: "Circuit",
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        *,
        batch: int,
        dtype: DTypeLike,
        runs: tuple[int, ...],
        back_to: Collection[str],
    ) -> None:
        self.values: dict[str, Array] = dict(parameters)
        self.gradients: dict[str, Array] = dict(gradients)
        self._whole_values: dict[str, Array] = {}
        self._whole_gradients: dict[str, Array] = {}
        with_ones = _values_with_ones(circuit)

        def add(value: "Value", arrays: dict[str, Array], whole_arrays: dict[str, Array], behind: float) -> None:
            shape = (*runs, *(batch if size is None else size for size in value.shape))
            if value.name not in with_ones:
                arrays[value.name] = np.zeros(shape, dtype)
                return
            whole = np.zeros((*shape[:-1], shape[-1] + 1), dtype)
            whole[..., -1] = behind
            whole_arrays[value.name], arrays[value.name] = whole, whole[..., :-1]

        for value in (*circuit.inputs, *(placed.output for placed in circuit.gates)):
            add(value, self.values, self._whole_values, 1.0)
        for placed in circuit.gates:
            if placed.output.name in back_to or any(value.name in self.gradients for value in placed.inputs):
                add(placed.output, self.gradients, self._whole_gradients, 0.0)
        self._gathered = {
            value.name: np.empty_like(self.values[value.name], order="C")
            if value.name in with_ones
            else self.values[value.name]
            for value in circuit.inputs
        }

    def inputs_of(self, placed: "Placed") -> tuple[Array, ...]:
        """Give what the gate reads."""
        values = self._whole_values if self._acts_on_whole(placed) else self.values
        first, *others = (values[value.name] for value in placed.inputs)
        return (self._whole_values[placed.inputs[0].name] if placed.gate.reads_ones else first, *others)

    def output_of(self, placed: "Placed") -> Array:
        """Give what the gate writes."""
        return (self._whole_values if self._acts_on_whole(placed) else self.values)[placed.output.name]

    def gradients_of(self, placed: "Placed") -> Mapping[str, Array]:
        """Give the gradients by value, as the gate is to see them."""
        return self._whole_gradients if self._acts_on_whole(placed) else self.gradients

    def feed(self, name: str, samples: Array, rows: Array, runs: slice | None = None) -> None:
        """Gather rows of `(samples, …)` into an input; NumPy is fast at that only into an array without gaps."""
        gathered, value = self._gathered[name], self.values[name]
        if runs is not None:
            gathered, value = gathered[runs], value[runs]
        samples.take(rows, 0, gathered, "clip")
        if gathered is not value:
            np.copyto(value, gathered)

    def _acts_on_whole(self, placed: "Placed") -> bool:
        """Tell whether the gate may act on the ones as well; the caller's own arrays have none."""
        names = [placed.output.name, *(value.name for value in placed.inputs)]
        return placed.gate.keeps_ones and all(
            name in self._whole_values and (name in self._whole_gradients or name not in self.gradients)
            for name in names
        )


def _values_with_ones(circuit: "Circuit") -> Collection[str]:
    """Name the values with a column of ones behind them: those a gate reads it of, and those on the way there."""
    names = {placed.inputs[0].name for placed in circuit.gates if placed.gate.reads_ones}
    parameters = {value.name for value in circuit.parameters}
    for placed in reversed(circuit.gates):
        if placed.gate.keeps_ones and placed.output.name in names:
            names |= {value.name for value in placed.inputs} - parameters
    return names
