"""The least loss within bounds: nothing found by a bounded search on the engine's own losses is below it."""

import math
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.least_loss import ANYWHERE, BOUNDS, Bounds, is_one_hot, least_losses, least_of_shares
from gradvitals.engine.activations import Gelu
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.hinge_losses import BinaryHinge, Hinge
from gradvitals.engine.logit_losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from gradvitals.engine.losses import Loss
from gradvitals.engine.regression_losses import Huber, MeanAbsoluteError, MeanSquaredError

optimize: Any = pytest.importorskip("scipy.optimize")

ONE_CLASS: list[type[Loss]] = [SoftmaxCrossEntropy, Hinge]
YES_OR_NO: list[type[Loss]] = [BinaryCrossEntropy, BinaryHinge]
QUANTITIES: list[type[Loss]] = [MeanSquaredError, MeanAbsoluteError, Huber, ClippedDelta]
EVERY = [*ONE_CLASS, *YES_OR_NO, *QUANTITIES]


def targets_of(loss: type[Loss], outputs: int = 3) -> Any:
    rng = np.random.default_rng(1)
    if loss in ONE_CLASS:
        return np.eye(outputs)[rng.integers(0, outputs, 4)]
    if loss in YES_OR_NO:
        return np.concatenate([rng.integers(0, 2, (3, outputs)), rng.random((2, outputs))])
    return rng.normal(0.4, 1.0, (5, outputs))


def engine_losses(loss: type[Loss], outputs: Any, targets: Any, class_weight: Any = None) -> Any:
    made = loss() if class_weight is None else loss(class_weight=class_weight)  # type: ignore[call-arg]
    gate = made.connect((outputs, targets), np.empty(()), np.ones(()), (np.empty_like(outputs), None))
    gate.forward()
    return gate.sample_losses


def least_found(loss: type[Loss], target: Any, bounds: Bounds, class_weight: Any = None) -> float:
    """Search for the best outputs of one sample, from several starts and at the corners of the box."""
    low, high = max(bounds.low, -40.0), min(bounds.high, 40.0)

    def cost(outputs: Any) -> float:
        return float(engine_losses(loss, outputs[np.newaxis], target[np.newaxis], class_weight)[0])

    rng = np.random.default_rng(2)
    width = len(target)
    starts = [*rng.uniform(low, high, (2, width)), np.clip(target, low, high)]
    box = [(low, high)] * width
    found = [
        optimize.minimize(cost, start, bounds=box, method="L-BFGS-B", options={"maxfun": 300}).fun for start in starts
    ]
    corners = np.array(np.meshgrid(*[(low, high)] * width)).reshape(width, -1).T
    return float(min(*found, *map(cost, corners)))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu", "linear"])
@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: loss.name)
def test_no_outputs_within_bounds_do_better_and_some_do_as_well(loss: type[Loss], activation: str) -> None:
    bounds, targets = BOUNDS.get(activation, ANYWHERE), targets_of(loss)
    least = least_losses(loss.name, targets, targets.shape[1], bounds)
    assert least is not None
    found = [least_found(loss, target, bounds) for target in targets]
    np.testing.assert_allclose(least, found, atol=2e-5)


@pytest.mark.parametrize("loss", [*ONE_CLASS, *YES_OR_NO], ids=lambda loss: loss.name)
def test_weights_of_classes_count(loss: type[Loss]) -> None:
    targets = targets_of(loss)
    weights = np.array([0.2, 3.0, 1.5]) if loss in ONE_CLASS else np.array([0.2, 3.0])
    least = least_losses(loss.name, targets, 3, BOUNDS["tanh"], weights)
    assert least is not None
    found = [least_found(loss, target, BOUNDS["tanh"], weights) for target in targets]
    np.testing.assert_allclose(least, found, atol=2e-5)


@pytest.mark.parametrize("loss", [*ONE_CLASS, *YES_OR_NO, *QUANTITIES], ids=lambda loss: loss.name)
def test_no_outputs_of_a_softmax_do_better(loss: type[Loss]) -> None:
    targets = targets_of(loss)
    least = least_losses(loss.name, targets, 3, BOUNDS["softmax"])
    rng = np.random.default_rng(4)
    logits = rng.normal(0.0, 1.0, (4000, 3)) * rng.exponential(4.0, (4000, 1))
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = np.concatenate([probs / probs.sum(axis=1, keepdims=True), np.eye(3)])
    assert least is not None
    for target, bound in zip(targets, least, strict=True):
        assert engine_losses(loss, probs, np.tile(target, (len(probs), 1))).min() >= bound - 1e-12


