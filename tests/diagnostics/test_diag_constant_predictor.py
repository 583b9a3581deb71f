"""The best constant: no constant found by numeric search is better, and the engine's own losses agree."""

from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.constant_predictor import ConstantPredictor, fit_constant
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.catalogue import LOSSES
from gradvitals.engine.clipped_delta import ClippedDelta
from gradvitals.engine.initializers import zeros
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.regression_losses import Huber

optimize: Any = pytest.importorskip("scipy.optimize")


LOGITS: dict[str, Any] = {
    "cross_entropy": np.log,
    "binary_cross_entropy": lambda share: np.log(share / (1 - share)),
}


def targets_of(loss: str, kind: str) -> Any:  # noqa: PLR0911 - a loss each
    rng = np.random.default_rng(3)
    match loss, kind:
        case "cross_entropy" | "hinge", "plain":
            return np.eye(4)[rng.choice(4, 60, p=[0.5, 0.3, 0.15, 0.05])]
        case "cross_entropy", _:
            return rng.dirichlet([1.0, 2.0, 0.3], 60)
        case "hinge", _:
            return np.eye(3)[rng.choice(3, 60, p=[0.9, 0.08, 0.02])]
        case "binary_cross_entropy" | "binary_hinge", "plain":
            return (rng.random((60, 3)) < [0.5, 0.1, 0.9]).astype(float)
        case "binary_cross_entropy" | "binary_hinge", _:
            return (rng.random((60, 1)) < 0.3).astype(float)
        case _, "plain":
            return rng.normal(3.0, 2.0, (60, 2))
        case _:
            return rng.normal(1e6, 1e3, (60, 1))


def gate_of(loss: str, weights: Any) -> Any:
    return LOSSES[loss]() if weights is None else LOSSES[loss](class_weight=weights)  # type: ignore[call-arg]


def engine_losses(loss: str, outputs: Any, targets: Any, weights: Any) -> Any:
    """Give the engine's own losses of constant outputs."""
    network = perceptron(
        [1, len(outputs)],
        [],
        gate_of(loss, weights),
        initializers=[zeros],
        generator=np.random.default_rng(0),
        biases=[outputs],
        dtype=np.float64,
    )
    return network.probe(np.zeros((len(targets), 1)), targets).losses


def fitted(loss: str, targets: Any, weights: Any = None) -> ConstantPredictor:
    constant = fit_constant(loss, targets, weights)
    assert constant is not None
    return constant


CASES = [
    (loss, kind, weights)
    for loss in ("cross_entropy", "hinge", "binary_cross_entropy", "binary_hinge", "mse", "mae", "huber")
    for kind in ("plain", "other")
    for weights in ((None,) if loss in {"mse", "mae", "huber"} else (None, "weighted"))
]
PARAMETRIZED = pytest.mark.parametrize(
    ("loss", "kind", "weights"), CASES, ids=["-".join(map(str, case)) for case in CASES]
)


def weights_of(loss: str, targets: Any, weights: str | None) -> Any:
    count = 2 if loss.startswith("binary") else targets.shape[1]
    return None if weights is None else np.array([0.3, 4.0, 1.0, 2.0])[:count]


@PARAMETRIZED
def test_no_constant_found_by_minimisation_is_better(loss: str, kind: str, weights: str | None) -> None:
    targets = targets_of(loss, kind)
    factors = weights_of(loss, targets, weights)
    constant = fitted(loss, targets, factors)
    scale = targets.std() if loss in {"mse", "mae", "huber"} else 1.0
    start = targets.mean(axis=0)
    for seed in range(2):
        found = optimize.minimize(
            lambda outputs: engine_losses(loss, outputs, targets, factors).mean(),
            start + scale * np.random.default_rng(seed).normal(0.0, 0.3, len(start)),
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000},
        )
        assert constant.mean_loss <= found.fun * (1 + 1e-7)


@PARAMETRIZED
def test_sample_losses_are_those_of_the_engine_at_this_constant(loss: str, kind: str, weights: str | None) -> None:
    targets = targets_of(loss, kind)
    factors = weights_of(loss, targets, weights)
    constant = fitted(loss, targets, factors)
    outputs = LOGITS.get(loss, lambda best: best)(constant.best)
    np.testing.assert_allclose(
        constant.sample_losses(targets), engine_losses(loss, outputs, targets, factors), rtol=1e-9
    )
    assert constant.sample_losses(targets).mean() == pytest.approx(constant.mean_loss, rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 5, 8], ids=str)
