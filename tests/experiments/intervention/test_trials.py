"""What trials cost: counted in epochs, and in trainings of which as many are stacked as fit."""

from pathlib import Path

import numpy as np
import pytest

from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.config.training import EarlyStopping
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.prices import Prices
from gradvitals.experiments.intervention.trials import LEAST_TAKEN, Laboratory
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import OpenRun, Place, run_alone

CONFIG = """
data = {{source = "iris"}}
model = {{hidden = {hidden}}}
training = {{optimizer = {{kind = "sgd", learning_rate = 0.1}}, batch_size = 12, epochs = {epochs}}}
"""


def small(epochs: int, hidden: int = 8) -> Config:
    return loads(CONFIG.format(hidden=[hidden], epochs=epochs))


def laboratory(config: Config, folder: Path) -> Laboratory:
    return Laboratory(LoadedConfig(config, "test", Path()), folder, Prices(config, 4, 3, 120, most=100))


@pytest.mark.parametrize(
    ("epochs", "share"), [(100, 0.5), (30, 0.5), (20, 0.75), (15, 1.0), (4, 1.0)]
)  # of 10 updates each
def test_a_short_training_is_not_shortened_below_what_can_be_judged(epochs: int, share: float, tmp_path: Path) -> None:
    arm = Arm(small(epochs), {}, "control")
    lab = laboratory(arm.config, tmp_path)
    assert lab.trained(arm, 0.5) == share
    lab.run([(arm, 1), (arm, 2)], share=0.5)
    scored = 2 * lab.prices.scored(small(round(share * epochs)), 2)
    assert lab.cost == pytest.approx(scored)
    lab.run([(arm, 1)], watched=[arm])
    assert lab.cost == pytest.approx(scored + 1.0)


def test_what_is_only_scored_costs_what_it_does_in_the_stack_that_it_is_in(tmp_path: Path) -> None:
    one, other = Arm(small(20), {}, "control"), Arm(small(20, hidden=9), {}, "change")
    lab = laboratory(one.config, tmp_path)
    lab.run([*((one, seed) for seed in range(4)), (other, 1)])
    together, alone = lab.prices.scored(one.config, 4), lab.prices.scored(other.config, 1)
    assert together < 0.6 * alone
    assert lab.cost == pytest.approx(4 * together + alone)


def test_numeric_gradients_are_screened_by_backpropagation(tmp_path: Path) -> None:
    slow = small(40)
    slow = slow.model_copy(update={"training": slow.training.model_copy(update={"gradient": "numeric"})})
    lab = laboratory(slow, tmp_path)
    assert lab.shortened(slow, 0.5).training.gradient == "backprop"
    assert lab.shortened(slow, 1.0) == slow
    screened = lab.run([(Arm(slow, {}, "control"), 1)], share=0.5)
    same = lab.run([(Arm(small(20), {}, "control"), 1)])
    np.testing.assert_array_equal(screened[0].scores.rows, same[0].scores.rows)
    assert lab.cost < 0.5


def test_every_training_is_told_of_as_it_ends(tmp_path: Path) -> None:
    arm, told = Arm(small(1), {}, "control"), list[int]()
    lab = laboratory(arm.config, tmp_path)
    lab.told = told.append
    lab.run([(arm, seed) for seed in range(3)])
    assert told == [1, 2, 3]
    assert lab.runs == 3


def test_what_breaks_off_at_once_is_charged_a_part_of_its_price(tmp_path: Path) -> None:
    rate = {"optimizer": small(100).training.optimizer.model_copy(update={"learning_rate": 1e30})}
    config = small(100).model_copy(update={"training": small(100).training.model_copy(update=rate)})
    arm = Arm(config, {}, "control")
    lab = laboratory(config, tmp_path)
    (trial,) = lab.run([(arm, 1)])
    assert trial.broke_off
    assert lab.cost == pytest.approx(LEAST_TAKEN * lab.prices.scored(config, 1))


def test_what_is_only_scored_is_the_same_training_as_watched_and_leaves_no_trace(tmp_path: Path) -> None:
    arm = Arm(small(4), {}, "control")
    lab = laboratory(arm.config, tmp_path)
    scored = lab.run([(arm, seed) for seed in (1, 2)])
    assert not list(tmp_path.iterdir())
    watched = lab.run([(arm, seed) for seed in (1, 2)], watched=[arm])
    assert len(list(tmp_path.iterdir())) == 2
    for one, other in zip(scored, watched, strict=True):
        assert one.verdict is None
        assert other.verdict is not None
        assert one.seed == other.seed
        np.testing.assert_array_equal(one.scores.rows, other.scores.rows)


@pytest.mark.parametrize("watched", [False, True])
def test_validation_is_scored_after_every_epoch_for_those_who_watch_only(*, watched: bool, tmp_path: Path) -> None:
    run = trained(small(4), tmp_path, watched=watched)
    assert len(run.history.validation) == (4 if watched else 0)
    assert [scores.accuracy is not None for scores in run.history.training] == [watched] * 4


def test_early_stopping_ends_what_is_only_scored_as_it_ends_what_is_watched(tmp_path: Path) -> None:
    stopping = EarlyStopping(patience=2)
    config = small(60).model_copy(
        update={"training": small(60).training.model_copy(update={"early_stopping": stopping})}
    )
    scored, watched = (trained(config, tmp_path / str(each), watched=each) for each in (False, True))
    assert scored.history.reason == watched.history.reason == "early_stopping"
    assert scored.history.steps == watched.history.steps
    assert [each.loss for each in scored.history.validation] == [each.loss for each in watched.history.validation]


def trained(config: Config, folder: Path, *, watched: bool) -> OpenRun:
    place = Place(folder, "test", Path(), {}, scored=True, watched=watched)
    return run_alone(PlannedRun(config, {}, "test"), place)
