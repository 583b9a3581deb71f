"""Activations: gates that bend what an affine gate computes. Here those that are one fixed curve, element by element.

References:
    cs231n, "Setting up the architecture" (neural-networks-1), section "Commonly used activation functions".
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.engine.erfc import erfc
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate, Shape


@dataclass(frozen=True, slots=True)
class LearnedParameter:
    """A parameter that an activation brings along: an input of its gate, `shape` per layer, filled with `initial`."""

    name: str
    shape: tuple[int, ...]
    initial: float


class Activation(Gate):
    """What every activation has: pre-activations `(batch, units · pieces)` as first input, an output `(batch, units)`.

    Further inputs are its learned parameters, in the order of `parameters`. Unless a subclass says otherwise there are
    none, and it acts on each element by itself.
    """

    name: ClassVar[str]

    unitwise: ClassVar[bool] = True
    """Whether a unit's output depends on no other unit, so that some units can be computed without the rest."""

    pieces: int = 1
    """Pre-activations per unit, side by side."""

    def parameters(self, units: int) -> tuple[LearnedParameter, ...]:  # noqa: ARG002 - most have none at any size
        """Describe what it learns in a layer of so many units."""
        return ()

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give the input's shape."""
        if len(shapes) != 1:
            msg = f"{self.name} takes one input, got {len(shapes)}"
            raise ValueError(msg)
        return shapes[0]

    def prepare(self) -> None:
        """Name the one input and the gradient on it."""
        self._input = self.inputs[0]
        grad_input = self.grad_inputs[0]
        self._grad_input = np.empty_like(self.output) if grad_input is None else grad_input
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
        """Write σ(x)."""
        write_sigmoid(self._input, self.output)

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
    keeps_ones = True

    def prepare(self) -> None:
        """Add an array of zeros: `maximum` is SIMD only where both operands are arrays."""
        super().prepare()
        self._zeros = np.zeros_like(self.output)

    def forward(self) -> None:
        """Write max(0, x)."""
        np.maximum(self._input, self._zeros, out=self.output)

    def backward(self) -> None:
        """Let the gradient through where the unit fired."""
        np.greater(self._input, self._zero, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)

    def sides(self) -> Array:
        """Tell which inputs are positive."""
        return np.asarray(self._input > self._zero)


class LeakyRelu(Activation):
    """x where positive, else slope · x (Maas et al. 2013); PyTorch's default slope is .01."""

    name = "leaky_relu"
    keeps_ones = True

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

    def sides(self) -> Array:
        """Tell which inputs are positive."""
        return np.asarray(self._input > self._zero)


class Elu(Activation):
    """x where positive, else alpha · (eˣ − 1); PyTorch's default alpha is 1.

    References:
        Clevert, Unterthiner & Hochreiter 2016, "Fast and accurate deep network learning by exponential linear units".
    """

    name = "elu"
    keeps_ones = True

    def __init__(self, alpha: float = 1.0) -> None:
        if not 0.0 < alpha < math.inf:
            msg = f"the alpha of elu must be positive and finite, got {alpha}"
            raise ValueError(msg)
        self.alpha = alpha

    def prepare(self) -> None:
        """Put alpha in the array's dtype and make the scratch space."""
        super().prepare()
        self._alpha = np.array(self.alpha, self.output.dtype)
        self._negative_part = np.empty_like(self.output)
        self._positive = np.empty_like(self.output, np.bool_)

    def forward(self) -> None:
        """Write max(0, x) + alpha · (e^min(0, x) − 1), which cannot overflow."""
        np.minimum(self._input, self._zero, out=self._negative_part)
        np.expm1(self._negative_part, out=self._negative_part)
        np.multiply(self._negative_part, self._alpha, out=self._negative_part)
        np.maximum(self._input, self._zero, out=self.output)
        np.add(self.output, self._negative_part, out=self.output)

    def backward(self) -> None:
        """Let the gradient through, times alpha · eˣ where the input was not positive.

        There it is the output + alpha, of which far out nothing but rounding would be left.
        """
        np.greater(self._input, self._zero, out=self._positive)
        np.minimum(self._input, self._zero, out=self._grad_input)
        np.exp(self._grad_input, out=self._grad_input)
        np.multiply(self._grad_input, self._alpha, out=self._grad_input)
        np.copyto(self._grad_input, self._one, where=self._positive)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)

    def sides(self) -> Array:
        """Tell which inputs are positive: its curvature jumps at 0, and for alpha other than 1 its slope."""
        return np.asarray(self._input > self._zero)


class Gelu(Activation):
    """x · Φ(x), Φ the normal distribution function, by the error function; PyTorch's `approximate="none"`.

    Its local gradient is Φ(x) + x · φ(x), φ the normal density.

    References:
        Hendrycks & Gimpel 2016, "Gaussian error linear units".
    """

    name = "gelu"

    def forward(self) -> None:
        """Write x · Φ(x)."""
        self._distribution = erfc(self._input * -math.sqrt(0.5))
        self._distribution *= 0.5
        np.multiply(self._input, self._distribution, out=self.output)

    def backward(self) -> None:
        """Write Φ(x) + x · φ(x) times the gradient."""
        clipped = np.clip(self._input, -40.0, 40.0)  # x² cannot overflow, and φ(40) is 0
        np.multiply(clipped, clipped, out=self._grad_input)
        np.multiply(self._grad_input, -0.5, out=self._grad_input)
        np.exp(self._grad_input, out=self._grad_input)
        np.multiply(self._grad_input, clipped, out=self._grad_input)
        np.multiply(self._grad_input, math.sqrt(0.5 / math.pi), out=self._grad_input)
        np.add(self._grad_input, self._distribution, out=self._grad_input)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)


def write_sigmoid(x: Array, out: Array) -> None:
    """Write σ(x) as 1 / (1 + e⁻ˣ), which keeps its precision however near to 0 it comes; far out e⁻ˣ may be ∞."""
    np.negative(x, out=out)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    np.add(out, 1.0, out=out)
    np.reciprocal(out, out=out)
