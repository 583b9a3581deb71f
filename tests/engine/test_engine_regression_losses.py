"""The losses of a residual: closed forms, kinks, and what broadcasting computes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import Array
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError, RegressionLoss

LOSSES: list[type[RegressionLoss]] = [MeanSquaredError, MeanAbsoluteError, Huber]
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)


def compute(gate: Any) -> Any:
    with np.errstate(all="raise", under="ignore"):
        gate.forward()
        gate.backward()
    return gate


def test_mse_averages_over_outputs_and_batch_without_a_half(connect_gate: Callable[..., Any]) -> None:
    gate = compute(connect_gate(MeanSquaredError(), [[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.0], [3.0, 1.0]]))
    assert gate.sample_losses.tolist() == [2.5, 8.0]
    assert float(gate.output) == 5.25
    assert gate.grad_inputs[0].tolist() == [[0.5, 1.0], [0.0, 2.0]]
    assert gate.grad_inputs[1].tolist() == [[-0.5, -1.0], [0.0, -2.0]]


def test_mae_has_no_slope_where_the_residual_is_zero(connect_gate: Callable[..., Any]) -> None:
    gate = compute(connect_gate(MeanAbsoluteError(), [[1.0, 2.0], [3.0, -5.0]], [[0.0, 4.0], [3.0, 1.0]]))
    assert gate.sample_losses.tolist() == [1.5, 3.0]
    assert gate.grad_inputs[0].tolist() == [[0.25, -0.25], [0.0, -0.25]]
    assert gate.grad_inputs[1].tolist() == [[-0.25, 0.25], [0.0, 0.25]]


def test_huber_turns_from_a_square_into_a_line_at_delta(connect_gate: Callable[..., Any]) -> None:
    gate = compute(connect_gate(Huber(delta=2.0), [[1.0, 2.0, 5.0, -5.0]], [[0.0, 0.0, 0.0, 0.0]]))
    assert gate.sample_losses.tolist() == [(0.5 + 2.0 + 8.0 + 8.0) / 4]
    assert gate.grad_inputs[0].tolist() == [[0.25, 0.5, 0.5, -0.5]]


def test_huber_within_delta_is_half_the_square_and_far_beyond_it_the_absolute_value(
    connect_gate: Callable[..., Any],
) -> None:
    arrays = np.random.default_rng(0).normal(size=(2, 6, 3))
    wide, square = (compute(connect_gate(loss, *arrays)) for loss in (Huber(delta=1e3), MeanSquaredError()))
    np.testing.assert_allclose(wide.sample_losses, 0.5 * square.sample_losses, rtol=1e-14)
    narrow, absolute = (compute(connect_gate(loss, *arrays)) for loss in (Huber(delta=1e-9), MeanAbsoluteError()))
    np.testing.assert_allclose(narrow.sample_losses / 1e-9, absolute.sample_losses, rtol=1e-8)


@pytest.mark.parametrize("loss", [MeanAbsoluteError(), Huber()], ids=["mae", "huber"])
def test_a_residual_too_large_to_square_has_a_finite_loss(
    loss: RegressionLoss, connect_gate: Callable[..., Any]
) -> None:
    gate = compute(connect_gate(loss, [[1e30]], [[-1e30]], dtype=np.float32))
    assert float(gate.output) == pytest.approx(2e30, rel=1e-6)
    assert gate.grad_inputs[0].tolist() == [[1.0]]


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan, math.inf], ids=str)
def test_a_delta_out_of_range_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="delta of huber must be positive and finite"):
        Huber(delta=delta)


def full_matrix(loss: RegressionLoss, outputs: Array, targets: Array, connect_gate: Callable[..., Any]) -> Any:
    """Compute with every pair of output and target written out."""
    return compute(connect_gate(loss, *map(np.array, np.broadcast_arrays(outputs, targets))))


@EVERY_LOSS
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_broadcast_over_the_batch_compares_every_output_with_every_target(
    loss: Any, reduction: str, connect_gate: Callable[..., Any]
) -> None:
    outputs, targets = np.random.default_rng(0).normal(size=(2, 5, 1))
    gate = compute(connect_gate(loss(broadcast="batch", reduction=reduction), outputs, targets))
    every_pair = full_matrix(loss(reduction=reduction), outputs, targets.T, connect_gate)  # (5, 1) against (1, 5)
    np.testing.assert_allclose(gate.sample_losses, every_pair.sample_losses, rtol=1e-14)
    assert float(gate.output) == pytest.approx(float(every_pair.output), rel=1e-14)
    np.testing.assert_allclose(gate.grad_inputs[0][:, 0], every_pair.grad_inputs[0].sum(1), rtol=1e-12)
    np.testing.assert_allclose(gate.grad_inputs[1][:, 0], every_pair.grad_inputs[1].sum(0), rtol=1e-12)


def test_broadcast_over_the_batch_has_its_minimum_at_the_mean_target_for_every_sample(
    connect_gate: Callable[..., Any],
) -> None:
    targets = np.array([[1.0], [2.0], [6.0]])
    gate = compute(connect_gate(MeanSquaredError(broadcast="batch"), np.full((3, 1), 3.0), targets))
    assert gate.grad_inputs[0].tolist() == [[0.0], [0.0], [0.0]]
    assert float(gate.output) == pytest.approx(targets.var(), rel=1e-15)


@EVERY_LOSS
@pytest.mark.parametrize(("outputs", "targets"), [(3, 1), (1, 3)], ids=["one target", "one output"])
def test_broadcast_over_the_outputs_repeats_the_narrower_of_the_two(
    loss: Any, outputs: int, targets: int, connect_gate: Callable[..., Any]
) -> None:
    generator = np.random.default_rng(0)
    arrays = generator.normal(size=(5, outputs)), generator.normal(size=(5, targets))
    runs = loss(broadcast="outputs").connect(
        arrays, np.empty(()), np.ones(()), tuple(np.full_like(array, np.nan) for array in arrays)
    )
    gate = compute(runs)
    repeated = full_matrix(loss(), *arrays, connect_gate)
    assert float(gate.output) == pytest.approx(float(repeated.output), rel=1e-14)
    for gradient, expected, array in zip(gate.grad_inputs, repeated.grad_inputs, arrays, strict=True):
        folded = expected if array.shape[1] == 3 else expected.sum(1, keepdims=True)
        np.testing.assert_allclose(gradient, folded, rtol=1e-12, atol=1e-16)


@EVERY_LOSS
@pytest.mark.parametrize("broadcast", ["outputs", "batch"])
def test_broadcasting_stacked_runs_is_bit_identical_to_each_run_alone(
    loss: Any, broadcast: str, connect_gate: Callable[..., Any]
) -> None:
    outputs, targets = np.random.default_rng(0).normal(size=(2, 3, 33, 1))
    stacked = compute(connect_gate(loss(broadcast=broadcast), outputs, targets))
    for run in range(3):
        alone = compute(connect_gate(loss(broadcast=broadcast), outputs[run], targets[run]))
        for together, single in zip(stacked.grad_inputs, alone.grad_inputs, strict=True):
            assert together[run].tobytes() == single.tobytes()
        assert stacked.output[run].tobytes() == alone.output.tobytes()


@EVERY_LOSS
def test_broadcasting_where_the_shapes_agree_changes_nothing(loss: Any, connect_gate: Callable[..., Any]) -> None:
    arrays = np.random.default_rng(0).normal(size=(2, 5, 3))
    lenient, strict = (compute(connect_gate(loss(broadcast=b), *arrays)) for b in ("outputs", "refuse"))
    assert lenient.output == strict.output
    np.testing.assert_array_equal(lenient.grad_inputs[0], strict.grad_inputs[0])


@pytest.mark.parametrize(
    ("broadcast", "outputs", "targets"),
    [("batch", 3, 1), ("batch", 1, 3), ("outputs", 3, 2), ("refuse", 3, 1)],
    ids=str,
)
def test_what_cannot_or_must_not_broadcast_is_refused(broadcast: Any, outputs: int, targets: int) -> None:
    with pytest.raises(ValueError, match="mse: "):
        MeanSquaredError(broadcast=broadcast).output_shape((None, outputs), (None, targets))


def test_an_unknown_broadcast_is_refused() -> None:
    with pytest.raises(ValueError, match="broadcast must be one of refuse, outputs, batch, got 'yes'"):
        Huber(broadcast="yes")  # type: ignore[arg-type]
