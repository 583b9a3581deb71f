"""A data set as read (a table) and as the training wants it (split, encoded and scaled)."""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradvitals.experiments.config.data import Task

Floats: TypeAlias = NDArray[np.float64]
Targets: TypeAlias = NDArray[np.float64] | NDArray[np.int64]
Labels: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Examples as a source gives them.

    Attributes:
        inputs: Numbers, `(n, features)`.
        labels: As they come: text, booleans, whole numbers or floats, `(n,)` or `(n, outputs)`.
        feature_names: One per column of the inputs.
        target_name: The column of the labels, where the source names its columns.
        validation: Inputs and labels of a split that the source fixes, or None.
        task: What the source knows its task to be, or None.
        class_names: Names of the classes 0, 1, …, where the source knows them.
        description: One line for people.
    """

    inputs: Floats
    labels: Labels
    feature_names: tuple[str, ...]
    target_name: str | None = None
    validation: tuple[Floats, Labels] | None = None
    task: Task | None = None
    class_names: tuple[str, ...] | None = None
    description: str = ""

    def freeze(self) -> Self:
        """Make all arrays read-only, and give the table, which several data sets may be made of."""
        for array in (self.inputs, self.labels, *(self.validation or ())):
            array.flags.writeable = False
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Examples as the training wants them; all arrays are read-only.

    Attributes:
        name: The source, without folders.
        task: What the targets are.
        inputs: Training inputs, `(n, features)`; of a large set as `data.mapped` says, in the dtype of the training.
        targets: Class indices `(n,)` for a classification; otherwise floats `(n, outputs)`.
        validation_inputs: Held-out inputs, `(m, features)`.
        validation_targets: Held-out targets.
        feature_names: One per column of the inputs.
        class_names: The classes in the order of their indices; empty for a regression.
        description: One line for people.
    """

    name: str
    task: Task
    inputs: Floats
    targets: Targets
    validation_inputs: Floats
    validation_targets: Targets
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    description: str

    def __post_init__(self) -> None:
        for array in (self.inputs, self.targets, self.validation_inputs, self.validation_targets):
            array.flags.writeable = False

    @property
    def outputs(self) -> int:
        """Classes of a classification, or columns of the targets."""
        return len(self.class_names) if self.task == "classification" else int(self.targets.shape[1])
