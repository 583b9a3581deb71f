"""Diagnosis 17: losses and updates that floats cannot resolve."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import (
    change_learning_rate,
    config_value,
    finding_of,
    judged,
    not_judged,
    set_key,
    set_keys,
)
from gradvitals.diagnostics.diagnoses.gated import check_shares
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Outputs, Probe, Rounding
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.start_notes import LossFit

LEFT = 0.05
"""Loss ratio below which the job is done, and steps may be as small as they like."""

FULL_RATE = 0.1
"""Share of the largest learning rate below which a schedule has all but ended the training: small steps are meant."""


@dataclass(frozen=True, slots=True)
class Numerics:
    """Symptom: true answers get a probability of 0, or parameters stay as they were although they have a gradient.

    Cause: softmax or sigmoid and logarithm computed apart: a probability rounds to 0 or is clipped, and no gradient
    passes. Or steps below the spacing of floats: a weight of .1 in float32 moves by 7e-9 or not at all.
    Cure: the loss on logits, whose log-sum-exp never rounds to 0; a larger learning rate, or float64.
    Info: never. (Large logits are no defect: a shifted exponential cannot overflow, and one that does is non_finite.)
    Warning: on 1 % of the samples a true answer's probability is 0 or clipped; or an update leaves more than half of
    the parameters with a gradient, and of the gradient's sum of squares, as it was, with the loss above .05 H.
    Error: such probabilities, if the network is impaired.
    Clear: probabilities: .67 % of the samples. Updates: less than half.
    Needs: probes of a loss on probabilities; steps whose gradients and updates are seen, at a tenth of the largest
    learning rate or more.
    Source: cs231n, "Linear classification", "Practical issues: Numeric stability"; Goldberg 1991, "What every computer
    scientist should know about floating-point arithmetic". Exact: counted, not estimated. Half of the gradient and not
    only of the parameters: what only a tiny penalty pulls at may well stay where it is.

    Attributes:
        warn: Share of samples without a gradient on their true answer from which it is a warning.
        error: Share from which it is an error if the network is impaired.
        lost: Share of an update that rounding may take.
        persistence: Probes, or steps looked at, in a row that must agree.
    """

    id: ClassVar[str] = "numerics"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ("gradients",)
    warn: float = 0.01
    error: float = 0.01
    lost: float = 0.5
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the probabilities at every probe, and the updates of every step that was looked at."""
        context, fits = record.context, record.notes(LossFit)
        if context is None or not fits:
            return not_judged(self, NOT_RECORDED)
        impossible = {note.step: note.impossible for note in record.notes(Outputs)}
        probabilities = check_shares(gate, impossible, warn=self.warn, error=self.error)
        updates = self._update_checks(record)
        looks = max(len(probabilities), len(updates))
        if looks < self.persistence and not any(check.final for check in probabilities):
            return not_judged(self, f"{looks} of {self.persistence} checks")
        return judged(self, [self._by_probability(record, probabilities), self._by_update(record, updates)])

    def _update_checks(self, record: Record) -> list[Check]:
        notes = record.notes(Rounding)
        full = FULL_RATE * max((note.learning_rate for note in notes), default=0.0)
        ratios = {probe.step: probe.loss_ratio for probe in record.notes(Probe)}
        return [
            Check(
                note.step,
                Severity.WARNING if min(note.lost, note.lost_gradient) > self.lost and ratio > LEFT else None,
                min(note.lost, note.lost_gradient),
            )
            for note in notes
            if note.learning_rate >= full > 0.0 and (ratio := ratios.get(note.step)) is not None
        ]

    def _by_probability(self, record: Record, checks: list[Check]) -> Finding | None:
        standing = settle(checks, self.persistence)
        if standing is None:
            return None
        return self._finding(
            standing,
            layer=None if record.context is None else record.context.layers[-1].name,
            threshold=self.error if standing.severity is Severity.ERROR else self.warn,
            evidence=(
                f"on {100 * standing.value:.3g} % of the probe's samples the true answer has a probability of 0, or one"
                " so small that the loss clips it"
            ),
            explanation=(
                "What is clipped passes no gradient on, and 0 has no logarithm: these samples, the most wrong of all,"
                " teach nothing. A loss that is given logits computes the same without ever rounding to 0."
            ),
            defect="probability and logarithm are computed apart, and the probability has run out of digits",
            cures=(_take_logits(record),),
        )

    def _by_update(self, record: Record, checks: list[Check]) -> Finding | None:
        standing = settle(checks, self.persistence)
        if standing is None:
            return None
        return self._finding(
            standing,
            layer=None,
            threshold=self.lost,
            evidence=(
                f"an update leaves {100 * standing.value:.3g} % or more of the parameters that have a gradient, and of"
                " the gradient's sum of squares, exactly as they were: it is below the spacing of floats"
            ),
            explanation=(
                "What is rounded away is lost, however many updates follow: these parameters do not learn slowly, they"
                " do not learn. The steps are too small for the precision of the weights."
            ),
            defect="most of every update is rounded away",
            cures=(
                change_learning_rate(record, 100.0),
                set_key(record, "compute in float64, whose spacing is finer", "training.dtype", "float64"),
            ),
        )

    def _finding(
        self,
        standing: Standing,
        *,
        layer: str | None,
        threshold: float,
        evidence: str,
        explanation: str,
        defect: str,
        cures: tuple[Prescription, ...],
    ) -> Finding:
        return finding_of(
            self,
            standing,
            layer=layer,
            threshold=threshold,
            evidence=evidence,
            explanation=explanation,
            defect=defect,
            prescriptions=cures,
        )


def _take_logits(record: Record) -> Prescription:
    """Prescribe what hands the loss logits; where the config says that they are none, both have to change."""
    why = "end in a linear layer and give the loss logits"
    if config_value(record, "training.from_logits") is False:
        return set_keys(record, why, {"model.output": "linear", "training.from_logits": True})
    return set_key(record, why, "model.output", "linear")
