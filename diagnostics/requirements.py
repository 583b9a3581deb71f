"""What a test demands of a training: plain values, checked as soon as they are given, without arrays or rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf, isnan
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from gradvitals.diagnostics.suggest import did_you_mean

if TYPE_CHECKING:  # a session that reads a table need not load more
    from gradvitals.diagnostics.findings import Severity

SEVERITIES = ("info", "warning", "error")

OnUnjudged: TypeAlias = Literal["warn", "fail", "ignore"]

SHARES = ("max_dead", "max_saturated", "min_accuracy")
RATIOS = ("max_update_ratio", "max_loss_ratio")

IDLE = {"max_dead": 1.0, "max_saturated": 1.0, "min_accuracy": 0.0, "max_update_ratio": inf, "max_loss_ratio": inf}
"""Of each limit the value that nothing can exceed: who gives it demands nothing."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What makes `assert_healthy` raise; the limits are those of `[check]` in a config.

    Attributes:
        fail_on: The least severity of a standing finding that fails, or the ids of the diagnoses that do.
        max_dead: Largest share of dead units in any layer.
        max_saturated: Largest share of saturated units in any layer.
        max_update_ratio: Largest ratio of an update's norm to its weights'.
        max_loss_ratio: Largest loss relative to the best constant output's.
        min_accuracy: Least accuracy on the validation set.
        unjudged: What becomes of diagnoses that could not be judged: a warning, a failure or nothing.
    """

    fail_on: str | Sequence[str] = "error"
    max_dead: float | None = None
    max_saturated: float | None = None
    max_update_ratio: float | None = None
    max_loss_ratio: float | None = None
    min_accuracy: float | None = None
    unjudged: OnUnjudged = "warn"

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: If a value is of the wrong kind or out of range.
        """
        for name in (*SHARES, *RATIOS):
            _require_number(name, getattr(self, name))
        if self.unjudged not in get_args(OnUnjudged):
            msg = f"unjudged: {self.unjudged!r} is not one of {', '.join(get_args(OnUnjudged))}"
            raise ValueError(msg)
        ids = (self.fail_on,) if isinstance(self.fail_on, str) else self.fail_on
        if not isinstance(ids, Sequence) or not ids or not all(isinstance(each, str) and each for each in ids):
            msg = f"fail_on: {self.fail_on!r} is neither a severity ({', '.join(SEVERITIES)}) nor a list of diagnoses"
            raise ValueError(msg)

    @property
    def severity(self) -> "Severity | None":
        """The least severity that fails; None where named diagnoses do."""
        from gradvitals.diagnostics.findings import Severity

        return Severity[str(self.fail_on).upper()] if self.fail_on in SEVERITIES else None

    @property
    def demanded(self) -> tuple[str, ...]:
        """The diagnoses that fail, and must have been judged; none where a severity decides."""
        if self.fail_on in SEVERITIES:
            return ()
        return (self.fail_on,) if isinstance(self.fail_on, str) else tuple(self.fail_on)

    def replacing(self, given: Mapping[str, Any]) -> "Requirements":
        """Give the requirements with those that are given (not None) in place of these, without limits that are idle.

        Raises:
            ValueError: If a value is of the wrong kind or out of range.
        """
        chosen = replace(self, **{name: value for name, value in given.items() if value is not None})
        lifted: dict[str, Any] = {name: None for name, idle in IDLE.items() if getattr(chosen, name) == idle}
        return replace(chosen, **lifted)


def requirements_from_table(table: object) -> Requirements:
    """Take a `[tool.gradvitals]` table.

    Raises:
        ValueError: If there is an unknown key or a wrong value: `max_ded: no such key — did you mean 'max_dead'?`.
    """
    if not isinstance(table, dict):
        msg = f"must be a table of limits, not {table!r}"
        raise ValueError(msg)  # noqa: TRY004 - every fault of the file is of one kind
    known = [field.name for field in fields(Requirements)]
    for key in table:
        if key not in known:
            msg = f"{key}: no such key{did_you_mean(key, known) or '; there are ' + ', '.join(known)}"
            raise ValueError(msg)
    return Requirements(**table)


def _require_number(name: str, value: object) -> None:
    if value is None:
        return
    top, wanted = (1.0, "a share from 0 to 1") if name in SHARES else (inf, "a number above 0")
    number = not isinstance(value, bool) and isinstance(value, Real) and not isnan(value)
    if not number or not 0.0 <= float(value) <= top or (name in RATIOS and value == 0.0):  # type: ignore[arg-type]
        msg = f"{name}: {value!r} is not {wanted}"
        raise ValueError(msg)
