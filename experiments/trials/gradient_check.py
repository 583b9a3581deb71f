"""Diagnosis 23: gradients that are not those of the loss."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import judged, not_applicable, not_judged
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.trial_notes import GradientComparison


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """Symptom: backpropagation gives another gradient of a parameter than the loss has by numeric differentiation.

    Cause: a backward pass that is wrong: a factor or a sum forgotten, an array used after it was overwritten, an
    operation in forward that backward does not know.
    Cure: mend the backward pass of what the layer ends in, or of what its output enters; everything behind it agrees.
    Info: never.
    Warning: never.
    Error: relative error above `error`, in float64, at every step size of five, two of which agree with each other.
    Clear: all arrays agree. Entries whose steps cross a kink are left out, and those that rounding hides.
    Needs: the network before its first update and 8 training rows, as `--preflight` takes them.
    Source: cs231n, neural-networks-3, "Gradient checks", which allows 1e-2 in networks with kinks; with the entries
    across a kink discarded and a second look at what disagrees, 1e-4 accused none of 711 right networks. Exact.

    Attributes:
        error: Relative error above which two gradients disagree.
    """

    id: ClassVar[str] = "gradient_check"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    error: float = 1e-4

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - a fact needs no gate
        """Judge the last comparison."""
        context, notes = record.context, record.notes(GradientComparison)
        if context is not None and not context.by_layer:
            return not_applicable(self, "the training does not backpropagate")
        if not notes:
            return not_judged(self, "not recorded: --preflight compares gradients")
        if not notes[-1].errors:
            return not_judged(self, "rounding, or a kink, hides every numeric gradient")
        return judged(self, [self._finding(notes[-1]) if notes[-1].wrong else None])

    def _finding(self, note: GradientComparison) -> Finding:
        # whatever is upstream of a wrong backward pass gets a wrong gradient: it lies at the last array that has one
        name = list(note.wrong)[-1]
        layer, _, array = name.partition("/")
        analytic, numeric = note.wrong[name]
        others = len(note.wrong) - 1
        upstream = f"; so is that of {others} array{'s' * (others > 1)} before it" if others else ""
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=Severity.ERROR,
            layer=layer,
            first_step=note.step,
            last_step=note.step,
            value=note.errors[name],
            threshold=self.error,
            evidence=(
                f"the gradient of {layer}'s {array} is wrong: backpropagation gives {analytic:.6g} for an entry whose"
                f" numeric gradient is {numeric:.6g}, on {note.samples} training rows{upstream}"
            ),
            explanation=(
                "Every update goes in a direction that is not downhill, and no learning rate makes up for it. What lies"
                " behind this layer agrees, so the mistake is in the backward pass of its end, or of what it enters."
            ),
            prescriptions=(
                Prescription(f"mend the backward pass behind {layer}; `gradvitals gradcheck` shows array by array"),
            ),
            defect=f"backpropagation to {layer} does not compute the gradient of the loss",
        )
