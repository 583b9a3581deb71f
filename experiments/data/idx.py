"""A folder of IDX files, the format of MNIST and its relatives, plain or gzipped.

References:
    LeCun, Cortes & Burges, "The MNIST database of handwritten digits", "The IDX file format".
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from gradvitals.experiments.data.dataset import Floats, Labels, Table
from gradvitals.experiments.data.finite import as_floats
from gradvitals.experiments.errors import UserError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST_FILE = 4_000_000_000  # bytes, unpacked


def read_idx_folder(folder: Path) -> Table:
    """Read images and labels of `train`, and those of `t10k` as the validation set where they are.

    Raises:
        UserError: If a file is missing, cut short, or not an IDX file.
    """
    inputs, labels, shape = _split(folder, "train")
    validation = None
    if _find(folder, "t10k", "images", 3) is not None:
        held_out, held_out_labels, held_out_shape = _split(folder, "t10k")
        if held_out_shape != shape:
            sentence = f"{folder}: training images of shape {shape} and t10k images of shape {held_out_shape}"
            raise UserError(sentence)
        validation = held_out, held_out_labels
    return Table(
        inputs=inputs,
        labels=labels,
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(shape[0]) for column in range(shape[1])),
        validation=validation,
        task="classification",
        description=f"{folder.name}: {len(inputs)} images of {shape[0]} × {shape[1]} pixels",
    )


def read_idx(path: Path) -> Labels:
    """Return the array in an IDX file.

    Raises:
        UserError: If it is not an IDX file, or holds fewer or more numbers than its header says.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or content[3] == 0:
        sentence = f"{path}: not an IDX file (it begins with {content[:4].hex(' ') or 'nothing'})"
        raise UserError(sentence)
    dtype, dimensions = np.dtype(DTYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if len(content) >= start:
        shape = struct.unpack(f">{dimensions}I", content[4:start])
        if len(content) - start == math.prod(shape) * dtype.itemsize:
            return np.frombuffer(content, dtype, offset=start).reshape(shape)
        found, wanted = len(content) - start, math.prod(shape) * dtype.itemsize
        what = "cut short" if found < wanted else "longer than its header says"
        sentence = f"{path}: {what}: {found:,} bytes of data where its header announces {wanted:,}"
        raise UserError(sentence)
    sentence = f"{path}: cut short within its header"
    raise UserError(sentence)


def _split(folder: Path, split: str) -> tuple[Floats, Labels, tuple[int, int]]:
    """Return the flattened images and the labels of a split, and the images' shape."""
    paths = {kind: _find(folder, split, kind, dimensions) for kind, dimensions in (("images", 3), ("labels", 1))}
    images_path, labels_path = paths["images"], paths["labels"]
    if images_path is None or labels_path is None:
        missing = [
            f"{split}-{kind}-idx{3 if kind == 'images' else 1}-ubyte" for kind, path in paths.items() if path is None
        ]
        sentence = (
            f"{folder}: a folder without {' and '.join(missing)} (or .gz); a folder of MNIST's IDX files is needed"
        )
        raise UserError(sentence)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1 or images.size == 0:
        sentence = (
            f"{images_path}: shape {images.shape} with labels {labels.shape}; (n, rows, columns) and (n,) are needed"
        )
        raise UserError(sentence)
    if len(images) != len(labels):
        sentence = (
            f"{images_path}: {len(images)} images and {len(labels)} labels in {labels_path.name}; they must agree"
        )
        raise UserError(sentence)
    if labels.dtype.kind == "f":
        sentence = f"{labels_path}: labels are floats; classes are whole numbers"
        raise UserError(sentence)
    floats = as_floats(images.reshape(len(images), -1), str(images_path))
    return floats, labels.astype(np.int64), (images.shape[1], images.shape[2])


def _find(folder: Path, split: str, kind: str, dimensions: int) -> Path | None:
    """Return the file of a split under any of its usual names."""
    for stem in (f"{split}-{kind}-idx{dimensions}-ubyte", f"{split}-{kind}.idx{dimensions}-ubyte"):
        for suffix in ("", ".gz"):
            if (folder / f"{stem}{suffix}").is_file():
                return folder / f"{stem}{suffix}"
    return None


def _content(path: Path) -> bytes:
    """Return a file's bytes, unpacked."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        sentence = f"{path}: not a readable file: {str(error).rstrip('.')}"
        raise UserError(sentence) from error
    if len(content) > LARGEST_FILE:
        sentence = f"{path}: more than {LARGEST_FILE:,} bytes when unpacked"
        raise UserError(sentence)
    return content
