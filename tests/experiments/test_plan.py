"""A sweep expands into every combination of its values, in order, each run with a name of its own."""

import pickle
import re

import numpy as np
import pytest

from gradvitals.experiments.config.dump import config_hash
from gradvitals.experiments.config.load import load_config, loads
from gradvitals.experiments.config.sweep import LinearAxis, LogAxis
from gradvitals.experiments.plan import expand

DATA = '[data]\nsource = "digits"\n'


def names(text: str) -> list[str]:
    """Return the names of a sweep's runs without their hashes."""
    return [run.name[:-7] for run in expand(loads(DATA + text))]


def test_a_config_without_a_sweep_is_one_run_named_by_its_seed() -> None:
    config = loads("seed = 3\n" + DATA)
    (run,) = expand(config)
    assert run.config == config
    assert run.axes == {}
    assert run.name == f"seed=3-{config_hash(config)}"


def test_the_last_axis_varies_fastest() -> None:
    text = (
        '[sweep]\n"training.optimizer.learning_rate" = [0.1, 1]\n"model.init" = ["zeros", "he_normal"]\nseed = [0, 1]'
    )
    assert names(text) == [
        f"learning_rate={rate},init={init},seed={seed}"
        for rate in ("0.1", "1")
        for init in ("zeros", "he_normal")
        for seed in (0, 1)
    ]


def test_a_run_holds_its_values_and_no_sweep() -> None:
    text = '[sweep]\n"training.optimizer.learning_rate" = [0.1, 1]\n"model.init" = [{kind = "normal", std = 0.5}]'
    run = expand(loads(DATA + text))[1]
    assert run.config.training.optimizer.learning_rate == 1.0
    assert run.config.model.model_dump()["init"] == {"kind": "normal", "std": 0.5}
    assert run.config.sweep == {}
    assert run.axes == {"training.optimizer.learning_rate": 1, "model.init": {"kind": "normal", "std": 0.5}}


def test_the_name_ends_in_the_hash_of_the_runs_own_config() -> None:
    for run in expand(load_config("learning_rate_x_initialization").config):
        assert run.name.endswith(f"-{config_hash(run.config)}")


def test_the_bundled_sweep_has_48_runs_with_names_of_their_own() -> None:
    runs = expand(load_config("learning_rate_x_initialization").config)
    assert len({run.name for run in runs}) == 48
    assert all(re.fullmatch(r"[A-Za-z0-9._=,+-]{1,80}-[0-9a-f]{6}", run.name) for run in runs)
    rates = sorted({run.config.training.optimizer.learning_rate for run in runs})
    np.testing.assert_allclose(rates, np.geomspace(1e-4, 10.0, 8), rtol=1e-11)


def test_names_are_stable() -> None:
    first, *_, last = expand(load_config("learning_rate_x_initialization").config)
    assert first.name.startswith("learning_rate=0.0001,init=zeros,seed=0-")
    assert last.name.startswith("learning_rate=10,init=orthogonal,seed=0-")


@pytest.mark.parametrize(
    ("axis", "label"),
    [
        ('"training.optimizer.learning_rate" = [0.000123456]', "learning_rate=0.0001235"),
        ('"training.batch_size" = [12345]', "batch_size=12345"),
        ('"model.hidden" = [[64, 32]]', "hidden=64+32"),
        ('"model.hidden" = [[]]', "hidden=none"),
        ('"model.init" = [{kind = "normal", std = 0.01}]', "init=normal_0.01"),
        ('"data.source" = ["../a folder/ü.csv"]', "source=.._a_folder__.csv"),
        ('"training.optimizer" = [{kind = "sgd", learning_rate = 0.1, nesterov = false}]', "optimizer=sgd_0.1_false"),
    ],
)
def test_a_value_is_named_in_safe_characters(axis: str, label: str) -> None:
    assert names(f"[sweep]\n{axis}") == [f"{label},seed=0"]


def test_keys_that_end_alike_are_told_apart_by_what_precedes_them() -> None:
    text = '[model]\ninit = "normal"\n[sweep]\n"model.init.kind" = ["zeros"]\n"training.optimizer.kind" = ["adam"]'
    with_kinds = text.replace('init = "normal"', 'init = "zeros"')
    assert names(with_kinds) == ["init.kind=zeros,optimizer.kind=adam,seed=0"]


def test_long_names_are_cut_and_still_differ() -> None:
    lists = ", ".join(f"[{', '.join(['11'] * 60)}, {units}]" for units in range(1, 30))
    runs = expand(loads(f'{DATA}[sweep]\n"model.hidden" = [{lists}]'))
    assert all(len(run.name) == 80 + 1 + 6 for run in runs)
    assert len({run.name for run in runs}) == 29


def test_close_values_have_names_of_their_own() -> None:
    text = '[sweep]\n"training.optimizer.learning_rate" = {linear = [0.1, 0.1001], n = 3000}'
    runs = expand(loads(DATA + text))
    assert len({run.name for run in runs}) == 3000


def test_a_planned_run_can_be_sent_to_another_process() -> None:
    run = expand(load_config("learning_rate_x_initialization").config)[7]
    assert pickle.loads(pickle.dumps(run)) == run  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (LogAxis(log=(1, 1000), n=4), (1, 10, 100, 1000)),
        (LogAxis(log=(1e-3, 1.0), n=4), (0.001, 0.01, 0.1, 1.0)),
        (LogAxis(log=(1.0, 0.01), n=3), (1.0, 0.1, 0.01)),
        (LinearAxis(linear=(1, 9), n=5), (1, 3, 5, 7, 9)),
        (LinearAxis(linear=(0, 1), n=3), (0.0, 0.5, 1.0)),
        (LinearAxis(linear=(-0.1, 0.1), n=3), (-0.1, 0.0, 0.1)),
    ],
)
def test_spaced_axes_include_both_ends_and_stay_whole_where_they_can(
    axis: LogAxis | LinearAxis, values: tuple[float, ...]
) -> None:
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


def test_whole_numbers_on_an_axis_suit_a_key_of_whole_numbers() -> None:
    runs = expand(loads(DATA + '[sweep]\n"training.batch_size" = {log = [1, 100], n = 3}'))
    assert [run.config.training.batch_size for run in runs] == [1, 10, 100]


def test_sweeping_data_and_seed_is_possible() -> None:
    runs = expand(loads(DATA + '[sweep]\n"data.scale" = ["none", "standard", 1000]\nseed = [1, 2]'))
    assert [run.name[:-7] for run in runs][:2] == ["scale=none,seed=1", "scale=none,seed=2"]
    assert [run.config.data.scale for run in runs][-1] == 1000.0
