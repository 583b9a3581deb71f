"""The hinge losses: the notes' own example, margins met exactly, weights, and labels without a gradient."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.hinge_losses import BinaryHinge, Hinge


def compute(loss: Any, outputs: Any, targets: Any) -> tuple[list[float], list[list[float]]]:
    arrays = (np.array(outputs), np.array(targets))
    gate = loss.connect(arrays, np.empty(()), np.ones(()), (np.full_like(arrays[0], np.nan), None))
    with np.errstate(invalid="ignore"):  # ∞ − ∞ of an infinite score with itself
        gate.forward()
        gate.backward()
    return gate.sample_losses.tolist(), gate.grad_inputs[0].tolist()


def test_hinge_sums_the_margins_of_the_wrong_classes() -> None:
    # cs231n, "Linear classification": scores 13, −7, 11, the first is right, here with a margin of 1 instead of 10.
    assert compute(Hinge(), [[13.0, -7.0, 11.0]], [[1.0, 0.0, 0.0]]) == ([0.0], [[0.0, 0.0, 0.0]])
    assert compute(Hinge(), [[3.2, 5.1, -1.7]], [[1.0, 0.0, 0.0]])[0] == pytest.approx([2.9])


def test_hinge_takes_from_the_target_what_it_gives_to_the_classes_within_the_margin() -> None:
    losses, gradient = compute(Hinge(), [[1.0, 1.5, 0.5, -9.0], [0.0, 0.0, 0.0, 7.0]], np.eye(4)[[0, 3]])
    assert losses == [2.0, 0.0]
    assert gradient == [[-1.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]


def test_hinge_has_no_slope_where_the_margin_is_met_exactly() -> None:
    assert compute(Hinge(), [[1.0, 0.0]], [[1.0, 0.0]]) == ([0.0], [[0.0, 0.0]])


def test_hinge_weighs_a_sample_by_its_class() -> None:
    outputs, targets = [[0.0, 0.5], [0.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    losses, gradient = compute(Hinge(class_weight=[10.0, 2.0]), outputs, targets)
    assert losses == [15.0, 1.0]
    assert gradient == [[-5.0, 5.0], [1.0, -1.0]]


def test_hinge_of_infinite_scores_of_wrong_classes_is_infinite_and_of_a_right_one_nothing() -> None:
    assert compute(Hinge(), [[0.0, np.inf]], [[1.0, 0.0]])[0] == [np.inf]
    assert compute(Hinge(), [[0.0, np.inf]], [[0.0, 1.0]])[0] == [0.0]


def test_hinge_refuses_a_gradient_on_its_targets() -> None:
    arrays = (np.zeros((2, 3)), np.eye(3)[:2])
    with pytest.raises(ValueError, match="hinge has no gradient on its targets"):
        Hinge().connect(arrays, np.empty(()), np.ones(()), (np.empty((2, 3)), np.empty((2, 3))))


def test_hinge_loss_sides_tell_which_classes_have_a_margin() -> None:
    gate = Hinge().connect((np.array([[1.0, 0.5, -3.0]]), np.eye(3)[:1]), np.empty(()), np.ones(()), (None, None))
    gate.forward()
    assert gate.sides().tolist() == [[False], [True], [False]]


def test_binary_hinge_reads_labels_zero_and_one_as_signs() -> None:
    losses, gradient = compute(BinaryHinge(), [[0.25, 0.25], [3.0, -3.0]], [[1.0, 0.0], [1.0, 0.0]])
    assert losses == [(0.75 + 1.25) / 2, 0.0]
    assert gradient == [[-0.25, 0.25], [0.0, 0.0]]


def test_binary_hinge_weighs_both_labels() -> None:
    losses, gradient = compute(BinaryHinge(class_weight=[2.0, 8.0]), [[0.25], [0.25]], [[1.0], [0.0]])
    assert losses == [6.0, 2.5]
    assert gradient == [[-4.0], [1.0]]
