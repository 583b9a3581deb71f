"""Activations, each by itself: values at known points, gradients, kinks, extremes, the run axis, what is refused."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation, Elu, Gelu, LeakyRelu
from gradvitals.engine.catalogue import ACTIVATIONS
from gradvitals.engine.compound_activations import Maxout, PRelu, Softmax
from gradvitals.engine.events import Array

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
VARIANTS: dict[str, Callable[[], Activation]] = {
    **ACTIVATIONS,
    "leaky_relu, slope .2": lambda: LeakyRelu(0.2),
    "elu, alpha .3": lambda: Elu(0.3),
    "prelu, per unit": lambda: PRelu(per_unit=True),
    "maxout of 5": lambda: Maxout(5),
}
EVERY_VARIANT = pytest.mark.parametrize("variant", VARIANTS)


def away_from_zero(shape: tuple[int, ...], seed: int = 3) -> Array:
    """Draw entries of both signs, none so near to 0 that a difference would cross a kink."""
    generator = np.random.default_rng(seed)
    entries: Array = generator.uniform(0.05, 3.0, shape) * generator.choice([-1.0, 1.0], shape)
    return entries


def draw_inputs(activation: Activation, shape: tuple[int, ...], seed: int = 3) -> tuple[Array, ...]:
    """Draw pre-activations for outputs `(…, batch, units)`, and parameters."""
    *runs, batch, units = shape
    parameters = [
        away_from_zero((*runs, *parameter.shape), seed + 1 + number)
        for number, parameter in enumerate(activation.parameters(units))
    ]
    return (away_from_zero((*runs, batch, units * activation.pieces), seed), *parameters)


def compute(gate: Any) -> None:
    with np.errstate(all="raise", under="ignore"):
        gate.forward()
        gate.backward()


@EVERY_VARIANT
@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (2, 4, 3)], ids=str)
def test_gradients_match_brute_force_differences(
    variant: str,
    shape: tuple[int, ...],
    connect_gate: Callable[..., Any],
    assert_gradients_match: Callable[[Any], None],
) -> None:
    activation = VARIANTS[variant]()
    gate = connect_gate(activation, *draw_inputs(activation, shape))
    assert gate.output.shape == shape
    assert_gradients_match(gate)


POINTS = [-800.0, -2.0, 0.0, 2.0, 800.0]
SIGMOID_2 = 1.0 / (1.0 + math.exp(-2.0))
TANH_2 = math.tanh(2.0)
NORMAL_2, DENSITY_2 = 0.5 * math.erfc(-2.0 / math.sqrt(2.0)), math.exp(-2.0) / math.sqrt(2.0 * math.pi)
EXPECTED: dict[str, tuple[list[float], list[float]]] = {
    "linear": (POINTS, [1.0] * 5),
    "relu": ([0.0, 0.0, 0.0, 2.0, 800.0], [0.0, 0.0, 0.0, 1.0, 1.0]),
    "leaky_relu": ([-8.0, -0.02, 0.0, 2.0, 800.0], [0.01, 0.01, 0.01, 1.0, 1.0]),
    "elu": ([-1.0, math.expm1(-2.0), 0.0, 2.0, 800.0], [0.0, math.exp(-2.0), 1.0, 1.0, 1.0]),
    "gelu": (
        [0.0, -2.0 * (1.0 - NORMAL_2), 0.0, 2.0 * NORMAL_2, 800.0],
        [0.0, 1.0 - NORMAL_2 - 2.0 * DENSITY_2, 0.5, NORMAL_2 + 2.0 * DENSITY_2, 1.0],
    ),
    "sigmoid": (
        [0.0, 1.0 - SIGMOID_2, 0.5, SIGMOID_2, 1.0],
        [0.0, SIGMOID_2 * (1.0 - SIGMOID_2), 0.25, SIGMOID_2 * (1.0 - SIGMOID_2), 0.0],
    ),
    "tanh": ([-1.0, -TANH_2, 0.0, TANH_2, 1.0], [0.0, 1.0 - TANH_2**2, 1.0, 1.0 - TANH_2**2, 0.0]),
}


@DTYPES
@pytest.mark.parametrize("name", EXPECTED)
def test_value_and_slope_are_exact_at_known_points_far_out_and_at_zero(
    name: str, dtype: DTypeLike, connect_gate: Callable[..., Any]
) -> None:
    gate = connect_gate(ACTIVATIONS[name](), [POINTS], dtype=dtype)
    gate.grad_output[...] = 1.0
    compute(gate)
    values, slopes = EXPECTED[name]
    tolerance = 4 * float(np.finfo(gate.output.dtype).eps)
    np.testing.assert_allclose(gate.output, [values], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gate.grad_inputs[0], [slopes], rtol=tolerance, atol=tolerance)


@DTYPES
def test_the_left_tail_of_sigmoid_and_elu_keeps_its_precision(
    dtype: DTypeLike, connect_gate: Callable[..., Any]
) -> None:
    points = [-80.0, -40.0, -20.0, -10.0]
    tails = [math.exp(x) / (1.0 + math.exp(x)) for x in points]
    tolerance = 16 * float(np.finfo(dtype).eps)
    sigmoid, elu = (connect_gate(ACTIVATIONS[name](), [points], dtype=dtype) for name in ("sigmoid", "elu"))
    for gate in (sigmoid, elu):
        gate.grad_output[...] = 1.0
        compute(gate)
    np.testing.assert_allclose(sigmoid.output, [tails], rtol=tolerance)
    np.testing.assert_allclose(sigmoid.grad_inputs[0], [[z * (1.0 - z) for z in tails]], rtol=tolerance)
    np.testing.assert_allclose(elu.grad_inputs[0], [[math.exp(x) for x in points]], rtol=tolerance)


def test_every_curve_has_known_points() -> None:
    assert set(EXPECTED) == set(ACTIVATIONS) - {"prelu", "maxout", "softmax"}


@DTYPES
@EVERY_VARIANT
@pytest.mark.parametrize("size", [1e3, 1e30], ids=["thousand", "enormous"])
def test_enormous_inputs_of_both_signs_give_finite_numbers_without_a_warning(
    variant: str, size: float, dtype: DTypeLike, connect_gate: Callable[..., Any]
) -> None:
    activation = VARIANTS[variant]()
    inputs, *parameters = draw_inputs(activation, (4, 6))
    gate = connect_gate(activation, np.sign(inputs) * size, *parameters, dtype=dtype)
    compute(gate)
    assert np.isfinite(gate.output).all()
    assert all(np.isfinite(gradient).all() for gradient in gate.grad_inputs)


@EVERY_VARIANT
def test_nan_comes_out_as_nan_and_harms_no_other_sample(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    inputs, *parameters = draw_inputs(activation, (3, 2))
    inputs[1] = np.nan
    gate = connect_gate(activation, inputs, *parameters)
    compute(gate)
    assert np.isnan(gate.output[1]).all()
    assert np.isfinite(gate.output[[0, 2]]).all()
    assert np.isfinite(gate.grad_inputs[0][[0, 2]]).all()


@DTYPES
@EVERY_VARIANT
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (32, 16), (33, 17), (127, 33)], ids=str)
def test_stacked_runs_are_bit_identical_to_each_run_alone(
    variant: str, shape: tuple[int, int], dtype: DTypeLike, connect_gate: Callable[..., Any]
) -> None:
    activation = VARIANTS[variant]()
    runs = [draw_inputs(activation, shape, seed) for seed in range(0, 50, 10)]
    stacked = connect_gate(activation, *(np.stack(arrays) for arrays in zip(*runs, strict=True)), dtype=dtype)
    compute(stacked)
    for run, inputs in enumerate(runs):
        alone = connect_gate(activation, *inputs, dtype=dtype)
        alone.grad_output[...] = stacked.grad_output[run]
        compute(alone)
        assert stacked.output[run].tobytes() == alone.output.tobytes()
        for together, single in zip(stacked.grad_inputs, alone.grad_inputs, strict=True):
            assert together[run].tobytes() == single.tobytes()


@EVERY_VARIANT
def test_arrays_with_gaps_between_their_rows_give_the_same_bits(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    dense = connect_gate(activation, *draw_inputs(activation, (5, 3)))

    def with_gap(array: Array) -> Array:
        """Give the same array as a view into one that is a column wider."""
        return np.concatenate([array, np.full((*array.shape[:-1], 1), 7.0)], axis=-1)[..., :-1]

    inputs, gradients = (tuple(map(with_gap, arrays)) for arrays in (dense.inputs, dense.grad_inputs))
    gapped = activation.connect(inputs, with_gap(dense.output), with_gap(dense.grad_output), gradients)
    for gate in (dense, gapped):
        compute(gate)
    np.testing.assert_array_equal(gapped.output, dense.output)
    for array, expected in zip(gradients, dense.grad_inputs, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.base is not None
        assert (array.base[..., -1] == 7.0).all()  # the gap was left alone


@EVERY_VARIANT
def test_each_gradient_may_be_left_out(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    full = connect_gate(activation, *draw_inputs(activation, (4, 3)))
    compute(full)
    for wanted in range(len(full.inputs)):
        gradients = tuple(np.full_like(a, np.nan) if n == wanted else None for n, a in enumerate(full.inputs))
        gate = activation.connect(full.inputs, np.empty_like(full.output), full.grad_output, gradients)
        compute(gate)
        np.testing.assert_array_equal(gradients[wanted], full.grad_inputs[wanted])


@EVERY_VARIANT
def test_going_backward_again_gives_the_same_bits(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    gate = connect_gate(activation, *draw_inputs(activation, (4, 3)))
    compute(gate)
    before = [gradient.copy() for gradient in gate.grad_inputs]
    gate.backward()
    for gradient, expected in zip(gate.grad_inputs, before, strict=True):
        np.testing.assert_array_equal(gradient, expected)


@EVERY_VARIANT
def test_a_batch_of_nothing_is_computed(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    gate = connect_gate(activation, *draw_inputs(activation, (0, 3)))
    compute(gate)
    assert gate.output.shape == (0, 3)
    assert all((gradient == 0.0).all() for gradient in gate.grad_inputs)


@EVERY_VARIANT
def test_units_are_independent_where_they_are_said_to_be(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    inputs, *parameters = draw_inputs(activation, (4, 3))
    before = connect_gate(activation, inputs, *parameters)
    inputs[:, : activation.pieces] += 0.5  # the first unit's
    after = connect_gate(activation, inputs, *parameters)
    for gate in (before, after):
        gate.forward()
    assert (before.output[:, 1:] == after.output[:, 1:]).all() == activation.unitwise


@EVERY_VARIANT
def test_sides_change_where_an_input_crosses_the_kink(variant: str, connect_gate: Callable[..., Any]) -> None:
    activation = VARIANTS[variant]()
    _, *parameters = draw_inputs(activation, (1, 1))
    pairs = np.zeros((2, 1, activation.pieces)) - 1.0
    pairs[0, 0, 0], pairs[1, 0, 0] = 1e-9, -1e-9
    if isinstance(activation, Maxout):
        pairs[:, 0, 1] = 0.0
    sides = []
    for inputs in pairs:
        gate = connect_gate(activation, inputs, *parameters)
        gate.forward()
        sides.append(gate.sides())
    if variant in {"linear", "sigmoid", "tanh", "gelu", "softmax"}:
        assert sides == [None, None]
    else:
        assert (sides[0] != sides[1]).all()


@pytest.mark.parametrize(
    ("variant", "slope"),
    [("relu", 0.0), ("leaky_relu, slope .2", 0.2), ("prelu", 0.25), ("elu", 1.0), ("elu, alpha .3", 0.3)],
)
def test_slope_exactly_at_zero_is_that_of_the_negative_side(
    variant: str, slope: float, connect_gate: Callable[..., Any]
) -> None:
    gate = connect_gate(VARIANTS[variant](), [[0.0, -0.0]], *([[0.25]] if variant == "prelu" else []))
    gate.grad_output[...] = 1.0
    compute(gate)
    assert gate.grad_inputs[0].tolist() == [[slope, slope]]


def test_leaky_relu_takes_its_slope(connect_gate: Callable[..., Any]) -> None:
    gate = connect_gate(LeakyRelu(0.25), [[-4.0, 4.0]])
    gate.grad_output[...] = 1.0
    compute(gate)
    assert gate.output.tolist() == [[-1.0, 4.0]]
    assert gate.grad_inputs[0].tolist() == [[0.25, 1.0]]


def test_elu_takes_its_alpha(connect_gate: Callable[..., Any]) -> None:
    gate = connect_gate(Elu(0.25), [[-800.0, 0.0, 4.0]])
    gate.grad_output[...] = 1.0
    compute(gate)
    assert gate.output.tolist() == [[-0.25, 0.0, 4.0]]
    assert gate.grad_inputs[0].tolist() == [[0.0, 0.25, 1.0]]


def test_gelu_far_out_is_relu(connect_gate: Callable[..., Any]) -> None:
    gate = connect_gate(Gelu(), [[-np.inf, -40.0, 40.0, np.inf]])
    gate.grad_output[...] = 1.0
    with np.errstate(invalid="ignore"):  # −∞ · 0, as in PyTorch
        gate.forward()
        gate.backward()
    np.testing.assert_array_equal(gate.output, [[np.nan, 0.0, 40.0, np.inf]])
    np.testing.assert_array_equal(gate.grad_inputs[0], [[0.0, 0.0, 1.0, 1.0]])


def test_prelu_sums_the_gradient_on_its_slope_over_batch_and_units(connect_gate: Callable[..., Any]) -> None:
    inputs = [[-1.0, 2.0], [-3.0, -5.0]]
    shared, per_unit = connect_gate(PRelu(), inputs, [0.5]), connect_gate(PRelu(per_unit=True), inputs, [0.5, 2.0])
    for gate in (shared, per_unit):
        gate.grad_output[...] = [[1.0, 10.0], [100.0, 1000.0]]
        compute(gate)
    assert shared.output.tolist() == [[-0.5, 2.0], [-1.5, -2.5]]
    assert shared.grad_inputs[0].tolist() == [[0.5, 10.0], [50.0, 500.0]]
    assert shared.grad_inputs[1].tolist() == [-5301.0]
    assert per_unit.output.tolist() == [[-0.5, 2.0], [-1.5, -10.0]]
    assert per_unit.grad_inputs[1].tolist() == [-301.0, -5000.0]


def test_prelu_starts_at_a_quarter() -> None:
    (shared,), (per_unit,) = PRelu().parameters(3), PRelu(0.1, per_unit=True).parameters(3)
    assert (shared.name, shared.shape, shared.initial) == ("slope", (1,), 0.25)
    assert (per_unit.name, per_unit.shape, per_unit.initial) == ("slope", (3,), 0.1)


def test_maxout_routes_the_gradient_to_the_largest_piece_and_of_equals_to_the_first(
    connect_gate: Callable[..., Any],
) -> None:
    gate = connect_gate(Maxout(3), [[1.0, 3.0, 2.0, 5.0, 5.0, 4.0], [7.0, -1.0, 7.0, 0.0, -0.0, -2.0]])
    gate.grad_output[...] = [[10.0, 20.0], [30.0, 40.0]]
    compute(gate)
    assert gate.output.tolist() == [[3.0, 5.0], [7.0, 0.0]]
    assert gate.grad_inputs[0].tolist() == [[0.0, 10.0, 0.0, 20.0, 0.0, 0.0], [30.0, 0.0, 0.0, 40.0, 0.0, 0.0]]


@pytest.mark.parametrize(("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.01)], ids=["relu", "leaky relu"])
def test_maxout_of_x_and_a_smaller_multiple_is_the_rectifier(
    name: str, slope: float, connect_gate: Callable[..., Any]
) -> None:
    x = away_from_zero((6, 1))
    maxout = connect_gate(Maxout(), np.concatenate([x, slope * x], axis=1))
    rectifier = connect_gate(ACTIVATIONS[name](), x)
    for gate in (maxout, rectifier):
        compute(gate)
    np.testing.assert_array_equal(maxout.output, rectifier.output)
    on_x = maxout.grad_inputs[0] @ np.array([[1.0], [slope]])  # the chain rule through both pieces
    np.testing.assert_array_equal(on_x, rectifier.grad_inputs[0])


@DTYPES
@pytest.mark.parametrize(
    "logits",
    [[1.0, 2.0, 3.0], [0.0, 0.0, 10.0], [-10.0, -5.0, -8.0], [-1000.0, -10.0, -8.0], [1000.0, 1000.0]],
    ids=str,
)
def test_softmax_is_exact(logits: list[float], dtype: DTypeLike, connect_gate: Callable[..., Any]) -> None:
    gate = connect_gate(Softmax(), [logits], dtype=dtype)
    compute(gate)
    with localcontext() as context:
        context.prec = 60
        terms = [Decimal(logit).exp() for logit in logits]
        expected = [float(term / sum(terms)) for term in terms]
    tolerance = 4 * float(np.finfo(gate.output.dtype).eps)
    np.testing.assert_allclose(gate.output, [expected], rtol=tolerance, atol=1e-300)
    assert float(gate.output.sum()) == pytest.approx(1.0, rel=tolerance)


def test_softmax_knows_only_the_differences(connect_gate: Callable[..., Any]) -> None:
    ones, twos = connect_gate(Softmax(), [[1.0, 1.0, 1.0]]), connect_gate(Softmax(), [[2.0, 2.0, 2.0]])
    for gate in (ones, twos):
        compute(gate)
    np.testing.assert_array_equal(ones.output, twos.output)


def test_softmax_of_one_unit_is_one_and_learns_nothing(connect_gate: Callable[..., Any]) -> None:
    gate = connect_gate(Softmax(), [[3.0], [-700.0]])
    compute(gate)
    assert gate.output.tolist() == [[1.0], [1.0]]
    assert gate.grad_inputs[0].tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LeakyRelu(-0.1), r"slope of leaky_relu must be in \[0, 1\), got -0.1"),
        (lambda: LeakyRelu(1.0), r"slope of leaky_relu must be in \[0, 1\), got 1.0"),
        (lambda: LeakyRelu(math.nan), r"slope of leaky_relu must be in \[0, 1\), got nan"),
        (lambda: Elu(0.0), "alpha of elu must be positive and finite, got 0"),
        (lambda: Elu(math.inf), "alpha of elu must be positive and finite, got inf"),
        (lambda: PRelu(math.nan), "initial slope of prelu must be finite, got nan"),
        (lambda: Maxout(1), "maxout needs at least 2 pieces per unit, got 1"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], Activation], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("activation", "shapes", "sentence"),
    [
        (Gelu(), ((None, 3), (1,)), "gelu takes one input, got 2"),
        (PRelu(), ((None, 3),), "prelu takes two inputs, pre-activations and a slope; got 1"),
        (PRelu(), ((None, 3), (2,)), r"slope must be \(1\) or \(3\) for 3 units, got \(2\)"),
        (Maxout(2), ((None, 5),), r"pre-activations \(batch, 5\) do not divide into 2 pieces per unit"),
    ],
    ids=["too many inputs", "no slope", "slope of another width", "odd pieces"],
)
def test_shapes_that_do_not_fit_are_refused(
    activation: Activation, shapes: tuple[tuple[int | None, ...], ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        activation.output_shape(*shapes)
