"""Diagnosis 19: a loss that does not go with the outputs or the targets."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses import mismatched_outputs, mismatched_targets, odd_losses
from gradvitals.diagnostics.diagnoses.base import judged, not_judged
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.meeting import Meeting, Mismatch
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Note, Outputs
from gradvitals.diagnostics.start_notes import AcrossSamples, ExchangedTargets, LossFit, MixedRows, OddLoss, TargetFacts

CHECKS = (
    mismatched_targets.across_samples,
    mismatched_targets.different_widths,
    mismatched_targets.labels_beyond,
    mismatched_targets.cut_labels,
    mismatched_targets.one_class,
    mismatched_targets.impossible_targets,
    mismatched_outputs.mixed_rows,
    mismatched_outputs.twice,
    mismatched_outputs.no_probabilities,
    mismatched_outputs.each_for_itself,
    mismatched_outputs.no_log_probabilities,
    mismatched_outputs.out_of_reach,
    mismatched_outputs.squared_probabilities,
    mismatched_outputs.sum_for_mean,
    mismatched_outputs.cut_off,
    mismatched_targets.class_numbers,
    mismatched_targets.unused_outputs,
)
"""What is looked for; of what is equally serious the first is reported first."""

OF_ANY_LOSS = (
    odd_losses.without_outputs,
    odd_losses.of_wrong_answers,
    odd_losses.of_no_logarithms,
    mismatched_targets.across_samples,
    mismatched_outputs.mixed_rows,
    mismatched_targets.exchanged_targets,
)
"""What is looked for where nobody knows what the loss takes."""

TOLD_OF_ANY_LOSS: tuple[type[Note], ...] = (AcrossSamples, MixedRows, ExchangedTargets, OddLoss)
"""The notes that tell it."""


@dataclass(frozen=True, slots=True)
class LossMismatch:
    """Symptom: the loss is given outputs or targets that it is not made for.

    Cause: the output layer's activation, the number of outputs, the encoding of the targets and the loss were chosen
    one by one.
    Cure: the matching pair: a linear output under a loss of logits or of quantities, with an output for each class or
    quantity.
    Info: more outputs than labels; class numbers under a squared error; logits cut off by a ReLU; what an activation
    cannot reach, at a cost below 5 % of H; a squared error of a softmax or a sigmoid on labels 0 and 1; a sigmoid for
    each of several classes, a warning if the network is impaired; a sum in place of the mean. These work where the
    learning rate suits them.
    Warning: classes whose output a ReLU has silenced, or cuts off in a network behind simple models; targets,
    margins or certainty that the activation cannot reach, at 5 % of H; several labels, or none, under a loss of one
    class; outputs above 1 taken for probabilities; several outputs that all learn one target; outputs that depend
    on the other samples of the batch, in eval mode; a loss that is less where outputs are wrong than where they are
    right.
    Error: these, a squared error of a softmax or a sigmoid, and, under an optimizer whose steps grow with the loss, a
    sum, if the network is impaired. And whatever it does: a softmax or a loss of classes over one output; labels beyond
    the outputs, or that are no whole numbers; targets that the loss is not defined for; a softmax or sigmoid under a
    loss that applies its own; outputs taken for probabilities, or for their logarithms, that are none; targets that the
    activation cannot reach, or scores that are all of one sign, at 25 % of H; one output for several targets; outputs
    that meet the targets of all samples; a loss that is the same whatever the outputs are.
    Clear: never: it is how the program is written. What depends on the network is judged at its end.
    Needs: a loss that is known; for most of it targets.
    Source: Karpathy 2019, "A recipe for training neural networks"; Humbatova et al. 2020, "Taxonomy of real faults in
    deep learning systems" (wrong loss or last activation). Exact: the cost is the least loss that outputs within the
    activation's range can have on these targets, log(1 + (C − 1)/e) for a double softmax. In a small calibration,
    regressions whose R² could reach .35 to .97 lost 0 to .17 of it at a cost below 15 % of H, .17 and more above 45 %
    (none lay between), and nothing by several outputs for one target. A squared error of probabilities is no warning by
    itself: 75 of 216 such classifiers came within two points of the best accuracy on their data.

    Attributes:
        warn: Share of H from which it is a warning that outputs cannot go where the loss is least.
        error: Share from which it is an error, however the network does.
        signal: Standard errors by which a simple model must beat the constant before an impairment is laid to the loss.
        persistence: Probes in a row at the end at which the network must be impaired; one where it ends blocked.
    """

    id: ClassVar[str] = "loss_mismatch"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.05
    error: float = 0.25
    signal: float = 3.0
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge what was noted before the first step, and at every probe what the loss took the outputs for."""
        context, fits, targets = record.context, record.notes(LossFit), record.notes(TargetFacts)
        if context is None or not fits:
            return not_judged(self, NOT_RECORDED)
        checks = CHECKS if fits[0].takes is not None else OF_ANY_LOSS
        if fits[0].takes is None and not any(map(record.notes, TOLD_OF_ANY_LOSS)):
            return not_judged(self, "what the loss takes is not known")
        meeting = Meeting(
            record=record,
            loss=context.loss,
            constant_loss=context.constant_loss,
            fit=fits[0],
            targets=targets[0] if targets else None,
            outputs=record.notes(Outputs),
            warn=self.warn,
            error=self.error,
        )
        mismatches = filter(None, (check(meeting) for check in checks))
        found = [
            (mismatch.impaired if self._explains(mismatch, record, gate) else mismatch.severity, mismatch)
            for mismatch in mismatches
        ]
        found.sort(key=lambda pair: -pair[0])  # stable
        return judged(self, [self._finding(record, found)] if found else [])

    def _explains(self, mismatch: Mismatch, record: Record, gate: Gate) -> bool:
        """Tell whether the network is impaired at its end, and in no way that has another cause."""
        final = bool(gate.checks) and gate.checks[-1].final
        checks = gate.checks[-1:] if final else gate.checks[-self.persistence :]
        if shows_no_signal(record, self.signal) or (len(checks) < self.persistence and not final):
            return False
        return all(check.arms & mismatch.arms and check.arms <= mismatch.arms | {Arm.MEMORISING} for check in checks)

    def _finding(self, record: Record, found: list[tuple[Severity, Mismatch]]) -> Finding:
        severity, worst = found[0]
        others = [other.evidence for _, other in found[1:]]
        cures = {repr(mismatch.cure): mismatch.cure for _, mismatch in found}  # several may be cured alike
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=severity,
            layer=None,
            first_step=worst.step,
            last_step=record.last_step,
            value=worst.value,
            threshold=worst.threshold,
            evidence="; also ".join([worst.evidence, *others]),
            explanation=(
                "The network learns what its loss rewards, and here that is not what is wanted, or nothing at all."
                " Mend the pair first: whatever else is changed treats a symptom."
                if severity is Severity.ERROR
                else "This is not how the loss is usually fed. It can work, but something is given away."
            ),
            defect=worst.defect,
            prescriptions=tuple(cures.values()),
        )
