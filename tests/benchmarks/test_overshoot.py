"""What updates do to the loss of their own batch: measured on trainings of which it is known."""

import math
from pathlib import Path

import numpy as np
import pytest
from overshoot import BETS, SHARE, Steps, largest_evidence, retrain, speaks

from gradvitals.diagnostics.error_budget import LEVEL


def test_evidence_is_the_mean_of_the_bets_at_its_largest() -> None:
    seen = np.array([[1, 1, 0], [0, 0, 0]])
    bets = [np.cumprod(1.0 + bet * (seen[0] - SHARE)) for bet in BETS]
    assert largest_evidence(seen)[0] == pytest.approx(math.log(np.mean(bets, axis=0).max()))
    assert largest_evidence(seen)[1] < 0.0


def test_it_speaks_of_a_large_share_and_keeps_its_level_at_a_half() -> None:
    generator = np.random.default_rng(0)
    assert speaks(generator.random((50, 200)) < 0.9).all()
    alarms = sum(int(speaks(generator.random((2000, 200)) < SHARE).sum()) for _ in range(10))
    assert alarms <= 20_000 * LEVEL + 3.0 * math.sqrt(20_000 * LEVEL)


@pytest.mark.parametrize(
    ("rate", "rose", "passed"),
    [(0.1, False, False), (0.75, False, True), (3.0, True, True)],
    ids=["short of the lowest loss", "beyond it", "higher than before"],
)
def test_steps_of_least_squares_are_what_their_rate_makes_them(
    rate: float, tmp_path: Path, *, rose: bool, passed: bool
) -> None:
    done = least_squares(rate, tmp_path)
    assert len(done.rose) == 5
    assert set(done.rose.tolist()) == {rose}
    assert set(done.passed.tolist()) == {passed}


def least_squares(rate: float, folder: Path) -> Steps:
    """Fit y = 2x by full batches, from 0: the curvature is 2 Σx²/n = 2, so a rate of .5 leads to the lowest loss."""
    x = np.tile([-1.0, 1.0], 20)
    np.savez(folder / "line.npz", x=x[:, None], y=2.0 * x, x_validation=x[:2, None], y_validation=2.0 * x[:2])
    config = {
        "data": {"source": "line.npz", "task": "regression", "scale": "none", "scale_targets": "none"},
        "model": {"hidden": [], "init": "zeros"},
        "training": {"loss": "mse", "optimizer": {"kind": "sgd", "learning_rate": rate}, "batch_size": 40, "epochs": 5},
    }
    return retrain(config, "line", folder)
