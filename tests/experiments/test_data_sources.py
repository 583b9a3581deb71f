"""Every kind of source gives the examples it holds."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.experiments.config.data import DataConfig
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.data.load import load_data


def load(source: str, folder: Path = Path(), seed: int = 0, **settings: Any) -> Dataset:
    """Load unscaled, unless told otherwise."""
    return load_data(DataConfig(**({"source": source, "scale": "none"} | settings)), seed, folder)


def all_rows(dataset: Dataset) -> np.ndarray[Any, Any]:
    """Return the inputs of both parts, sorted."""
    rows = np.concatenate([dataset.inputs, dataset.validation_inputs])
    return rows[np.lexsort(rows.T)]


def write_csv(folder: Path, text: str) -> str:
    (folder / "d.csv").write_text(text, encoding="utf-8")
    return "d.csv"


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    ("source", "task", "rows", "features", "outputs"),
    [
        ("digits", "classification", 1797, 64, 10),
        ("iris", "classification", 150, 4, 3),
        ("wine", "classification", 178, 13, 3),
        ("breast_cancer", "classification", 569, 30, 2),
        ("diabetes", "regression", 442, 10, 1),
        ("moons", "classification", 1000, 2, 2),
        ("circles", "classification", 1000, 2, 2),
        ("spiral", "classification", 1000, 2, 3),
        ("xor", "classification", 1000, 2, 2),
        ("blobs", "classification", 1000, 2, 3),
    ],
)
def test_a_named_source_has_its_shape(source: str, task: str, rows: int, features: int, outputs: int) -> None:
    dataset = load(source)
    assert (dataset.task, dataset.outputs, dataset.inputs.shape[1]) == (task, outputs, features)
    assert len(dataset.inputs) + len(dataset.validation_inputs) == rows
    assert len(dataset.validation_inputs) == round(rows * 0.2)
    assert dataset.inputs.dtype == np.float64
    assert len(dataset.feature_names) == features
    assert dataset.description.startswith(source)
    if task == "classification":
        assert dataset.targets.dtype == np.int64
        assert dataset.targets.shape == (len(dataset.inputs),)
        assert set(dataset.targets) == set(range(outputs))
    else:
        assert dataset.targets.dtype == np.float64
        assert dataset.targets.shape == (len(dataset.inputs), outputs)


def test_the_arrays_of_a_data_set_are_read_only() -> None:
    dataset = load("iris")
    with pytest.raises(ValueError, match="read-only"):
        dataset.inputs[0, 0] = 1.0


def test_class_names_come_in_the_order_of_the_indices() -> None:
    assert load("iris").class_names == ("setosa", "versicolor", "virginica")


@pytest.mark.parametrize("kind", ["moons", "circles", "spiral", "xor", "blobs"])
def test_a_toy_without_noise_lies_on_its_curves(kind: str) -> None:
    dataset = load(kind, n=300, noise=0.0, validation=0.5)
    points = np.concatenate([dataset.inputs, dataset.validation_inputs])
    labels = np.concatenate([dataset.targets, dataset.validation_targets])
    radius = np.hypot(*points.T)
    match kind:
        case "moons":
            lower = points - np.array([1.0, 0.5])
            np.testing.assert_allclose(np.where(labels == 0, radius, np.hypot(*lower.T)), 1.0)
        case "circles":
            np.testing.assert_allclose(radius, np.where(labels == 0, 1.0, 0.5))
        case "spiral":
            angle = np.arctan2(points[:, 0], points[:, 1]) - 4.0 * (radius + labels)
            inside = radius > 0
            np.testing.assert_allclose(np.cos(angle[inside]), 1.0)
        case "xor":
            np.testing.assert_array_equal(points.prod(axis=1) < 0, labels == 1)
        case _:
            np.testing.assert_allclose(radius, 4.0)


def test_noise_has_the_deviation_asked_for() -> None:
    noisy, clean = (load("blobs", n=20_000, noise=noise, validation=0.5) for noise in (0.5, 0.0))
    centres = np.stack([clean.inputs[clean.targets == index].mean(axis=0) for index in range(3)])
    deviation = (noisy.inputs - centres[noisy.targets.astype(int)]).std(axis=0)
    np.testing.assert_allclose(deviation, 0.5, rtol=0.02)


@pytest.mark.parametrize("kind", ["moons", "circles", "spiral", "xor", "blobs"])
def test_toy_classes_are_of_equal_size(kind: str) -> None:
    dataset = load(kind, n=600)
    counts = np.bincount(np.concatenate([dataset.targets, dataset.validation_targets]).astype(int))
    assert counts.min() == counts.max()


def test_csv_with_a_header_takes_the_last_column_for_the_target(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i * 2},{'yes' if i % 3 else 'no'}" for i in range(30))
    dataset = load(write_csv(tmp_path, f"a,b,sort\n{rows}\n"), tmp_path)
    assert dataset.feature_names == ("a", "b")
    assert dataset.class_names == ("no", "yes")
    np.testing.assert_array_equal(all_rows(dataset), [[i, 2 * i] for i in range(30)])
    np.testing.assert_array_equal(dataset.targets, (dataset.inputs[:, 0] % 3 != 0).astype(int))


@pytest.mark.parametrize("name", ["label", "target", "y", "Class"])
def test_csv_takes_a_column_named_so_for_the_target(name: str, tmp_path: Path) -> None:
    rows = "\n".join(f"{'ab'[i % 2]},{i},{i}" for i in range(20))
    dataset = load(write_csv(tmp_path, f"{name},u,v\n{rows}"), tmp_path)
    assert dataset.feature_names == ("u", "v")


def test_csv_takes_the_target_that_is_named(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i / 7},{'ab'[i % 2]}" for i in range(20))
    header = "u,v,label\n"
    dataset = load(write_csv(tmp_path, header + rows.replace(",a", ",1").replace(",b", ",2")), tmp_path, target="v")
    assert dataset.task == "regression"
    assert dataset.feature_names == ("u", "label")


def test_csv_without_a_header_is_recognised(tmp_path: Path) -> None:
    rows = "\n".join(f"{i}.5,{i},{'Iris-setosa' if i % 2 else 'Iris-virginica'}" for i in range(20))
    dataset = load(write_csv(tmp_path, rows), tmp_path)
    assert len(dataset.inputs) + len(dataset.validation_inputs) == 20
    assert dataset.feature_names == ("column 1", "column 2")


def test_csv_with_numbers_for_some_names_has_a_header(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i},{i % 2}" for i in range(20))
    dataset = load(write_csv(tmp_path, f"0,1,label\n{rows}"), tmp_path)
    assert dataset.feature_names == ("0", "1")


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_csv_may_be_quoted_and_separated_otherwise(separator: str, tmp_path: Path) -> None:
    rows = "\r\n".join(separator.join((f'"{i}"', str(-i), f'"the ""{"ab"[i % 2]}"" kind"')) for i in range(20))
    dataset = load(write_csv(tmp_path, f'\ufeff"a b"{separator}c{separator}"kind"\r\n{rows}\r\n\r\n'), tmp_path)
    assert dataset.feature_names == ("a b", "c")
    assert dataset.class_names == ('the "a" kind', 'the "b" kind')


def test_npz_splits_at_random_without_a_split_of_its_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(60.0).reshape(20, 3), y=np.arange(20) % 2)
    dataset = load("d.npz", tmp_path, validation=0.25)
    assert (dataset.inputs.shape, dataset.validation_inputs.shape) == ((15, 3), (5, 3))


def test_npz_keeps_the_split_it_brings(tmp_path: Path) -> None:
    x, y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2
    np.savez(tmp_path / "d.npz", x=x[:12], y=y[:12], x_validation=x[12:], y_validation=y[12:])
    dataset = load("d.npz", tmp_path)
    np.testing.assert_array_equal(dataset.inputs, x[:12])
    np.testing.assert_array_equal(dataset.validation_inputs, x[12:])
    np.testing.assert_array_equal(dataset.validation_targets, y[12:])


def test_npz_flattens_images_and_reads_text_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.ones((20, 2, 2)) * np.arange(20)[:, None, None], y=np.array(["cat", "dog"] * 10))
    dataset = load("d.npz", tmp_path)
    assert dataset.inputs.shape == (16, 4)
    assert dataset.class_names == ("cat", "dog")


def test_npz_of_several_answers_is_multilabel(tmp_path: Path) -> None:
    answers = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]] * 5)
    np.savez(tmp_path / "d.npz", x=np.arange(40.0).reshape(20, 2), y=answers)
    dataset = load("d.npz", tmp_path)
    assert dataset.task == "multilabel"
    assert dataset.outputs == 3
    assert dataset.targets.dtype == np.float64


def test_npz_of_one_hot_rows_is_a_classification(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.arange(42.0).reshape(21, 2), y=np.eye(3)[np.arange(21) % 3])
    dataset = load("d.npz", tmp_path)
    assert dataset.task == "classification"
    np.testing.assert_array_equal(dataset.targets, (dataset.inputs[:, 0] // 2) % 3)


def test_npy_has_its_labels_in_the_last_column(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.column_stack([np.arange(20), np.arange(20), np.arange(20) / 3.0]))
    dataset = load("d.npy", tmp_path)
    assert dataset.task == "regression"
    np.testing.assert_allclose(dataset.targets[:, 0], dataset.inputs[:, 0] / 3.0)


@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["plain", "gzipped"])
def test_a_folder_of_idx_files_is_read_with_its_test_set(suffix: str, tmp_path: Path) -> None:
    pixels, labels = np.arange(240).reshape(20, 3, 4), np.arange(20) % 5
    for split, rows in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        write_idx(tmp_path / f"{split}-images-idx3-ubyte{suffix}", pixels[rows])
        write_idx(tmp_path / f"{split}-labels-idx1-ubyte{suffix}", labels[rows])
    dataset = load(str(tmp_path))
    np.testing.assert_array_equal(dataset.inputs, pixels[:15].reshape(15, 12))
    np.testing.assert_array_equal(dataset.validation_targets, labels[15:])
    assert dataset.class_names == tuple("01234")
    assert dataset.feature_names[:5] == ("pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_0_3", "pixel_1_0")


def test_idx_files_without_a_test_set_are_split(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images.idx3-ubyte", np.arange(80).reshape(20, 2, 2))
    write_idx(tmp_path / "train-labels.idx1-ubyte", np.arange(20) % 2)
    assert len(load(str(tmp_path)).validation_inputs) == 4


def test_a_relative_path_is_sought_beside_the_config_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, working = tmp_path / "beside", tmp_path / "working"
    for folder, scale in ((beside, 1.0), (working, -1.0)):
        folder.mkdir()
        np.savez(folder / "both.npz", x=scale * np.arange(1.0, 41.0).reshape(20, 2), y=np.arange(20) % 2)
    (beside / "both.npz").rename(beside / "one.npz")
    np.savez(beside / "both.npz", x=np.arange(1.0, 41.0).reshape(20, 2), y=np.arange(20) % 2)
    np.savez(working / "other.npz", x=-np.arange(1.0, 41.0).reshape(20, 2), y=np.arange(20) % 2)
    monkeypatch.chdir(working)
    assert load("both.npz", beside).inputs.min() > 0
    assert load("other.npz", beside).inputs.max() < 0


def test_a_name_is_never_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "iris").mkdir()
    assert load("iris", tmp_path).inputs.shape[1] == 4


def test_toy_data_loads_no_scikit_learn() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from gradvitals.experiments.config.data import DataConfig\n"
        "from gradvitals.experiments.data.load import load_data\n"
        "load_data(DataConfig(source='moons'), 0, Path())\n"
        "print('sklearn' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
