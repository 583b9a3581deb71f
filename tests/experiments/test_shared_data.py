"""Data sets in files that several workers map: the same to the bit, there while they are needed, then gone."""

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.experiments import runner, shared_data
from gradvitals.experiments.blocks import Run
from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.data import mapped
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.data.mapped import as_trained, read_mapped, write_mapped
from gradvitals.experiments.executor import run_many
from gradvitals.experiments.shared_data import SharedData, by_data
from gradvitals.experiments.sweep import make_plan, place_runs

SWEEP = """
[data]
source = "digits"
[model]
hidden = [{hidden}]
[training]
optimizer = {{kind = "sgd", learning_rate = 0.1}}
epochs = 1
[sweep]
"""
ARRAYS = ("inputs", "targets", "validation_inputs", "validation_targets")


def plan(folder: Path, sweep: str, *, hidden: int = 8) -> list[Run]:
    """Place the runs of a sweep in a folder."""
    path = folder / "x.toml"
    path.write_text(SWEEP.format(hidden=hidden) + sweep, encoding="utf-8")
    return place_runs(make_plan(load_config(path), folder / "logs"), "new")[0]


def digits() -> Dataset:
    """Load a data set."""
    return load_data(DataConfig(source="digits"), 0, Path())


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the folder of temporary files and folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every data set be large enough to be shared."""
    monkeypatch.setattr(mapped, "LARGE", 1)


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_set_is_kept_as_it_is_trained_on(dtype: str) -> None:
    dataset, kept = digits(), as_trained(digits(), dtype)
    np.testing.assert_array_equal(kept.inputs, dataset.inputs.astype(dtype), strict=True)
    np.testing.assert_array_equal(kept.validation_inputs, dataset.validation_inputs.astype(dtype), strict=True)
    assert kept.targets.dtype == np.int64


def test_a_small_set_stays_as_it_was_loaded() -> None:
    dataset = digits()
    assert as_trained(dataset, "float32") is dataset


@pytest.mark.parametrize("source", ["digits", "diabetes"])
def test_a_mapped_set_is_the_one_that_was_written(source: str, tmp_path: Path) -> None:
    dataset = load_data(DataConfig(source=source), 0, Path())
    write_mapped(dataset, tmp_path)
    found = read_mapped(tmp_path)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(dataset, name), strict=True)
        assert type(getattr(found, name)) is np.ndarray
    without = dict.fromkeys(ARRAYS, np.empty(0))
    words = [{name: getattr(one, name) for name in one.__slots__ if name not in without} for one in (found, dataset)]
    assert words[0] == words[1]
    with pytest.raises(ValueError, match="read-only"):
        found.inputs[0, 0] = 1.0


def test_a_mapped_set_is_the_file_itself(tmp_path: Path) -> None:
    write_mapped(digits(), tmp_path)
    found, again = read_mapped(tmp_path), read_mapped(tmp_path)
    path = tmp_path / "inputs.npy"
    with path.open("r+b") as file:
        file.seek(-8, 2)
        file.write(np.array(1234.0).tobytes())
    assert found.inputs[-1, -1] == again.inputs[-1, -1] == 1234.0


@pytest.mark.usefixtures("all_large")
def test_a_set_is_written_once_for_all_blocks_and_goes_with_the_last(files: Path, tmp_path: Path) -> None:
    blocks: list[Sequence[Run]] = [[run] for run in plan(tmp_path, 'seed = [0]\n"training.l2" = [0.0, 0.1, 0.2]\n')]
    shared = SharedData(blocks)
    assert not list(files.iterdir())
    folders = {shared.placed(block)[0][1].mapped for block in blocks}
    assert folders == set(files.glob("gradvitals-*/*"))
    assert len(folders) == 1
    shared.release(blocks[2])
    shared.release(blocks[0])
    assert set(files.glob("gradvitals-*/*")) == folders
    shared.release(blocks[1])
    assert not list(files.glob("gradvitals-*/*"))
    shared.close()
    assert not list(files.iterdir())


@pytest.mark.usefixtures("all_large", "files")
def test_seeds_and_dtypes_have_sets_of_their_own(tmp_path: Path) -> None:
    axes = 'seed = [0, 1]\n"training.dtype" = ["float32", "float64"]\n"training.l2" = [0.0, 0.1]\n'
    blocks: list[Sequence[Run]] = [[run] for run in plan(tmp_path, axes)]
    shared = SharedData(blocks)
    seen = {}
    for block in blocks:
        ((planned, place),) = shared.placed(block)
        assert place.mapped is not None
        seen[planned.config.seed, planned.config.training.dtype] = place.mapped
        assert read_mapped(place.mapped).inputs.dtype == planned.config.training.dtype
    assert len(set(seen.values())) == 4


@pytest.mark.usefixtures("files")
def test_a_small_set_of_several_blocks_is_shared_as_it_was_loaded(tmp_path: Path) -> None:
    blocks = [[run] for run in plan(tmp_path, "seed = [0]\n") * 2]
    ((_, place),) = SharedData(blocks).placed(blocks[0])
    assert place.mapped is not None
    np.testing.assert_array_equal(read_mapped(place.mapped).inputs, digits().inputs, strict=True)


@pytest.mark.usefixtures("all_large")
def test_what_one_block_alone_needs_has_no_file(tmp_path: Path) -> None:
    needed_once = [[run] for run in plan(tmp_path, "seed = [0, 1]\n")]
    assert [SharedData(needed_once).placed(block)[0][1].mapped for block in needed_once] == [None, None]


@pytest.mark.usefixtures("all_large")
def test_without_room_for_the_file_each_worker_loads_for_itself(files: Path, tmp_path: Path) -> None:
    blocks = [[run] for run in plan(tmp_path, "seed = [0]\n") * 2]
    files.rmdir()
    assert SharedData(blocks).placed(blocks[0])[0] == blocks[0][0]


def test_blocks_of_one_set_stand_behind_each_other(tmp_path: Path) -> None:
    runs = plan(tmp_path, '"training.l2" = [0.0, 0.1]\nseed = [0, 1]\n')
    assert [run[0].config.seed for (run,) in by_data([[run] for run in runs])] == [0, 0, 1, 1]


def test_each_set_is_loaded_once_before_the_first_run_and_the_runs_stay_in_their_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded: list[int] = []

    def load_counted(data: DataConfig, seed: int, *rest: Any, **more: Any) -> Dataset:
        loaded.append(seed)
        return load_data(data, seed, *rest, **more)

    monkeypatch.setattr(runner, "load_data", load_counted)
    runner.forget_datasets()
    runs = plan(tmp_path, '"training.l2" = [0.0, 0.1]\nseed = [0, 1, 2]\n')
    assert loaded == [0, 1, 2]
    assert [planned.config.seed for planned, _ in runs] == [0, 1, 2, 0, 1, 2]


def found_in(outcomes: Sequence[Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Give everything that runs found out, by name."""
    found: dict[str, Any] = {}
    for outcome in outcomes:
        folder = next(place.folder for planned, place in runs if planned == outcome.planned)
        series = {tag: one.values.tobytes() for tag, one in read_run(folder / "train").scalars.items()}
        findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
        summary = replace(outcome.summary, seconds=0.0, name="")
        found[outcome.planned.name] = summary, {**findings, "run": ""}, series
    return found


