"""Configs are found by path or name, and single keys are set on top."""

import doctest
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics import suggest
from gradvitals.experiments.config import override
from gradvitals.experiments.config.load import bundled_configs, load_config, loads
from gradvitals.experiments.config.override import parse_override, set_key
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fault_cases import FAULT_CASES

SICK = ("dying_relu", "exploding_initialization", "saturated_sigmoid", "vanishing_sigmoid_stack")


def test_the_bundled_configs_are_the_map_and_a_pair_for_each_fault() -> None:
    pairs = {name for case in FAULT_CASES for name in (case.config, case.twin)}
    assert set(bundled_configs()) == {"learning_rate_x_initialization", *pairs}
    assert pairs >= set(SICK)


@pytest.mark.parametrize("name", SICK)
def test_a_sick_config_and_its_twin_differ_in_one_key(name: str) -> None:
    sick, healthy = (load_config(each).config.model_dump() for each in (name, f"{name}_healthy"))
    differing = [
        f"{section}.{key}"
        for section in ("data", "model", "training", "diagnostics", "check")
        for key in sick[section]
        if sick[section][key] != healthy[section][key]
    ]
    assert len(differing) == 1


@pytest.mark.parametrize("name", bundled_configs())
def test_a_bundled_config_is_named_after_its_file_and_opens_with_a_comment(name: str) -> None:
    assert load_config(name).config.name == name
    assert bundled_configs()[name].read_text(encoding="utf-8").startswith("# ")


def test_a_bundled_config_is_found_with_and_without_its_suffix() -> None:
    assert load_config("dying_relu").config == load_config("dying_relu.toml").config


def test_a_file_comes_before_a_bundled_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dying_relu.toml").write_text('[data]\nsource = "iris"', encoding="utf-8")
    loaded = load_config("dying_relu.toml")
    assert loaded.config.data.source == "iris"
    assert load_config("dying_relu").config.data.source == "digits"


def test_a_config_without_a_name_takes_its_files(tmp_path: Path) -> None:
    path = tmp_path / "my first run!.toml"
    path.write_text('[data]\nsource = "iris"', encoding="utf-8")
    loaded = load_config(path)
    assert loaded.config.name == "my_first_run_"
    assert loaded.base_dir == tmp_path
    assert loaded.origin == str(path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[data]\nsource = "iris"', encoding="utf-8-sig")
    assert load_config(path).config.data.source == "iris"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("seed=3", ("seed", 3)),
        ("data.scale = 1e3", ("data.scale", 1000.0)),
        ("data.source=digits", ("data.source", "digits")),
        ('data.source="digits"', ("data.source", "digits")),
        ("data.source=a=b.csv", ("data.source", "a=b.csv")),
        ("model.hidden=[]", ("model.hidden", [])),
        ('model.init={kind="normal", std=1}', ("model.init", {"kind": "normal", "std": 1})),
        ('sweep."training.epochs"=[1]', ("sweep.training.epochs", [1])),
        ("data.source=x\nseed = 5", ("data.source", "x\nseed = 5")),
        ("data.source=1\nseed = 5", ("data.source", "1\nseed = 5")),
    ],
)
def test_an_override_is_a_key_and_a_toml_value_or_a_bare_word(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_override(text) == parsed


def test_overrides_are_set_on_top_in_their_order() -> None:
    overrides = ["training.epochs=3", "training.epochs=4", "model.hidden=[7]", "training.optimizer.momentum=0.5"]
    config = load_config("dying_relu", overrides).config
    assert config.training.epochs == 4
    assert config.model.hidden == (7,)
    assert config.training.optimizer.model_dump()["momentum"] == 0.5
    assert config.training.batch_size == load_config("dying_relu").config.training.batch_size


def test_an_override_reaches_into_an_axis() -> None:
    config = load_config("learning_rate_x_initialization", ["sweep.training.optimizer.learning_rate=[0.5]"]).config
    assert config.sweep["training.optimizer.learning_rate"] == (0.5,)
    assert len(config.sweep) == 2


@pytest.mark.parametrize(
    ("overrides", "columns"),
    [
        (["data.columns.age=minmax", "data.columns.3=1000"], {"age": "minmax", "3": 1000.0}),
        (['data.columns."size in cm"=2'], {"size in cm": 2.0}),
        (['data.columns={a=1, "b c"="center"}', "data.columns.a=3"], {"a": 3.0, "b c": "center"}),
        (['data.columns={"b.c"=1}', "data.columns.b.c=2"], {"b.c": 2.0}),
        (["data.columns.a=1", "data.columns={}"], None),
    ],
    ids=["two columns", "a name in quotes", "a table and a column of it", "a name with a dot", "none again"],
)
def test_an_override_reaches_single_columns(overrides: list[str], columns: dict[str, Any] | None) -> None:
    assert load_config("dying_relu", overrides).config.data.columns == columns


def test_a_column_with_a_dot_in_its_name_needs_no_quotes() -> None:
    bare = loads('[data]\nsource = "iris"\n[data.columns]\na.b.c = 3\na.b.d = "center"')
    assert bare == loads('[data]\nsource = "iris"\ncolumns = {"a.b.c" = 3, "a.b.d" = "center"}')


def test_an_override_of_a_named_initialisation_makes_it_a_table() -> None:
    assert set_key({"init": "normal"}, "init.std", 0.1) == {"init": {"kind": "normal", "std": 0.1}}


def test_setting_a_key_leaves_the_original_alone() -> None:
    table = {"a": {"b": 1, "c": 2}}
    assert set_key(table, "a.b", 3) == {"a": {"b": 3, "c": 2}}
    assert table == {"a": {"b": 1, "c": 2}}


def test_a_fault_of_the_file_is_not_blamed_on_an_override(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[data]\nsource = "iris"\n[training]\nepochs = 0', encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.toml: training\.epochs"):
        load_config(path, ["training.batch_size=3"])


def test_sweep_keys_without_quotes_mean_the_same() -> None:
    quoted = loads(
        '[data]\nsource = "iris"\n[sweep]\n"training.optimizer.learning_rate" = [1]\n"model.init" = ["zeros"]'
    )
    bare = loads('[data]\nsource = "iris"\n[sweep]\ntraining.optimizer.learning_rate = [1]\nmodel.init = ["zeros"]')
    assert quoted == bare


@pytest.mark.parametrize("module", [suggest, override], ids=["suggest", "override"])
def test_the_examples_in_docstrings_hold(module: Any) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("xavier_uniform", "glorot_uniform"),
        ("xavier_normal", "glorot_normal"),
        ("kaiming_normal", "he_normal"),
        ("kaiming_uniform", "he_uniform"),
        ("HeNormal", "he_normal"),
        ("GlorotUniform", "glorot_uniform"),
        ("ortogonal", "orthogonal"),
    ],
)
def test_names_of_other_libraries_lead_to_ours(wrong: str, right: str) -> None:
    with pytest.raises(UserError, match=f"did you mean '{right}'"):
        loads(f'[data]\nsource = "iris"\n[model]\ninit = "{wrong}"')


def test_a_word_like_no_other_leads_nowhere() -> None:
    assert suggest.nearest("qqqqqq", ["he_normal", "zeros"]) is None
    assert suggest.did_you_mean("qqqqqq", ["he_normal"]) == ""
