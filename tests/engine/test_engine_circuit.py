"""Circuits: values that fork, gradients that add, arrays that are never stale, drawings that are refused."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from gradvitals.engine.activations import LeakyRelu, Relu, Sigmoid, Tanh
from gradvitals.engine.circuit import Circuit, ConnectedCircuit, Value
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Affine, Gate, Shape
from gradvitals.engine.regression_losses import MeanSquaredError


class Multiply(Gate):
    """x · y, element by element."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give the inputs' shape."""
        return shapes[0]

    def forward(self) -> None:
        """Write the output."""
        np.multiply(self.inputs[0], self.inputs[1], out=self.output)

    def backward(self) -> None:
        """Write the gradients."""
        for gradient, other in zip(self.grad_inputs, reversed(self.inputs), strict=True):
            if gradient is not None:
                np.multiply(self.grad_output, other, out=gradient)


class Sum(Gate):
    """Σ over everything: a scalar to end on."""

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give a scalar's shape."""
        del shapes
        return ()

    def forward(self) -> None:
        """Write the output."""
        np.add.reduce(self.inputs[0], axis=(-2, -1), out=self.output)

    def backward(self) -> None:
        """Write the gradients."""
        if self.grad_inputs[0] is not None:
            self.grad_inputs[0][...] = self.grad_output


def connect(circuit: Circuit, parameters: Mapping[str, Array], *wanted: str, batch: int = 2) -> ConnectedCircuit:
    shapes = {value.name: value.shape for value in (*circuit.inputs, *circuit.parameters)}
    gradients = {name: np.full([batch if n is None else n for n in shapes[name]], np.nan) for name in wanted}
    return ConnectedCircuit(circuit, parameters, gradients, batch=batch, dtype=np.float64)


def test_a_value_read_twice_by_one_gate_gets_both_gradients() -> None:
    circuit = Circuit()
    x = circuit.input("x", None, 3)
    circuit.gate("sum", Sum(), circuit.gate("square", Multiply(), x, x))
    connected = connect(circuit, {}, "x")
    connected.values["x"][...] = [[1.0, 2.0, 3.0], [-4.0, 0.0, 0.5]]
    connected.forward()
    connected.backward()
    assert float(connected.values["sum"]) == 30.25
    np.testing.assert_array_equal(connected.gradients["x"], 2.0 * connected.values["x"])


def test_a_value_that_forks_into_three_branches_adds_their_gradients() -> None:
    circuit = Circuit()
    x = circuit.input("x", None, 1)
    square = circuit.gate("square", Multiply(), x, x)
    cube = circuit.gate("cube", Multiply(), square, x)
    circuit.gate("sum", Sum(), circuit.gate("sixth", Multiply(), cube, cube))
    connected = connect(circuit, {}, "x")
    connected.values["x"][...] = [[2.0], [-1.0]]
    connected.forward()
    connected.backward()
    assert connected.values["sixth"].tolist() == [[64.0], [1.0]]
    assert connected.gradients["x"].tolist() == [[192.0], [-6.0]]
    assert connected.gradients["square"].tolist() == [[32.0], [2.0]]  # 2 cube · x


def draw_tied() -> Circuit:
    """Draw one weight and bias used by two layers in turn, as an RNN uses them over time."""
    circuit = Circuit()
    value = circuit.input("inputs", None, 3)
    weights = circuit.parameter("weights", 4, 3)
    for number in (1, 2):
        value = circuit.gate(f"affine_{number}", Affine(), value, weights)
        value = circuit.gate(f"tanh_{number}", Tanh(), value)
    circuit.gate("loss", MeanSquaredError(), value, circuit.input("targets", None, 3))
    return circuit


def tied(weights: Array) -> ConnectedCircuit:
    connected = connect(draw_tied(), {"weights": weights}, "weights", batch=4)
    generator = np.random.default_rng(1)
    connected.values["inputs"][...] = generator.normal(size=(4, 3))
    connected.values["targets"][...] = generator.normal(size=(4, 3))
    return connected


def test_a_parameter_used_twice_gets_the_sum_as_differences_say() -> None:
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(4, 3))
    connected = tied(weights)
    connected.forward()
    connected.backward()
    analytic = connected.gradients["weights"].copy()
    for index in np.ndindex(weights.shape):
        original, losses = weights[index], []
        for offset in (-1e-5, 1e-5):
            weights[index] = original + offset
            connected.forward()
            losses.append(float(connected.values["loss"]))
        weights[index] = original
        assert analytic[index] == pytest.approx((losses[1] - losses[0]) / 2e-5, rel=1e-6, abs=1e-9)


