"""A gate: its output from its inputs, the gradients on its inputs from the gradient on its output, and nothing else.

A gate knows nothing of the circuit around it. As built, it is a description; `connect` makes a copy that holds the
arrays of one place in one circuit and writes into them. Samples and units are the last two axes; whatever leads them
is carried along, so the same code runs one network or a stack of them (the run axis).

References:
    cs231n, "Backpropagation, intuitions" (optimization-2), sections "Modularity" and "Staged computation".
"""

from copy import copy
from typing import ClassVar, Self

import numpy as np

from gradvitals.engine.events import Array

Shape = tuple[int | None, ...]
"""A value's shape in a circuit; None stands for the batch."""


class Gate:
    """What every gate has: connected arrays, and the two local computations."""

    reads_ones: ClassVar[bool] = False
    """Whether the array of the first input is to have a column of ones behind its own."""

    keeps_ones: ClassVar[bool] = False
    """Whether the gate acts on each element of its one input by itself and gives 1 for 1, so that it may act on such an
    array as a whole: NumPy is twice as fast over arrays without gaps."""

    inputs: tuple[Array, ...]
    output: Array
    grad_output: Array
    grad_inputs: tuple[Array | None, ...]
    """Where the gradient on each input is written; None where nobody wants it."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give the output's shape for these inputs' shapes.

        Raises:
            ValueError: If the gate cannot take inputs of these shapes.
        """
        raise NotImplementedError

    def connect(
        self,
        inputs: tuple[Array, ...],
        output: Array,
        grad_output: Array,
        grad_inputs: tuple[Array | None, ...],
    ) -> Self:
        """Copy the gate into a circuit, where it reads and writes these arrays."""
        gate = copy(self)
        gate.inputs, gate.output, gate.grad_output, gate.grad_inputs = inputs, output, grad_output, grad_inputs
        gate.prepare()
        return gate

    def prepare(self) -> None:
        """Make the views and the scratch space that the computations use."""

    def forward(self) -> None:
        """Write `output`."""
        raise NotImplementedError

    def backward(self) -> None:
        """Write every wanted array of `grad_inputs`."""
        raise NotImplementedError

    def sides(self) -> Array | None:
        """Tell on which side of the gate's kinks everything stood in the last `forward`; None if it has no kink."""
        return None


class Affine(Gate):
    """inputs @ weight + bias, as one product.

    Inputs `(batch, fan_in)` with a column of ones behind them meet a weight `(fan_in, fan_out)` with the bias as one
    more row.

    References:
        cs231n, "Linear classification", section "Bias trick".
    """

    reads_ones = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that the inner dimensions agree and give `(batch, fan_out)`."""
        inputs, parameters = shapes
        if len(inputs) != 2 or inputs[1] is None or len(parameters) != 2 or parameters[0] != inputs[1] + 1:
            msg = (
                f"inputs @ weight + bias does not fit: inputs {show_shape(inputs)}, weight with the bias as last row"
                f" {show_shape(parameters)} (fan_in + 1, fan_out)"
            )
            raise ValueError(msg)
        return (inputs[0], parameters[1])

    def prepare(self) -> None:
        """Set up the transposed views once; no gradient is wanted on the ones."""
        inputs, parameters = self.inputs
        self._inputs_transposed = inputs.swapaxes(-1, -2)
        self._weight_transposed = parameters[..., :-1, :].swapaxes(-1, -2)

    def forward(self) -> None:
        """Write inputs @ weight + bias."""
        np.matmul(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Write dX = dY Wᵀ, and dW = Xᵀ dY with db = Σ dY over the batch as its last row."""
        grad_inputs, grad_parameters = self.grad_inputs
        if grad_parameters is not None:
            np.matmul(self._inputs_transposed, self.grad_output, out=grad_parameters)
        if grad_inputs is not None:
            np.matmul(self.grad_output, self._weight_transposed, out=grad_inputs)


def show_shape(shape: Shape) -> str:
    """Write a shape as people read it."""
    return "(" + ", ".join("batch" if size is None else str(size) for size in shape) + ")"
