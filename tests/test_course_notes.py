"""The worked numbers of the cs231n notes and their summaries, to the decimals printed there.

References:
    cs231n, "Optimization" (optimization-1), "Backpropagation, intuitions" (optimization-2), "Linear classification"
    and "Neural networks part 1".
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.activations import Activation, LeakyRelu, Relu, Sigmoid, Tanh
from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.compound_activations import Maxout, Softmax
from gradvitals.engine.events import Array
from gradvitals.engine.expressions import Expression, SigmoidForm, parse_expression
from gradvitals.engine.gates import Gate
from gradvitals.engine.initializers import normal
from gradvitals.engine.logit_losses import SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.matrix_gates import MatrixMultiply
from gradvitals.engine.numeric_gradient import numeric_gradient, numeric_gradients
from gradvitals.engine.paths import find_paths
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.primitives import Exp, Max, Multiply, Reciprocal
from gradvitals.engine.probability_losses import CrossEntropyOnProbs

SIGMOIDS = pytest.mark.parametrize("sigmoid", ["fused", "primitive"])
FORK = "(x + sigmoid(y))/(sigmoid(x) + (x + y)**2)"
NEURON = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}


def run(text: str, sigmoid: SigmoidForm = "fused", /, **point: float) -> tuple[Expression, ConnectedCircuit]:
    expression = parse_expression(text, sigmoid=sigmoid)
    return expression, expression.evaluate(point)


def printed(arrays: Mapping[str, Array], names: str, decimals: int = 0) -> list[str]:
    """Print numbers as the notes do."""
    return [f"{float(arrays[name]):.{decimals}f}" for name in names.split()]


# Compound expressions


def test_a_product_switches_its_inputs() -> None:
    _, circuit = run("x*y", x=4.0, y=-3.0)
    assert printed(circuit.values, "f") == ["-12"]
    assert printed(circuit.gradients, "x y") == ["-3", "4"]


def test_a_sum_times_a_number() -> None:
    _, circuit = run("(x + y)*z", x=-2.0, y=5.0, z=-4.0)
    assert printed(circuit.values, "q1 f") == ["3", "-12"]
    assert printed(circuit.gradients, "x y z q1 f") == ["-4", "-4", "3", "-4", "1"]


def test_the_circuit_of_add_max_and_multiply() -> None:
    _, circuit = run("2*(x*y + max(z, w))", x=3.0, y=-4.0, z=2.0, w=-1.0)
    assert printed(circuit.values, "q1 q2 q3 f") == ["-12", "2", "-10", "-20"]
    assert printed(circuit.gradients, "x y z w") == ["-8", "6", "2", "0"]


def test_the_two_paths_of_a_fork_add_up_and_differences_agree() -> None:
    expression, circuit = run("(a + b)*(b + 1)", a=2.0, b=1.0)
    assert printed(circuit.values, "f") == ["6"]
    assert printed(circuit.gradients, "a b") == ["2", "5"]
    assert [path.product for path in find_paths(expression.circuit, circuit.values, "a")] == [2.0]
    assert [path.product for path in find_paths(expression.circuit, circuit.values, "b")] == [2.0, 3.0]
    numeric = numeric_gradients(expression.circuit, circuit, ["a", "b"])
    assert {name: float(array) for name, array in numeric.items()} == pytest.approx({"a": 2.0, "b": 5.0}, abs=1e-9)


# The sigmoid neuron


@SIGMOIDS
def test_the_sigmoid_neuron(sigmoid: SigmoidForm) -> None:
    expression, circuit = run("sigmoid(w0*x0 + w1*x1 + w2)", sigmoid, **NEURON)
    assert printed(circuit.values, "f", 4) == ["0.7311"]
    assert printed(circuit.gradients, "q4", 4) == ["0.1966"]
    assert printed(circuit.gradients, "x0 x1", 4) == ["0.3932", "-0.5898"]
    assert printed(circuit.gradients, "w0 w1 w2", 4) == ["-0.1966", "-0.3932", "0.1966"]
    numeric = numeric_gradients(expression.circuit, circuit, expression.names)
    for name in expression.names:
        assert float(numeric[name]) == pytest.approx(float(circuit.gradients[name]), rel=1e-8)


def test_the_sigmoid_neuron_gate_by_gate() -> None:
    _, circuit = run("1/(1 + exp(-(w0*x0 + w1*x1 + w2)))", **NEURON)
    steps = "q1 q2 q3 q4 q5 q6 q7 f"  # two products, two sums, then ×−1, exp, +1, 1/x
    assert printed(circuit.values, steps, 2) == ["-2.00", "6.00", "4.00", "1.00", "-1.00", "0.37", "1.37", "0.73"]
    assert printed(circuit.gradients, steps, 2) == ["0.20", "0.20", "0.20", "0.20", "-0.20", "-0.53", "-0.53", "1.00"]
    assert printed(circuit.gradients, "w0 x0 w1 x1 w2", 2) == ["-0.20", "0.39", "-0.39", "-0.59", "0.20"]


def test_one_sigmoid_gate_is_the_four_together() -> None:
    x = np.linspace(-20.0, 20.0, 81)
    fused, slope = through(Sigmoid(), x)
    _, circuit = run("sigmoid(x)", "primitive", x=0.0)
    for value, one, other in zip(x, fused, slope, strict=True):
        circuit.values["x"][...] = value
        circuit.forward()
        circuit.backward()
        assert float(circuit.values["f"]) == pytest.approx(float(one), rel=1e-12, abs=1e-16)
        assert float(circuit.gradients["x"]) == pytest.approx(float(other), rel=1e-12, abs=5e-16)


# Staged computation: gradients add up at forks


@SIGMOIDS
@pytest.mark.parametrize(
    ("y", "value", "gradients"),
    [(-4.0, (6, "1.545645"), ["2.059570", "1.592233"]), (4.0, (7, "0.0797159"), ["-0.0023947", "-0.0219881"])],
    ids=["y = -4", "y = 4"],
)
def test_the_fork_example(sigmoid: SigmoidForm, y: float, value: tuple[int, str], gradients: list[str]) -> None:
    decimals, text = value
    expression, circuit = run(FORK, sigmoid, x=3.0, y=y)
    assert printed(circuit.values, "f", decimals) == [text]
    assert printed(circuit.gradients, "x y", decimals) == gradients
    numeric = numeric_gradients(expression.circuit, circuit, ["x", "y"])
    for name in ("x", "y"):
        assert float(numeric[name]) == pytest.approx(float(circuit.gradients[name]), rel=1e-6)


def test_a_gradient_that_is_overwritten_where_it_must_be_added_is_plausible_and_wrong() -> None:
    """A published summary writes `dy = …` for the branch through σ(y) where the notes write `dy += …`."""
    expression, circuit = run(FORK, x=3.0, y=4.0)
    through_sigmoid, through_square = find_paths(expression.circuit, circuit.values, "y")
    assert through_sigmoid.values == ("y", "q1", "q2", "f")
    assert f"{through_sigmoid.product:+.6f}" == "+0.000354"
    assert f"{through_square.product:+.6f}" == "-0.022342"
    assert f"{through_sigmoid.product + through_square.product:+.6f}" == "-0.021988"
    assert printed(circuit.gradients, "y", 6) == ["-0.021988"]
    numeric = numeric_gradients(expression.circuit, circuit, ["y"])
    assert f"{float(numeric['y']):+.6f}" == "-0.021988"


# Patterns in backward flow


def test_add_distributes_max_routes_and_multiply_switches() -> None:
    _, circuit = run("x + y", x=1e12, y=-1e-12)
    assert printed(circuit.gradients, "x y") == ["1", "1"]
    _, circuit = run("max(x, y)", x=-1.0, y=2.0)
    assert printed(circuit.gradients, "x y") == ["0", "1"]
    _, circuit = run("x*y", x=1e12, y=1e-12)
    assert {name: float(circuit.gradients[name]) for name in "xy"} == {"x": 1e-12, "y": 1e12}


def test_inputs_scaled_by_a_thousand_scale_the_gradient_on_their_weights() -> None:
    gradients = []
    for factor in (1.0, 1000.0):
        _, circuit = run("w*x", w=0.5, x=factor * 0.3)
        gradients.append(float(circuit.gradients["w"]))
    assert gradients[1] == pytest.approx(1000.0 * gradients[0])


# Vectorised operations


def test_matrix_gradients_have_the_notes_shapes_and_values() -> None:
    generator = np.random.default_rng(0)
    w, x, d = generator.normal(size=(5, 10)), generator.normal(size=(10, 3)), generator.normal(size=(5, 3))
    grad_w, grad_x = np.empty_like(w), np.empty_like(x)
    gate = MatrixMultiply("W", "X").connect((w, x), np.empty((5, 3)), d, (grad_w, grad_x))
    gate.forward()
    gate.backward()
    np.testing.assert_array_equal(gate.output, w.dot(x))
    np.testing.assert_array_equal(grad_w, d.dot(x.T))
    np.testing.assert_array_equal(grad_x, w.T.dot(d))


# Softmax and its loss

SOFTMAX = {
    (1.0, 2.0, 3.0): ["0.0900", "0.2447", "0.6652"],
    (0.0, 0.0, 10.0): ["0.0000", "0.0000", "0.9999"],
    (-10.0, -5.0, -8.0): ["0.0064", "0.9465", "0.0471"],
    (-1000.0, -10.0, -8.0): ["0.0000", "0.1192", "0.8808"],
    (1000.0, 1000.0): ["0.5000", "0.5000"],
    (1.0, 1.0, 1.0): ["0.3333", "0.3333", "0.3333"],
    (2.0, 2.0, 2.0): ["0.3333", "0.3333", "0.3333"],
}


def softmax(logits: tuple[float, ...]) -> Array:
    probs: Array = through(Softmax(), np.array([logits]))[0][0]
    return probs


@pytest.mark.parametrize("logits", SOFTMAX, ids=str)
def test_softmax_of_the_examples(logits: tuple[float, ...]) -> None:
    probs = softmax(logits)
    assert [f"{prob:.4f}" for prob in probs] == SOFTMAX[logits]
    assert float(probs.sum()) == pytest.approx(1.0, rel=1e-15)


def test_softmax_sees_only_differences() -> None:
    np.testing.assert_array_equal(softmax((1.0, 1.0, 1.0)), softmax((2.0, 2.0, 2.0)))
    assert float(softmax((0.0, 0.0, 10.0))[0]) == pytest.approx(4.5396e-5, rel=1e-4)


def test_softmax_without_the_shift_is_nan_where_exp_overflows() -> None:
    expression, circuit = run("exp(a)/(exp(a) + exp(b))", a=1000.0, b=1000.0)
    assert math.isnan(float(circuit.values[expression.output]))
    assert softmax((1000.0, 1000.0)).tolist() == [0.5, 0.5]


def cross_entropy(loss: Loss, outputs: Array, targets: Array) -> tuple[float, Array, Array]:
    """Give a loss at the end of a circuit, and the gradients on its outputs and on its labels."""
    circuit = Circuit()
    shape = (None, outputs.shape[1])
    circuit.gate("loss", loss, circuit.input("outputs", *shape), circuit.input("labels", *shape))
    gradients = {name: np.zeros(outputs.shape) for name in ("outputs", "labels")}
    connected = ConnectedCircuit(circuit, {}, gradients, batch=len(outputs), dtype=np.float64)
    connected.values["outputs"][...], connected.values["labels"][...] = outputs, targets
    with np.errstate(divide="ignore", invalid="ignore"):
        connected.forward()
        connected.backward()
    return float(connected.values["loss"]), gradients["outputs"], gradients["labels"]


@pytest.mark.parametrize(
    ("clip", "loss"), [(None, "inf"), (1e-4, "9.2103"), (1e-7, "16.1181")], ids=["not clipped", "1e-4", "1e-7"]
)
def test_a_probability_of_zero_costs_what_the_clipping_lets_it(clip: float | None, loss: str) -> None:
    probs, label = softmax((-1000.0, -10.0, -8.0))[np.newaxis], np.array([[1.0, 0.0, 0.0]])
    value, *_ = cross_entropy(CrossEntropyOnProbs(clip=clip), probs, label)
    assert f"{value:.4f}" == loss
    exact, *_ = cross_entropy(SoftmaxCrossEntropy(), np.array([[-1000.0, -10.0, -8.0]]), label)
    assert f"{exact:.4f}" == "992.1269"


@pytest.mark.parametrize("fused", [True, False], ids=["on logits", "on probabilities"])
def test_backpropagation_reaches_the_labels_where_the_gradient_is_minus_log_p(fused: bool) -> None:  # noqa: FBT001
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(4, 3)), generator.dirichlet(np.ones(3), 4)
    probs = np.vstack([softmax(tuple(row)) for row in logits])
    loss = SoftmaxCrossEntropy() if fused else CrossEntropyOnProbs(clip=None)
    outputs = logits if fused else probs
    _, grad_outputs, grad_labels = cross_entropy(loss, outputs, labels)
    np.testing.assert_allclose(grad_labels, -np.log(probs) / 4, rtol=1e-12)  # the loss is the mean over 4 samples
    if fused:
        np.testing.assert_allclose(grad_outputs, (probs - labels) / 4, rtol=1e-12, atol=1e-16)

    def loss_of(given: Array) -> float:
        return float(-(given * np.log(probs)).sum(1).mean())

    np.testing.assert_allclose(grad_labels, numeric_gradient(loss_of, labels), rtol=1e-8)


# Activation functions


def through(gate: Gate, *inputs: Array) -> tuple[Array, ...]:
    """Give a gate's output, and the gradients on its inputs where that on the output is 1."""
    inputs = tuple(np.array(array, np.float64) for array in inputs)
    shape = gate.output_shape(*(array.shape for array in inputs))
    sizes = tuple(size or 0 for size in shape)
    gradients = tuple(np.empty_like(array) for array in inputs)
    gate = gate.connect(inputs, np.empty(sizes), np.ones(sizes), gradients)
    gate.forward()
    gate.backward()
    return gate.output, *gradients


