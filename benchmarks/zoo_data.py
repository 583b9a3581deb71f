"""The data sets of the zoo: those that a config names, and those written as .npz files for a config's `data.source`.

Files fix the split, so that all runs of a data set are compared on the same validation rows.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from zoo_tables import TABLES, read_table

from gradvitals.experiments.data.bundled import load_bundled
from gradvitals.experiments.data.split import split_rows

Yardstick: TypeAlias = Literal["accuracy", "skill", "r2"]
Arrays: TypeAlias = tuple[NDArray[np.float64], NDArray[Any]]

FOLDER = "data"
HELD_OUT = 0.3
RARE = 0.2
"""Share of a class of two below which accuracy says little, and the log-loss is the yardstick."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set, as the grid wants it.

    Attributes:
        name: Of the data set; one with other labels has another name, one with other scaling has not.
        settings: Keys of the config's [data] table.
        yardstick: What "trains well" is measured by.
        rows: Training rows.
        classes: How many; 0 for a regression.
        digest: Of the arrays, where they are in a file.
        sequence_length: Time steps of a sequence task; 0 for others.
    """

    name: str
    settings: Mapping[str, Any]
    yardstick: Yardstick
    rows: int
    classes: int
    digest: str = ""
    sequence_length: int = 0

    @property
    def task(self) -> str:
        """Classification or regression."""
        return "classification" if self.classes else "regression"


def prepare(folder: Path) -> dict[str, DataSet]:
    """Give all data sets by name, in order, and write the files of those that need one below `folder`."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    sets = [*_named(), *(_write(folder, name, task, arrays) for name, task, arrays in _made())]
    return {data_set.name: data_set for data_set in sets}


def _named() -> Iterator[DataSet]:
    """Yield what a config gets by name: made, or split anew, by every seed."""
    yield DataSet("digits", {"source": "digits"}, "accuracy", 1437, 10)
    for name, rows, noise, classes in (
        ("xor", 1000, 0.2, 2),
        ("moons", 1000, 0.1, 2),
        ("circles", 1000, 0.05, 2),
        ("blobs", 1000, 1.0, 3),
        ("spiral", 1000, 0.1, 3),
        ("moons_wide", 600, 0.25, 2),
        ("xor_wide", 400, 0.5, 2),
        ("blobs_wide", 600, 2.0, 3),
        ("xor_tiny", 60, 0.1, 2),
        ("blobs_tiny", 45, 1.0, 3),
    ):
        settings = {"source": name.partition("_")[0], "n": rows, "noise": noise}
        yield DataSet(name, settings, "accuracy", round(0.8 * rows), classes)
    yield DataSet("delayed_copy", {"source": "delayed_copy"}, "accuracy", 800, 4, sequence_length=8)
    yield DataSet("adding", {"source": "adding"}, "r2", 800, 0, sequence_length=8)


def _made() -> Iterator[tuple[str, str, Arrays]]:
    """Yield what is written to files: name, task, inputs and labels."""
    for name in ("iris", "wine", "breast_cancer"):
        yield name, "classification", _bundled(name)
    yield "diabetes", "regression", _bundled("diabetes")
    for name, share in (("digits", 0.2), ("breast_cancer", 0.1), ("wine", 0.3)):
        inputs, labels = _bundled(name)
        yield f"{name}_flipped", "classification", (inputs, flip_labels(labels, share, _generator(name)))
    for classes, share in ((2, 0.3), (4, 0.1)):
        inputs, labels = _clouds(4 * [1.0 / 4] if classes == 4 else [0.5, 0.5], 1500, _generator(f"clouds {classes}"))
        yield f"clouds_{classes}_flipped", "classification", (inputs, flip_labels(labels, share, _generator("clouds")))
    yield "rare_1_in_100", "classification", _clouds([0.99, 0.01], 5000, _generator("rare 100"))
    yield "rare_1_in_20", "classification", _clouds([0.95, 0.05], 2000, _generator("rare 20"))
    yield "rare_eight", "classification", _rare_digit(8, 0.05, _generator("eight"))
    for table in TABLES:
        yield table.name, table.task, read_table(table, _generator(table.name))


def _generator(name: str) -> np.random.Generator:
    """Seed by name: a data set is the same whatever others there are."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))


def _bundled(name: Any) -> Arrays:  # noqa: ANN401 - one of a Literal's names
    table = load_bundled(name)
    return table.inputs, table.labels


def flip_labels(labels: NDArray[Any], share: float, generator: np.random.Generator) -> NDArray[Any]:
    """Give a share of the labels `(n,)` another class each, drawn from the others."""
    classes, index = np.unique(labels, return_inverse=True)
    flipped = generator.permutation(len(labels))[: round(share * len(labels))]
    index[flipped] = (index[flipped] + generator.integers(1, len(classes), len(flipped))) % len(classes)
    return np.asarray(classes[index])


def _clouds(shares: list[float], n: int, generator: np.random.Generator) -> Arrays:
    """Make Gaussian clouds in six dimensions, each 3.5 standard deviations along an axis; they overlap a little."""
    counts = np.round(np.array(shares) * n).astype(int)
    labels = np.repeat(np.arange(len(shares)), counts)
    centres = 3.5 * np.eye(len(shares), 6)
    return centres[labels] + generator.standard_normal((len(labels), 6)), labels


def _rare_digit(digit: int, share: float, generator: np.random.Generator) -> Arrays:
    """Ask of every handwritten digit whether it is this one, which is made rare."""
    inputs, labels = _bundled("digits")
    is_it, others = np.flatnonzero(labels == digit), np.flatnonzero(labels != digit)
    kept = generator.permutation(is_it)[: round(len(others) * share / (1.0 - share))]
    rows = np.sort(np.concatenate([others, kept]))
    return inputs[rows], (labels[rows] == digit).astype(np.int64)


def _write(folder: Path, name: str, task: str, arrays: Arrays) -> DataSet:
    """Write a data set with its split as an .npz file, unless it is there, and describe it."""
    inputs, labels = arrays
    classes, index = np.unique(labels, return_inverse=True)
    is_classes = task == "classification"
    training, held_out = split_rows(
        len(inputs), HELD_OUT, index.astype(np.int64) if is_classes else None, _generator(f"split {name}")
    )
    parts = {
        "x": inputs[training],
        "y": labels[training],
        "x_validation": inputs[held_out],
        "y_validation": labels[held_out],
    }
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in parts.values())
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = Path(FOLDER) / f"{name.replace('/', '__')}-{digest}.npz"
    if not (folder / path).exists():
        temporary = folder / f"{path}.tmp.npz"
        np.savez_compressed(temporary, allow_pickle=False, **parts)
        temporary.replace(folder / path)
    rare = is_classes and len(classes) == 2 and np.bincount(index).min() < RARE * len(index)
    return DataSet(
        name=name,
        settings={"source": str(path), "task": task},
        yardstick="skill" if rare else "accuracy" if is_classes else "r2",
        rows=len(training),
        classes=len(classes) if is_classes else 0,
        digest=digest,
    )
