"""A table of data is read once, however many seeds split it, and again where its file has changed."""

import os
from pathlib import Path

import numpy as np
import pytest

from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.data import load as loading
from gradvitals.experiments.data.bundled import load_bundled
from gradvitals.experiments.data.csv_table import read_csv
from gradvitals.experiments.data.dataset import Table
from gradvitals.experiments.data.load import load_data


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Count what is read."""
    paths: list[Path] = []

    def count(path: Path, target: str | None = None) -> Table:
        paths.append(path)
        return read_csv(path, target)

    monkeypatch.setattr(loading, "read_csv", count)
    return paths


def write(path: Path, last: float) -> DataConfig:
    rows = [f"{number}.5,{number % 3 + 0.25},{number % 2}" for number in range(29)]
    path.write_text("\n".join(["a,b,label", *rows, f"{last},1.0,1"]), encoding="utf-8")
    return DataConfig(source=str(path), scale="none")


def test_seeds_split_a_file_that_is_read_once(read: list[Path], tmp_path: Path) -> None:
    data = write(tmp_path / "d.csv", 7.0)
    first, *others = (load_data(data, seed, tmp_path) for seed in (0, 1, 2))
    assert read == [tmp_path / "d.csv"]
    for other in others:
        assert not np.array_equal(first.inputs, other.inputs)
        assert sorted(np.r_[first.inputs, first.validation_inputs][:, 0]) == sorted(
            np.r_[other.inputs, other.validation_inputs][:, 0]
        )


def test_a_file_that_has_changed_is_read_again(read: list[Path], tmp_path: Path) -> None:
    data = write(tmp_path / "d.csv", 7.0)
    load_data(data, 0, tmp_path)
    write(tmp_path / "d.csv", 8.0)
    os.utime(tmp_path / "d.csv", ns=(1, 1))
    changed = load_data(data, 0, tmp_path)
    assert len(read) == 2
    assert 8.0 in np.r_[changed.inputs, changed.validation_inputs]


def test_a_large_file_is_not_kept_in_memory(read: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loading, "LARGE", 60)
    data = write(tmp_path / "d.csv", 7.0)
    for seed in (0, 1):
        load_data(data, seed, tmp_path)
    assert len(read) == 2


def test_what_is_kept_cannot_be_written_to() -> None:
    assert load_bundled("iris") is load_bundled("iris")
    with pytest.raises(ValueError, match="read-only"):
        load_bundled("iris").inputs[0] = 0.0
