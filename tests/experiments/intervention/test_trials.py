"""What trials cost: counted in epochs, and in trainings of which as many are stacked as fit."""

from pathlib import Path

import pytest

from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.intervention.arms import Arm
from gradvitals.experiments.intervention.prices import Prices
from gradvitals.experiments.intervention.trials import Laboratory

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
    assert lab.cost == pytest.approx(2 * share * lab.prices.scored(arm.config))
    lab.run([(arm, 1)], watched=[arm])
    assert lab.cost == pytest.approx(2 * share * lab.prices.scored(arm.config) + 1.0)


def test_every_training_is_told_of_as_it_ends(tmp_path: Path) -> None:
    arm, told = Arm(small(1), {}, "control"), list[int]()
    lab = laboratory(arm.config, tmp_path)
    lab.told = told.append
    lab.run([(arm, seed) for seed in range(3)])
    assert told == [1, 2, 3]
    assert lab.runs == 3
