"""Single columns are scaled in their own way: found by name or index, fitted to the training set, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.experiments.config.data import DataConfig, ScaleValue
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.data.scale import fit_scaler_by_column

ROWS = [f"{i}.5,{i * i},{'ab'[i % 2]}" for i in range(20)]


def load(source: str, folder: Path = Path(), **settings: Any) -> Dataset:
    return load_data(DataConfig(source=source, **settings), 0, folder)


def write(folder: Path, header: str = "height,weight,label") -> str:
    (folder / "d.csv").write_text("\n".join([header, *ROWS]), encoding="utf-8")
    return "d.csv"


@pytest.mark.parametrize("own", ["none", "standard", "center", "minmax", 1000.0, 0.001])
@pytest.mark.parametrize("general", ["none", "standard", "center", "minmax", 10.0])
def test_a_column_is_scaled_as_if_the_whole_table_were(general: ScaleValue, own: ScaleValue) -> None:
    everywhere, nowhere = load("wine", scale=own), load("wine", scale=general)
    dataset = load("wine", scale=general, columns={"proline": own})
    for part in ("inputs", "validation_inputs"):
        expected = getattr(nowhere, part).copy()
        expected[:, 12] = getattr(everywhere, part)[:, 12]
        np.testing.assert_array_equal(getattr(dataset, part), expected)


def test_a_factor_multiplies_the_column_as_the_source_has_it() -> None:
    raw, scaled = load("wine", scale="none"), load("wine", columns={"alcohol": 1000})
    np.testing.assert_array_equal(scaled.inputs[:, 0], raw.inputs[:, 0] * 1000.0)


def test_one_feature_can_be_a_thousand_times_larger_than_the_others() -> None:
    even = load("blobs", scale="none").inputs.std(axis=0)
    uneven = load("blobs", scale="none", columns={"x2": 1000}).inputs.std(axis=0)
    np.testing.assert_allclose(uneven, even * [1.0, 1000.0])


@pytest.mark.parametrize(
    ("source", "name", "index"),
    [("iris", "petal length (cm)", 2), ("digits", "pixel_7_7", 63), ("diabetes", "bmi", 2), ("moons", "x2", 1)],
)
def test_a_column_goes_by_name_or_by_index(source: str, name: str, index: int) -> None:
    named, counted = (load(source, scale="none", columns={key: 3}).inputs for key in (name, str(index)))
    changed = np.flatnonzero((named != load(source, scale="none").inputs).any(axis=0))
    np.testing.assert_array_equal(named, counted)
    assert changed.tolist() == [index]


@pytest.mark.parametrize("key", ["weight", "1"])
def test_a_column_of_a_csv_is_counted_without_the_target(key: str, tmp_path: Path) -> None:
    rows = "\n".join(f"{'ab'[i % 2]},1,{i}" for i in range(20))
    (tmp_path / "d.csv").write_text(f"label,height,weight\n{rows}", encoding="utf-8")
    dataset = load("d.csv", tmp_path, scale="none", columns={key: 10})
    assert sorted([*dataset.inputs[:, 1], *dataset.validation_inputs[:, 1]]) == [10.0 * i for i in range(20)]


def test_a_name_that_is_a_number_comes_before_an_index(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i},{i % 2}" for i in range(20))
    (tmp_path / "d.csv").write_text(f"1,0,label\n{rows}", encoding="utf-8")
    raw, scaled = (load("d.csv", tmp_path, scale="none", columns=columns) for columns in (None, {"0": 10}))
    np.testing.assert_array_equal(scaled.inputs, raw.inputs * [1.0, 10.0])


def test_a_table_without_a_header_has_columns_by_index(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("\n".join(ROWS), encoding="utf-8")
    raw, scaled = (load("d.csv", tmp_path, scale="none", columns=columns) for columns in (None, {"0": 10}))
    np.testing.assert_array_equal(scaled.inputs, raw.inputs * [10.0, 1.0])


@pytest.mark.parametrize("kind", ["standard", "center", "minmax"])
def test_a_column_knows_the_training_set_alone(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, x_validation, y = rng.normal(3.0, 2.0, (50, 3)), rng.normal(-100.0, 50.0, (20, 3)), np.arange(50) % 2
    np.savez(tmp_path / "d.npz", x=x, y=y, x_validation=x_validation, y_validation=y[:20])
    dataset = load("d.npz", tmp_path, scale="none", columns={"x1": kind})
    shift = x[:, 1].min() if kind == "minmax" else x[:, 1].mean()
    spread = {"standard": x[:, 1].std(), "center": 1.0, "minmax": np.ptp(x[:, 1])}[kind]
    np.testing.assert_allclose(dataset.validation_inputs[:, 1], (x_validation[:, 1] - shift) / spread)
    np.testing.assert_array_equal(dataset.validation_inputs[:, [0, 2]], x_validation[:, [0, 2]])


def test_columns_scaled_in_the_same_way_do_not_need_the_same_statistics() -> None:
    training = np.array([[1.0, 10.0, 5.0], [3.0, 30.0, 5.0]])
    scaled = fit_scaler_by_column("none", {0: "center", 1: "center", 2: "standard"}, training)(training)
    np.testing.assert_array_equal(scaled, [[-1.0, -10.0, 0.0], [1.0, 10.0, 0.0]])


REFUSED = {
    "a name with a typing error": (
        {"wieght": 3},
        "x.toml: data.columns: a column 'wieght' is not there; there are height, weight — did you mean 'weight'?",
    ),
    "a name like no other": (
        {"zyx": 3},
        "x.toml: data.columns: a column 'zyx' is not there; there are height, weight",
    ),
    "an index too large": (
        {"2": 3},
        "x.toml: data.columns: there is no column '2'; inputs are counted from 0, the last is 1 ('weight')",
    ),
    "a negative index": ({"-1": 3}, "there is no column '-1'; inputs are counted from 0, the last is 1 ('weight')"),
    "an index of a thousand digits": ({"9" * 5000: 3}, "inputs are counted from 0, the last is 1 ('weight')"),
    "digits of another script": ({"١": 3}, "a column '١' is not there; there are height, weight"),
    "an empty name": ({"": 3}, "a column '' is not there; there are height, weight"),
    "a name of many lines": ({"a\nb": 3}, "a column 'a\\nb' is not there; there are height, weight"),
    "the target": ({"label": 3}, "'label' is the target, and only inputs are scaled here; see data.scale_targets"),
    "a column by name and by index": ({"weight": 3, "1": 4}, "'weight' and '1' are the same column; keep one"),
    "a column by two numerals": ({"1": 3, "01": 3}, "'1' and '01' are the same column; keep one"),
}


@pytest.mark.parametrize("command", ["run", "check", "sweep"])
@pytest.mark.parametrize(("columns", "wanted"), REFUSED.values(), ids=REFUSED.keys())
def test_a_column_that_is_not_there_ends_every_command_with_2(
    columns: dict[str, int], wanted: str, command: str, gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path)
    table = ", ".join(f"{json.dumps(key)} = {scale}" for key, scale in columns.items())
    (tmp_path / "x.toml").write_text(f'[data]\nsource = "d.csv"\ncolumns = {{{table}}}', encoding="utf-8")
    said = gradvitals(command, "x.toml")
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert wanted in said.err
    assert len(said.err) < 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "x.toml"]


def test_a_name_that_is_there_twice_needs_an_index(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    write(tmp_path, "a,a,label")
    (tmp_path / "x.toml").write_text('[data]\nsource = "d.csv"', encoding="utf-8")
    said = gradvitals("run", "x.toml", "--set", "data.columns.a=3")
    assert (
        said.err == "gradvitals: x.toml: data.columns: a column 'a' is there more than once; give its index, 0 or 1\n"
    )
    assert gradvitals("run", "x.toml", "--set", "data.columns.1=3", "--set", "training.epochs=1").code == 0


def test_a_run_keeps_the_columns_in_its_config(gradvitals: Callable[..., Any], tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "x.toml").write_text('[data]\nsource = "d.csv"\n[training]\nepochs = 1', encoding="utf-8")
    assert gradvitals("run", "x.toml", "--set", 'data.columns={height="center", 1=1000}').code == 0
    (written,) = (tmp_path / "logs").rglob("config.toml")
    assert 'columns = {height = "center", 1 = 1000.0}\n' in written.read_text(encoding="utf-8")


def test_scales_of_all_and_of_single_columns_can_be_swept(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    axes = '[sweep]\n"data.scale" = ["none", "center"]\n"data.columns" = [{}, {x2 = 1000}, {1 = "minmax"}]\n'
    said = gradvitals("sweep", config(axes), "--set", "training.epochs=1", "--workers", "1")
    assert said.code == 0, said.err
    summary = json.loads((tmp_path / "logs" / "tiny" / "sweep.json").read_text(encoding="utf-8"))
    assert len({run["name"] for run in summary["runs"]}) == 6
    assert [run["name"].rpartition(",")[0] for run in summary["runs"]][:3] == [
        "scale=none,columns=none",
        "scale=none,columns=x2_1000",
        "scale=none,columns=1_minmax",
    ]
    assert [run["axes"]["data.columns"] for run in summary["runs"]][:3] == [{}, {"x2": 1000}, {"1": "minmax"}]
    losses = [run["scores"]["training"]["loss"] for run in summary["runs"]]
    assert len(set(losses)) == 6


def test_the_scale_of_one_column_is_an_axis_of_its_own(
    gradvitals: Callable[..., Any], config: Callable[..., str], tmp_path: Path
) -> None:
    axes = "[sweep]\ndata.columns.x2 = {log = [1, 100], n = 3}\n"
    assert gradvitals("sweep", config(axes), "--set", "training.epochs=1", "--workers", "1").code == 0
    summary = json.loads((tmp_path / "logs" / "tiny" / "sweep.json").read_text(encoding="utf-8"))
    assert summary["axes"] == {"data.columns.x2": [1, 10, 100]}
    assert [run["name"].partition(",")[0] for run in summary["runs"]] == ["x2=1", "x2=10", "x2=100"]