@pytest.mark.parametrize(
    ("classes", "floor"), [(10, 1.461), (2, 0.313), (100, math.log(1 + 99 / math.e))], ids=["10", "2", "100"]
)
def test_the_double_softmax_has_the_floor_of_the_catalogue(classes: int, floor: float) -> None:
    least = least_losses("cross_entropy", np.eye(classes), classes, BOUNDS["softmax"])
    assert least is not None
    np.testing.assert_allclose(least, floor, atol=5e-4)


def test_a_softmax_cannot_meet_targets_that_do_not_sum_to_1() -> None:
    targets = np.array([[0.9, 0.9], [0.2, 0.2], [0.5, 0.5]])
    least = least_losses("mse", targets, 2, BOUNDS["softmax"])
    np.testing.assert_allclose(least, [0.16, 0.09, 0.0], atol=1e-12)  # type: ignore[arg-type]


def test_the_bounds_hold_what_the_activations_give() -> None:
    values = np.linspace(-8.0, 8.0, 200_001)[:, np.newaxis]
    gate = Gelu().connect((values,), np.empty_like(values), np.ones_like(values), (np.empty_like(values),))
    gate.forward()
    assert BOUNDS["gelu"].low <= gate.output.min() < BOUNDS["gelu"].low + 1e-4


@pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        ("nll", np.eye(3), 3),
        ("huber of delta 2", np.ones((2, 1)), 1),
        ("cross_entropy", np.full((2, 2), 0.5), 2),
        ("cross_entropy", np.array([[151.0]]), 1),
        ("binary_cross_entropy", np.array([[0.0], [2.0]]), 1),
        ("mse", np.ones((4, 1)), 3),
        ("cross_entropy", np.eye(3), 2),
        ("mse", np.ones((4, 0)), 0),
    ],
    ids=["unknown", "other delta", "soft", "quantity", "class number", "widths", "beyond", "no outputs"],
)
def test_what_has_no_known_least_loss_has_none(loss: str, targets: Any, outputs: int) -> None:
    assert least_losses(loss, targets, outputs, BOUNDS["sigmoid"]) is None


@pytest.mark.parametrize(
    ("targets", "expected"),
    [(np.eye(3), True), (np.ones((2, 2)), False), (np.zeros((2, 2)), False), (np.full((2, 2), 0.5), False)],
    ids=["one-hot", "several", "none", "soft"],
)
def test_one_hot_is_a_single_1_a_row(targets: Any, expected: bool) -> None:  # noqa: FBT001
    assert is_one_hot(targets) == expected


@pytest.mark.parametrize(
    "labels",
    [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0], [0, 0], [1, 1, 1, 0, 0, 0]],
    ids=["two of four", "none", "all", "one", "none of two", "three of six"],
)
def test_shares_of_one_lose_at_least_this_by_a_search_over_all_of_them(labels: list[int]) -> None:
    yes = np.array(labels) == 1

    def cost(logits: Any) -> float:
        shares = np.exp(logits - np.logaddexp.reduce(logits))
        rest = np.array([shares[np.arange(len(yes)) != i].sum() for i in range(len(yes))])  # 1 − p, not rounded to 0
        return float(-np.log(np.where(yes, shares, rest)).mean())

    starts = np.random.default_rng(0).normal(size=(5, len(labels)))
    found = min(optimize.minimize(cost, start, method="BFGS", options={"gtol": 1e-9}).fun for start in starts)
    assert least_of_shares(yes[np.newaxis].astype(float), len(labels)) == pytest.approx(found, abs=1e-5)


def test_no_bound_is_given_for_shares_that_do_not_pair_up_or_of_what_are_no_labels() -> None:
    assert least_of_shares(np.ones((2, 3)), 4) is None
    assert least_of_shares(np.full((2, 3), 0.5), 3) is None
    assert least_of_shares(np.ones((2, 1)), 1) is None
