"""The [check] table: what makes a check fail."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag

from gradvitals.experiments.config.base import Fraction, Model, Positive, one_or_each
from gradvitals.experiments.config.diagnostics import DiagnosisId

Severity: TypeAlias = Literal["info", "warning", "error"]
SEVERITIES: tuple[str, ...] = get_args(Severity)


def _one_id_is_a_list(value: str) -> str | tuple[str, ...]:
    return value if value in SEVERITIES else (value,)


FailOn = Annotated[
    Annotated[Literal[Severity, DiagnosisId], AfterValidator(_one_id_is_a_list), Tag("one")]
    | Annotated[tuple[DiagnosisId, ...], Field(min_length=1), Tag("each")],
    Discriminator(one_or_each),
]


class CheckConfig(Model):
    """What makes a check fail.

    Attributes:
        fail_on: The least severity of a standing finding that fails, or the diagnoses that do.
        max_dead: Largest share of dead units in any layer.
        max_saturated: Largest share of saturated units in any layer.
        max_update_ratio: Largest ratio of an update's norm to its weights'.
        min_accuracy: Least accuracy on the validation set.
        max_loss_ratio: Largest loss relative to the best constant prediction's.
    """

    fail_on: FailOn = "error"
    max_dead: Fraction | None = None
    max_saturated: Fraction | None = None
    max_update_ratio: Positive | None = None
    min_accuracy: Fraction | None = None
    max_loss_ratio: Positive | None = None
