"""What the loss makes of outputs: every share against one counted sample by sample."""

import math
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.notes import Outputs
from gradvitals.diagnostics.output_facts import (
    impossible_share,
    measure_outputs,
    spread,
    stuck_share,
    sum_error,
    untaught_share,
)
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.events import LossInfo, ProbeResult
from gradvitals.engine.losses import Loss
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError

ROWS = 60


def draw(seed: int, columns: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=(ROWS, columns))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_stuck_are_samples_with_an_output_that_is_flat_and_wrong(activation: str) -> None:
    low = 0.0 if activation == "sigmoid" else -1.0
    outputs = 1 / (1 + np.exp(-6 * draw(0, 1))) if activation == "sigmoid" else np.tanh(3 * draw(0, 1))
    targets = np.where(draw(1, 1) > 0.3, 1.0, low)
    count = 0
    for output, target in zip(outputs, targets, strict=True):
        slopes = [4 * y * (1 - y) if activation == "sigmoid" else 1 - y**2 for y in output]
        count += any(slope < 0.05 and abs(y - t) > 0.5 for slope, y, t in zip(slopes, output, target, strict=True))
    assert 0 < count < ROWS
    assert stuck_share(outputs, targets, activation) == count / ROWS


def test_a_softmax_is_stuck_where_the_right_class_is_all_but_ruled_out() -> None:
    outputs = np.array([[0.005, 0.995], [0.4, 0.6], [0.995, 0.005], [0.02, 0.98]])
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert stuck_share(outputs, targets, "softmax") == 0.25


def test_a_network_that_knows_only_how_rare_a_label_is_is_not_stuck() -> None:
    rare = np.zeros((200, 30))
    rare[:2, :] = 1.0
    outputs = np.full((200, 30), 0.01)
    assert stuck_share(outputs, rare, "sigmoid") == 0.0
    rare[:100, 5] = 1.0  # that label is common: its output should not lie where it lies
    assert stuck_share(outputs, rare, "sigmoid") == 0.5


def test_of_several_labels_the_worst_counts_and_of_one_class_every_sample() -> None:
    outputs = np.full((10, 4), 0.001)
    several = np.zeros((10, 4))
    several[[0, 1, 2], [0, 1, 2]] = several[[3, 4], 3] = several[3, 0] = 1.0
    assert stuck_share(outputs, several, "sigmoid") == 0.2
    assert stuck_share(outputs, np.eye(4)[np.arange(10) % 4], "sigmoid") == 1.0
    assert impossible_share(np.zeros((10, 4)), several, "binary_cross_entropy", 1e-7) == 0.2
    assert untaught_share(outputs, several, np.where(several > 0.0, 0.0, 1.0)) == 0.2


def gradient_of(loss: Loss, outputs: Any, targets: Any) -> Any:
    gradient = np.empty_like(outputs)
    gate = loss.connect((outputs, targets), np.empty((), outputs.dtype), np.ones((), outputs.dtype), (gradient, None))
    gate.forward()
    gate.backward()
    return gradient


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6], ids=str)
def test_untaught_are_samples_beyond_delta(scale: float, dtype: Any) -> None:
    outputs, targets = draw(0).astype(dtype), draw(1).astype(dtype)
    targets[:5] = outputs[:5]  # these are right
    beyond = (np.abs(outputs - targets) > 0.7).mean(axis=0).max()
    outputs, targets = outputs * dtype(scale), targets * dtype(scale)
    gradient = gradient_of(ClippedDelta(delta=0.7 * scale), outputs, targets)
    assert 0.3 < beyond < 0.95
    assert untaught_share(outputs, targets, gradient) == pytest.approx(beyond, abs=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12], ids=str)
@pytest.mark.parametrize("loss", [MeanSquaredError(), MeanAbsoluteError(), Huber()], ids=lambda loss: loss.name)
def test_a_loss_that_teaches_everywhere_leaves_nobody_untaught(loss: Loss, scale: float, dtype: Any) -> None:
    outputs, targets = (draw(0) * scale).astype(dtype), (draw(1) * scale).astype(dtype)
    targets[:20] = outputs[:20]  # right to the bit: no gradient, and none is due
    gradient = gradient_of(loss, outputs, targets)
    assert (gradient[:20] == 0.0).all()
    assert untaught_share(outputs, targets, gradient) == 0.0


@pytest.mark.parametrize("clip", [1e-7, 1e-3, None], ids=str)
def test_impossible_are_true_classes_at_the_clip(clip: float | None) -> None:
    logits = 9 * draw(0)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probs[3, :] = [0.0, 0.5, 0.5]
    labels = np.random.default_rng(1).integers(0, 3, ROWS)
    labels[3] = 0
    count = sum(probs[row, label] <= (clip or 0.0) for row, label in enumerate(labels))
    assert count >= 1
    assert impossible_share(probs, np.eye(3)[labels], "cross_entropy", clip) == count / ROWS


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_label_0_of_yes_or_no_is_impossible_where_the_probability_is_1(dtype: Any) -> None:
    probs = np.array([[1.0], [1.0], [0.0], [0.0], [0.5], [1 - 2e-7], [2e-7]], dtype)
    targets = np.array([[0.0], [1.0], [0.0], [1.0], [1.0], [0.0], [1.0]], dtype)
    assert impossible_share(probs, targets, "binary_cross_entropy", 1e-7) == 2 / 7


def test_a_true_probability_of_1_is_not_impossible() -> None:
    assert impossible_share(np.eye(4), np.eye(4), "cross_entropy", 1e-7) == 0.0
    assert impossible_share(np.eye(4), np.eye(4), "binary_cross_entropy", None) == 0.0


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8], ids=str)
def test_the_spread_of_quantities_is_told_in_units_of_the_targets(scale: float) -> None:
    outputs, targets = draw(0), draw(1) * [1.0, 5.0, 0.2]
    expected = max(outputs[:, j].std() / targets[:, j].std() for j in range(3))
    assert spread(outputs * scale, targets * scale, centred=False) == pytest.approx(expected, rel=1e-9)


