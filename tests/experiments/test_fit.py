"""A config and its data either fit, or the right loss is named."""

from pathlib import Path

import numpy as np
import pytest

from gradvitals.experiments.config.load import loads
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import check_fit


def pair(source: str, extra: str = "") -> tuple[Config, Dataset]:
    config = loads(f'[data]\nsource = "{source}"\n{extra}')
    return config, load_data(config.data, config.seed, Path())


@pytest.mark.parametrize(
    ("source", "loss", "outputs"),
    [("digits", "cross_entropy", 10), ("moons", "cross_entropy", 2), ("diabetes", "mse", 1)],
)
def test_the_task_chooses_the_loss(source: str, loss: str, outputs: int) -> None:
    fit = check_fit(*pair(source, "[model]\nhidden = [5]"))
    assert fit.loss == loss
    assert fit.widths[-1] == outputs


def test_several_answers_want_a_binary_cross_entropy_each(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(40.0).reshape(20, 2), y=np.array([[1, 1], [0, 1]] * 10))
    config = loads('[data]\nsource = "d.npz"')
    fit = check_fit(config, load_data(config.data, 0, tmp_path))
    assert (fit.loss, fit.widths[-1]) == ("binary_cross_entropy", 2)


def test_a_binary_cross_entropy_on_two_classes_has_one_output() -> None:
    fit = check_fit(*pair("moons", '[training]\nloss = "binary_cross_entropy"'))
    assert fit.widths == (2, 64, 32, 1)


def test_parameters_count_weights_and_biases() -> None:
    assert check_fit(*pair("digits")).parameters == 65 * 64 + 65 * 32 + 33 * 10


def test_a_batch_larger_than_the_training_set_is_the_training_set() -> None:
    assert check_fit(*pair("iris", "[training]\nbatch_size = 5000")).batch_size == 120


@pytest.mark.parametrize(
    ("source", "extra", "wanted"),
    [
        (
            "iris",
            '[training]\nloss = "binary_cross_entropy"',
            "training.loss: 'binary_cross_entropy' has one output and iris 3 classes, more classes than outputs",
        ),
        ("iris", '[training]\nloss = "mse"', "'mse' does not suit a classification — use 'cross_entropy'"),
        ("diabetes", '[training]\nloss = "cross_entropy"', "'cross_entropy' does not suit a regression — use 'mse'"),
        (
            "digits",
            "[model]\nhidden = [65536, 1500]",
            "model.hidden: 102,580,350 parameters with 64 inputs and 10 outputs; at most 100,000,000",
        ),
    ],
    ids=["more classes than outputs", "squares of labels", "classes of quantities", "too large"],
)
def test_what_does_not_fit_is_one_sentence(source: str, extra: str, wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        check_fit(*pair(source, extra), origin="x.toml")
    assert str(caught.value).startswith("x.toml: ")
    assert wanted in str(caught.value)
