"""What every diagnosis is: a dataclass whose fields are its thresholds, and a judgement of one record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Status, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.margin import Reading, nearest
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import SLOPED
from gradvitals.diagnostics.persistence import Standing
from gradvitals.engine.events import OptimizerInfo

INDICES_SHOWN = 8


class Diagnosis(Protocol):
    """A rule. It reads a record and nothing else, so that a replayed run is judged as the live one was.

    The docstring of a diagnosis says symptom, cause, cure and source; its fields are its thresholds.

    Attributes:
        id: Its name.
        tier: How sure it is.
        events: What of a training step it must have seen to find nothing (`gradients`); what it finds without stands.
    """

    id: ClassVar[str]
    tier: ClassVar[Tier]
    events: ClassVar[tuple[str, ...]]

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge a run, finished or not."""
        ...


def not_judged(diagnosis: Diagnosis, reason: str) -> Judgement:
    """Say that nothing can be said, and why."""
    return Judgement(diagnosis.id, "not_judged", reason)


def not_applicable(diagnosis: Diagnosis, reason: str) -> Judgement:
    """Say that the rule has no object here."""
    return Judgement(diagnosis.id, "not_applicable", reason)


def judged(diagnosis: Diagnosis, findings: Iterable[Finding | None], *readings: Reading) -> Judgement:
    """Say what was found, and what was measured last, of which the nearest to speaking is kept."""
    found = tuple(finding for finding in findings if finding is not None)
    status: Status = "fired" if any(finding.standing for finding in found) else "clear"
    return Judgement(diagnosis.id, status, "", found, nearest(diagnosis.id, readings))


def finding_of(
    diagnosis: Diagnosis,
    standing: Standing,
    *,
    threshold: float,
    evidence: str,
    explanation: str,
    layer: str | None = None,
    first_step: int | None = None,
    value: float | None = None,
    defect: str = "",
    prescriptions: tuple[Prescription, ...] = (),
) -> Finding:
    """Give what stands as a finding; where it began and what was measured are the checks' own unless given."""
    return Finding(
        id=diagnosis.id,
        tier=diagnosis.tier,
        severity=standing.severity,
        layer=layer,
        first_step=standing.first_step if first_step is None else first_step,
        last_step=standing.last_step,
        cleared=standing.cleared,
        value=standing.value if value is None else value,
        threshold=threshold,
        evidence=evidence,
        explanation=explanation,
        defect=defect,
        prescriptions=prescriptions,
    )


def change_learning_rate(record: Record, factor: float = 0.1) -> Prescription:
    """Prescribe `factor` times the learning rate, as a number where a config tells the present one."""
    verb = "lower" if factor < 1.0 else "raise"
    rate = learning_rate(record)
    if rate is None:
        return Prescription(f"{verb} the learning rate {max(factor, 1.0 / factor):g}-fold")
    other = float(f"{rate * factor:.3g}")
    return set_key(
        record, f"{verb} the learning rate from {rate:g} to {other:g}", "training.optimizer.learning_rate", other
    )


def set_key(record: Record, why: str, key: str, value: object) -> Prescription:
    """Prescribe a value for a config key; without a config the sentence stands alone."""
    return set_keys(record, why, {key: value})


def set_keys(record: Record, why: str, values: Mapping[str, object]) -> Prescription:
    """Prescribe values for config keys that belong together."""
    has_config = record.context is not None and record.context.config is not None
    return Prescription(why, values if has_config else None)


def change_activation(record: Record, why: str, activation: str) -> Prescription:
    """Prescribe an activation for the hidden layers; a recurrent network has a cell instead."""
    key = "model.cell" if config_value(record, "model.kind") == "rnn" else "model.activation"
    return set_key(record, why, key, activation)


def change_initialization(record: Record, why: str, activation: str) -> Prescription:
    """Prescribe random weights of the size that suits an activation, named behind the reason for it."""
    init = "glorot_uniform" if activation in SLOPED else "he_normal"
    return set_key(record, f"{why}: {init}", "model.init", init)


def list_indices(indices: Sequence[int]) -> str:
    """List units or columns, of many the first few.

    >>> list_indices([3, 5]), list_indices(range(20))
    ('3, 5', '0, 1, 2, 3, 4, 5, 6, 7, …')
    """
    return ", ".join(map(str, indices[:INDICES_SHOWN])) + (", …" if len(indices) > INDICES_SHOWN else "")


def config_value(record: Record, key: str) -> object:
    """Give the config's value of a dotted key; None where there is no config or no such key."""
    if record.context is None or record.context.config is None:
        return None
    return record.context.config.get(key)


def optimizer_kind(record: Record) -> str | None:
    """Name the optimizer, as the config or the training itself did; None where neither does."""
    kind, told = config_value(record, "training.optimizer.kind"), _told_optimizer(record)
    if isinstance(kind, str):
        return kind
    return None if told is None else told.kind


def learning_rate(record: Record) -> float | None:
    """Give the learning rate, as the config or the training itself tells it; None where neither does."""
    rate, told = config_value(record, "training.optimizer.learning_rate"), _told_optimizer(record)
    if isinstance(rate, float | int):
        return float(rate)
    return None if told is None else told.learning_rate


def _told_optimizer(record: Record) -> OptimizerInfo | None:
    return None if record.context is None else record.context.optimizer
