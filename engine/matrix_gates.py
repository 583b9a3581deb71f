"""The product of two matrices as a gate, for samples as rows (D = X·W) and for samples as columns (D = W·X) alike.

Of D = A·B the gradients are dA = dD·Bᵀ and dB = Aᵀ·dD, the only products whose dimensions fit. So with samples as rows
dX = dD·Wᵀ and dW = Xᵀ·dD, and with samples as columns dW = dD·Xᵀ and dX = Wᵀ·dD.

References:
    cs231n, "Backpropagation, intuitions" (optimization-2), section "Gradients for vectorized operations".
"""

import numpy as np

from gradvitals.engine.gates import Gate, Shape, show_shape


class MatrixMultiply(Gate):
    """left · right, for left `(n, k)` and right `(k, m)`.

    Args:
        left: What errors call the left matrix.
        right: What errors call the right one.
    """

    def __init__(self, left: str = "left", right: str = "right") -> None:
        self._names = left, right

    def __str__(self) -> str:
        return "matrix multiply"

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give `(n, m)`.

        Raises:
            ValueError: If an input is no matrix, or the dimensions that meet differ; the sentence says which do, and
                what order or transpose would make them agree.
        """
        if len(shapes) != 2:
            msg = f"a product of matrices takes 2 of them, got {len(shapes)}"
            raise ValueError(msg)
        for name, shape in zip(self._names, shapes, strict=True):
            if len(shape) != 2:
                msg = f"{name} must be a matrix, and {show_shape(shape)} has {len(shape)} dimensions"
                raise ValueError(msg)
        left, right = shapes
        if left[1] != right[0]:
            raise ValueError(self._mismatch(left, right))
        return (left[0], right[1])

    def prepare(self) -> None:
        """Set up the transposed views once."""
        left, right = self.inputs
        self._left_transposed, self._right_transposed = left.swapaxes(-1, -2), right.swapaxes(-1, -2)

    def forward(self) -> None:
        """Write left · right."""
        np.matmul(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Write dD · rightᵀ and leftᵀ · dD."""
        grad_left, grad_right = self.grad_inputs
        if grad_left is not None:
            np.matmul(self.grad_output, self._right_transposed, out=grad_left)
        if grad_right is not None:
            np.matmul(self._left_transposed, self.grad_output, out=grad_right)

    def _mismatch(self, left: Shape, right: Shape) -> str:
        """Say which dimensions meet and do not agree, and what would."""
        names = self._names
        ways = [
            (f"{names[0]}·{names[1]}ᵀ", left, right[::-1]),
            (f"{names[0]}ᵀ·{names[1]}", left[::-1], right),
            (f"{names[1]}·{names[0]}", right, left),
            (f"{names[0]}ᵀ·{names[1]}ᵀ", left[::-1], right[::-1]),
        ]
        fitting = [f"{way} gives {show_shape((one[0], other[1]))}" for way, one, other in ways if one[1] == other[0]]
        advice = f"; {', '.join(fitting)}" if fitting else "; no transpose and no other order of the two fits either"
        return (
            f"{names[0]}·{names[1]} does not fit: {names[0]} {show_shape(left)} has {_count(left[1], 'column')} and"
            f" {names[1]} {show_shape(right)} has {_count(right[0], 'row')}, where as many are needed{advice}"
        )


def _count(size: int | None, what: str) -> str:
    return f"{'batch' if size is None else size} {what}{'s' * (size != 1)}"