def test_a_sigmoid_gate_passes_at_most_a_quarter_and_a_weight_may_amplify() -> None:
    _, slopes = through(Sigmoid(), np.linspace(-50.0, 50.0, 100_001))
    assert float(slopes.max()) == 0.25
    _, circuit = run("sigmoid(sigmoid(sigmoid(x)))", x=0.0)
    assert float(circuit.gradients["x"]) < 0.25**2
    _, circuit = run("sigmoid(w*x)", w=100.0, x=0.0)
    assert float(circuit.gradients["q1"]) == 0.25
    assert float(circuit.gradients["x"]) == 25.0


def test_tanh_is_a_scaled_sigmoid() -> None:
    x = np.linspace(-8.0, 8.0, 161)
    value, slope = through(Tanh(), x)
    doubled, half_slope = through(Sigmoid(), 2.0 * x)
    np.testing.assert_allclose(value, 2.0 * doubled - 1.0, atol=1e-15)
    np.testing.assert_allclose(slope, 4.0 * half_slope, atol=1e-14)
    _, circuit = run("tanh(x) - (2*sigmoid(2*x) - 1)", x=0.7)
    assert abs(float(circuit.values["f"])) < 1e-15
    assert abs(float(circuit.gradients["x"])) < 1e-15


@pytest.mark.parametrize(("activation", "slope"), [(Relu(), 0.0), (LeakyRelu(0.01), 0.01)], ids=["relu", "leaky_relu"])
def test_relu_and_leaky_relu_are_maxout(activation: Activation, slope: float) -> None:
    x = np.array([-3.0, -0.5, 0.5, 2.0])
    value, gradient = through(activation, x)
    largest, on_x, on_scaled = through(Max(), x, slope * x)
    np.testing.assert_array_equal(largest, value)
    np.testing.assert_array_equal(on_x + slope * on_scaled, gradient)
    maxout, on_pieces = through(Maxout(), np.stack([x, slope * x], axis=1))
    np.testing.assert_array_equal(maxout[:, 0], value)
    np.testing.assert_array_equal(on_pieces[:, 0] + slope * on_pieces[:, 1], gradient)


