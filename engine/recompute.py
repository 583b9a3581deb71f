"""A circuit that keeps no values between forward and backward: it computes them anew where backward needs them.

Backpropagation trades memory for time: caching every gate's output costs an array per gate, recomputing costs gate
evaluations, in a chain of n gates about n²/2 more. The gradients are the same.

References:
    Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", which keeps √n of the values.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import Circuit, Placed, Value
from gradvitals.engine.events import Array


class RecomputingCircuit:
    """Used as a `ConnectedCircuit`: feed `values`, call `forward`, then `backward`.

    Gates must compute the same every time, which one that draws random numbers does not.

    Attributes:
        values: The inputs, the parameters and, after `forward`, the output; nothing else is kept.
        gradients: The arrays of the wanted gradients, written by `backward`.
        evaluations: Gates evaluated so far.
        most_held: The largest number of gates' outputs that existed at once.
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
    ) -> None:
        """Allocate the inputs; arguments as of `ConnectedCircuit`."""
        self._circuit, self._batch, self._dtype, self._runs = circuit, batch, dtype, runs
        self.values = {**parameters, **{value.name: self._allocate(value) for value in circuit.inputs}}
        self.gradients = dict(gradients)
        self.evaluations = self.most_held = 0
        self._wanted = set(gradients)
        for placed in circuit.gates:
            if any(value.name in self._wanted for value in placed.inputs):
                self._wanted.add(placed.output.name)

    def forward(self) -> None:
        """Compute the output; every other value is let go as soon as its last reader has run."""
        last = self._circuit.gates[-1]
        output = self._allocate(last.output)
        self._run(last, output, output, [None] * len(last.inputs))
        self.values[last.output.name] = output

    def backward(self) -> None:
        """Compute every wanted gradient in reverse order, each gate's inputs and output anew just before."""
        last = self._circuit.gates[-1].output
        flowing = {last.name: np.ones_like(self._allocate(last))}
        written: set[str] = set()
        for placed in reversed(self._circuit.gates):
            grad_output = flowing.pop(placed.output.name, None)
            if grad_output is None or placed.output.name not in self._wanted:
                continue
            targets = [self._allocate(value) if value.name in self._wanted else None for value in placed.inputs]
            self._run(placed, self._allocate(placed.output), grad_output, targets)
            for value, contribution in zip(placed.inputs, targets, strict=True):
                if contribution is None:
                    continue
                place = self.gradients.get(value.name)
                place = flowing.setdefault(value.name, contribution) if place is None else place
                if value.name in written:
                    np.add(place, contribution, out=place)
                else:
                    np.copyto(place, contribution)
                    written.add(value.name)
        for name in self.gradients.keys() - written:  # nothing that reaches the output reads it
            self.gradients[name][...] = 0.0

    def _run(self, target: Placed, output: Array, grad_output: Array, targets: Sequence[Array | None]) -> None:
        """Evaluate what a gate needs, then the gate; where gradients are wanted, also backward."""
        needed = self._needed_for(target)
        last_reading = {value.name: index for index, placed in enumerate(needed) for value in placed.inputs}
        held: dict[str, Array] = {}
        for index, placed in enumerate(needed):
            inputs = self._inputs(placed, held)
            if placed is target:
                gate = placed.gate.connect(inputs, output, grad_output, tuple(targets))
            else:
                written = self._allocate(placed.output)
                gate = placed.gate.connect(inputs, written, written, (None,) * len(inputs))
            gate.forward()
            held[placed.output.name] = gate.output
            self.evaluations += 1
            self.most_held = max(self.most_held, len(held))
            for value in placed.inputs:
                if last_reading[value.name] == index:
                    held.pop(value.name, None)
        if any(gradient is not None for gradient in targets):
            gate.backward()

    def _needed_for(self, target: Placed) -> list[Placed]:
        """List the gates that a gate's value depends on, in topological order, the gate itself last."""
        names, needed = {target.output.name}, []
        for placed in reversed(self._circuit.gates):
            if placed.output.name in names:
                needed.append(placed)
                names |= {value.name for value in placed.inputs}
        return needed[::-1]

    def _inputs(self, placed: Placed, held: Mapping[str, Array]) -> tuple[Array, ...]:
        """Give what a gate reads, with a column of ones behind the first where the gate's bias meets one."""
        first, *others = (
            held[value.name] if value.name in held else self.values[value.name] for value in placed.inputs
        )
        if placed.gate.reads_ones:
            first = np.concatenate([first, np.ones_like(first[..., :1])], axis=-1)
        return (first, *others)

    def _allocate(self, value: Value) -> Array:
        return np.zeros((*self._runs, *(self._batch if size is None else size for size in value.shape)), self._dtype)
