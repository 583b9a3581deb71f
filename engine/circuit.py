"""A circuit: gates wired into a directed acyclic graph, run forward in order and backward in reverse.

Where a value forks, the gradients of its branches add up: the first contribution writes, later ones add.

References:
    cs231n, "Backpropagation, intuitions": "gradients add up at forks".
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.circuit_arrays import CircuitArrays
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate, Shape


@dataclass(frozen=True, slots=True)
class Value:
    """A wire of the circuit: fed from outside, a parameter, or what a gate computes."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Placed:
    """A gate, the values it reads and the value it writes."""

    gate: Gate
    inputs: tuple[Value, ...]
    output: Value


class Circuit:
    """A circuit as drawn: values and gates without arrays. Gates are added in topological order."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.parameters: list[Value] = []
        self.gates: list[Placed] = []
        self._names: set[str] = set()

    def input(self, name: str, *shape: int | None) -> Value:
        """Add a value that is fed from outside; None in the shape stands for the batch."""
        value = self._new(name, shape)
        self.inputs.append(value)
        return value

    def parameter(self, name: str, *shape: int) -> Value:
        """Add a value that is learned."""
        value = self._new(name, shape)
        self.parameters.append(value)
        return value

    def gate(self, name: str, gate: Gate, *inputs: Value) -> Value:
        """Add a gate and give the value it computes.

        Raises:
            ValueError: If the name is taken, an input is not of this circuit, the shapes do not fit the gate, or it
                needs a column of ones behind a parameter, whose array is the caller's.
        """
        for value in inputs:
            if value.name not in self._names:
                msg = f"{name}: its input {value.name!r} is not a value of this circuit"
                raise ValueError(msg)
        try:
            shape = gate.output_shape(*(value.shape for value in inputs))
        except ValueError as error:
            msg = f"{name}: {error}"
            raise ValueError(msg) from error
        if gate.reads_ones and inputs[0] in self.parameters:
            msg = f"{name}: its first input {inputs[0].name!r} must be fed or computed, not a parameter"
            raise ValueError(msg)
        output = self._new(name, shape)
        self.gates.append(Placed(gate, inputs, output))
        return output

    def _new(self, name: str, shape: Shape) -> Value:
        if name in self._names:
            msg = f"the circuit already has a value named {name!r}"
            raise ValueError(msg)
        self._names.add(name)
        return Value(name, tuple(shape))


class SeenCircuit(Protocol):
    """What observers may see of a connected circuit, or of one run of a stack: read-only arrays by name."""

    @property
    def readonly_values(self) -> Mapping[str, Array]:
        """Every value."""
        ...

    @property
    def readonly_gradients(self) -> Mapping[str, Array]:
        """Every gradient that is computed."""
        ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RunOfStack:
    """One run of a circuit connected for a stack of runs."""

    readonly_values: Mapping[str, Array]
    readonly_gradients: Mapping[str, Array]


class ConnectedCircuit:
    """A circuit with its arrays, for one batch size: feed `values`, call `forward`, then `backward`.

    Attributes:
        values: Every value's array by name. Inputs are written by the caller; parameters are the caller's own arrays.
        gradients: By name, the gradient of the last gate's output on each value that was asked for or lies between.
        gates: The connected gates by the name of their output.
        readonly_values: Views of `values` for observers, through which nothing can be written.
        readonly_gradients: Views of `gradients` likewise.
    """

    def __init__(
        self,
        circuit: Circuit,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        *,
        batch: int,
        dtype: DTypeLike,
        runs: tuple[int, ...] = (),
        back_to: Collection[str] = (),
    ) -> None:
        """Allocate every array once.

        Args:
            circuit: The circuit.
            parameters: The array of each parameter.
            gradients: Where to write the gradient of each value it is wanted for, parameters or inputs.
            batch: Number of samples.
            dtype: Of all arrays.
            runs: Empty, or `(R,)` for a stack of R runs.
            back_to: Further values whose gradient is wanted; the circuit has the arrays.
        """
        self._arrays = arrays = CircuitArrays(
            circuit, parameters, gradients, batch=batch, dtype=dtype, runs=runs, back_to=back_to
        )
        self.values, self.gradients = arrays.values, arrays.gradients
        self.gates: dict[str, Gate] = {}
        last = circuit.gates[-1].output.name
        if last in self.gradients:
            self.gradients[last][...] = 1.0

        backward: list[Callable[[], None]] = []
        contributed: set[str] = set()
        scratch: dict[tuple[str, int, tuple[int, ...]], Array] = {}  # a contribution is added before the next is made
        for placed in reversed(circuit.gates):
            targets: list[Array | None] = []
            additions: list[Callable[[], None]] = []
            seen = arrays.gradients_of(placed)
            for position, value in enumerate(placed.inputs):
                gradient = seen.get(value.name)
                if gradient is None or value.name not in contributed:
                    targets.append(gradient)
                    contributed.add(value.name)
                else:
                    key = (value.name, position, gradient.shape)
                    contribution = scratch.setdefault(key, np.empty_like(gradient))
                    targets.append(contribution)
                    additions.append(_adder(gradient, contribution))
            name, output = placed.output.name, arrays.output_of(placed)
            gate = placed.gate.connect(arrays.inputs_of(placed), output, seen.get(name, output), tuple(targets))
            self.gates[name] = gate
            if name in self.gradients:
                backward += [gate.backward, *additions]
        unread = self.gradients.keys() - contributed - {last}
        backward += [partial(self.gradients[name].fill, 0.0) for name in unread]
        self.readonly_values = {name: readonly(array) for name, array in self.values.items()}
        self.readonly_gradients = {name: readonly(array) for name, array in self.gradients.items()}
        self._backward = tuple(backward)
        self._forward = tuple(self.gates[placed.output.name].forward for placed in circuit.gates)

    def run(self, index: int) -> RunOfStack:
        """Give what observers may see of one run of the stack."""
        values = {name: array[index] for name, array in self.readonly_values.items()}
        return RunOfStack(values, {name: array[index] for name, array in self.readonly_gradients.items()})

    def write(self, name: str, array: Array) -> None:
        """Write an input.

        Raises:
            ValueError: If it has another shape: NumPy would spread it over the input's without a word.
        """
        value = self.values[name]
        if np.shape(array) != value.shape:
            wanted = f"(samples, {value.shape[-1]}), here {value.shape}"
            msg = f"the circuit takes {name} of shape {wanted}; got {np.shape(array)}"
            raise ValueError(msg)
        value[...] = array

    def feed(self, name: str, samples: Array, rows: Array, runs: slice | None = None) -> None:
        """Gather rows `(batch,)` of `(samples, …)` into an input; `(R, batch)` into that of some runs of a stack."""
        self._arrays.feed(name, samples, rows, runs)

    def forward(self) -> None:
        """Compute every value, in topological order."""
        for compute in self._forward:
            compute()

    def backward(self) -> None:
        """Compute every wanted gradient, in reverse order."""
        for compute in self._backward:
            compute()


def readonly(array: Array) -> Array:
    """Give a view of the array through which nothing can be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def _adder(gradient: Array, contribution: Array) -> Callable[[], None]:
    """Give the step that adds a later branch's contribution."""

    def add() -> None:
        np.add(gradient, contribution, out=gradient)

    return add