def test_targets_that_never_change_give_no_unit() -> None:
    targets = np.ones((ROWS, 2))
    assert spread(draw(0, 2), targets, centred=False) is None
    targets[0, 1] = 3.0
    expected = draw(0, 2)[:, 1].std() / targets[:, 1].std()
    assert spread(draw(0, 2), targets, centred=False) == pytest.approx(expected)


def test_what_all_logits_share_is_no_spread_to_a_softmax() -> None:
    common = draw(0, 1) + np.array([[1.0, 2.0, 3.0]])
    assert spread(common, None, centred=True) == pytest.approx(0.0, abs=1e-15)
    assert spread(common, None, centred=False) == pytest.approx(draw(0, 1).std())
    assert spread(draw(0, 1), None, centred=True) == pytest.approx(draw(0, 1).std())  # a single output has no others


def test_the_sum_error_is_that_of_the_worst_sample() -> None:
    assert sum_error(np.array([[0.5, 0.5], [0.2, 0.5], [0.9, 0.2]], np.float32)) == pytest.approx(0.3)


def measured(outputs: Any, targets: Any, takes: Any, loss: str, **values: Any) -> Outputs:
    result = ProbeResult(np.zeros(len(outputs)), outputs, values.pop("scores", None), values.pop("grad_outputs", None))
    info = LossInfo(takes, clip=values.pop("clip", None), across_samples=values.pop("across_samples", False))
    return measure_outputs(result, targets, loss=loss, info=info, activation=values.pop("activation", "linear"), step=5)


@pytest.mark.parametrize(
    ("takes", "loss", "known"),
    [
        ("logits", "cross_entropy", {"lowest", "highest", "spread", "favourite", "favourite_label"}),
        (
            "probabilities",
            "cross_entropy",
            {"lowest", "highest", "spread", "favourite", "favourite_label", "sum_error", "impossible"},
        ),
        ("log_probabilities", "nll", {"lowest", "highest", "spread", "favourite", "favourite_label", "sum_error"}),
        ("scores", "hinge", {"lowest", "highest", "spread", "favourite", "favourite_label"}),
        ("logits", "binary_cross_entropy", {"lowest", "highest", "spread"}),
        ("values", "mse", {"lowest", "highest", "spread", "favourite", "favourite_label", "stuck", "untaught"}),
    ],
    ids=["logits", "probabilities", "log-probabilities", "scores", "several labels", "values"],
)
def test_only_what_has_a_meaning_for_the_loss_is_told(takes: Any, loss: str, known: set[str]) -> None:
    probs = np.exp(draw(0)) / np.exp(draw(0)).sum(axis=1, keepdims=True)
    targets = np.eye(3)[np.random.default_rng(1).integers(0, 3, ROWS)]
    note = measured(
        probs, targets, takes, loss, scores=np.ones(ROWS), grad_outputs=probs - targets, activation="softmax"
    )
    assert {name for name in Outputs.__dataclass_fields__ if getattr(note, name) is not None} == known | {"step"}
    assert note.step == 5


def test_the_favourite_is_the_commonest_answer_and_how_often_it_is_right() -> None:
    outputs = np.eye(3)[[0, 0, 0, 1, 2, 0]]
    note = measured(outputs, np.eye(3)[[0, 1, 2, 1, 2, 1]], "logits", "cross_entropy", scores=np.ones(6))
    assert note.favourite == pytest.approx(4 / 6)
    assert note.favourite_label == pytest.approx(1 / 6)


@pytest.mark.parametrize(("takes", "limit"), [("logits", 0.0), ("probabilities", 0.5), ("scores", 0.0)], ids=str)
def test_a_single_output_says_yes_above_the_limit(takes: Any, limit: float) -> None:
    outputs = np.array([[0.3], [0.2], [0.1], [-0.2]]) + limit
    loss = "binary_hinge" if takes == "scores" else "binary_cross_entropy"
    note = measured(outputs, np.array([[1.0], [0.0], [0.0], [0.0]]), takes, loss, scores=np.ones(4))
    assert (note.favourite, note.favourite_label) == (0.75, 0.25)


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_of_outputs_that_are_not_finite_nothing_is_told(value: float) -> None:
    outputs = draw(0)
    outputs[7, 1] = value
    assert measured(outputs, draw(1), "values", "mse", grad_outputs=outputs) == Outputs(5)


def test_of_an_unknown_loss_nothing_is_told() -> None:
    result = ProbeResult(np.zeros(ROWS), draw(0), None, draw(0))
    assert measure_outputs(result, draw(1), loss="mine", info=None, activation="tanh", step=5) == Outputs(5)


@pytest.mark.parametrize(
    ("outputs", "targets", "across"), [(1, 3, False), (3, 1, False), (1, 1, True)], ids=["fold", "fan", "batch"]
)
def test_residuals_that_broadcasting_made_are_left_alone(outputs: int, targets: int, across: bool) -> None:  # noqa: FBT001
    zeros = np.zeros((ROWS, outputs))
    note = measured(draw(0, outputs), draw(1, targets), "values", "mae", grad_outputs=zeros, across_samples=across)
    assert note.untaught is None
    assert note.spread is not None


def test_huge_outputs_do_not_warn() -> None:
    outputs = np.full((4, 2), 3e38, np.float32)
    outputs[0] = -3e38
    note = measured(outputs, np.eye(2)[[0, 1, 0, 1]], "log_probabilities", "nll", scores=np.ones(4))
    assert note.sum_error == math.inf