# Computing the gradient numerically


def notes_numeric_gradient(function: Callable[[Array], Any], x: Array, h: float = 1e-5) -> Array:
    """Differentiate as the notes do, writing x + h into the caller's own array."""
    gradient = np.zeros(x.shape)
    value = function(x)
    for index in np.ndindex(x.shape):
        original = x[index]
        x[index] = original + h
        gradient[index] = (function(x) - value) / h
        x[index] = original
    return gradient


def test_the_notes_routine_goes_wrong_on_integers_and_ours_does_not() -> None:
    def product(x: Array) -> Any:
        return x[0] * x[1]

    assert notes_numeric_gradient(product, np.array([4.0, -3.0])).round(4).tolist() == [-3.0, 4.0]
    assert notes_numeric_gradient(product, np.array([4, 3])).tolist() == [0.0, 0.0]  # 4 + h is cut back to 4
    assert notes_numeric_gradient(product, np.array([4, -3])).tolist()[1] == pytest.approx(4e5)  # −3 + h to −2
    integers = np.array([4, -3])
    assert numeric_gradient(product, integers).round(8).tolist() == [-3.0, 4.0]
    assert integers.tolist() == [4, -3]


# Sizes of networks


@pytest.mark.parametrize(
    ("sizes", "count"), [((3, 4, 2), 26), ((3, 4, 4, 1), 41)], ids=["4 + 2 neurons", "4 + 4 + 1 neurons"]
)
def test_the_two_networks_of_the_notes_have_26_and_41_parameters(sizes: tuple[int, ...], count: int) -> None:
    layers = len(sizes) - 1
    network = perceptron(
        sizes,
        ["tanh"] * (layers - 1),
        "mse",
        initializers=[normal(0.5)] * layers,
        generator=np.random.default_rng(0),
        dtype=np.float64,
    )
    assert network.parameters.size == count