def test_the_hinge_constant_is_the_optimum_of_its_linear_programme(classes: int) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        targets = np.eye(classes)[rng.choice(classes, 80, p=rng.dirichlet(np.full(classes, (0.2, 1.0, 5.0)[seed % 3])))]
        pairs = [(own, other) for own in range(classes) for other in range(classes) if own != other]
        costs = np.r_[np.zeros(classes), [targets.mean(axis=0)[own] for own, _ in pairs]]
        bounds = np.zeros((len(pairs), classes + len(pairs)))  # other − own − slack ≤ −1
        for row, (own, other) in enumerate(pairs):
            bounds[row, [other, own, classes + row]] = 1.0, -1.0, -1.0
        limits = [(None, None)] * classes + [(0, None)] * len(pairs)
        solved = optimize.linprog(costs, A_ub=bounds, b_ub=-np.ones(len(pairs)), bounds=limits)
        assert fitted("hinge", targets).mean_loss == pytest.approx(solved.fun, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("classes", [30, 300], ids=str)
def test_the_hinge_constant_of_many_classes_is_found_in_no_time_and_no_worse_than_all_equal(classes: int) -> None:
    targets = np.eye(classes)[np.random.default_rng(0).integers(0, classes, 2000) // 2]
    assert 0.0 < fitted("hinge", targets).mean_loss <= classes - 1.0


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "binary_cross_entropy", "binary_hinge"])
def test_the_constants_scores_are_the_share_of_the_majority(loss: str) -> None:
    targets = targets_of(loss, "plain")
    scores = fitted(loss, targets).scores(targets)
    assert scores is not None
    share = targets.mean(axis=0)
    expected = share.max() if loss in {"cross_entropy", "hinge"} else np.maximum(share, 1.0 - share).mean()
    assert scores.mean() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("cross_entropy", np.eye(3)[[1, 1, 1]]),
        ("binary_cross_entropy", np.ones((3, 1))),
        ("binary_cross_entropy", np.zeros((3, 2))),
        ("mse", np.full((3, 1), 5.0)),
    ],
    ids=["one class", "all ones", "all zeros", "one value"],
)
def test_targets_that_never_change_leave_no_loss(loss: str, targets: Any) -> None:
    assert fitted(loss, targets).mean_loss == 0.0


def test_a_class_that_training_never_saw_surprises_infinitely() -> None:
    constant = fitted("cross_entropy", np.eye(3)[[0, 1, 1]])
    assert constant.sample_losses(np.eye(3)[[2, 0]]).tolist() == [np.inf, pytest.approx(np.log(3.0))]


def test_single_precision_targets_are_summed_in_double() -> None:
    targets = np.full((100_000, 1), 1e4, np.float32)
    targets[::2] += 1.0
    assert fitted("mse", targets).mean_loss == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("nll", np.eye(2)),
        ("cross_entropy", np.array([[1.0, 1.0], [0.0, 1.0]])),
        ("cross_entropy", np.array([[152.0], [75.0]])),
        ("binary_cross_entropy", np.array([[0.0], [2.0]])),
        ("binary_hinge", np.array([[0.0], [0.5]])),
        ("mse", np.zeros((0, 2))),
    ],
    ids=[
        "unknown loss",
        "several classes at once",
        "quantities for classes",
        "labels beyond 1",
        "a binary margin of half a label",
        "no targets",
    ],
)
def test_what_has_no_known_minimiser_has_no_constant(loss: str, targets: Any) -> None:
    assert fit_constant(loss, targets) is None


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_more_classes_than_weights_have_no_constant(loss: str) -> None:
    assert fit_constant(loss, np.eye(3), np.array([1.0, 2.0])) is None


def test_the_constant_of_a_huber_is_known_for_its_usual_delta_alone() -> None:
    def network(delta: float) -> Network:
        generator = np.random.default_rng(0)
        return perceptron([1, 1], [], Huber(delta=delta), initializers=[zeros], generator=generator)

    targets = np.array([[0.0], [3.0]])
    assert fit_constant(network(1.0).loss_name, targets) is not None
    assert fit_constant(network(0.5).loss_name, targets) is None


