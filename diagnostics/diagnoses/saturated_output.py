"""Diagnosis 4: outputs stuck where their activation is flat, under a loss that multiplies the gradient by its slope."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gradvitals.diagnostics.behind import is_done
from gradvitals.diagnostics.diagnoses.base import finding_of, judged, not_applicable, not_judged, set_key
from gradvitals.diagnostics.diagnoses.gated import check_shares
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.margin import Reading
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import SLOPED
from gradvitals.diagnostics.notes import Outputs
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle
from gradvitals.diagnostics.start_notes import LossFit, TargetFacts

CURVED = frozenset({*SLOPED, "softmax"})


@dataclass(frozen=True, slots=True)
class SaturatedOutput:
    """Symptom: outputs are wrong by more than half of what a sigmoid can be, and lie where it is flat.

    Cause: a squared error behind a sigmoid, tanh or softmax: the slope of the activation, nearly 0 at both ends, is a
    factor of the gradient, so that what is most wrong is corrected least. Large weights or a long step lead there.
    Cure: the cross-entropy, whose gradient cancels the slope; or for quantities a linear output.
    Info: never.
    Warning: on 20 % of the samples an output is wrong by more than ½ where φ′ is below .05 of its maximum; on 5 %, if
    the network ended behind simple models, or if it was on 20 % before the first update and a fifth of the loss is left
    in the end: these samples were never learned from.
    Error: and the network is impaired.
    Clear: a third of the way back: 13 % of the samples.
    Needs: a squared, absolute or Huber loss of an output that ends in sigmoid, tanh or softmax, targets, and probes.
    Source: Nielsen 2015, "Neural networks and deep learning", chapter 3 ("Introducing the cross-entropy cost
    function"); Glorot & Bengio 2010, §4.1. Exact on the probe. Outputs whose mean target is itself on the flat part are
    left out: with rare labels that is where a network without any knowledge rightly is.

    Attributes:
        warn: Share of samples from which it is a warning.
        costly: Share from which it is a warning if the network ended behind simple models, or was born so.
        error: Share from which it is an error if the network is impaired.
        persistence: Probes in a row that must agree.
    """

    id: ClassVar[str] = "saturated_output"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.2
    costly: float = 0.05
    error: float = 0.2
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the outputs at every probe."""
        context, fits = record.context, record.notes(LossFit)
        if context is None or not fits:
            return not_judged(self, NOT_RECORDED)
        if fits[0].takes is None:
            return not_judged(self, "what the loss takes is not known")
        if fits[0].takes != "values" or fits[0].activation not in CURVED:
            return not_applicable(self, "no output of sigmoid, tanh or softmax under a loss of the residual")
        shares = {note.step: note.stuck for note in record.notes(Outputs)}
        checks = check_shares(gate, shares, warn=self.warn, error=self.error)
        if len(checks) < self.persistence and not any(check.final for check in checks):
            return not_judged(self, f"{len(checks)} of {self.persistence} checks")
        standing = settle(checks, self.persistence)
        if checks and self._is_costly(record, gate, checks):
            standing = at_least(standing, replace(checks[-1], severity=Severity.WARNING))
        readings = [Reading(check.value, self.warn, context.layers[-1].name) for check in checks[-1:]]
        return judged(self, [] if standing is None else [self._finding(record, fits[0], standing)], *readings)

    def _is_costly(self, record: Record, gate: Gate, checks: Sequence[Check]) -> bool:
        """Tell whether a small share is more than a symptom: what is left of a larger one, or of a worse network."""
        first, last = checks[0], checks[-1]
        born = first.step == 0 and first.value >= self.warn
        never_learned = born and is_done(record) and not gate.learned_at(last.step)
        return last.value >= min(self.costly, self.warn) and (gate.behind_at(last.step) or never_learned)

    def _finding(self, record: Record, fit: LossFit, standing: Standing) -> Finding:
        return finding_of(
            self,
            standing,
            layer=None if record.context is None else record.context.layers[-1].name,
            threshold=self.warn if standing.value >= self.warn else self.costly,
            evidence=(
                f"on {100 * standing.value:.3g} % of the probe's samples an output is wrong by more than 0.5 where the"
                f" {fit.activation} passes on less than 5 % of its steepest slope"
            ),
            explanation=(
                "The slope of the activation is a factor of the gradient, so these samples, the most wrong of all,"
                " teach the network almost nothing. Under a cross-entropy that factor cancels."
            ),
            defect="the gradient is smallest where the error is largest",
            prescriptions=(self._cure(record, fit),),
        )

    def _cure(self, record: Record, fit: LossFit) -> Prescription:
        targets = record.notes(TargetFacts)
        if targets and targets[0].are_labels and fit.activation != "tanh":
            loss = "cross_entropy" if fit.activation == "softmax" else "binary_cross_entropy"
            return set_key(record, f"use {loss}, whose gradient is the error itself", "training.loss", loss)
        return set_key(record, "end in a linear layer, which is nowhere flat", "model.output", "linear")
