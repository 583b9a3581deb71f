"""Diagnosis 25: the same output whatever the input."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import change_learning_rate, finding_of, judged, not_judged, set_key
from gradvitals.diagnostics.diagnoses.gated import NO_SIGNAL, shows_no_signal
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Activity, Outputs, Scan
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.start_notes import DataFacts, LossFit, Propagation

BEHIND = (
    "look at what is done to the outputs behind the last layer: a softmax over an axis of length 1, as F.softmax takes"
    " by itself of (1, batch, classes), gives 1 for everything"
)


@dataclass(frozen=True, slots=True)
class CollapsedOutput:
    """Symptom: the network says the same of every example.

    Cause: what depends on the input is lost on the way: weights of zero, or nearly, in a row of layers; a layer that
    died or is flat; or a loss that is best when everything is named alike.
    Cure: the root's. If there is none, larger initial weights, or a lower learning rate where it came later.
    Info: one answer is given to 25 % more of the samples than it is the label of; half of a layer's units are dormant
    (their mean |output| is at most .025 of the layer's) and not dead; or every unit of a ReLU layer is active on every
    sample of the probe, so that the layer is linear.
    Warning: never.
    Error: no output varies by 1e-6, in standard deviations, and the network is impaired.
    Clear: an output varies, or the network is impaired no more.
    Needs: targets, a loss that is known, 100 updates and 20 % of the plan; data in which simple models do find signal,
    or outputs that were the same to the bit from the first look to the last, and inputs that were not.
    Source: Sokar et al. 2023, "The dormant neuron phenomenon in deep reinforcement learning" (dormant units). Exact on
    the probe. In units of the targets' own standard deviation for quantities; logits, scores and probabilities have
    units of their own. Of logits and scores of one class out of several only the differences count.

    Attributes:
        error: Standard deviation, over the probe, that some output must reach.
        favourite: Share by which an answer may be given more often than it is right.
        dormant: Share of a layer's units that may be dormant.
        signal: Standard errors by which a simple model must beat the constant before a constant network is blamed.
        persistence: Probes in a row that must agree; one where a run ends blocked.
    """

    id: ClassVar[str] = "collapsed_output"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    error: float = 1e-6
    favourite: float = 0.25
    dormant: float = 0.5
    signal: float = 3.0
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the spread of the outputs at every probe; of the rest the last one."""
        context, fits, outputs = record.context, record.notes(LossFit), record.notes(Outputs)
        if context is None or not fits or not outputs:
            return not_judged(self, NOT_RECORDED)
        if fits[0].takes is None:
            return not_judged(self, "what the loss takes is not known")
        if gate.reason:
            return not_judged(self, gate.reason)
        standing = settle([self._check(note, gate) for note in outputs], self.persistence)
        if standing is None or standing.cleared:
            cleared = [] if standing is None else [self._finding(record, context, standing)]
            return judged(self, [*cleared, *self._asides(record, context, outputs[-1])])
        if shows_no_signal(record, self.signal) and not _never_varied(record, outputs):
            return not_judged(self, NO_SIGNAL)
        return judged(self, [self._finding(record, context, standing)])

    def _check(self, note: Outputs, gate: Gate) -> Check:
        check = gate.at(note.step)
        collapsed = note.spread is not None and note.spread < self.error
        sick = check is not None and check.judged and check.impaired
        return Check(
            note.step,
            Severity.ERROR if collapsed and sick else None,
            note.spread or 0.0,
            final=check is not None and check.final,
        )

    def _finding(self, record: Record, context: Context, standing: Standing) -> Finding:
        return finding_of(
            self,
            standing,
            layer=context.layers[-1].name,
            threshold=self.error,
            evidence=(
                f"over the samples of the probe no output varies by more than {standing.value:.2g}"
                f" (standard deviation, {_unit(record)})"
            ),
            explanation=(
                "The network says the same of every example: nothing of the input reaches its output."
                " This is a consequence; its cause is the root finding, or, where there is none, the initial weights or"
                " a step that was too long."
            ),
            defect="the output does not depend on the input",
            prescriptions=(
                *([Prescription(BEHIND)] if _may_be_lost_behind(record) else []),
                *_cures(record, standing.first_step),
            ),
        )

    def _asides(self, record: Record, context: Context, note: Outputs) -> Iterator[Finding]:
        """Yield what is worth a word at the last probe."""
        excess = (note.favourite or 0.0) - (note.favourite_label or 0.0)
        if excess > self.favourite:
            yield self._aside(
                context.layers[-1].name,
                note.step,
                (excess, self.favourite),
                f"{100 * (note.favourite or 0.0):.3g} % of the probe's samples get one and the same answer; it is the"
                f" label of {100 * (note.favourite_label or 0.0):.3g} %",
                "The network names one class far too often. It may be on its way, or have learned little but the"
                " shares of the classes.",
                set_key(record, "start the output's bias at the shares of the classes", "model.output_bias", "prior"),
            )
        for activity in record.notes(Activity)[-1:]:
            yield from self._layers(record, context, activity)

    def _layers(self, record: Record, context: Context, activity: Activity) -> Iterator[Finding]:
        units = {info.name: info.fan_out for info in context.layers}
        scans = record.notes(Scan)
        for layer, share in activity.dormant.items():
            dead = len(scans[-1].dead.get(layer, ())) / units[layer] if scans else 0.0
            if share - dead >= self.dormant:
                yield self._aside(
                    layer,
                    activity.step,
                    (share, self.dormant),
                    f"{100 * share:.3g} % of the units of {layer} are dormant, {100 * dead:.3g} % dead: their mean"
                    " |output| is at most 2.5 % of the layer's",
                    "Dormant units hardly contribute: the layer is narrower than it looks."
                    " Where the network does its job, it needs no more.",
                )
        for layer, share in activity.always_linear.items():
            if share == 1.0 and units[layer] > 1:
                yield self._aside(
                    layer,
                    activity.step,
                    (share, 1.0),
                    f"every unit of {layer} is active on every sample of the probe",
                    "A ReLU that never switches is linear, and so is the layer."
                    " It adds nothing that the layer behind it could not do alone.",
                )

    def _aside(
        self,
        layer: str,
        step: int,
        measured: tuple[float, float],
        evidence: str,
        explanation: str,
        *cures: Prescription,
    ) -> Finding:
        value, threshold = measured
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=Severity.INFO,
            layer=layer,
            first_step=step,
            last_step=step,
            value=value,
            threshold=threshold,
            evidence=evidence,
            explanation=explanation,
            prescriptions=cures,
        )


