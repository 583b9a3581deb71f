"""Primitive gates: their textbook behaviour, gradients against differences and PyTorch, in every shape and dtype."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate
from gradvitals.engine.primitives import Add, Exp, Log, Max, Multiply, Power, Primitive, Reciprocal, Scale, Shift

GATES: dict[str, Primitive] = {
    "add": Add(),
    "multiply": Multiply(),
    "max": Max(),
    "reciprocal": Reciprocal(),
    "exp": Exp(),
    "log": Log(),
    "shift": Shift(-1.5),
    "scale": Scale(-2.5),
    "square": Power(2.0),
    "cube root": Power(1.0 / 3.0),
    "power -1.5": Power(-1.5),
    "power 0": Power(0.0),
}
ALL = pytest.mark.parametrize("gate", GATES.values(), ids=list(GATES))
SHAPES = pytest.mark.parametrize("shape", [(), (3,), (1, 1), (4, 3), (2, 4, 3), (0, 3)], ids=str)


def connect(gate: Gate, *inputs: Array, grad_output: Array | float = 1.0) -> Gate:
    shape = inputs[0].shape
    gradients = tuple(np.full_like(array, np.nan) for array in inputs)
    gate = gate.connect(inputs, np.empty_like(inputs[0]), np.full(shape, grad_output, inputs[0].dtype), gradients)
    with np.errstate(all="ignore"):
        gate.forward()
        gate.backward()
    return gate


def positive(gate: Primitive, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> tuple[Array, ...]:
    """Draw inputs where every gate is smooth: positive, and no two of one place near each other."""
    generator = np.random.default_rng(3)
    first = generator.uniform(0.5, 3.0, shape)
    signs = generator.choice([-1.0, 1.0], shape)
    return tuple(np.asarray(first + number * 0.2 * signs, dtype) for number in range(gate.arity))


@ALL
@SHAPES
def test_gradients_match_central_differences(gate: Primitive, shape: tuple[int, ...]) -> None:
    inputs = positive(gate, shape)
    grad_output = np.random.default_rng(4).normal(size=shape)
    connected = connect(gate, *inputs, grad_output=grad_output)
    for array, gradient in zip(inputs, connected.grad_inputs, strict=True):
        analytic = np.array(gradient)
        for index in np.ndindex(shape):
            original, sums = array[index], []
            for offset in (-1e-5, 1e-5):
                array[index] = original + offset
                connected.forward()
                sums.append(float((connected.output * grad_output).sum()))
            array[index] = original
            assert analytic[index] == pytest.approx((sums[1] - sums[0]) / 2e-5, rel=1e-7, abs=1e-8)


TORCH: dict[str, Callable[..., Any]] = {
    "add": lambda _, x, y: x + y,
    "multiply": lambda _, x, y: x * y,
    "max": lambda torch, x, y: torch.maximum(x, y),
    "reciprocal": lambda torch, x: torch.reciprocal(x),
    "exp": lambda torch, x: torch.exp(x),
    "log": lambda torch, x: torch.log(x),
    "shift": lambda _, x: x - 1.5,
    "scale": lambda _, x: x * -2.5,
    "square": lambda _, x: x**2.0,
    "cube root": lambda _, x: x ** (1.0 / 3.0),
    "power -1.5": lambda _, x: x**-1.5,
    "power 0": lambda _, x: x**0.0,
}
AWKWARD = [-3.0, -1.0, -0.0, 0.0, 1e-300, 0.5, 2.0, 700.0, 1e200, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("name", GATES)
def test_values_and_gradients_are_those_of_pytorch_at_awkward_points_too(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    gate = GATES[name]
    points = np.meshgrid(*[AWKWARD] * gate.arity)
    inputs = tuple(np.array(array) for array in points)
    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    expected = TORCH[name](torch, *tensors)
    expected.backward(torch.full_like(expected, 1.25))
    connected = connect(gate, *inputs, grad_output=1.25)
    np.testing.assert_allclose(connected.output, expected.detach().numpy(), rtol=1e-14)
    for gradient, tensor in zip(connected.grad_inputs, tensors, strict=True):
        assert gradient is not None
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-13)


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_stack_of_runs_computes_each_run_to_the_bit(gate: Primitive, dtype: DTypeLike) -> None:
    inputs = positive(gate, (3, 4, 5), dtype)
    stacked = connect(gate, *inputs, grad_output=0.7)
    assert stacked.output.dtype == dtype
    for run in range(3):
        alone = connect(gate, *(array[run].copy() for array in inputs), grad_output=0.7)
        np.testing.assert_array_equal(alone.output, stacked.output[run])
        for one, all_runs in zip(alone.grad_inputs, stacked.grad_inputs, strict=True):
            assert one is not None
            assert all_runs is not None
            np.testing.assert_array_equal(one, all_runs[run])


@ALL
def test_gradients_nobody_wants_are_left_out(gate: Primitive) -> None:
    inputs = positive(gate, (2, 3))
    for wanted in range(gate.arity):
        targets = tuple(np.full((2, 3), np.nan) if number == wanted else None for number in range(gate.arity))
        connected = gate.connect(inputs, np.empty((2, 3)), np.ones((2, 3)), targets)
        connected.forward()
        connected.backward()
        np.testing.assert_array_equal(targets[wanted], connect(gate, *inputs).grad_inputs[wanted])
    nothing = gate.connect(inputs, np.empty((2, 3)), np.ones((2, 3)), (None,) * gate.arity)
    nothing.forward()
    nothing.backward()


@pytest.mark.parametrize(
    ("inputs", "gradients"),
    [((4.0, 3.0), [2.0, 0.0]), ((-1.0, 2.0), [0.0, 2.0]), ((5.0, 5.0), [1.0, 1.0])],
    ids=["first", "second", "tie"],
)
def test_max_routes_the_gradient_to_the_larger_input_and_halves_it_at_a_tie(
    inputs: tuple[float, float], gradients: list[float]
) -> None:
    gate = connect(Max(), *(np.array(value) for value in inputs), grad_output=2.0)
    assert [float(np.asarray(gradient)) for gradient in gate.grad_inputs] == gradients
    assert bool(np.asarray(gate.sides())) == (inputs[0] > inputs[1])


def test_a_power_of_zero_has_the_gradient_zero_even_at_zero() -> None:
    gate = connect(Power(0.0), np.array(0.0))
    assert float(gate.output) == 1.0
    assert [float(np.asarray(gradient)) for gradient in gate.grad_inputs] == [0.0]


def test_multiply_gives_a_huge_gradient_to_the_tiny_input_and_a_tiny_one_to_the_huge() -> None:
    gate = connect(Multiply(), np.array(1e12), np.array(1e-12))
    assert float(gate.output) == 1.0
    assert [float(np.asarray(gradient)) for gradient in gate.grad_inputs] == [1e-12, 1e12]


def test_a_value_that_one_gate_reads_twice_gets_both_gradients() -> None:
    circuit = Circuit()
    x = circuit.input("x")
    circuit.gate("square", Multiply(), x, x)
    connected = ConnectedCircuit(circuit, {}, {"x": np.zeros(())}, batch=1, dtype=np.float64)
    connected.values["x"][...] = -7.0
    connected.forward()
    connected.backward()
    assert float(connected.values["square"]) == 49.0
    assert float(connected.gradients["x"]) == -14.0


@pytest.mark.parametrize(
    ("gate", "shapes", "sentence"),
    [
        (Add(), ((None, 3), (None, 2)), r"^sum: add works element by element.* got \(batch, 3\) and \(batch, 2\)$"),
        (Max(), ((3,), ()), r"^sum: max works element by element, so its inputs need one shape; got \(3\) and \(\)$"),
        (Multiply(), ((3,),), "^sum: multiply takes 2 inputs, got 1$"),
        (Scale(2.0), ((), ()), "^sum: scale by 2 takes 1 input, got 2$"),
    ],
    ids=["widths", "ranks", "too few", "too many"],
)
def test_inputs_that_do_not_fit_are_refused(
    gate: Gate, shapes: tuple[tuple[int | None, ...], ...], sentence: str
) -> None:
    circuit = Circuit()
    values = [circuit.input(f"x{number}", *shape) for number, shape in enumerate(shapes)]
    with pytest.raises(ValueError, match=sentence):
        circuit.gate("sum", gate, *values)


@pytest.mark.parametrize("make", [Shift, Scale, Power], ids=lambda make: str(make.__name__))
@pytest.mark.parametrize("constant", [math.nan, math.inf, -math.inf], ids=str)
def test_a_constant_that_is_not_finite_is_refused(make: Callable[[float], Gate], constant: float) -> None:
    with pytest.raises(ValueError, match="needs a finite number, got"):
        make(constant)


@pytest.mark.parametrize(
    ("gate", "text"),
    [(Add(), "add"), (Shift(1.0), "shift by 1"), (Scale(-0.25), "scale by -0.25"), (Power(2.0), "power 2")],
    ids=["add", "shift", "scale", "power"],
)
def test_gates_say_what_they_do(gate: Gate, text: str) -> None:
    assert str(gate) == text