def test_a_second_backward_writes_the_same_gradients_and_adds_nothing_stale() -> None:
    generator = np.random.default_rng(0)
    connected = tied(generator.normal(size=(4, 3)))
    connected.forward()
    connected.backward()
    first = {name: array.copy() for name, array in connected.gradients.items()}
    for _ in range(2):
        connected.forward()
        connected.backward()
    assert set(first) >= {"weights", "tanh_1", "affine_2", "loss"}
    for name, array in connected.gradients.items():
        np.testing.assert_array_equal(array, first[name], err_msg=name)


def test_relu_and_leaky_relu_act_on_the_ones_as_well_and_leave_them_ones() -> None:
    circuit = Circuit()
    value = circuit.input("inputs", None, 3)
    for name, gate in (("relu", Relu()), ("leaky_relu", LeakyRelu(0.2))):
        value = circuit.gate(f"{name}/affine", Affine(), value, circuit.parameter(f"{name}/weights", 4, 3))
        value = circuit.gate(name, gate, value)
    value = circuit.gate("output", Affine(), value, circuit.parameter("output/weights", 4, 2))
    circuit.gate("loss", MeanSquaredError(), value, circuit.input("targets", None, 2))
    generator = np.random.default_rng(0)
    parameters = {
        f"{name}/weights": generator.normal(size=(4, units))
        for name, units in (("relu", 3), ("leaky_relu", 3), ("output", 2))
    }
    connected = connect(circuit, parameters, *parameters, batch=5)
    connected.values["inputs"][...] = generator.normal(size=(5, 3))
    for _ in range(2):
        connected.forward()
        connected.backward()
        for name in ("relu", "leaky_relu", "relu/affine", "leaky_relu/affine"):
            values, gradients = connected.values[name].base, connected.gradients[name].base
            assert values is not None
            assert gradients is not None
            assert values[:, -1].tolist() == [1.0] * 5
            assert gradients[:, -1].tolist() == [0.0] * 5
    assert connected.gates["relu"].output.shape == (5, 4)  # it really acts on the whole


def test_the_gradient_on_what_nothing_reads_is_zero_after_every_backward() -> None:
    circuit = Circuit()
    x, _ = circuit.input("x", None, 3), circuit.parameter("idle", 2)
    circuit.gate("sum", Sum(), x)
    connected = connect(circuit, {"idle": np.ones(2)}, "x", "idle")
    for _ in range(2):
        connected.forward()
        connected.backward()
        assert connected.gradients["idle"].tolist() == [0.0, 0.0]
        connected.gradients["idle"] += 5.0  # as a penalty does


def test_gradients_come_only_where_they_are_wanted() -> None:
    circuit = Circuit()
    x, y = circuit.input("x", None, 3), circuit.input("y", None, 3)
    x_squashed, y_squashed = circuit.gate("x_squashed", Tanh(), x), circuit.gate("y_squashed", Tanh(), y)
    circuit.gate("sum", Sum(), circuit.gate("product", Multiply(), x_squashed, y_squashed))
    assert set(connect(circuit, {}, "x").gradients) == {"x", "x_squashed", "product", "sum"}
    assert set(connect(circuit, {}).gradients) == set()


def test_an_input_of_the_wrong_shape_is_refused_with_the_gates_name() -> None:
    circuit = Circuit()
    inputs, weights = circuit.input("inputs", None, 4), circuit.parameter("weights", 4, 2)
    with pytest.raises(ValueError, match=r"^layer: inputs @ weight \+ bias does not fit: inputs \(batch, 4\), weight"):
        circuit.gate("layer", Affine(), inputs, weights)


def test_a_parameter_is_refused_where_a_column_of_ones_must_lie_behind_it() -> None:
    circuit = Circuit()
    with pytest.raises(ValueError, match=r"^layer: its first input 'w' must be fed or computed, not a parameter"):
        circuit.gate("layer", Affine(), circuit.parameter("w", 5, 4), circuit.parameter("weights", 5, 2))


@pytest.mark.parametrize("kind", ["input", "parameter", "gate"])
def test_a_name_is_given_once(kind: str) -> None:
    circuit = Circuit()
    x = circuit.input("x", None, 2)
    add: dict[str, Callable[[], Value]] = {
        "input": lambda: circuit.input("x", None, 2),
        "parameter": lambda: circuit.parameter("x", 2),
        "gate": lambda: circuit.gate("x", Sigmoid(), x),
    }
    with pytest.raises(ValueError, match="the circuit already has a value named 'x'"):
        add[kind]()


def test_a_value_of_another_circuit_is_refused() -> None:
    stranger = Circuit().input("stranger", None, 2)
    with pytest.raises(ValueError, match="squashed: its input 'stranger' is not a value of this circuit"):
        Circuit().gate("squashed", Sigmoid(), stranger)
