"""The product of matrices: both layouts, gradients three ways, mismatches explained."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Shape
from gradvitals.engine.matrix_gates import MatrixMultiply
from gradvitals.engine.primitives import Power
from gradvitals.engine.recompute import RecomputingCircuit


def multiply(left: Array, right: Array, grad_output: Array) -> tuple[Array, Array, Array]:
    """Give the product and the gradients on both matrices."""
    gradients = np.full_like(left, np.nan), np.full_like(right, np.nan)
    gate = MatrixMultiply().connect((left, right), np.empty_like(grad_output), grad_output, gradients)
    gate.forward()
    gate.backward()
    return gate.output, *gradients


def test_samples_as_rows_have_the_notes_gradients() -> None:
    generator = np.random.default_rng(0)
    x, w, d = generator.normal(size=(7, 5)), generator.normal(size=(5, 3)), generator.normal(size=(7, 3))
    output, grad_x, grad_w = multiply(x, w, d)
    np.testing.assert_array_equal(output, x @ w)
    np.testing.assert_array_equal(grad_w, x.T @ d)
    np.testing.assert_array_equal(grad_x, d @ w.T)


def test_samples_as_columns_have_the_notes_gradients() -> None:
    generator = np.random.default_rng(0)
    w, x, d = generator.normal(size=(5, 10)), generator.normal(size=(10, 3)), generator.normal(size=(5, 3))
    output, grad_w, grad_x = multiply(w, x, d)
    np.testing.assert_array_equal(output, w @ x)
    np.testing.assert_array_equal(grad_w, d @ x.T)
    np.testing.assert_array_equal(grad_x, w.T @ d)


def test_the_two_layouts_are_each_others_transpose() -> None:
    generator = np.random.default_rng(0)
    x, w, d = generator.normal(size=(7, 5)), generator.normal(size=(5, 3)), generator.normal(size=(7, 3))
    rows = multiply(x, w, d)
    columns = multiply(w.T.copy(), x.T.copy(), d.T.copy())
    for one, other in zip(rows, (columns[0], columns[2], columns[1]), strict=True):
        np.testing.assert_allclose(one, other.T, rtol=1e-14)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 3, 2), (1, 5, 1), (0, 3, 2)], ids=str)
def test_gradients_are_those_of_pytorch_and_of_differences(shape: tuple[int, int, int]) -> None:
    torch: Any = pytest.importorskip("torch")
    rows, inner, columns = shape
    generator = np.random.default_rng(1)
    left, right = generator.normal(size=(rows, inner)), generator.normal(size=(inner, columns))
    d = generator.normal(size=(rows, columns))
    _, *gradients = multiply(left, right, d)
    tensors = [torch.tensor(array, requires_grad=True) for array in (left, right)]
    (tensors[0] @ tensors[1]).backward(torch.tensor(d))
    for array, gradient, tensor in zip((left, right), gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-13, atol=1e-15)
        for index in np.ndindex(array.shape):
            original, sums = array[index], []
            for offset in (-1e-5, 1e-5):
                array[index] = original + offset
                sums.append(float(((left @ right) * d).sum()))
            array[index] = original
            assert gradient[index] == pytest.approx((sums[1] - sums[0]) / 2e-5, rel=1e-6, abs=1e-8)


def test_a_stack_of_runs_multiplies_each_run_to_the_bit() -> None:
    generator = np.random.default_rng(2)
    left, right, d = (generator.normal(size=size) for size in ((3, 7, 5), (3, 5, 4), (3, 7, 4)))
    stacked = multiply(left, right, d)
    for run in range(3):
        for one, all_runs in zip(multiply(left[run], right[run], d[run]), stacked, strict=True):
            np.testing.assert_array_equal(one, all_runs[run])


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        (
            (10, 5),
            (3, 10),
            (
                "D: X·W does not fit: X (10, 5) has 5 columns and W (3, 10) has 3 rows, where as many are needed;"
                " W·X gives (3, 5), Xᵀ·Wᵀ gives (5, 3)"
            ),
        ),
        (
            (None, 5),
            (4, 5),
            (
                "D: X·W does not fit: X (batch, 5) has 5 columns and W (4, 5) has 4 rows, where as many are needed;"
                " X·Wᵀ gives (batch, 4)"
            ),
        ),
        (
            (3, None),
            (3, 1),
            (
                "D: X·W does not fit: X (3, batch) has batch columns and W (3, 1) has 3 rows, where as many are needed;"
                " Xᵀ·W gives (batch, 1)"
            ),
        ),
        (
            (2, 1),
            (4, 3),
            (
                "D: X·W does not fit: X (2, 1) has 1 column and W (4, 3) has 4 rows, where as many are needed;"
                " no transpose and no other order of the two fits either"
            ),
        ),
        ((5,), (5, 2), "D: X must be a matrix, and (5) has 1 dimensions"),
        ((2, 5), (), "D: W must be a matrix, and () has 0 dimensions"),
    ],
    ids=["other order", "right transposed", "left transposed", "nothing", "vector", "number"],
)
def test_a_mismatch_is_explained(left: Shape, right: Shape, sentence: str) -> None:
    circuit = Circuit()
    values = circuit.input("x", *left), circuit.input("w", *right)
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the sentence is compared whole
        circuit.gate("D", MatrixMultiply("X", "W"), *values)
    assert str(refused.value) == sentence


def test_a_product_of_one_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 2 of them, got 1"):
        MatrixMultiply().output_shape((2, 3))


def chain_over_a_vector(kind: type[ConnectedCircuit] | type[RecomputingCircuit]) -> tuple[Array, Array, Array]:
    """Run f = vᵀ (W·x)² for W (4, 3), x (3, 1) and v (1, 4); give W, x and the gradient on W."""
    generator = np.random.default_rng(5)
    w, x, v = generator.normal(size=(4, 3)), generator.normal(size=(3, 1)), generator.normal(size=(1, 4))
    circuit = Circuit()
    values = circuit.parameter("W", 4, 3), circuit.input("x", 3, 1), circuit.input("v", 1, 4)
    q = circuit.gate("q", MatrixMultiply("W", "x"), values[0], values[1])
    circuit.gate("f", MatrixMultiply("v", "q²"), values[2], circuit.gate("q²", Power(2.0), q))
    gradient = np.zeros((4, 3))
    connected = kind(circuit, {"W": w}, {"W": gradient}, batch=1, dtype=np.float64)
    connected.values["x"][...], connected.values["v"][...] = x, v
    connected.forward()
    connected.backward()
    jacobian = np.zeros((4, 4, 3))  # ∂qᵢ/∂W, which is x in row i and 0 elsewhere
    for i in range(4):
        for index in np.ndindex(w.shape):
            for sign in (1, -1):
                nudged = w.copy()
                nudged[index] += sign * 1e-6
                jacobian[i][index] += sign * float((nudged @ x)[i, 0]) / 2e-6
    grad_q = 2.0 * (w @ x)[:, 0] * v[0]
    return gradient, np.einsum("i,ijk->jk", grad_q, jacobian), jacobian


@pytest.mark.parametrize("kind", [ConnectedCircuit, RecomputingCircuit], ids=["cached", "recomputed"])
def test_a_chain_over_a_vector_is_the_sum_over_its_entries(
    kind: type[ConnectedCircuit] | type[RecomputingCircuit],
) -> None:
    gradient, summed, jacobian = chain_over_a_vector(kind)
    np.testing.assert_allclose(gradient, summed, rtol=1e-8, atol=1e-9)
    for i in range(4):
        assert not jacobian[i, [row for row in range(4) if row != i]].any()
