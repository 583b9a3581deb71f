"""The [data] table: where the examples come from, and how they are split and scaled."""

import json
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import Model, NonNegative, fault, word_or_number
from gradvitals.experiments.show import show

Bundled: TypeAlias = Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]
Toy: TypeAlias = Literal["moons", "circles", "spiral", "xor", "blobs"]
SequenceTask: TypeAlias = Literal["delayed_copy", "adding"]
Task: TypeAlias = Literal["classification", "regression", "multilabel"]

BUNDLED: tuple[str, ...] = get_args(Bundled)
TOYS: tuple[str, ...] = get_args(Toy)
SEQUENCES: tuple[str, ...] = get_args(SequenceTask)
MADE: tuple[str, ...] = (*TOYS, *SEQUENCES)
"""Sources that are made on the spot."""

ScaleName: TypeAlias = Literal["none", "standard", "center", "minmax"]
ScaleValue: TypeAlias = ScaleName | float
Factor = Annotated[float, Field(strict=True, gt=0.0, le=1e6, allow_inf_nan=False)]
Scale = Annotated[Annotated[ScaleName, Tag("word")] | Annotated[Factor, Tag("number")], Discriminator(word_or_number)]


def _by_name(columns: object) -> object:
    """Refuse what is no table; an empty one is none at all, so that the same run has the same hash."""
    if columns is not None and not isinstance(columns, dict):
        text = f'{show(columns)} is not a table of scales by column, such as {{age = "minmax", 3 = 1000}}'
        raise fault(text)
    return dict(_dotted(columns, "")) if columns else None


def _dotted(table: dict[object, object], prefix: str) -> Iterator[tuple[str, object]]:
    """Put names with dots together again: without quotes TOML takes them for tables in tables."""
    for name, scale in table.items():
        if isinstance(scale, dict) and scale:
            yield from _dotted(scale, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", scale


Columns = Annotated[dict[str, Scale] | None, BeforeValidator(_by_name)]


class DataConfig(Model):
    """Where the examples come from, and how they are split and scaled.

    Attributes:
        source: A bundled data set, a toy data set, a sequence task, or a path: .csv, .npz, .npy, or a folder of MNIST
            IDX files.
        n: Number of examples (toy data only).
        noise: Standard deviation of the noise (toy data only).
        task: What the targets are; inferred where the labels leave no doubt.
        target: The label column (CSV only); by default the column named label, target, y or class, or the last.
        validation: Share of the examples held out, where the source brings no validation set of its own.
        scale: How inputs are scaled, with statistics of the training set; `center` subtracts the mean alone, a number
            multiplies.
        columns: The same for single columns of the inputs, by name or by index from 0, instead of `scale`.
        scale_targets: How the targets of a regression are scaled.
    """

    source: Annotated[str, Field(min_length=1, max_length=4096)]
    n: Annotated[int, Field(strict=True, ge=10, le=1_000_000)] | None = None
    noise: NonNegative | None = None
    task: Task | None = None
    target: Annotated[str, Field(min_length=1)] | None = None
    validation: Annotated[float, Field(strict=True, gt=0.0, lt=1.0, allow_inf_nan=False)] = 0.2
    scale: Scale = "standard"
    columns: Columns = None
    scale_targets: Literal["none", "standard"] = "none"

    def __hash__(self) -> int:
        """Let data be cached by what they were made from, though a dict has no hash."""
        return hash(json.dumps(self.model_dump(mode="json"), sort_keys=True))

    @model_validator(mode="after")
    def _keys_suit_the_source(self) -> "DataConfig":
        for key, value in (("n", self.n), ("noise", self.noise)):
            if value is not None and self.source not in MADE:
                text = f"only toy data has it ({', '.join(MADE)}), not {self.source!r} — remove it"
                raise fault(text, key)
        if self.target is not None and not self.source.lower().endswith(".csv"):
            text = f"only a .csv source has named columns, not {self.source!r} — remove it"
            raise fault(text, "target")
        return self
