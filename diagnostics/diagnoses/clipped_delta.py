"""Diagnosis 20: residuals whose gradient is clipped to nothing."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import finding_of, judged, not_applicable, not_judged, set_key
from gradvitals.diagnostics.diagnoses.gated import check_shares
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.margin import Reading
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Outputs
from gradvitals.diagnostics.persistence import Standing, settle
from gradvitals.diagnostics.start_notes import LossFit


@dataclass(frozen=True, slots=True)
class ClippedDelta:
    """Symptom: samples that are predicted wrongly have a gradient on their output of exactly 0.

    Cause: the residual is clipped before it is squared, in the belief that this clips the gradient. Beyond the limit
    the loss is flat, so the samples that are predicted worst teach nothing.
    Cure: the Huber loss, which is what was meant: its gradient is the clipped residual.
    Info: never.
    Warning: on 1 % of the samples the residual of an output is not 0 and ∂L/∂ŷ is.
    Error: and the network is impaired.
    Clear: a third of the way back: .67 % of the samples.
    Needs: a loss of the residual between each output and its target, and the gradient on the outputs at three probes,
    or at one where a run ends blocked. (Margins that are satisfied, and samples that are right, rightly have none.)
    Source: Karpathy 2016, "Yes you should understand backprop", "Spotting in the wild: DQN clipping". Exact on the
    probe.

    Attributes:
        warn: Share of samples from which it is a warning.
        error: Share from which it is an error if the network is impaired.
        persistence: Probes in a row that must agree.
    """

    id: ClassVar[str] = "clipped_delta"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.01
    error: float = 0.01
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the gradient on the outputs at every probe."""
        context, fits = record.context, record.notes(LossFit)
        if context is None or not fits:
            return not_judged(self, NOT_RECORDED)
        if fits[0].takes is None:
            return not_judged(self, "what the loss takes is not known")
        if fits[0].takes != "values":
            return not_applicable(self, "the loss is not one of the residual")
        shares = {note.step: note.untaught for note in record.notes(Outputs)}
        checks = check_shares(gate, shares, warn=self.warn, error=self.error)
        if len(checks) < self.persistence and not any(check.final for check in checks):
            return not_judged(self, f"{len(checks)} of {self.persistence} checks")
        standing = settle(checks, self.persistence)
        readings = [Reading(check.value, self.warn, context.layers[-1].name) for check in checks[-1:]]
        return judged(self, [] if standing is None else [self._finding(record, standing)], *readings)

    def _finding(self, record: Record, standing: Standing) -> Finding:
        return finding_of(
            self,
            standing,
            layer=None if record.context is None else record.context.layers[-1].name,
            threshold=self.error if standing.severity is Severity.ERROR else self.warn,
            evidence=(
                f"on {100 * standing.value:.3g} % of the probe's samples the gradient on an output is exactly 0,"
                " although the output is not its target"
            ),
            explanation=(
                "The loss is flat there, so the samples that are predicted worst change nothing."
                " A loss that is meant to be robust must clip the gradient of a large residual, not the residual."
            ),
            defect="the loss has no gradient on samples that are predicted wrongly",
            prescriptions=(
                set_key(record, "use huber, whose gradient is the clipped residual", "training.loss", "huber"),
            ),
        )
