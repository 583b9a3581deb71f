"""Activations that are more than a fixed curve: a learned slope, several pieces per unit, all units at once."""

import math

import numpy as np

from gradvitals.engine.activations import Activation, LearnedParameter
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Shape, show_shape


class PRelu(Activation):
    """x where positive, else slope · x, with a slope that is learned: one for the layer, or one per unit.

    Its inputs are the pre-activations `(batch, units)` and the slope, `(1,)` or `(units,)`. The slope starts at .25 and
    should see no weight decay, which would push it to a relu.

    References:
        He et al. 2015, "Delving deep into rectifiers", section 2.1.
    """

    name = "prelu"

    def __init__(self, initial_slope: float = 0.25, *, per_unit: bool = False) -> None:
        if not np.isfinite(initial_slope):
            msg = f"the initial slope of prelu must be finite, got {initial_slope}"
            raise ValueError(msg)
        self.initial_slope, self.per_unit = initial_slope, per_unit

    def parameters(self, units: int) -> tuple[LearnedParameter, ...]:
        """Describe the slope."""
        return (LearnedParameter("slope", (units if self.per_unit else 1,), self.initial_slope),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that the slope fits, and give the shape of the pre-activations."""
        if len(shapes) != 2:
            msg = f"{self.name} takes two inputs, pre-activations and a slope; got {len(shapes)}"
            raise ValueError(msg)
        inputs, slope = shapes
        if slope not in {(1,), (inputs[-1],)}:
            msg = (
                f"{self.name}: the slope must be (1) or ({inputs[-1]}) for {inputs[-1]} units, got {show_shape(slope)}"
            )
            raise ValueError(msg)
        return inputs

    def prepare(self) -> None:
        """Make the views and the scratch space."""
        super().prepare()
        self._slope = self.inputs[1][..., np.newaxis, :]
        self._grad_slope = self.grad_inputs[1]
        self._shared = self._slope.shape[-1] == 1
        self._negative_part = np.empty(self.output.shape, self.output.dtype)
        self._products = np.empty_like(self._negative_part)
        self._products_by_run = self._products.reshape(*self.output.shape[:-2], math.prod(self.output.shape[-2:]))
        self._positive = np.empty_like(self._products, np.bool_)

    def forward(self) -> None:
        """Write max(0, x) + slope · min(0, x)."""
        np.minimum(self._input, self._zero, out=self._negative_part)
        np.multiply(self._negative_part, self._slope, out=self._products)
        np.maximum(self._input, self._zero, out=self.output)
        np.add(self.output, self._products, out=self.output)

    def backward(self) -> None:
        """Let the gradient through, times the slope where the input was not positive; there x is the slope's own."""
        if self._grad_slope is not None:
            np.multiply(self._negative_part, self.grad_output, out=self._products)
            if self._shared:
                np.add.reduce(self._products_by_run, axis=-1, keepdims=True, out=self._grad_slope)
            else:
                np.add.reduce(self._products, axis=-2, out=self._grad_slope)
        np.greater(self._input, self._zero, out=self._positive)
        np.copyto(self._grad_input, self._slope)
        np.copyto(self._grad_input, self._one, where=self._positive)
        np.multiply(self._grad_input, self.grad_output, out=self._grad_input)

    def sides(self) -> Array:
        """Tell which inputs are positive."""
        return np.asarray(self._input > self._zero)


class Maxout(Activation):
    """The largest of each unit's pieces: pre-activations `(batch, units · pieces)`, a unit's pieces side by side.

    The gradient goes to the largest piece, the first of equals. With pieces x and 0 it is a relu, with x and .01 x a
    leaky one.

    References:
        Goodfellow et al. 2013, "Maxout networks", section 2.
    """

    name = "maxout"

    def __init__(self, pieces: int = 2) -> None:
        if pieces < 2:
            msg = f"maxout needs at least 2 pieces per unit, got {pieces}"
            raise ValueError(msg)
        self.pieces = pieces

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that the pre-activations divide into pieces, and give `(batch, units)`."""
        (*leading, width) = super().output_shape(*shapes)
        if width is None or width % self.pieces:
            shown = show_shape(shapes[0])
            msg = f"{self.name}: pre-activations {shown} do not divide into {self.pieces} pieces per unit"
            raise ValueError(msg)
        return (*leading, width // self.pieces)

    def prepare(self) -> None:
        """Make a view per piece, `(batch, units)`."""
        self._pieces = _views_by_piece(self.inputs[0], self.pieces)
        grad_input = self.grad_inputs[0]
        self._grad_pieces = [] if grad_input is None else _views_by_piece(grad_input, self.pieces)
        self._is_largest = np.empty_like(self.output, np.bool_)
        self._is_open = np.empty_like(self._is_largest)

    def forward(self) -> None:
        """Write the largest piece."""
        np.maximum(self._pieces[0], self._pieces[1], out=self.output)
        for piece in self._pieces[2:]:
            np.maximum(self.output, piece, out=self.output)

    def backward(self) -> None:
        """Route the gradient to the first piece that is the largest, and 0 to the others."""
        self._is_open[...] = True
        for piece, grad_piece in zip(self._pieces, self._grad_pieces, strict=False):
            np.equal(piece, self.output, out=self._is_largest)
            np.logical_and(self._is_largest, self._is_open, out=self._is_largest)
            np.logical_xor(self._is_open, self._is_largest, out=self._is_open)
            np.multiply(self._is_largest, self.grad_output, out=grad_piece)

    def sides(self) -> Array:
        """Tell which piece is the largest."""
        return np.asarray(np.argmax(np.stack(self._pieces), axis=0))


class Softmax(Activation):
    """eˣ / Σ eˣ over the units of a sample: probabilities that sum to 1.

    Its Jacobian is diag(p) − p pᵀ, p the output, so the gradient on x is p · (gradient − Σ gradient · p).

    References:
        cs231n, "Linear classification", section "Softmax classifier".
    """

    name = "softmax"
    unitwise = False

    def prepare(self) -> None:
        """Lay the scratch space out `(units, batch)`: NumPy is several times faster over long rows."""
        super().prepare()
        self._input_by_unit = self._input.swapaxes(-1, -2)
        self._output_by_unit = self.output.swapaxes(-1, -2)
        self._grad_output_by_unit = self.grad_output.swapaxes(-1, -2)
        self._grad_input_by_unit = self._grad_input.swapaxes(-1, -2)
        self._probs = np.empty(self._output_by_unit.shape, self.output.dtype)
        self._products = np.empty_like(self._probs)
        self._per_sample = np.empty_like(self._probs[..., :1, :], order="C")

    def forward(self) -> None:
        """Shift by the largest, so that exp cannot overflow, and divide by the sum."""
        np.copyto(self._probs, self._input_by_unit)
        np.maximum.reduce(self._probs, axis=-2, keepdims=True, out=self._per_sample)
        np.subtract(self._probs, self._per_sample, out=self._probs)
        np.exp(self._probs, out=self._probs)
        np.add.reduce(self._probs, axis=-2, keepdims=True, out=self._per_sample)
        np.divide(self._probs, self._per_sample, out=self._probs)
        np.copyto(self._output_by_unit, self._probs)

    def backward(self) -> None:
        """Write p · (gradient − Σ gradient · p)."""
        np.multiply(self._probs, self._grad_output_by_unit, out=self._products)
        np.add.reduce(self._products, axis=-2, keepdims=True, out=self._per_sample)
        np.multiply(self._probs, self._per_sample, out=self._grad_input_by_unit)
        np.subtract(self._products, self._grad_input_by_unit, out=self._grad_input_by_unit)


def _views_by_piece(array: Array, pieces: int) -> list[Array]:
    """View `(…, units · pieces)` as one `(…, units)` per piece."""
    return [array[..., piece::pieces] for piece in range(pieces)]
