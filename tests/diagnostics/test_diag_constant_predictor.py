"""The best constant: no constant found by numeric search is better, and the engine's own losses agree."""

from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.constant_predictor import ConstantPredictor, fit_constant
from gradvitals.diagnostics.probing import WatchedData
from gradvitals.engine.initializers import zeros
from gradvitals.engine.network import Network

optimize: Any = pytest.importorskip("scipy.optimize")


def targets_of(loss: str, kind: str) -> Any:
    rng = np.random.default_rng(3)
    match loss, kind:
        case "cross_entropy", "plain":
            return np.eye(4)[rng.choice(4, 60, p=[0.5, 0.3, 0.15, 0.05])]
        case "cross_entropy", "soft":
            return rng.dirichlet([1.0, 2.0, 0.3], 60)
        case "binary_cross_entropy", "plain":
            return (rng.random((60, 3)) < [0.5, 0.1, 0.9]).astype(float)
        case "binary_cross_entropy", "soft":
            return rng.random((60, 1))
        case "mse", "plain":
            return rng.normal(3.0, 2.0, (60, 2))
        case _:
            return rng.normal(1e6, 1e3, (60, 1))


def losses_at(loss: str, outputs: Any, targets: Any) -> Any:
    """Give the losses of constant logits (mse: values), written out from their definitions."""
    if loss == "mse":
        return ((outputs - targets) ** 2).mean(axis=1)
    if loss == "cross_entropy":
        log_shares = outputs - outputs.max() - np.log(np.exp(outputs - outputs.max()).sum())
        return -(targets * log_shares).sum(axis=1)
    shares = 1.0 / (1.0 + np.exp(-outputs))
    return -(targets * np.log(shares) + (1.0 - targets) * np.log(1.0 - shares)).mean(axis=1)


def fitted(loss: str, targets: Any) -> ConstantPredictor:
    constant = fit_constant(loss, targets)
    assert constant is not None
    return constant


CASES = [(loss, kind) for loss in ("cross_entropy", "binary_cross_entropy", "mse") for kind in ("plain", "soft")]


@pytest.mark.parametrize(("loss", "kind"), CASES, ids=["-".join(case) for case in CASES])
def test_no_constant_found_by_minimisation_is_better(loss: str, kind: str) -> None:
    targets = targets_of(loss, kind)
    constant = fitted(loss, targets)
    scale = targets.std() if loss == "mse" else 1.0
    start = targets.mean(axis=0) + 0.3 * scale if loss == "mse" else np.zeros(targets.shape[1])
    found = optimize.minimize(lambda outputs: losses_at(loss, outputs, targets).mean(), start, tol=1e-12)
    assert constant.mean_loss == pytest.approx(found.fun, rel=1e-6)
    assert constant.mean_loss <= found.fun * (1 + 1e-9)


@pytest.mark.parametrize(("loss", "kind"), CASES, ids=["-".join(case) for case in CASES])
def test_sample_losses_are_those_of_the_engine_at_this_constant(loss: str, kind: str) -> None:
    targets = targets_of(loss, kind)
    constant = fitted(loss, targets)
    best = constant.best
    outputs = best
    if loss != "mse":
        outputs = np.log(best) if loss == "cross_entropy" else np.log(best / (1.0 - best))
    network = Network(
        [1, len(best)],
        [],
        loss,
        initializers=[zeros],
        generator=np.random.default_rng(0),
        biases=[outputs],
        dtype=np.float64,
    )
    engine = network.probe(np.zeros((60, 1)), targets).losses
    np.testing.assert_allclose(constant.sample_losses(targets), engine, rtol=1e-9)
    assert constant.sample_losses(targets).mean() == pytest.approx(constant.mean_loss, rel=1e-12)


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


def test_an_unknown_loss_has_no_constant() -> None:
    assert fit_constant("hinge", np.eye(2)) is None


def test_infinite_targets_do_not_warn(digits: WatchedData) -> None:
    targets = digits.targets.astype(float)
    targets[0, 0] = np.inf
    assert not np.isfinite(fitted("mse", targets).mean_loss)
