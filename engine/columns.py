"""A slice of the inputs as a gate: what a row of samples holds side by side, such as time steps, taken apart."""

import numpy as np

from gradvitals.engine.gates import Gate, Shape, show_shape


class Columns(Gate):
    """The columns from `start` up to `stop` of `(batch, columns)`.

    It copies, as an affine gate that reads it wants a column of ones behind it. The gradient, where it is wanted, is 0
    on the columns left out; it is as wide as the inputs, so that T slices of one row cost T times as much backward.

    Args:
        start: The first column.
        stop: The one behind the last.
    """

    def __init__(self, start: int, stop: int) -> None:
        if not 0 <= start < stop:
            msg = f"columns must go from 0 or more up to a larger number, got {start} to {stop}"
            raise ValueError(msg)
        self._start, self._stop = start, stop

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that there are so many columns, and give `(batch, stop − start)`."""
        (inputs,) = shapes
        if len(inputs) != 2 or (inputs[1] or 0) < self._stop:
            msg = f"columns {self._start} to {self._stop} need a matrix that has them, got {show_shape(inputs)}"
            raise ValueError(msg)
        return (inputs[0], self._stop - self._start)

    def prepare(self) -> None:
        """View the columns once."""
        self._columns = self.inputs[0][..., self._start : self._stop]

    def forward(self) -> None:
        """Copy the columns."""
        np.copyto(self.output, self._columns)

    def backward(self) -> None:
        """Write the gradient at the columns and 0 elsewhere."""
        if (gradient := self.grad_inputs[0]) is not None:
            gradient[...] = 0.0
            gradient[..., self._start : self._stop] = self.grad_output
