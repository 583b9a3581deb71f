"""The [diagnostics] table: how often to look, and the limits of each diagnosis."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from gradvitals.experiments.config.base import Count, Flag, Model, NonNegative, fault, word_or_number

DiagnosisId: TypeAlias = Literal[
    "non_finite",
    "dead_units",
    "saturated_units",
    "vanishing_gradient",
    "exploding_gradient",
    "no_learning",
]
DIAGNOSIS_IDS: tuple[str, ...] = get_args(DiagnosisId)

Every = Annotated[
    Annotated[Literal["auto"], Tag("word")] | Annotated[Count, Tag("number")],
    Discriminator(word_or_number),
]
Exact = Annotated[
    Annotated[Literal["auto", "epoch"], Tag("word")] | Annotated[Count, Tag("number")],
    Discriminator(word_or_number),
]


class Rule(Model):
    """What one diagnosis may say.

    Attributes:
        enabled: Whether it is judged at all.
        why: Why it is not; a rule is switched off only with a reason.
        warn: The value from which it warns, instead of its own.
        error: The value from which it is an error, instead of its own.
    """

    enabled: Flag = True
    why: Annotated[str, Field(min_length=1)] | None = None
    warn: NonNegative | None = None
    error: NonNegative | None = None

    @model_validator(mode="after")
    def _silence_has_a_reason(self) -> "Rule":
        if not self.enabled and not (self.why or "").strip():
            text = 'missing: enabled = false needs a reason, such as why = "sparse codes are intended"'
            raise fault(text, "why")
        return self


class DiagnosticsConfig(Model):
    """How often to look, and the limits of each diagnosis.

    Attributes:
        every: Steps between looks at what training computes anyway.
        exact: Steps between passes over the whole training set; "epoch" for one per epoch.
        non_finite: NaN or infinite values.
        dead_units: ReLU units silent on every training example.
        saturated_units: Units whose activation is flat.
        vanishing_gradient: Gradients that fade towards the first layer.
        exploding_gradient: Gradients that grow towards the first layer, or over time.
        no_learning: A loss no better than the best constant's.
    """

    every: Every = "auto"
    exact: Exact = "auto"
    non_finite: Rule | None = None
    dead_units: Rule | None = None
    saturated_units: Rule | None = None
    vanishing_gradient: Rule | None = None
    exploding_gradient: Rule | None = None
    no_learning: Rule | None = None

    @property
    def rules(self) -> dict[str, Rule]:
        """The tables given, by diagnosis."""
        tables = {name: getattr(self, name) for name in DIAGNOSIS_IDS}
        return {name: rule for name, rule in tables.items() if rule is not None}