def _never_varied(record: Record, outputs: list[Outputs]) -> bool:
    """Tell whether outputs were to the bit the same at every look, though inputs vary: no data are to blame for that.

    A head that starts at zero is told by the looks that follow.
    """
    alike = any(facts.constant_count == facts.columns for facts in record.notes(DataFacts)[:1])
    return not alike and len(outputs) > 1 and all(note.spread == 0.0 for note in outputs)


def _may_be_lost_behind(record: Record) -> bool:
    """Tell whether a user's program never told two examples apart, although its last layer got signals at first."""
    is_own = record.context is not None and record.context.config is not None
    starts = record.notes(Propagation)
    got_signals = bool(starts) and bool(starts[0].deviations) and list(starts[0].deviations.values())[-1] > 0.0
    return not is_own and got_signals and _never_varied(record, record.notes(Outputs))


def _cures(record: Record, first_step: int) -> tuple[Prescription, ...]:
    """Prescribe other initial weights; and smaller steps where it was steps that made the outputs collapse."""
    initial = set_key(record, "start from weights that carry the signal: he_normal", "model.init", "he_normal")
    return (initial,) if first_step == 0 else (initial, change_learning_rate(record))


def _unit(record: Record) -> str:
    takes = record.notes(LossFit)[0].takes
    return "in units of the targets'" if takes == "values" else str(takes).replace("_", "-")
