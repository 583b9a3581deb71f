"""Columns: a slice of the inputs, forward and backward."""

import numpy as np
import pytest

from gradvitals.engine.circuit import Circuit
from gradvitals.engine.columns import Columns


@pytest.mark.parametrize("runs", [(), (3,)], ids=["a single run", "a run axis"])
def test_columns_copy_theirs_and_send_their_gradient_there_alone(runs: tuple[int, ...]) -> None:
    rows = np.random.default_rng(0).normal(size=(*runs, 4, 6))
    output, grad_output = np.full((*runs, 4, 2), np.nan), np.random.default_rng(1).normal(size=(*runs, 4, 2))
    gradient = np.full_like(rows, np.nan)
    gate = Columns(1, 3).connect((rows,), output, grad_output, (gradient,))
    gate.forward()
    gate.backward()
    np.testing.assert_array_equal(output, rows[..., 1:3])
    expected = np.zeros_like(rows)
    expected[..., 1:3] = grad_output
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("span", [(-1, 2), (2, 2), (3, 1)], ids=str)
def test_columns_that_are_none_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"got {span[0]} to {span[1]}"):
        Columns(*span)


def test_columns_beyond_the_matrix_are_refused() -> None:
    circuit = Circuit()
    with pytest.raises(ValueError, match=r"columns 2 to 5 need a matrix that has them, got \(batch, 4\)"):
        circuit.gate("part", Columns(2, 5), circuit.input("inputs", None, 4))
