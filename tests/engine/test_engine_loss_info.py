"""What losses say of themselves, and the gradient on the outputs that a probe gives."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.catalogue import LOSSES, LOSSES_ON_PROBS
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.events import LayerBackward, LossInfo
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.probability_losses import BinaryCrossEntropyOnProbs, CrossEntropyOnProbs
from gradvitals.engine.q_network import q_network, with_actions
from gradvitals.engine.regression_losses import Huber, MeanSquaredError

TAKES = {
    "cross_entropy": "logits",
    "binary_cross_entropy": "logits",
    "nll": "log_probabilities",
    "hinge": "scores",
    "binary_hinge": "scores",
    "mse": "values",
    "mae": "values",
    "huber": "values",
    "clipped_delta": "values",
}


def build(loss: Any, outputs: int = 3, output: str = "linear") -> Network:
    return perceptron(
        [4, 5, outputs],
        ["tanh"],
        loss,
        initializers=[glorot_uniform] * 2,
        generator=np.random.default_rng(0),
        output=output,
        dtype=np.float64,
    )


@pytest.mark.parametrize("name", TAKES)
def test_a_loss_says_what_it_takes(name: str) -> None:
    loss = ClippedDelta() if name == "clipped_delta" else LOSSES[name]()
    assert build(loss).loss_info == LossInfo(TAKES[name])  # type: ignore[arg-type]


def test_every_loss_by_name_is_in_this_table() -> None:
    assert set(TAKES) >= set(LOSSES)


@pytest.mark.parametrize("name", LOSSES_ON_PROBS)
@pytest.mark.parametrize("clip", [1e-7, 0.01, None], ids=str)
def test_a_loss_on_probabilities_says_where_it_clips(name: str, clip: float | None) -> None:
    gate = {"cross_entropy": CrossEntropyOnProbs, "binary_cross_entropy": BinaryCrossEntropyOnProbs}[name]
    assert build(gate(clip=clip), output="sigmoid").loss_info == LossInfo("probabilities", clip=clip)


@pytest.mark.parametrize("name", LOSSES)
def test_a_sum_is_told_from_a_mean(name: str) -> None:
    info = build(LOSSES[name](reduction="sum")).loss_info
    assert info is not None
    assert info.reduction == "sum"


@pytest.mark.parametrize(("broadcast", "across"), [("refuse", False), ("outputs", False), ("batch", True)], ids=str)
def test_only_broadcasting_over_the_batch_is_across_samples(broadcast: Any, across: bool) -> None:  # noqa: FBT001
    info = build(MeanSquaredError(broadcast=broadcast), outputs=1).loss_info
    assert info is not None
    assert info.across_samples == across


def test_a_loss_that_does_not_say_is_not_known() -> None:
    class OwnSquaredError(MeanSquaredError):
        takes = None  # type: ignore[assignment]

    assert build(OwnSquaredError()).loss_info is None


@pytest.mark.parametrize("name", TAKES)
def test_the_probes_gradient_on_the_outputs_is_that_of_the_mean_loss(name: str) -> None:
    loss: Loss = ClippedDelta() if name == "clipped_delta" else LOSSES[name]()
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(6, 4))
    targets = rng.normal(0.5, 1.0, (6, 3)) if TAKES[name] == "values" else np.eye(3)[rng.integers(0, 3, 6)]
    network = build(loss)
    seen: list[Any] = []
    result = network.probe(
        inputs, targets, lambda event: seen.append(event) if isinstance(event, LayerBackward) else None
    )
    assert result.grad_outputs is not None
    numeric = np.empty_like(result.outputs)
    step = 1e-6
    for row, column in np.ndindex(numeric.shape):
        values = []
        for sign in (1.0, -1.0):
            moved = result.outputs.copy()
            moved[row, column] += sign * step
            gate = type(loss)().connect((moved, targets), np.empty(()), np.ones(()), (np.empty_like(moved), None))
            gate.forward()
            values.append(float(gate.output))
        numeric[row, column] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(result.grad_outputs, numeric, atol=1e-8)
    (last,) = (event for event in seen if event.layer == "output")
    np.testing.assert_allclose(last.grad_outputs, numeric, atol=1e-8)


def test_a_probe_without_an_observer_computes_no_gradient() -> None:
    assert build("mse").probe(np.ones((2, 4)), np.ones((2, 3))).grad_outputs is None


def test_the_gradient_is_a_copy_that_the_next_probe_leaves_alone() -> None:
    network = build("mse")
    first = network.probe(np.ones((2, 4)), np.ones((2, 3)), lambda _: None).grad_outputs
    assert first is not None
    kept = first.copy()
    network.probe(np.zeros((2, 4)), -np.ones((2, 3)), lambda _: None)
    np.testing.assert_array_equal(first, kept)


def test_of_several_action_values_the_loss_gets_one_and_so_does_its_gradient() -> None:
    network = q_network(
        [2, 4, 3], ["relu"], Huber(), initializers=[glorot_uniform] * 2, generator=np.random.default_rng(0)
    )
    result = network.probe(with_actions(np.ones((5, 2)), np.zeros(5), 3), np.ones((5, 1)), lambda _: None)
    assert result.grad_outputs is not None
    assert result.outputs.shape == result.grad_outputs.shape == (5, 1)
    assert (result.grad_outputs != 0.0).all()
