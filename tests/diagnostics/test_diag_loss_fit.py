"""What a loss is given: of networks of every kind, and of targets of every kind."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.loss_fit import are_shares, loss_notes, measure_targets
from gradvitals.diagnostics.start_notes import LossFit, TargetFacts
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.initializers import glorot_uniform
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.probability_losses import CrossEntropyOnProbs
from gradvitals.engine.q_network import q_network, with_actions
from gradvitals.engine.regression_losses import Huber, MeanSquaredError


def build(loss: Any, outputs: int, output: str = "linear", targets: int | None = None) -> Network:
    return perceptron(
        [2, outputs],
        [],
        loss,
        initializers=[glorot_uniform],
        generator=np.random.default_rng(0),
        output=output,
        target_width=targets,
    )


def fit_of(network: Network, targets: Any) -> LossFit:
    note, *_ = loss_notes(network, np.ones((len(targets), 2)), targets, step=0)
    assert isinstance(note, LossFit)
    return note


def facts_of(targets: Any, outputs: int) -> TargetFacts:
    facts = measure_targets(np.asarray(targets), outputs=outputs, step=0)
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    ("loss", "output", "takes", "floor", "is_classification"),
    [
        ("cross_entropy", "linear", "logits", 0.0, True),
        ("cross_entropy", "softmax", "logits", math.log(1 + 2 / math.e), True),
        (CrossEntropyOnProbs(), "softmax", "probabilities", None, True),
        ("hinge", "tanh", "scores", 0.0, True),
        ("nll", "softmax", "log_probabilities", None, True),
        ("mse", "tanh", "values", 0.0, False),
        (MeanSquaredError(of_classes=True), "sigmoid", "values", 0.0, True),
    ],
    ids=["logits", "double softmax", "probabilities", "scores", "log-probabilities", "values", "classes as values"],
)
def test_a_network_says_what_its_loss_takes(
    loss: Any,
    output: str,
    takes: str,
    floor: float | None,
    is_classification: bool,  # noqa: FBT001
) -> None:
    fit = fit_of(build(loss, 3, output), np.eye(3)[[0, 1, 2, 0]])
    assert (fit.takes, fit.activation, fit.outputs, fit.is_classification) == (takes, output, 3, is_classification)
    assert fit.floor == (floor if floor is None else pytest.approx(floor, abs=1e-12))
    assert fit.forced == fit.floor  # labels 0 and 1 can be met without bounds


def test_what_outputs_that_may_lie_anywhere_lose_too_is_not_forced() -> None:
    targets = np.full((4, 1), 0.3)
    free, bounded = (fit_of(build("binary_cross_entropy", 1, output), targets) for output in ("linear", "sigmoid"))
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert free.floor == pytest.approx(entropy)
    assert free.forced == 0.0
    assert bounded.floor == pytest.approx(math.log(2.0))  # at 0, where the sigmoid is nearest to log(.3 / .7)
    assert bounded.forced == pytest.approx(math.log(2.0) - entropy)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reduction_and_broadcasting_are_told(reduction: Any) -> None:
    across = fit_of(build(MeanSquaredError(reduction=reduction, broadcast="batch"), 1), np.ones((4, 1)))
    assert (across.reduction, across.across_samples) == (reduction, True)
    assert not fit_of(build(MeanSquaredError(broadcast="outputs"), 3, targets=1), np.ones((4, 1))).across_samples


def test_an_action_value_that_a_gate_has_chosen_is_one_output_of_no_known_activation() -> None:
    network = q_network(
        [2, 4, 3], ["relu"], Huber(), initializers=[glorot_uniform] * 2, generator=np.random.default_rng(0)
    )
    fit, facts = loss_notes(network, with_actions(np.ones((5, 2)), np.zeros(5), 3), np.ones((5, 1)), step=0)
    assert isinstance(fit, LossFit)
    assert isinstance(facts, TargetFacts)
    assert (fit.outputs, fit.activation, facts.columns) == (1, "linear", 1)


def test_without_data_only_the_program_is_told(make_network: Callable[..., Network], digits: WatchedData) -> None:
    (fit,) = loss_notes(make_network(digits), None, None, step=0)
    assert isinstance(fit, LossFit)
    assert (fit.takes, fit.outputs, fit.floor) == ("logits", 10, None)
    assert loss_notes(make_network(digits), digits.inputs[:0], digits.targets[:0], step=0) == [fit]


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_targets_that_are_not_finite_have_neither_facts_nor_floor(value: float) -> None:
    targets = np.array([[0.5], [value]])
    assert measure_targets(targets, outputs=1, step=0) is None
    (fit,) = loss_notes(build("mse", 1, "relu"), np.ones((2, 2)), targets, step=0)
    assert isinstance(fit, LossFit)
    assert fit.floor is None


def test_facts_of_targets_are_those_counted_by_hand() -> None:
    facts = facts_of([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], 3)
    assert (facts.columns, facts.lowest, facts.highest, facts.levels, facts.whole) == (4, 0.0, 1.0, 2, True)
    assert (facts.unshared, facts.beyond, facts.unused) == (0.5, 0.25, 1)
    assert facts.are_labels


@pytest.mark.parametrize(
    ("targets", "are_labels", "whole"),
    [
        ([[0.0], [1.0], [1.0]], True, True),
        ([[-1.0], [1.0], [1.0]], False, True),
        ([[0.0], [1.0], [2.0]], False, True),
        ([[0.0], [0.5], [1.0]], False, False),
        ([[0.0], [0.0], [0.0]], False, True),
    ],
    ids=["labels", "signs", "numbers", "shares", "none"],
)
def test_labels_are_0_and_1_and_nothing_else(targets: Any, are_labels: bool, whole: bool) -> None:  # noqa: FBT001
    facts = facts_of(targets, 1)
    assert (facts.are_labels, facts.whole) == (are_labels, whole)


def test_a_loss_of_the_residual_has_another_title_for_another_delta() -> None:
    assert build(ClippedDelta(), 1).loss_name == "clipped_delta"
    assert fit_of(build(ClippedDelta(delta=3.0), 1, "relu"), np.ones((3, 1))).floor is None


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[0.2, 0.8], [0.7, 0.3]], True),
        ([[0.2, 0.8], [0.2, 0.8]], False),
        ([[-0.2, 1.2], [0.7, 0.3]], False),
        ([[0.2, 0.81], [0.7, 0.3]], False),
        ([[1.0], [1.0]], False),
        ([[0.2, 0.8]], False),
        ([[math.nan, 0.8], [0.7, 0.3]], False),
    ],
    ids=["shares", "always the same", "negative", "no sum of one", "one output", "one sample", "nan"],
)
def test_shares_of_one_are_told_by_their_values(outputs: Any, *, expected: bool) -> None:
    assert are_shares(np.array(outputs, np.float32)) is expected


def test_a_softmax_in_single_precision_over_many_classes_gives_shares() -> None:
    logits = np.random.default_rng(0).normal(size=(8, 1000)).astype(np.float32) * 5
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert are_shares(powers / powers.sum(axis=1, keepdims=True))
    assert not are_shares(np.abs(logits))
