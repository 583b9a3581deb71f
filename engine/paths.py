"""The chain rule along paths: from an input to the output, the product of the local gradients, and the paths' sum.

Backpropagation computes the same sum without listing the paths, whose number can double with every fork.

References:
    cs231n, "Backpropagation, intuitions" (optimization-2), section "Compound expressions, chain rule";
    Olah 2015, "Calculus on Computational Graphs: Backpropagation", "sum over paths".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from gradvitals.engine.circuit import Circuit, Placed
from gradvitals.engine.events import Array

MAX_PATHS = 1000


class TooManyPathsError(ValueError):
    """There are more paths than anyone lists; the sentence says how many."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from a value to the circuit's output.

    Attributes:
        values: Names of the values on the way, the source first, the output last.
        local_gradients: Of each gate on the way, its output's gradient on the value before it.
    """

    values: tuple[str, ...]
    local_gradients: tuple[float, ...]

    @property
    def product(self) -> float:
        """The path's contribution to the gradient."""
        return prod(self.local_gradients)


def count_paths(circuit: Circuit, source: str) -> int:
    """Count the paths from a value to the output without listing them; a gate that reads it twice makes two.

    Raises:
        ValueError: If the circuit has no value of this name.
    """
    known = {value.name for value in (*circuit.inputs, *circuit.parameters)}
    known |= {placed.output.name for placed in circuit.gates}
    if source not in known:
        msg = f"the circuit has no value named {source!r}"
        raise ValueError(msg)
    counts = {source: 1}
    for placed in circuit.gates:
        if placed.output.name != source:
            counts[placed.output.name] = sum(counts.get(value.name, 0) for value in placed.inputs)
    return counts[circuit.gates[-1].output.name]


def find_paths(circuit: Circuit, values: Mapping[str, Array], source: str, *, most: int = MAX_PATHS) -> list[Path]:
    """List the paths from a value to the output.

    Args:
        circuit: Of single numbers: every value has the shape ().
        values: Of every input, parameter and gate output, after a forward pass.
        source: Name of an input, a parameter or a gate's output.
        most: The largest number of paths that is listed.

    Raises:
        TooManyPathsError: If there are more.
        ValueError: If the circuit has no such value, or one that is no single number.
    """
    count = count_paths(circuit, source)
    if count > most:
        msg = f"{count} paths lead from {source} to the output, and {most} are the most that are listed"
        raise TooManyPathsError(msg)
    wide = next((name for name, array in values.items() if array.shape != ()), None)
    if wide is not None:
        msg = f"paths are listed of single numbers, and {wide!r} has the shape {values[wide].shape}"
        raise ValueError(msg)
    output = circuit.gates[-1].output.name
    readers: dict[str, list[tuple[str, float]]] = {}
    reaching = {output}
    for placed in reversed(circuit.gates):
        if placed.output.name in reaching:
            for value, local in zip(placed.inputs, local_gradients(placed, values), strict=True):
                reaching.add(value.name)
                readers.setdefault(value.name, []).append((placed.output.name, local))
    paths = []
    unfinished = [Path((source,), ())]
    while unfinished:
        path = unfinished.pop()
        if path.values[-1] == output:
            paths.append(path)
            continue
        for reader, local in readers.get(path.values[-1], ()):  # last reader first, so that the first is popped first
            unfinished.append(Path((*path.values, reader), (*path.local_gradients, local)))
    return paths


def local_gradients(placed: Placed, values: Mapping[str, Array], grad_output: float = 1.0) -> tuple[float, ...]:
    """Run a gate of single numbers alone: give the gradient on each of its inputs for the one on its output."""
    inputs = tuple(values[value.name] for value in placed.inputs)
    output = values[placed.output.name]
    gradients = tuple(np.zeros_like(array) for array in inputs)
    gate = placed.gate.connect(inputs, np.empty_like(output), np.full_like(output, grad_output), gradients)
    with np.errstate(all="ignore"):
        gate.forward()
        gate.backward()
    return tuple(float(gradient) for gradient in gradients)
