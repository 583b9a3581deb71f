"""The diagnoses as a config wants them: with its thresholds, and without those it switched off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Judgement, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.experiments.config.diagnostics import Rule
from gradvitals.experiments.errors import UserError


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """A diagnosis that a config does not want; every report says so, and why."""

    id: str
    tier: Tier
    why: str
    events: ClassVar[tuple[str, ...]] = ()

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - it looks at nothing
        """Say that it is switched off."""
        return Judgement(self.id, "switched_off", self.why)


def configured(
    rules: Mapping[str, Rule], *, origin: str = "config", diagnoses: Sequence[Diagnosis] = CATALOGUE
) -> tuple[Diagnosis, ...]:
    """Give the diagnoses with a config's thresholds, and whatever else the config switches off.

    Raises:
        UserError: If a threshold is set for a diagnosis that has none of that name.
    """
    known = {diagnosis.id for diagnosis in diagnoses}
    others = (_off(name, "hint", rule) for name, rule in rules.items() if name not in known and not rule.enabled)
    return (*(_configure(diagnosis, rules.get(diagnosis.id), origin) for diagnosis in diagnoses), *others)


def _off(name: str, tier: Tier, rule: Rule) -> Diagnosis:
    return SwitchedOff(name, tier, rule.why or "")  # type: ignore[return-value]


def _configure(diagnosis: Any, rule: Rule | None, origin: str) -> Diagnosis:  # noqa: ANN401 - any diagnosis dataclass
    if rule is None:
        return diagnosis  # type: ignore[no-any-return]
    if not rule.enabled:
        return _off(diagnosis.id, diagnosis.tier, rule)
    limits = {name: value for name, value in (("warn", rule.warn), ("error", rule.error)) if value is not None}
    known = {field.name for field in fields(diagnosis)}
    for name in limits:
        if name not in known:
            sentence = f"{origin}: diagnostics.{diagnosis.id}.{name}: this diagnosis has no such limit — remove it"
            raise UserError(sentence)
    return replace(diagnosis, **limits)  # type: ignore[no-any-return]
