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


class Affine(Gate):
    """inputs @ weight + bias, for inputs `(batch, fan_in)`, weight `(fan_in, fan_out)` and bias `(fan_out,)`."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that the inner dimensions agree and give `(batch, fan_out)`."""
        inputs, weight, bias = shapes
        if len(inputs) != 2 or len(weight) != 2 or inputs[1] != weight[0]:
            msg = f"inputs @ weight does not fit: inputs {_show(inputs)}, weight {_show(weight)} (fan_in, fan_out)"
            raise ValueError(msg)
        if bias != (weight[1],):
            msg = f"bias {_show(bias)} does not fit weight {_show(weight)}: it needs one entry per output"
            raise ValueError(msg)
        return (inputs[0], weight[1])

    def prepare(self) -> None:
        """Set up the transposed views once."""
        inputs, weight, bias = self.inputs
        self._bias = bias[..., np.newaxis, :]
        self._inputs_transposed = inputs.swapaxes(-1, -2)
        self._weight_transposed = weight.swapaxes(-1, -2)
        self._ones = np.ones((1, inputs.shape[-2]), inputs.dtype)  # a row of ones sums over the batch inside BLAS
        grad_bias = self.grad_inputs[2]
        self._grad_bias = None if grad_bias is None else grad_bias[..., np.newaxis, :]

    def forward(self) -> None:
        """Write inputs @ weight + bias."""
        np.matmul(self.inputs[0], self.inputs[1], out=self.output)
        np.add(self.output, self._bias, out=self.output)

    def backward(self) -> None:
        """Write dX = dY Wᵀ, dW = Xᵀ dY and db = Σ dY over the batch."""
        grad_inputs, grad_weight, _ = self.grad_inputs
        if grad_weight is not None:
            np.matmul(self._inputs_transposed, self.grad_output, out=grad_weight)
        if self._grad_bias is not None:
            np.matmul(self._ones, self.grad_output, out=self._grad_bias)
        if grad_inputs is not None:
            np.matmul(self.grad_output, self._weight_transposed, out=grad_inputs)


class Activation(Gate):
    """A gate that acts on each element by itself: one input, an output of the same shape."""

    name: ClassVar[str]

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give the input's shape."""
        return shapes[0]

    def prepare(self) -> None:
        """Name the one input and the gradient on it."""
        self._input = self.inputs[0]
        grad_input = self.grad_inputs[0]
        self._grad_input = np.empty_like(self.output) if grad_input is None else grad_input
        self._half = np.array(0.5, self.output.dtype)
        self._one = np.array(1.0, self.output.dtype)
        self._zero = np.array(0.0, self.output.dtype)


class Linear(Activation):
    """x."""

    name = "linear"

    def forward(self) -> None:
        """Pass the input on."""
        np.copyto(self.output, self._input)

    def backward(self) -> None:
        """Pass the gradient on."""
        np.copyto(self._grad_input, self.grad_output)


class Sigmoid(Activation):
    """σ(x) = 1 / (1 + e⁻ˣ); its local gradient is z(1−z), z the output, at most ¼."""

    name = "sigmoid"

    def forward(self) -> None:
        """Write σ(x) as ½ tanh(x/2) + ½, which cannot overflow."""
        np.multiply(self._input, self._half, out=self.output)
        np.tanh(self.output, out=self.output)
        np.multiply(self.output, self._half, out=self.output)
        np.add(self.output, self._half, out=self.output)

    def backward(self) -> None:
        """Write z(1−z) times the gradient."""
        np.subtract(self._one, self.output, out=self._grad_input)
        np.multiply(self._grad_input, self.output, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)


class Tanh(Activation):
    """tanh(x) = 2σ(2x) − 1; its local gradient is 1 − z², z the output."""

    name = "tanh"

    def forward(self) -> None:
        """Write tanh(x)."""
        np.tanh(self._input, out=self.output)

    def backward(self) -> None:
        """Write 1 − z² times the gradient."""
        np.multiply(self.output, self.output, out=self._grad_input)
        np.subtract(self._one, self._grad_input, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)


class Relu(Activation):
    """max(0, x); at exactly 0 the local gradient is 0, as in PyTorch."""

    name = "relu"

    def prepare(self) -> None:
        """Add an array of zeros: `maximum` is SIMD only where both operands are arrays."""
        super().prepare()
        self._zeros = np.zeros_like(self.output)

    def forward(self) -> None:
        """Write max(0, x)."""
        np.maximum(self._input, self._zeros, out=self.output)

    def backward(self) -> None:
        """Let the gradient through where the unit fired."""
        np.greater(self.output, self._zero, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)


class LeakyRelu(Activation):
    """x where positive, else slope · x (Maas et al. 2013); PyTorch's default slope is .01."""

    name = "leaky_relu"

    def __init__(self, slope: float = 0.01) -> None:
        if not 0.0 <= slope < 1.0:
            msg = f"the slope of leaky_relu must be in [0, 1), got {slope}"
            raise ValueError(msg)
        self.slope = slope

    def prepare(self) -> None:
        """Put the slope in the array's dtype."""
        super().prepare()
        self._slope = np.array(self.slope, self.output.dtype)

    def forward(self) -> None:
        """Write max(x, slope · x)."""
        np.multiply(self._input, self._slope, out=self.output)
        np.maximum(self.output, self._input, out=self.output)

    def backward(self) -> None:
        """Let the gradient through, times the slope where the input was not positive."""
        np.greater(self._input, self._zero, out=self._grad_input)
        np.maximum(self._grad_input, self._slope, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)


ACTIVATIONS: dict[str, type[Activation]] = {gate.name: gate for gate in (Linear, Sigmoid, Tanh, Relu, LeakyRelu)}


def _show(shape: Shape) -> str:
    return "(" + ", ".join("batch" if size is None else str(size) for size in shape) + ")"
