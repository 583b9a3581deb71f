"""Large data sets: kept in the dtype that is trained in, and as files that several processes map into their memory."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.experiments.data.dataset import Dataset

LARGE = 2**23
"""Numbers in the training inputs from which on a set is large: 32 MB in float32. Others are not worth a file."""

ARRAYS = ("inputs", "targets", "validation_inputs", "validation_targets")
WORDS = ("name", "task", "feature_names", "class_names", "description")
WORDS_FILE = "words.json"


def is_large(dataset: Dataset) -> bool:
    """Tell whether it matters how often a data set is in memory."""
    return dataset.inputs.size >= LARGE


def as_trained(dataset: Dataset, dtype: DTypeLike) -> Dataset:
    """Give a large data set with its inputs in the dtype of its training, which then needs no copy; others as is."""
    if not is_large(dataset):
        return dataset
    inputs, held_out = (np.ascontiguousarray(one, dtype) for one in (dataset.inputs, dataset.validation_inputs))
    return replace(dataset, inputs=inputs, validation_inputs=held_out)


def write_mapped(dataset: Dataset, folder: Path) -> None:
    """Write a data set into an empty folder, for `read_mapped`."""
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(dataset, name), allow_pickle=False)
    words = {name: getattr(dataset, name) for name in WORDS}
    (folder / WORDS_FILE).write_text(json.dumps(words), encoding="utf-8")


def read_mapped(folder: Path) -> Dataset:
    """Give the data set in a folder; its arrays are the files themselves, in memory once for all who do so."""
    words = json.loads((folder / WORDS_FILE).read_text(encoding="utf-8"))
    files = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS]
    inputs, targets, held_out, held_out_targets = map(np.asarray, files)  # NumPy's memmap is slower at every slice
    return Dataset(
        name=words["name"],
        task=words["task"],
        inputs=inputs,
        targets=targets,
        validation_inputs=held_out,
        validation_targets=held_out_targets,
        feature_names=tuple(words["feature_names"]),
        class_names=tuple(words["class_names"]),
        description=words["description"],
    )