def test_the_gradient_on_a_networks_inputs_is_available() -> None:
    generator = np.random.default_rng(0)
    network = perceptron(
        (3, 4, 2), ["tanh"], "mse", initializers=[normal(0.5)] * 2, generator=generator, dtype=np.float64
    )
    inputs, targets = generator.normal(size=(5, 3)), generator.normal(size=(5, 2))
    gradient = np.empty_like(inputs)
    circuit = ConnectedCircuit(
        network.circuit,
        network.circuit_parameters(network.parameters),
        {"inputs": gradient},
        batch=5,
        dtype=np.float64,
    )
    circuit.values["inputs"][...], circuit.values["targets"][...] = inputs, targets
    circuit.forward()
    circuit.backward()
    numeric = numeric_gradients(network.circuit, circuit, ["inputs"])["inputs"]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-10)


def test_gates_are_put_together_by_hand_as_well() -> None:
    circuit = Circuit()
    x, y = circuit.input("x"), circuit.input("y")
    inverse = circuit.gate("inverse", Reciprocal(), circuit.gate("e", Exp(), y))
    circuit.gate("f", Multiply(), x, inverse)  # x e⁻ʸ
    gradients = {"x": np.zeros(()), "y": np.zeros(())}
    connected = ConnectedCircuit(circuit, {}, gradients, batch=1, dtype=np.float64)
    connected.values["x"][...], connected.values["y"][...] = 2.0, 0.5
    connected.forward()
    connected.backward()
    assert float(gradients["x"]) == pytest.approx(math.exp(-0.5), rel=1e-15)
    assert float(gradients["y"]) == pytest.approx(-2.0 * math.exp(-0.5), rel=1e-15)
