"""The [data] table: where the examples come from, and how they are split and scaled."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import Model, NonNegative, fault, word_or_number

Bundled: TypeAlias = Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]
Toy: TypeAlias = Literal["moons", "circles", "spiral", "xor", "blobs"]
Task: TypeAlias = Literal["classification", "regression", "multilabel"]

BUNDLED: tuple[str, ...] = get_args(Bundled)
TOYS: tuple[str, ...] = get_args(Toy)

ScaleName: TypeAlias = Literal["none", "standard", "minmax"]
Factor = Annotated[float, Field(strict=True, gt=0.0, le=1e6, allow_inf_nan=False)]
Scale = Annotated[Annotated[ScaleName, Tag("word")] | Annotated[Factor, Tag("number")], Discriminator(word_or_number)]


class DataConfig(Model):
    """Where the examples come from, and how they are split and scaled.

    Attributes:
        source: A bundled data set, a toy data set, or a path: .csv, .npz, .npy, or a folder of MNIST IDX files.
        n: Number of examples (toy data only).
        noise: Standard deviation of the noise (toy data only).
        task: What the targets are; inferred where the labels leave no doubt.
        target: The label column (CSV only); by default the column named label, target, y or class, or the last.
        validation: Share of the examples held out, where the source brings no validation set of its own.
        scale: How inputs are scaled, with statistics of the training set; a number multiplies them.
        scale_targets: The same for the targets of a regression.
    """

    source: Annotated[str, Field(min_length=1, max_length=4096)]
    n: Annotated[int, Field(strict=True, ge=10, le=1_000_000)] | None = None
    noise: NonNegative | None = None
    task: Task | None = None
    target: Annotated[str, Field(min_length=1)] | None = None
    validation: Annotated[float, Field(strict=True, gt=0.0, lt=1.0, allow_inf_nan=False)] = 0.2
    scale: Scale = "standard"
    scale_targets: Literal["none", "standard"] = "none"

    @model_validator(mode="after")
    def _keys_suit_the_source(self) -> "DataConfig":
        for key, value in (("n", self.n), ("noise", self.noise)):
            if value is not None and self.source not in TOYS:
                text = f"only toy data has it ({', '.join(TOYS)}), not {self.source!r} — remove it"
                raise fault(text, key)
        if self.target is not None and not self.source.lower().endswith(".csv"):
            text = f"only a .csv source has named columns, not {self.source!r} — remove it"
            raise fault(text, "target")
        return self
