"""The starter config runs as it is, and says what it found in the user's data."""

from pathlib import Path

import pytest

from gradvitals.experiments.config.load import loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.starter import starter_config


def write(folder: Path, labels: list[str], header: str = "a,b,kind") -> Path:
    rows = [f"{i}.5,{i * i},{label}" for i, label in enumerate(labels)]
    path = folder / "my data.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def test_a_starter_without_data_is_a_config_that_fits_its_data() -> None:
    config = loads(starter_config())
    assert check_fit(config, load_data(config.data, 0, Path())).loss == "cross_entropy"


@pytest.mark.parametrize(
    ("labels", "task", "loss"),
    [
        (["yes", "no"] * 20, "classification", "cross_entropy"),
        ([str(i / 7) for i in range(40)], "regression", "mse"),
        ([str(3 + i % 6) for i in range(40)], "regression", "mse"),
    ],
    ids=["classes", "quantities", "in doubt"],
)
def test_a_starter_for_data_notes_target_and_task(labels: list[str], task: str, loss: str, tmp_path: Path) -> None:
    path = write(tmp_path, labels)
    text = starter_config(path)
    config = loads(text)
    assert (config.data.target, config.data.task, config.name) == ("kind", task, "my_data")
    assert check_fit(config, load_data(config.data, 0, tmp_path)).loss == loss
    assert ("a guess" in text) == (labels[0] == "3")


def test_a_column_name_with_quotes_is_written_safely(tmp_path: Path) -> None:
    path = write(tmp_path, ["yes", "no"] * 20, header='a,b,"the ""kind"" \\ of it"')
    assert loads(starter_config(path)).data.target == 'the "kind" \\ of it'


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("a,b,kind", "a"),
        ('"a ""b"" \\.c, d",b,kind', 'a "b" \\.c, d'),
        ("a,a,kind", "0"),
        ("1,2,yes", "0"),
        (None, "pixel_3_4"),
    ],
    ids=["a plain name", "an odd name", "a name that is there twice", "no header", "no data"],
)
def test_the_commented_scale_of_a_column_is_one_that_can_be_set(
    header: str | None, column: str, tmp_path: Path
) -> None:
    text = starter_config(None if header is None else write(tmp_path, ["yes", "no"] * 20, header=header))
    data = loads(text.replace("\n# columns", "\ncolumns")).data
    assert data.columns == {column: "none"}
    dataset = load_data(data, 0, tmp_path)
    index = dataset.feature_names.index(column) if column != "0" else 0
    raw = load_data(data.model_copy(update={"scale": "none", "columns": None}), 0, tmp_path)
    assert dataset.inputs[:, index].max() == raw.inputs[:, index].max() > 10.0


def test_a_table_without_a_header_has_no_named_target(tmp_path: Path) -> None:
    path = write(tmp_path, ["yes", "no"] * 20, header="1,2,yes")
    assert loads(starter_config(path)).data.target is None


@pytest.mark.parametrize(
    ("name", "wanted"), [("nowhere.csv", "nowhere.csv: no such file"), ("d.txt", "d.txt: not a .csv file")]
)
def test_a_starter_for_what_is_no_table_is_one_sentence(name: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("1", encoding="utf-8")
    with pytest.raises(UserError, match=wanted):
        starter_config(tmp_path / name)
