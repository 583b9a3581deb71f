"""Examples from NumPy's own files: .npz with arrays x and y, or .npy with the labels in the last column."""

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from gradvitals.experiments.data.dataset import Labels, Table
from gradvitals.experiments.data.finite import as_floats
from gradvitals.experiments.errors import UserError

SPLIT_NAMES = ("x_validation", "y_validation")
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,  # encrypted, or compressed in a way that is not supported
    tokenize.TokenError,  # a header that breaks off
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that are cut short or corrupt."""

PICKLED = "holds Python objects (a pickle), which could run code; save plain arrays of numbers"


def read_npz(path: Path) -> Table:
    """Read `x` and `y`, and `x_validation` and `y_validation` where the file fixes the split.

    Inputs of more than two dimensions, such as images, are flattened.

    Raises:
        UserError: If an array is missing, holds Python objects or does not fit the others.
    """
    arrays = _load(path)
    if "" in arrays:
        sentence = f"{path}: a single array; name it .npy"
        raise UserError(sentence)
    for name in ("x", "y"):
        if name not in arrays:
            has = ", ".join(arrays) or "no arrays"
            sentence = f"{path}: no array {name!r}; x (inputs) and y (labels) are needed, it has {has}"
            raise UserError(sentence)
    inputs, labels = _pair(path, arrays, "x", "y")
    validation = None
    present = [name for name in SPLIT_NAMES if name in arrays]
    if len(present) == 1:
        sentence = f"{path}: {present[0]} without its partner; x_validation and y_validation fix the split together"
        raise UserError(sentence)
    if present:
        validation = _pair(path, arrays, *SPLIT_NAMES)
        for ours, theirs, name in ((inputs, validation[0], "x"), (labels, validation[1], "y")):
            if ours.shape[1:] != theirs.shape[1:]:
                sentence = (
                    f"{path}: {name}_validation has shape {theirs.shape} and {name} {ours.shape}; only rows may differ"
                )
                raise UserError(sentence)
    return Table(
        inputs=inputs,
        labels=labels,
        feature_names=_column_names(inputs.shape[1]),
        validation=validation,
        description=f"{path.name}: {len(inputs)} examples of {inputs.shape[1]} inputs",
    )


def read_npy(path: Path) -> Table:
    """Read one array of two dimensions whose last column holds the labels.

    Raises:
        UserError: If it holds Python objects or has another shape.
    """
    array = _load(path).get("")
    if array is None:
        sentence = f"{path}: an archive of arrays; name it .npz"
        raise UserError(sentence)
    if array.ndim != 2 or array.shape[1] < 2:
        sentence = f"{path}: shape {array.shape}; rows of inputs with the label in the last column are needed"
        raise UserError(sentence)
    floats = as_floats(array, str(path))
    return Table(
        inputs=floats[:, :-1].copy(),
        labels=array[:, -1],
        feature_names=_column_names(array.shape[1] - 1),
        description=f"{path.name}: predict the last of {array.shape[1]} columns",
    )


def _load(path: Path) -> dict[str, Labels]:
    """Return all arrays of an archive by name, or a single array under an empty name; nothing is ever unpickled."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
            file.seek(0)
            if head != b"\x93NUMPY" and head[:2] != b"PK":
                raise _foreign(path, head)
            loaded = np.load(file, allow_pickle=False)
            return {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except BROKEN as error:
        raise _unreadable(path, error) from error


def _pair(path: Path, arrays: dict[str, Labels], x: str, y: str) -> tuple[Labels, Labels]:
    """Return inputs as floats `(n, features)` and labels `(n,)` or `(n, outputs)` that belong together."""
    inputs, labels = arrays[x], arrays[y]
    if inputs.ndim < 2 or inputs[:1].size == 0:
        sentence = f"{path}: {x} has shape {inputs.shape}; rows of inputs, (n, features), are needed"
        raise UserError(sentence)
    if labels.ndim not in {1, 2} or labels[:1].size == 0:
        sentence = f"{path}: {y} has shape {labels.shape}; one label per row, (n,) or (n, outputs), is needed"
        raise UserError(sentence)
    if len(inputs) != len(labels):
        sentence = f"{path}: {x} has {len(inputs)} rows and {y} {len(labels)}; they must agree"
        raise UserError(sentence)
    floats = as_floats(inputs.reshape(len(inputs), -1), f"{path}: {x}")
    if labels.dtype.kind not in "biufU":
        sentence = f"{path}: {y}: labels of type {labels.dtype}; whole numbers, booleans, floats or text are needed"
        raise UserError(sentence)
    return floats, labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _foreign(path: Path, head: bytes) -> UserError:
    """Return the error for a file that begins like none of NumPy's."""
    if head[:1] == b"\x80":
        return UserError(f"{path}: {PICKLED}")
    return UserError(f"{path}: not a NumPy file (it begins with {head[:4].hex(' ') or 'nothing'})")


def _unreadable(path: Path, error: Exception) -> UserError:
    """Return the error for a file that NumPy does not read."""
    text = str(error)
    if "allow_pickle" in text:
        return UserError(f"{path}: {PICKLED}")
    reason = "too large for the memory" if isinstance(error, MemoryError) else text.partition("\n")[0] or "cut short"
    return UserError(f"{path}: not a readable NumPy file: {reason.rstrip('.')}")


def _column_names(count: int) -> tuple[str, ...]:
    return tuple(f"x{index}" for index in range(count))
