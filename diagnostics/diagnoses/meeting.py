"""A loss and what it is given, and what may be wrong with the two: what the checks for mismatches share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, ROUNDING
from gradvitals.diagnostics.diagnoses.base import config_value, set_keys
from gradvitals.diagnostics.findings import Prescription, Severity
from gradvitals.diagnostics.gate import Arm
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Outputs
from gradvitals.diagnostics.start_notes import LossFit, TargetFacts

AS_SOFTMAX_OR_SIGMOID = MappingProxyType({"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"})
"""The loss that goes with an activation of class outputs."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A loss and what it is given.

    Attributes:
        record: The run's.
        loss: The loss's name.
        constant_loss: H; None where it is not known.
        fit: What the loss takes, and where its outputs come from.
        targets: None without data.
        outputs: At every probe.
        warn: Share of H from which it matters that outputs cannot go where the loss is least.
        error: Share of H from which that is a fault, however the network does.
    """

    record: Record
    loss: str
    constant_loss: float | None
    fit: LossFit
    targets: TargetFacts | None
    outputs: Sequence[Outputs]
    warn: float
    error: float

    @property
    def has_classes(self) -> bool:
        """Whether the loss is of one class out of several."""
        return self.loss in OF_ONE_CLASS or self.loss == "nll"

    @property
    def is_softmax_of_one(self) -> bool:
        """Whether the outputs are a softmax over a single one, or its logarithm, be it at every position."""
        width = self.fit.outputs if self.fit.width is None else self.fit.width
        return width == 1 and self.fit.activation in {"softmax", "log_softmax"}

    @property
    def has_several_labels(self) -> bool:
        """Whether targets are labels 0 and 1 of which an example may have several, or none."""
        targets = self.targets
        return targets is not None and targets.are_labels and targets.columns > 1 and targets.unshared > 0.0

    @property
    def forced_ratio(self) -> float:
        """What the bounds of the outputs cost at least, in units of what of H can be learned; 0 if that is not known.

        Outputs without bounds get down to `floor − forced`: under soft targets to their entropy.
        """
        floor, forced, constant = self.fit.floor, self.fit.forced, self.constant_loss
        if floor is None or forced is None or constant is None:
            return 0.0
        learnable = constant - (floor - forced)
        return forced / learnable if learnable > ROUNDING * constant else 0.0

    @property
    def floor(self) -> str:
        """What the loss cannot go below, in words."""
        if self.fit.floor is None:
            return ""
        beside = "" if self.constant_loss is None else f" (the best constant output has {self.constant_loss:.4g})"
        return f"; the loss cannot go below {self.fit.floor:.4g}{beside}"

    def cure(self, why: str, values: Mapping[str, object]) -> Prescription:
        """Prescribe keys; where logits are spoken of that the new loss does not have, words alone."""
        loss = values.get("training.loss", self.loss)
        speaks_of_logits = config_value(self.record, "training.from_logits") is not None
        if speaks_of_logits and loss not in AS_SOFTMAX_OR_SIGMOID.values():
            return Prescription(f"{why}, and leave training.from_logits out")
        return set_keys(self.record, why, values)

    def cure_by_loss(self, loss: str) -> Prescription:
        """Prescribe a loss that takes logits, or quantities, with a linear output."""
        values: dict[str, object] = {"training.loss": loss, "model.output": "linear"}
        if config_value(self.record, "training.from_logits") is False and loss in AS_SOFTMAX_OR_SIGMOID.values():
            values["training.from_logits"] = True
        return self.cure(f"use {loss} on a linear output", values)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that does not go together.

    Attributes:
        severity: By itself.
        impaired: If the network is impaired.
        evidence: What was seen.
        defect: What is provably wrong; empty for what may be meant.
        cure: What would be right.
        arms: The impairments that it explains.
        step: When it was first seen.
        value: What was measured.
        threshold: What it was held against.
    """

    severity: Severity
    impaired: Severity
    evidence: str
    defect: str
    cure: Prescription
    arms: frozenset[Arm] = frozenset({Arm.NOT_LEARNING, Arm.NO_GRADIENT, Arm.BLOCKED})
    step: int = 0
    value: float = 1.0
    threshold: float = 0.0


def always(severity: Severity, evidence: str, defect: str, cure: Prescription, *, step: int = 0) -> Mismatch:
    """Give a mismatch that is as serious whatever the network does."""
    return Mismatch(severity, severity, evidence, defect, cure, step=step)