@pytest.mark.usefixtures("all_large")
def test_two_workers_that_share_a_set_find_bit_for_bit_what_one_finds(
    files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    axes = '"model.activation" = ["relu", "tanh", "sigmoid"]\n'  # blocks of one run each
    runs = plan(tmp_path, axes)
    outcomes, files_meanwhile = [], []

    def meanwhile() -> None:
        files_meanwhile.append(len(list(files.rglob("inputs.npy"))))

    for outcome in run_many(runs, workers=2, meanwhile=meanwhile):
        outcomes.append(outcome)
        assert files_meanwhile == [1]
        assert len(list(files.rglob("inputs.npy"))) == (len(outcomes) < 3)
    assert files_meanwhile == [1]
    assert not list(files.glob("gradvitals-*"))
    monkeypatch.setattr(mapped, "LARGE", 10**9)
    alone = plan(tmp_path, axes)
    assert found_in(outcomes, runs) == found_in(list(run_many(alone, workers=1, meanwhile=meanwhile)), alone)
    assert files_meanwhile == [1]


@pytest.mark.usefixtures("all_large")
def test_no_file_is_left_of_a_sweep_that_is_stopped(files: Path, tmp_path: Path) -> None:
    outcomes = run_many(plan(tmp_path, '"model.activation" = ["relu", "tanh", "sigmoid"]\n'), workers=2)
    next(outcomes)
    assert list(files.rglob("inputs.npy"))
    outcomes.close()
    assert not list(files.glob("gradvitals-*"))


@pytest.mark.usefixtures("all_large")
def test_when_a_worker_dies_every_run_is_told_of_and_no_more_data_are_written(
    files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[int] = []

    def write_counted(dataset: Dataset, folder: Path) -> None:
        written.append(len(dataset.inputs))
        write_mapped(dataset, folder)

    monkeypatch.setattr(shared_data, "write_mapped", write_counted)
    axes = '"model.activation" = ["relu", "tanh"]\n"data.n" = [60, 70, 80, 90, 100, 110]\n'
    (tmp_path / "x.toml").write_text(SWEEP.format(hidden=8).replace("digits", "moons") + axes, encoding="utf-8")
    runs = place_runs(make_plan(load_config(tmp_path / "x.toml"), tmp_path / "logs"), "new")[0]
    outcomes = run_many(runs, workers=2)
    told = [next(outcomes)]
    for worker in multiprocessing.active_children():
        worker.kill()
    told += outcomes
    assert sorted(outcome.planned.name for outcome in told) == sorted(planned.name for planned, _ in runs)
    assert {outcome.error for outcome in told if outcome.summary is None} == {
        "a worker process died (out of memory?); --resume does the rest"
    }
    assert len(written) < 5
    assert not list(files.glob("gradvitals-*"))
