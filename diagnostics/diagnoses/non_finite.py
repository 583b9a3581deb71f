"""Diagnosis 1: a NaN or an infinity."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import change_learning_rate, judged, not_judged, set_key
from gradvitals.diagnostics.diagnoses.skipped_steps import judge_skips
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import SLOPED
from gradvitals.diagnostics.notes import Incident, Probe, SkippedSteps

WHERE = {
    "inputs": "the training data hold values that are not finite",
    "read": "what {layer} reads is not finite, and no layer looked at before it gives such numbers",
    "outputs": "the first op with finite inputs and a non-finite output is the affine op of {layer}",
    "parameters": "the parameters of {layer} are not finite",
    "gradients": "the gradients of {layer} are not finite",
    "update": "the update of {layer} is not finite",
    "loss": "the loss is not finite although every layer's output is: it overflows, or the targets are not finite",
}

INFINITE_SLOPE = (
    "add a small number, as 1e-8, to what the loss and the model take a root, a norm, a deviation, a logarithm or a"
    " power below 1 of; torch.autograd.detect_anomaly() names the operation"
)


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Symptom: NaN in the loss, or numbers that have grown beyond the range of floats.

    Cause: nearly always steps too long for the loss surface, or weights so large that the forward pass overflows.
    Or, where the very first gradient is not finite and every layer's output is, an operation of infinite slope.
    Cure: a lower learning rate, gradient clipping, a smaller initialisation; a small number added under the root.
    Info: a loss scaler skipped steps, as it does to find out how large a scale there is room for.
    Warning: it skipped more than 5 % of 200 steps in a row, those that undo a growth of its scale left out.
    Error: a NaN anywhere, or an infinity in the loss, the parameters, an update taken or a layer's output. Or a scaler
    skipped the last 20 steps, or more, at a scale of at most 1, so that it is not the scale that makes them overflow.
    Clear: numbers never, nothing after them can undo them. Skipped steps: 200 in a row of which fewer are.
    Needs: nothing but a record.
    Source: Pascanu et al. 2013, §2; Micikevicius et al. 2018, "Mixed precision training", §3.2; exact, no statistics.

    Attributes:
        window: Steps in a row of which a loss scaler may skip a share.
        skipped: That share.
        stuck: Steps in a row that it may skip at a scale of at most 1.
    """

    id: ClassVar[str] = "non_finite"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    window: int = 200
    skipped: float = 0.05
    stuck: int = 20

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - a fact needs no gate
        """Look for an incident."""
        incidents = record.notes(Incident)
        if incidents:
            return judged(self, [self._finding(record, incidents[0])])
        skips = record.notes(SkippedSteps)
        if not any([skips, record.notes(Probe), record.tags()]):
            return not_judged(self, NOT_RECORDED)
        return judged(self, [judge_skips(skips, window=self.window, share=self.skipped, stuck=self.stuck)])

    def _finding(self, record: Record, incident: Incident) -> Finding:
        where = WHERE[incident.what].format(layer=incident.layer)
        if _is_first_gradient(record, incident):
            where = f"{where} although every layer's output is"
        when = (
            f"at step {incident.step}"
            if incident.last_finite_step >= incident.step - 1
            else f"between steps {incident.last_finite_step} and {incident.step}"
        )
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=Severity.ERROR,
            layer=incident.layer,
            first_step=incident.step,
            last_step=record.last_step,
            value=float("nan"),
            threshold=0.0,
            evidence=f"{where}, first seen {when}",
            explanation=(
                "A single number that is not finite spreads to every parameter with the next update."
                " The network cannot recover; training on only wastes time."
                if not _is_first_gradient(record, incident)
                else "No step had moved the weights yet, so it is no step that was too long. Either the loss is not"
                " finite, as of targets that are not; or it is, and its slope is not: roots, norms and standard"
                " deviations have an infinite one where what they are of is 0."
            ),
            prescriptions=self._cures(record, incident),
        )

    def _cures(self, record: Record, incident: Incident) -> tuple[Prescription, ...]:
        if incident.what == "inputs":
            return (Prescription("remove or replace the values of the data that are NaN or infinite"),)
        if incident.what == "read" and incident.step == 0:
            return (
                Prescription(
                    "look at what is computed between the layers, and for values of the data that are not finite"
                ),
            )
        if incident.what == "loss" and incident.step == 0:
            return (_meet_the_targets(record),)
        smaller = set_key(record, *_smaller_weights(record))
        if incident.step == 0:
            return (smaller,)
        if _is_first_gradient(record, incident):
            return (Prescription(INFINITE_SLOPE), smaller)
        slower = change_learning_rate(record)
        clip = set_key(record, "clip the gradient to a global norm of 1", "training.clip_norm", 1.0)
        return (smaller, slower, clip) if incident.step == 1 else (slower, clip, smaller)


def _is_first_gradient(record: Record, incident: Incident) -> bool:
    """Tell whether the first gradient of a user's own program is what is not finite: our losses have finite slopes."""
    is_own = record.context is not None and record.context.config is not None
    return incident.what == "gradients" and incident.step == 1 and not is_own


def _meet_the_targets(record: Record) -> Prescription:
    """Say what to look at where outputs and targets, both still untouched, give a loss that is not finite."""
    context = record.context
    if context is not None and context.classes is not None and context.layers[-1].fan_out < context.classes:
        why = f"the targets have {context.classes} classes, the output layer {context.layers[-1].fan_out} units"
        return set_key(record, f"{why}: give it one for each", "model.output_units", context.classes)
    return Prescription("look at what the loss is given: targets that are finite, and no probability of exactly 0")


def _smaller_weights(record: Record) -> tuple[str, str, str]:
    """Give the initialisation that suits the activations: the sentence, the config key, its value."""
    sloped = record.context is not None and bool(record.context.layer_names(SLOPED))
    scheme = "glorot_uniform" if sloped else "he_normal"
    return f"start from smaller weights: {scheme}", "model.init", scheme
