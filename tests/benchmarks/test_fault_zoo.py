"""Networks of the zoo as bases: which are fit to be, and that only sound ones get a fault."""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign import Finished
from fault_injections import SEEDS, Injection
from fault_kinds import FAULTS
from fault_zoo import OF_SCALE, PER_DATA_SET, base_of, drawn_injections, with_healthy_twins
from finished_runs import add_line
from healthy_zoo import Line
from zoo_data import DataSet
from zoo_grid import Candidate, candidate

from gradvitals.experiments.config.load import parse_config

DIGITS = DataSet("digits", {"source": "digits"}, "accuracy", 1437, 10)
DIABETES = DataSet("diabetes", {"source": "diabetes"}, "r2", 309, 0)
RARE = DataSet("rare", {"source": "blobs"}, "skill", 800, 2)
SETS = {data_set.name: data_set for data_set in (DIGITS, DIABETES, RARE)}


def network(data_set: DataSet = DIGITS, architecture: str = "relu-64-32", **changes: Any) -> Candidate:
    plain = candidate(data_set, architecture, "momentum", 0.01, updates=500)
    config = {table: dict(keys) if isinstance(keys, dict) else keys for table, keys in plain.config.items()}
    config["model"].setdefault("init", "he_normal")
    if data_set.yardstick == "r2":
        config["data"]["scale_targets"] = "standard"
    for key, value in changes.items():
        table, _, name = key.partition("__")
        config[table][name] = value
    return replace(plain, config=config)


@pytest.mark.parametrize(
    ("one", "fit"),
    [
        (network(), True),
        (network(architecture="tanh-32x2"), True),
        (network(DIABETES), True),
        (network(DIABETES, data__scale_targets="none"), False),
        (network(data__scale="none"), False),
        (network(data__scale="minmax"), True),
        (network(training__loss="mse"), False),
        (network(training__loss="cross_entropy"), True),
        (network(model__init=["he_normal", "he_normal", "zeros"]), False),
        (network(model__activation=["tanh", "relu"]), False),
        (network(model__hidden=[]), False),
        (network(model__output="softmax"), False),
        (network(RARE), False),
    ],
    ids=[
        "rectified",
        "smooth",
        "quantities",
        "raw targets",
        "raw inputs",
        "scaled otherwise",
        "another loss",
        "its own loss",
        "a zero head",
        "mixed units",
        "linear",
        "probabilities",
        "rare classes",
    ],
)
def test_a_base_is_what_every_fault_is_defined_for_and_has_none_of_them(one: Candidate, *, fit: bool) -> None:
    assert (base_of(one, SETS) is not None) is fit


@pytest.mark.parametrize(
    ("one", "fit"),
    [
        (network(), False),
        (network(data__scale="none"), True),
        (network(DIABETES), False),
        (network(DIABETES, data__scale_targets="none"), True),
        (network(data__scale="none", training__loss="mse"), False),
    ],
    ids=["scaled", "raw inputs", "scaled quantities", "raw targets", "another loss"],
)
def test_raw_networks_are_bases_where_they_are_asked_for(one: Candidate, *, fit: bool) -> None:
    assert (base_of(one, SETS, raw=True) is not None) is fit


def test_raw_networks_get_no_fault_that_sets_a_scale() -> None:
    healthy = [network(DIABETES, data__scale_targets="none"), network(data__scale="none")]
    drawn = {one.faults[0].name for one in drawn_injections(healthy, SETS, 16, np.random.default_rng(1), raw=True)}
    assert "rate too high" in drawn
    assert not drawn & OF_SCALE


def test_a_base_keeps_its_config_but_for_the_seed() -> None:
    one = network()
    base = base_of(one, SETS)
    assert base is not None
    assert dict(base.config) == {key: value for key, value in one.config.items() if key != "seed"}


def test_a_draw_is_the_same_every_time_valid_and_of_few_networks_of_a_data_set() -> None:
    healthy = [
        network(architecture=f"{kind}-{width}", training__epochs=n)
        for kind, width in (("relu", 32), ("tanh", 16))
        for n in (3, 4, 5)
    ]
    first, again = ([*drawn_injections(healthy, SETS, 16, np.random.default_rng(1))] for _ in range(2))
    assert [one.name for one in first] == [one.name for one in again]
    of_fault = Counter((one.faults[0].name, one.base.name) for one in first)
    assert set(of_fault.values()) == {5}
    assert max(Counter(fault for fault, _ in of_fault).values()) == PER_DATA_SET
    assert {fault for fault, _ in of_fault} <= {fault.name for fault in FAULTS}
    for one in first:
        assert one.faults[0].fits(one.base)
        parse_config(one.config)


def test_only_networks_that_are_sound_with_every_seed_get_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, unsound = network(architecture="relu-32"), network(architecture="tanh-16")
    (tmp_path / "zoo").mkdir()
    for one in (sound, unsound):
        add_line(tmp_path / "zoo", Line(one.key, "", {"accuracy": 0.95, "updates": 500.0}))
    bases = [base_of(one, SETS) for one in (sound, unsound)]
    for base, last in zip(bases, (0.901, 0.899), strict=True):
        assert base is not None
        for seed in SEEDS:
            twin = Injection(base, (), 0, seed, {})
            add_line(tmp_path, Finished(twin.key, "", {"accuracy": last if seed == SEEDS[-1] else 0.95}))
    faults = [Injection(base, (FAULTS[0],), 1, SEEDS[0], {}) for base in bases if base is not None]
    options = argparse.Namespace(out=tmp_path, zoo=tmp_path / "zoo", rejudge=True, workers=1)
    assert with_healthy_twins(faults, [sound, unsound], options) == faults[:1]
    assert capsys.readouterr().out == "1 of 2 networks train as well with other seeds\n"
