"""The primitive gates of arithmetic, element by element, on arrays of any shape down to single numbers.

Everything else is put together from them: x − y adds −1 · y, x / y multiplies by the reciprocal of y, and
σ(x) = 1 / (1 + e⁻ˣ) is four gates in a row: scale by −1, exp, shift by 1, reciprocal.

References:
    cs231n, "Backpropagation, intuitions" (optimization-2), sections "Sigmoid example" and "Patterns in backward flow".
"""

from typing import ClassVar

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate, Shape, show_shape


class Primitive(Gate):
    """A gate whose inputs and output all have one shape.

    Attributes:
        name: What people call it.
        arity: How many inputs it takes.
    """

    name: ClassVar[str]
    arity: ClassVar[int] = 1

    def __str__(self) -> str:
        return self.name

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that all inputs have one shape, and give it."""
        if len(shapes) != self.arity:
            msg = f"{self} takes {self.arity} input{'s' * (self.arity > 1)}, got {len(shapes)}"
            raise ValueError(msg)
        if any(shape != shapes[0] for shape in shapes):
            shown = " and ".join(map(show_shape, shapes))
            msg = f"{self} works element by element, so its inputs need one shape; got {shown}"
            raise ValueError(msg)
        return shapes[0]


class Add(Primitive):
    """x + y; it distributes: both inputs get the gradient as it is."""

    name = "add"
    arity = 2

    def forward(self) -> None:
        """Write x + y."""
        np.add(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Pass the gradient on to both inputs."""
        for gradient in self.grad_inputs:
            if gradient is not None:
                np.copyto(gradient, self.grad_output)


class Multiply(Primitive):
    """x · y; it switches: each input gets the gradient times the *other* input."""

    name = "multiply"
    arity = 2

    def forward(self) -> None:
        """Write x · y."""
        np.multiply(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Write y · gradient and x · gradient."""
        for gradient, other in zip(self.grad_inputs, reversed(self.inputs), strict=True):
            if gradient is not None:
                np.multiply(self.grad_output, other, out=gradient)


class Max(Primitive):
    """max(x, y); it routes: the larger input gets the gradient, the other none; equal ones half each, as in PyTorch."""

    name = "max"
    arity = 2

    def prepare(self) -> None:
        """Make the scratch space and put ½ in the array's dtype."""
        self._ties = np.empty_like(self.output)
        self._half = np.array(0.5, self.output.dtype)

    def forward(self) -> None:
        """Write the larger of the two."""
        np.maximum(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Write the gradient where the input is the larger one; where one is NaN, nobody lost and both get it."""
        for gradient, this, other in zip(self.grad_inputs, self.inputs, reversed(self.inputs), strict=True):
            if gradient is not None:
                np.equal(this, other, out=self._ties)
                np.multiply(self._ties, self._half, out=self._ties)
                np.less(this, other, out=gradient)
                np.add(gradient, self._ties, out=gradient)  # the share it loses: 1, ½ or 0
                np.multiply(gradient, self.grad_output, out=gradient)
                np.subtract(self.grad_output, gradient, out=gradient)

    def sides(self) -> Array:
        """Tell where the first input is the larger one."""
        return np.asarray(self.inputs[0] > self.inputs[1])


class Reciprocal(Primitive):
    """1 / x; its local gradient is −1 / x²."""

    name = "reciprocal"

    def forward(self) -> None:
        """Write 1 / x."""
        np.reciprocal(self.inputs[0], out=self.output)

    def backward(self) -> None:
        """Write −output² times the gradient."""
        if (gradient := self.grad_inputs[0]) is not None:
            np.multiply(self.output, self.output, out=gradient)
            np.multiply(gradient, self.grad_output, out=gradient)
            np.negative(gradient, out=gradient)


class Exp(Primitive):
    """eˣ; its local gradient is its output."""

    name = "exp"

    def forward(self) -> None:
        """Write eˣ."""
        np.exp(self.inputs[0], out=self.output)

    def backward(self) -> None:
        """Write the output times the gradient."""
        if (gradient := self.grad_inputs[0]) is not None:
            np.multiply(self.output, self.grad_output, out=gradient)


class Log(Primitive):
    """The natural logarithm of x; its local gradient is 1 / x."""

    name = "log"

    def forward(self) -> None:
        """Write log x."""
        np.log(self.inputs[0], out=self.output)

    def backward(self) -> None:
        """Write the gradient over x."""
        if (gradient := self.grad_inputs[0]) is not None:
            np.divide(self.grad_output, self.inputs[0], out=gradient)


class WithConstant(Primitive):
    """A primitive gate with a number built in, on which nobody wants a gradient."""

    def __init__(self, constant: float) -> None:
        if not np.isfinite(constant):
            msg = f"{self.name} needs a finite number, got {constant}"
            raise ValueError(msg)
        self.constant = float(constant)

    def __str__(self) -> str:
        return f"{self.name} {self.constant:.6g}"

    def prepare(self) -> None:
        """Put the constant in the array's dtype."""
        self._constant: Array = np.array(self.constant, self.output.dtype)


class Shift(WithConstant):
    """x + c; its local gradient is 1."""

    name = "shift by"

    def forward(self) -> None:
        """Write x + c."""
        np.add(self.inputs[0], self._constant, out=self.output)

    def backward(self) -> None:
        """Pass the gradient on."""
        if (gradient := self.grad_inputs[0]) is not None:
            np.copyto(gradient, self.grad_output)


class Scale(WithConstant):
    """a · x; its local gradient is a."""

    name = "scale by"

    def forward(self) -> None:
        """Write a · x."""
        np.multiply(self.inputs[0], self._constant, out=self.output)

    def backward(self) -> None:
        """Write a times the gradient."""
        if (gradient := self.grad_inputs[0]) is not None:
            np.multiply(self.grad_output, self._constant, out=gradient)


class Power(WithConstant):
    """x to the power c; its local gradient is c · x to the power c − 1, and 0 for c = 0."""

    name = "power"

    def prepare(self) -> None:
        """Add the power one lower."""
        super().prepare()
        self._lower = np.array(self.constant - 1.0, self.output.dtype)

    def forward(self) -> None:
        """Write x to the power c."""
        np.power(self.inputs[0], self._constant, out=self.output)

    def backward(self) -> None:
        """Write c · x to the power c − 1, times the gradient."""
        if (gradient := self.grad_inputs[0]) is None:
            return
        if self.constant == 0.0:  # 1 everywhere; the formula would have 0 · ∞ at x = 0
            gradient[...] = 0.0
            return
        np.power(self.inputs[0], self._lower, out=gradient)
        np.multiply(gradient, self._constant, out=gradient)
        np.multiply(gradient, self.grad_output, out=gradient)
