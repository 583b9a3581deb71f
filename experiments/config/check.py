"""The [check] table: what makes a check fail, and what it lets pass until a day."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from gradvitals.diagnostics.suggest import did_you_mean, nearest
from gradvitals.experiments.config.base import Fraction, Model, Positive, fault, one_or_each
from gradvitals.experiments.config.diagnostics import DIAGNOSIS_IDS, DiagnosisId
from gradvitals.experiments.show import show

Severity: TypeAlias = Literal["info", "warning", "error"]
SEVERITIES: tuple[str, ...] = get_args(Severity)


def _one_id_is_a_list(value: str) -> str | tuple[str, ...]:
    return value if value in SEVERITIES else (value,)


FailOn = Annotated[
    Annotated[Literal[Severity, DiagnosisId], AfterValidator(_one_id_is_a_list), Tag("one")]
    | Annotated[tuple[DiagnosisId, ...], Field(min_length=1), Tag("each")],
    Discriminator(one_or_each),
]

LIMITS = ("max_dead", "max_saturated", "max_update_ratio", "min_accuracy", "max_loss_ratio")
"""The limits of a check: each is also the id of the finding that says it is exceeded."""

EXAMPLES = {"why": 'why = "sparse codes are intended"', "until": "until = 2027-03-01"}
"""What an exception needs, as one would write it."""


def _said(why: str) -> str:
    """Refuse a reason that is none."""
    if not why.strip():
        text = f"must not be empty: an exception needs a reason, such as {EXAMPLES['why']}"
        raise fault(text)
    return why


def _day(value: object) -> object:
    """Refuse what is no date: TOML has dates, so text is not taken for one, and a time of day would say too much."""
    if isinstance(value, datetime):
        text = f"{value} is a date with a time; it takes a date alone, as in {EXAMPLES['until']}"
        raise fault(text)
    if not isinstance(value, date):
        cure = "remove the quotes" if _is_date(value) else f"write it as in {EXAMPLES['until']}"
        text = f"{show(value)} is not a date — {cure}"
        raise fault(text)
    return value


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


class Ignore(Model):
    """An exception: a finding that is known, and accepted for a while.

    Attributes:
        why: Why it is accepted.
        until: The last day on which it is; days are those of UTC.
    """

    why: Annotated[str, AfterValidator(_said)]
    until: Annotated[date, BeforeValidator(_day)]

    @model_validator(mode="before")
    @classmethod
    def _has_a_reason_and_an_end(cls, table: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        """Say of a missing key how it is written, and of a wrong one which is meant."""
        if not isinstance(table, dict):
            return table
        wrong = next((str(key) for key in table if key not in EXAMPLES), None)
        if wrong is not None:
            near = nearest(wrong, EXAMPLES)
            text = f"no such key — did you mean {near!r}?" if near else "no such key; an exception has why and until"
            raise fault(text, wrong)
        missing = [key for key in EXAMPLES if key not in table]
        if missing:
            text = f"missing: an exception needs a reason and an end, such as {' and '.join(EXAMPLES.values())}"
            raise fault(text, missing[0])
        return table


def _by_finding(table: object) -> object:
    """Refuse keys that no finding can have, and take an empty table for none, so that both are the same config."""
    if not isinstance(table, dict):
        return table
    for key in table:
        reason = _no_finding(str(key))
        if reason:
            raise fault(reason, str(key))
    return table or None


def _no_finding(key: str) -> str:
    """Say why a key can be no finding's `id`, nor its `id@layer`; nothing if it can."""
    known = (*DIAGNOSIS_IDS, *LIMITS)
    name, at, layer = key.partition("@")
    if name in EXAMPLES:
        return "stands below the id of what is ignored, as in [check.ignore.dead_units]"
    if name not in known:
        listed = f"; `gradvitals explain` lists the diagnoses, the limits are {', '.join(LIMITS)}"
        return f"no diagnosis and no limit has the id {name!r}{did_you_mean(name, known) or listed}"
    if at and name in LIMITS:
        return f"a limit holds for the worst layer, whichever it is — write {name} without a layer"
    return "" if bool(at) == bool(layer) else f"the layer is missing — write {name}@hidden_1, or {name} for all layers"


Ignores = Annotated[dict[str, Ignore] | None, BeforeValidator(_by_finding)]


class CheckConfig(Model):
    """What makes a check fail.

    Attributes:
        fail_on: The least severity of a standing finding that fails, or the diagnoses that do.
        max_dead: Largest share of dead units in any layer.
        max_saturated: Largest share of saturated units in any layer.
        max_update_ratio: Largest ratio of an update's norm to its weights'.
        min_accuracy: Least accuracy on the validation set.
        max_loss_ratio: Largest loss relative to the best constant prediction's.
        ignore: Findings that do not fail it until a day, by `id` or `id@layer`.
    """

    fail_on: FailOn = "error"
    max_dead: Fraction | None = None
    max_saturated: Fraction | None = None
    max_update_ratio: Positive | None = None
    min_accuracy: Fraction | None = None
    max_loss_ratio: Positive | None = None
    ignore: Ignores = None