def test_the_hinge_of_a_single_class_costs_nothing() -> None:
    assert fitted("hinge", np.ones((5, 1))).mean_loss == 0.0


def test_the_hinge_constant_asks_of_soft_targets_which_is_the_largest_as_the_loss_does() -> None:
    targets = np.array([[0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    constant = fitted("hinge", targets)
    assert constant.mean_loss == fitted("hinge", np.eye(2)[[0, 0, 1]]).mean_loss
    np.testing.assert_allclose(
        engine_losses("hinge", constant.best, targets, None), constant.sample_losses(targets), rtol=1e-12
    )


def test_infinite_targets_do_not_warn(digits: WatchedData) -> None:
    targets = digits.targets.astype(float)
    targets[0, 0] = np.inf
    assert not np.isfinite(fitted("mse", targets).mean_loss)


@pytest.mark.parametrize("kind", ["narrow", "wide", "two clusters", "whole", "far from 0", "one value", "alone"])
def test_the_constant_of_a_clipped_delta_is_the_best_on_a_grid(kind: str) -> None:
    """It is not convex: only trying all of them shows that none is better."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = {
            "narrow": rng.normal(0.0, 0.2, 30),
            "wide": rng.normal(0.0, 5.0, 40),
            "two clusters": np.concatenate([rng.normal(0.0, 0.3, 15), rng.normal(5.0, 0.3, 17)]),
            "whole": rng.integers(0, 6, 25).astype(float),
            "far from 0": rng.normal(1e6, 2.0, 30),
            "one value": np.full(9, 7.0),
            "alone": 10.0 * rng.permutation(6),
        }[kind]
        near = [values + shift for shift in (-1.0, -0.5, 0.0, 0.5, 1.0)]
        grid = np.concatenate([np.linspace(values.min() - 1.0, values.max() + 1.0, 4001), *near])
        tried = (np.clip(values[:, np.newaxis] - grid, -1.0, 1.0) ** 2).mean(axis=0)
        constant = fitted("clipped_delta", values[:, np.newaxis])
        assert constant.mean_loss <= tried.min() + 1e-9
        own = np.clip(values - constant.best, -1.0, 1.0) ** 2
        assert constant.mean_loss == pytest.approx(own.mean(), rel=1e-12, abs=1e-15)


def test_the_losses_of_a_clipped_delta_are_those_of_the_engine() -> None:
    targets = np.random.default_rng(0).normal(0.0, 2.0, (50, 2))
    constant = fitted("clipped_delta", targets)
    outputs = np.tile(constant.best, (50, 1))
    gate = ClippedDelta().connect((outputs, targets), np.empty(()), np.ones(()), (np.empty_like(outputs), None))
    gate.forward()
    np.testing.assert_allclose(constant.sample_losses(targets), gate.sample_losses, rtol=1e-12)
    assert constant.scores(targets) is None


def test_the_constant_of_a_clipped_delta_is_known_for_its_usual_delta_alone() -> None:
    assert fit_constant(ClippedDelta(delta=2.0).title, np.array([[0.0], [3.0]])) is None


@pytest.mark.parametrize(
    ("loss", "targets", "reducible"),
    [
        ("cross_entropy", np.eye(2)[[0, 1]], np.log(2.0)),
        ("cross_entropy", np.array([[0.9, 0.1], [0.1, 0.9]]), np.log(2.0) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)),
        ("cross_entropy", np.tile([0.7, 0.2, 0.1], (97, 1)), 0.0),
        ("binary_cross_entropy", np.tile([0.3, 0.9], (97, 1)), 0.0),
        ("binary_cross_entropy", np.tile([0.3, 0.9], (97, 1)).astype(np.float32), 0.0),
        ("mse", np.full((5, 1), 3.0), 0.0),
        ("mse", np.array([[1e-9], [-1e-9]]), 1e-18),
    ],
    ids=["labels", "smoothed", "all alike", "labels alike", "in float32", "one value", "tiny values"],
)
def test_what_can_be_learned_leaves_out_the_entropy_of_soft_targets(
    loss: str, targets: np.ndarray, reducible: float
) -> None:
    assert fitted(loss, targets).reducible == pytest.approx(reducible, rel=1e-9, abs=0.0)
