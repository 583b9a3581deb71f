"""Neighbouring learning rates of a sweep, of which one is surely better, or nobody can tell."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.experiments.better_rate import RATE, BetterRate, better_rates
from gradvitals.experiments.run_folder import RunSummary

AXES: dict[str, Sequence[Any]] = {RATE: [0.01, 0.1, 1.0], "seed": [0, 1, 2, 3, 4]}


def run(rate: float, seed: int, score: float | None, *, name: str = "accuracy", init: str = "") -> RunSummary:
    axes = {RATE: rate, "seed": seed, **({"model.init": init} if init else {})}
    return RunSummary("run", "completed", axes, scores={"validation": {name: score}})


def row(rate: float, scores: Sequence[float], *, name: str = "accuracy", init: str = "") -> list[RunSummary]:
    return [run(rate, seed, score, name=name, init=init) for seed, score in enumerate(scores)]


SLOW, FAST = (0.5, 0.6, 0.55, 0.52, 0.61), (0.9, 0.97, 0.96, 0.92, 0.99)


def test_the_better_of_two_neighbours_is_named_with_its_gain() -> None:
    (found,) = better_rates(AXES, [*row(0.01, SLOW), *row(0.1, FAST), *row(1.0, FAST[::-1])])
    assert found == BetterRate({}, 0.01, 0.1, "accuracy", found.gain, found.error, 5)
    assert found.gain == pytest.approx(np.mean(np.subtract(FAST, SLOW)))
    assert found.error == pytest.approx(np.std(np.subtract(FAST, SLOW), ddof=1) / 5**0.5)
    assert found.text == "learning rate 0.1 is better than 0.01 (accuracy +0.392 ± 0.0073, 5 seeds)"


def test_of_losses_the_lower_is_the_better() -> None:
    (found,) = better_rates(AXES, [*row(0.01, SLOW, name="loss"), *row(0.1, FAST, name="loss")])
    assert (found.worse, found.better, found.score_name) == (0.1, 0.01, "loss")
    assert "(loss -0.392" in found.text


def test_only_neighbours_at_the_same_place_of_the_other_axes_are_compared() -> None:
    axes = {**AXES, "model.init": ["he_normal", "zeros"]}
    runs = [*row(0.01, SLOW, init="he_normal"), *row(0.1, FAST, init="zeros"), *row(1.0, FAST, init="he_normal")]
    (found,) = better_rates(axes, runs)  # 0.1 has no runs there, so that 1.0 is the next
    assert (found.others, found.worse, found.better) == ({"model.init": "he_normal"}, 0.01, 1.0)
    assert "better than 0.01 at init = he_normal (" in found.text


@pytest.mark.parametrize(
    "runs",
    [
        [*row(0.01, SLOW[:2]), *row(0.1, FAST[:2])],
        [*row(0.01, (0.5, 0.5, 0.5)), *row(0.1, (0.9, 0.9, 0.9))],
        [*row(0.01, (0.5, 0.9, 0.5, 0.9, 0.5)), *row(0.1, (0.9, 0.9, 0.9, 0.9, 0.9))],
        [*row(0.01, SLOW), *(run(0.1, seed, None) for seed in range(5))],
        [*row(0.01, SLOW), *row(0.1, (float("nan"),) * 5)],
        [],
    ],
    ids=["two seeds", "no spread", "a spread too large", "no scores", "NaN", "no runs"],
)
def test_it_says_nothing_where_nobody_can_tell(runs: list[RunSummary]) -> None:
    assert better_rates(AXES, runs) == []


def test_without_seeds_or_rates_among_the_axes_there_is_nothing_to_compare() -> None:
    runs = [*row(0.01, SLOW), *row(0.1, FAST)]
    assert better_rates({RATE: [0.01, 0.1]}, runs) == []
    assert better_rates({"seed": [0, 1]}, runs) == []


def test_equal_rates_are_told_apart_no_oftener_than_its_level_allows() -> None:
    generator = np.random.default_rng(0)
    false = sum(
        bool(better_rates(AXES, [*row(0.01, one), *row(0.1, other), *row(1.0, third)]))
        for one, other, third in generator.normal(0.9, 0.02, (3000, 3, 5)).tolist()
    )
    assert false <= 13  # 4.05 are expected at .00135; more than 13 by a chance of 1e-4


def test_a_sweep_says_so_below_its_map(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rates.toml").write_text(
        "data = {source = 'digits'}\nmodel = {hidden = [16]}\ntraining = {epochs = 2}\n"
        "[sweep]\n'training.optimizer.learning_rate' = [1e-6, 0.1]\nseed = [0, 1, 2, 3, 4]\n"
    )
    said = gradvitals("sweep", str(tmp_path / "rates.toml"), "--workers", "1", "--quiet")
    (hint,) = [line for line in said.out.splitlines() if line.startswith("hint: ")]
    assert hint.startswith("hint: learning rate 0.1 is better than 1e-06 (accuracy +0.")
    assert hint.endswith(", 5 seeds)")
