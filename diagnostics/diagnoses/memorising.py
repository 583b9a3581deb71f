"""Diagnosis 11b: the training set is learned by heart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gradvitals.diagnostics.behind import COMPARISONS, is_done
from gradvitals.diagnostics.diagnoses.base import (
    change_initialization,
    config_value,
    finding_of,
    judged,
    not_judged,
    set_key,
)
from gradvitals.diagnostics.diagnoses.start import loss_of_zeros
from gradvitals.diagnostics.error_budget import LEVEL
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import LEAST_SHORTFALL, Arm, Gate, GateCheck, is_overfitted
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Generalisation, Probe
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle
from gradvitals.diagnostics.scoring import SURE

CROSS_ENTROPIES = frozenset({"cross_entropy", "binary_cross_entropy"})

NO_VALIDATION = "no validation set was watched, or it was not recorded"


@dataclass(frozen=True, slots=True)
class Memorising:
    """Symptom: the network answers its training examples rightly, and new ones far less often than simple models do.

    Cause: weights so large at the start that every example excites units of its own; or more freedom than a small or
    noisy training set can tie down, used for too long.
    Cure: he_normal or glorot_uniform; L2, early stopping; more data.
    Info: never. Being worse on new samples than on its own is the rule, and no fault by itself.
    Warning: the gate's *memorising* arm. The training set is learned (loss below H/2, or half of the accuracy that the
    majority leaves). On new samples its score, the share of right answers or the gain 1 − L/H of a regression, is lower
    by .1 and 3 SE than on its own, and lower by .1 and 3 SE than that of a ridge regression or nearest neighbours. Half
    of the latter lag at least is what it does better on its own: a network behind them on both has not learned enough.
    At the end of a training of 200 updates and more one look is enough, where Student's t of the paired scores is as
    sure.
    Error: and the weights explain it: at the start a cross-entropy was 3 times H, and 3 times that of outputs all 0.
    Clear: the arm no longer holds.
    Needs: a validation set of 30 samples, 100 updates and 20 % of the plan, and a signal that simple models find.
    Source: Zhang et al. 2017, "Understanding deep learning requires rethinking generalization". The validation loss
    against H, which this rule began with, called 3 of 232 healthy networks ill and a quarter of those on data without
    signal; against simple models none of either.

    Attributes:
        persistence: Probes in a row that must agree.
        initial_loss: Loss before the first update, in units of H, above which the initial weights explain it.
    """

    id: ClassVar[str] = "memorising"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    persistence: int = 3
    initial_loss: float = 3.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the gate's *memorising* arm."""
        if gate.reason:
            return not_judged(self, gate.reason)
        new = {note.step: note for note in record.notes(Generalisation)}
        if not new:
            return not_judged(self, NO_VALIDATION)
        considered = [check for check in gate.checks if check.judged]
        severity = Severity.ERROR if self._starts_too_large(record) else Severity.WARNING
        checks = [
            Check(check.step, severity if Arm.MEMORISING in check.arms else None, new[check.step].shortfall or 0.0)
            for check in considered
            if check.step in new
        ]
        standing = settle(checks, self.persistence)
        if checks and checks[-1].severity and _is_sure(record, considered[-1], new[checks[-1].step]):
            standing = at_least(standing, replace(checks[-1], severity=Severity.WARNING))
        if standing is None and len(checks) < self.persistence:
            return not_judged(self, f"{len(checks)} of {self.persistence} checks")
        if standing is None and self._has_no_measure(record, considered, new[checks[-1].step]):
            return not_judged(self, "it learned its training set, and no simple model finds a signal in new samples")
        return judged(self, [None if standing is None else self._finding(record, new[standing.last_step], standing)])

    def _starts_too_large(self, record: Record) -> bool:
        """Tell whether the loss at the start is far above that of the best constant, and of outputs that are all 0."""
        context, first = record.context, record.notes(Probe)[0]
        if context is None or context.constant_loss is None or first.loss_ratio is None:
            return False
        of_zeros = loss_of_zeros(context)
        if context.loss not in CROSS_ENTROPIES or of_zeros is None:
            return False
        return first.loss_ratio > self.initial_loss and first.loss > self.initial_loss * of_zeros

    def _has_no_measure(self, record: Record, considered: Sequence[GateCheck], new: Generalisation) -> bool:
        """Tell whether the network is overfitted at the end, and simple models find nothing to hold against it."""
        probe = next(probe for probe in record.notes(Probe) if probe.step == considered[-1].step)
        if not is_overfitted(probe, new):
            return False
        excess, error = new.simple_excess, new.simple_excess_se
        return excess is None or error is None or not excess > SURE * error

    def _finding(self, record: Record, note: Generalisation, standing: Standing) -> Finding:
        probe = next(probe for probe in record.notes(Probe) if probe.step == standing.last_step)
        own, new, simple = note.training_score, note.score, note.score + standing.value
        if probe.majority_accuracy is not None:
            found = (
                f"{100 * own:.3g} % of its training examples are right, {100 * new:.3g} % of {note.samples} new ones"
            )
            others = f"get {100 * simple:.3g} % of these right"
        else:
            lost, newly_lost, simply_lost = (100.0 * max(1.0 - score, 0.0) for score in (own, new, simple))
            found = (
                f"the loss is {lost:.3g} % of the best constant output's on its training examples,"
                f" {newly_lost:.3g} % on {note.samples} new ones"
            )
            others = f"lose {simply_lost:.3g} % there"
        return finding_of(
            self,
            standing,
            threshold=LEAST_SHORTFALL,
            evidence=f"{found}; a linear fit or nearest neighbours {others}",
            explanation=(
                "The network has learned its examples by heart and missed what they have in common, which simple"
                " models fitted to the same examples did find."
                + (
                    " Its initial weights are so large that every example excites units of its own."
                    if self._starts_too_large(record)
                    else " It has more freedom than so few, or so noisy, examples can tie down."
                )
            ),
            prescriptions=self._cures(record),
        )

    def _cures(self, record: Record) -> tuple[Prescription, ...]:
        if self._starts_too_large(record):
            context = record.context
            activation = context.layers[0].activation if context is not None else ""
            return (
                change_initialization(record, "start from weights of the size that suits the activation", activation),
            )
        l2 = config_value(record, "training.l2")
        stronger = 10.0 * l2 if isinstance(l2, float) and l2 > 0.0 else 0.01
        return (
            set_key(record, f"shrink the weights with an L2 penalty of {stronger:g}", "training.l2", stronger),
            set_key(
                record,
                "stop when the validation loss has not fallen for 5 epochs",
                "training.early_stopping",
                {"patience": 5},
            ),
            Prescription("train on more examples, or with a smaller network"),
        )


def _is_sure(record: Record, check: GateCheck, new: Generalisation) -> bool:
    """Tell whether the training is done and the lag at its end so sure that a single look is enough."""
    return check.last and is_done(record) and Lag.of_new(new).is_sure(LEVEL / COMPARISONS)
