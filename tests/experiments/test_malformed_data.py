"""Malformed data: one clear sentence each, that names the file, row and column, and the right thing."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError

GOOD_ROWS = [f"{i}.5,{i * i},{'ab'[i % 2]}" for i in range(20)]


def csv(*rows: str, header: str = "height,weight,label") -> Callable[[Path], str]:
    """Write a table."""

    def write(folder: Path) -> str:
        (folder / "d.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
        return "d.csv"

    return write


def npz(**arrays: Any) -> Callable[[Path], str]:
    """Write an archive of arrays."""

    def write(folder: Path) -> str:
        np.savez(folder / "d.npz", **arrays)
        return "d.npz"

    return write


def npy(array: np.ndarray[Any, Any]) -> Callable[[Path], str]:
    """Write one array."""

    def write(folder: Path) -> str:
        np.save(folder / "d.npy", array)
        return "d.npy"

    return write


def raw(name: str, content: bytes = b"") -> Callable[[Path], str]:
    """Write bytes."""

    def write(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return name

    return write


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """Return unsigned bytes in the IDX format."""
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def images(**files: bytes) -> Callable[[Path], str]:
    """Write a folder of IDX files."""

    def write(folder: Path) -> str:
        (folder / "mnist").mkdir()
        for name, content in files.items():
            kind, dimensions, *gz = name.split("_")
            split, what = ("train", kind) if not kind.startswith("t10k") else ("t10k", kind[4:])
            (folder / "mnist" / f"{split}-{what}-idx{dimensions}-ubyte{'.gz' if gz else ''}").write_bytes(content)
        return "mnist"

    return write


X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2
PIXELS = np.arange(20 * 4).reshape(20, 2, 2)
WITH_NAN = X.copy()
WITH_NAN[7, 1] = np.nan

MALFORMED: dict[str, tuple[Callable[[Path], str], dict[str, Any], str]] = {
    "an empty cell": (csv(*GOOD_ROWS[:3], "1.0,,a", *GOOD_ROWS), {}, "row 5, column 'weight': the cell is empty"),
    "nan in a cell": (
        csv(*GOOD_ROWS, "nan,2,a"),
        {},
        "row 22, column 'height': nan is not a number that can be trained",
    ),
    "inf in a cell": (csv(*GOOD_ROWS, "-inf,2,a"), {}, "row 22, column 'height': -inf is not a number that can"),
    "too large for float32": (
        csv(*GOOD_ROWS, "1e300,2,a"),
        {},
        "row 22, column 'height': 1e300 is not a number that can",
    ),
    "text in a number column": (
        csv(*GOOD_ROWS, "tall,2,a"),
        {},
        "row 22, column 'height': 'tall' is not a number; inputs must be numbers",
    ),
    "a missing label": (csv(*GOOD_ROWS, "1,2,"), {}, "row 22, column 'label': the label is missing"),
    "a stray word among number labels": (
        csv(*[f"1,{i},{i % 3}" for i in range(20)], "1,2,NA"),
        {},
        "row 22, column 'label': 'NA' is not a number, as the other labels are",
    ),
    "a nan label": (
        csv(*[f"1,{i},{i / 3}" for i in range(20)], "1,2,nan"),
        {},
        "row 22, column 'label': nan is not a number that can be trained on",
    ),
    "a short row": (csv(*GOOD_ROWS, "1,2"), {}, "row 22: 2 cells where the first row has 3"),
    "a long row": (csv(*GOOD_ROWS, "1,2,a,4"), {}, "row 22: 4 cells where the first row has 3"),
    "an open quote": (csv(*GOOD_ROWS, '1,2,"a'), {}, "row 22: not valid CSV"),
    "an empty csv": (raw("d.csv"), {}, "d.csv: empty; a header and rows of numbers are needed"),
    "blank lines only": (raw("d.csv", b"\n \n\n"), {}, "d.csv: empty"),
    "a header only": (csv(), {}, "d.csv: a header and no rows"),
    "one column": (csv(*"ababababababab", header="label"), {}, "only one column, 'label'"),
    "five rows": (csv(*GOOD_ROWS[:5]), {}, "5 rows of data; at least 10 are needed"),
    "one class": (csv(*[f"{i},1,a" for i in range(20)]), {}, "only one class, 'a'; there is nothing to tell apart"),
    "one quantity": (
        csv(*[f"{i},1,2.5" for i in range(20)]),
        {"task": "regression"},
        "all targets are 2.5; there is nothing to predict",
    ),
    "a target that is not there": (
        csv(*GOOD_ROWS),
        {"target": "lable"},
        "data.target: a column 'lable' is not there; there are height, weight, label — did you mean 'label'?",
    ),
    "a target that is there twice": (
        csv(*GOOD_ROWS, header="a,b,b"),
        {"target": "b"},
        "data.target: a column 'b' is there more than once",
    ),
    "labels in doubt": (
        csv(*[f"{i},1,{3 + i % 6}" for i in range(60)]),
        {},
        "data.task: the labels [3, 4, 5, 6, 7, 8] could be classes or quantities — set task =",
    ),
    "a name for every row": (
        csv(*[f"{i},1,person{i}" for i in range(20)]),
        {},
        "20 classes in 20 rows; is this the column of labels?",
    ),
    "regression on text": (csv(*GOOD_ROWS), {"task": "regression"}, "data.task: 'regression' needs numbers, but the"),
    "classification of fractions": (
        csv(*[f"{i},1,{i / 8}" for i in range(20)]),
        {"task": "classification"},
        'data.task: 0.125 is no class label — set task = "regression"',
    ),
    "multilabel of other numbers": (
        csv(*[f"{i},1,{i % 3}" for i in range(20)]),
        {"task": "multilabel"},
        "data.task: 'multilabel' needs labels of 0 and 1 only",
    ),
    "targets of a classification scaled": (
        csv(*GOOD_ROWS),
        {"scale_targets": "standard"},
        "data.scale_targets: 'standard' needs a regression, not a classification",
    ),
    "too few rows for the split": (
        csv(*GOOD_ROWS),
        {"validation": 0.01},
        "data.validation: 0.01 of 20 rows is none; hold out more",
    ),
    "a csv in another encoding": (raw("d.csv", "höhe,y\n1,2".encode("latin-1")), {}, "d.csv: not UTF-8 text (byte 1)"),
    "a spreadsheet": (raw("d.xlsx", b"PK"), {}, "'d.xlsx': .xlsx is not one of .csv, .npz, .npy or a folder of IDX"),
    "a file without a suffix": (raw("data", b"1,2"), {}, "'data': no suffix is not one of .csv, .npz, .npy"),
    "a missing file": (lambda _: "nowhere.csv", {}, "data.source: 'nowhere.csv': no such file"),
    "a misspelt data set": (lambda _: "digts", {}, "data.source: 'digts': no such file, and no data set of that name"),
    "an impossible path": (lambda _: "a\0b.csv", {}, "no such file"),
    "no array x": (npz(data=X, y=Y), {}, "d.npz: no array 'x'; x (inputs) and y (labels) are needed, it has data, y"),
    "rows that disagree": (npz(x=X, y=Y[:-1]), {}, "d.npz: x has 20 rows and y 19; they must agree"),
    "inputs of one dimension": (npz(x=X[:, 0], y=Y), {}, "d.npz: x has shape (20,); rows of inputs"),
    "labels of three dimensions": (npz(x=X, y=np.zeros((20, 2, 2))), {}, "d.npz: y has shape (20, 2, 2); one label"),
    "nan in an array": (npz(x=WITH_NAN, y=Y), {}, "d.npz: x: row 7, column 1 (counted from 0) is nan"),
    "nan in the labels": (
        npz(x=X, y=np.where(Y == 1, np.nan, 0.5)),
        {},
        "d.npz: labels: row 1 (counted from 0) is nan",
    ),
    "complex inputs": (npz(x=X + 1j, y=Y), {}, "d.npz: x: holds complex128 values, not real numbers"),
    "python objects": (
        npz(x=np.array([[{}], [{}]], dtype=object), y=Y[:2]),
        {},
        "d.npz: holds Python objects (a pickle), which could run code; save plain arrays",
    ),
    "dates for labels": (npz(x=X, y=np.array(["2024-01-01"] * 20, dtype="M8[D]")), {}, "y: labels of type datetime64"),
    "negative classes": (
        npz(x=X, y=Y - 2),
        {"task": "classification"},
        "class label -2 is negative; number the classes",
    ),
    "one class in an array": (npz(x=X, y=Y * 0), {}, "only one class, 0; there is nothing to tell apart"),
    "half a split": (npz(x=X, y=Y, x_validation=X), {}, "d.npz: x_validation without its partner"),
    "a split of another width": (
        npz(x=X, y=Y, x_validation=X[:, :1], y_validation=Y),
        {},
        "d.npz: x_validation has shape (20, 1) and x (20, 2); only rows may differ",
    ),
    "a class that training never saw": (
        npz(x=X, y=Y, x_validation=X, y_validation=Y + 1),
        {},
        "class 2 is in the validation set but not in the training set",
    ),
    "a split with labels of another type": (
        npz(x=X, y=Y, x_validation=X, y_validation=Y.astype(str)),
        {},
        "labels are int64 for training and <U21 for validation",
    ),
    "columns of labels that are no classes": (
        npz(x=X, y=np.ones((20, 3), dtype=int)),
        {"task": "classification"},
        "3 columns of labels; a classification needs one, or rows with a single 1",
    ),
    "an npz that is none": (
        raw("d.npz", b"not an archive"),
        {},
        "d.npz: not a NumPy file (it begins with 6e 6f 74 20)",
    ),
    "a pickle named npz": (raw("d.npz", b"\x80\x04K\x01."), {}, "d.npz: holds Python objects (a pickle), which could"),
    "an npz cut short": (
        raw("d.npz", b"PK\x03\x04cut"),
        {},
        "d.npz: not a readable NumPy file: File is not a zip file",
    ),
    "an empty npy": (raw("d.npy"), {}, "d.npy: not a NumPy file (it begins with nothing)"),
    "an archive named npy": (raw("d.npy", b"PK\x05\x06" + bytes(18)), {}, "d.npy: an archive of arrays; name it .npz"),
    "an npy whose header breaks off": (
        raw("d.npy", b"\x93NUMPY\x01\x00\x0a\x00{'descr': (\n"),
        {},
        "d.npy: not a readable NumPy file",
    ),
    "an npy of one dimension": (
        npy(X[:, 0]),
        {},
        "d.npy: shape (20,); rows of inputs with the label in the last column",
    ),
    "an npy cut short": (
        raw(
            "d.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (20, 2), }".ljust(127) + b"\n",
        ),
        {},
        "d.npy: not a readable NumPy file",
    ),
    "a folder without images": (
        images(),
        {},
        "a folder without train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz)",
    ),
    "images without labels": (images(images_3=idx(PIXELS)), {}, "a folder without train-labels-idx1-ubyte (or .gz)"),
    "images cut short": (
        images(images_3=idx(PIXELS)[:-10], labels_1=idx(Y)),
        {},
        "train-images-idx3-ubyte: cut short: 70 bytes of data where its header announces 80",
    ),
    "a header cut short": (images(images_3=idx(PIXELS)[:9], labels_1=idx(Y)), {}, "cut short within its header"),
    "something else under that name": (
        images(images_3=b"\x89PNG....", labels_1=idx(Y)),
        {},
        "train-images-idx3-ubyte: not an IDX file (it begins with 89 50 4e 47)",
    ),
    "an archive cut short": (
        images(images_3_gz=gzip.compress(idx(PIXELS))[:-12], labels_1=idx(Y)),
        {},
        "train-images-idx3-ubyte.gz: not a readable file",
    ),
    "fewer labels than images": (
        images(images_3=idx(PIXELS), labels_1=idx(Y[:-2])),
        {},
        "20 images and 18 labels in train-labels-idx1-ubyte; they must agree",
    ),
    "labels where the images should be": (
        images(images_3=idx(Y), labels_1=idx(Y)),
        {},
        "shape (20,) with labels (20,); (n, rows, columns) and (n,) are needed",
    ),
    "test images of another size": (
        images(images_3=idx(PIXELS), labels_1=idx(Y), t10kimages_3=idx(PIXELS[:, :1]), t10klabels_1=idx(Y)),
        {},
        "training images of shape (2, 2) and t10k images of shape (1, 2)",
    ),
}


@pytest.mark.parametrize(("write", "settings", "wanted"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_one_sentence(
    write: Callable[[Path], str], settings: dict[str, Any], wanted: str, tmp_path: Path
) -> None:
    source = write(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    config = parse_config({"data": {"source": source, **settings}})

    with pytest.raises(UserError) as caught:
        load_data(config.data, seed=0, base_dir=tmp_path, origin="x.toml")

    sentence = str(caught.value)
    assert wanted in sentence
    assert sentence.startswith(("x.toml: data.", str(tmp_path)))
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_end_every_command_with_2(
    case: tuple[Callable[[Path], str], dict[str, Any], str],
    command: str,
    gradvitals: Callable[..., Any],
    tmp_path: Path,
) -> None:
    write, settings, wanted = case
    data = {"source": write(tmp_path), **settings}
    (tmp_path / "x.toml").write_text(tomlkit.dumps({"data": data}), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    said = gradvitals(command, "x.toml")
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert said.err.startswith("gradvitals: ")
    assert wanted in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_pickle_in_an_archive_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    np.savez(tmp_path / "d.npz", x=np.array([[Payload()]], dtype=object), y=np.zeros(1))
    config = parse_config({"data": {"source": "d.npz"}})
    with pytest.raises(UserError, match="a pickle"):
        load_data(config.data, seed=0, base_dir=tmp_path)
    assert not marker.exists()
