"""Diagnosis 24: parameters that have a gradient and do not move."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import finding_of, judged, not_applicable, not_judged, set_key
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.unreached import of_unreached
from gradvitals.diagnostics.diagnoses.unregistered import of_newborn, of_strays, of_unheld
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.gradient_notes import (
    ForeignSteps,
    MissingGradients,
    NewbornParameters,
    StaleGradients,
    StrayParameters,
    UnheldParameters,
    UnreachedParameters,
    UntakenGradients,
)
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Ending, Movement, Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.scoring import SURE


@dataclass(frozen=True, slots=True)
class FrozenParameters:
    """Symptom: a weight or a bias has a gradient and a learning rate, and is to the bit what it was at the start.

    Cause: the optimizer was not given it, or was given a copy; or the program writes the old values back, clears the
    gradients before they are used, or takes them of a loss that is cut off from the parameters.
    Cure: give the optimizer every parameter that is to learn. What is meant to stay needs no gradient.
    Info: what an optimizer holds never had a gradient, while other parameters had one. Or every forward pass makes
    parameters of its own, as of layers that are built there; or no optimizer holds what is in no layer that is
    followed, and has gradients.
    Warning: this, if the model returns what comes of it, or if the network learns nothing or ended behind simple
    models. A layer that no optimizer holds has gradients; or what the model keeps outside of its parameters has, as
    layers in a plain list. Or gradients are not cleared: at 3 steps in a row that were looked at, the first backward
    pass after a step added to what that step had taken.
    Error: an optimizer holds it, or the network learns nothing. Or no parameter that it holds has a gradient at all,
    at 3 steps in a row looked at. Or all steps are of optimizers that hold no parameter of the model, or no optimizer
    takes any in 20 backward passes and more.
    Clear: it moved by a bit.
    Needs: gradients layer by layer, a whole epoch and at least 20 updates, and 3 steps looked at whose gradient
    and rate were large enough to change the float. Where there was no gradient from the first step to the end, 3 steps.
    Source: PyTorch documentation, `torch.optim` ("Constructing it"). Exact: what has not moved is compared with a copy,
    and a step counts only if plain gradient descent would have changed the float; smaller ones are for numerics.

    Attributes:
        updates: Least number of updates it must have stayed as it was; a whole epoch if that is longer.
        looks: Least number of steps at which it should have moved.
    """

    id: ClassVar[str] = "frozen_parameters"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ("gradients",)
    updates: int = 20
    looks: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge every layer of which an array had not moved at some look."""
        ruined = learns_nothing(record, gate, self.looks)
        foreign = [self._of_others(note) for note in record.notes(ForeignSteps)]
        foreign += [self._of_none(note) for note in record.notes(UntakenGradients) if not note.moved]
        if foreign:
            return judged(self, foreign)
        stale, missing = self._judge_clearing(record.notes(StaleGradients)), self._judge_missing(record)
        strays = [
            of_strays(self, note, Severity.ERROR if ruined else Severity.WARNING)
            for note in record.notes(StrayParameters)
        ]
        lags = gate.behind_at(record.last_step)
        by_harm = Severity.ERROR if ruined else Severity.WARNING if lags else Severity.INFO
        unreached = [
            of_unreached(self, note, harmed=ruined or lags)
            for note in record.notes(UnreachedParameters)
            if note.looks >= self.looks and note.step - note.since >= self._needed(record)
        ]
        newborn = [of_newborn(self, note, by_harm) for note in record.notes(NewbornParameters)]
        unheld = [of_unheld(self, note, by_harm) for note in record.notes(UnheldParameters)]
        findings = [
            finding for finding in (missing, stale, *strays, *newborn, *unheld, *unreached) if finding is not None
        ]
        movement = self._judge_movement(record, ruined=ruined)
        if any(finding.standing for finding in findings):
            return judged(self, [*findings, *movement.findings])
        return replace(movement, findings=(*findings, *movement.findings))

    def _needed(self, record: Record) -> int:
        """Give the least number of updates in which something must have happened."""
        return max(self.updates, 0 if record.context is None else record.context.steps_per_epoch or 0)

    def _judge_movement(self, record: Record, *, ruined: bool) -> Judgement:
        context, notes = record.context, record.notes(Movement)
        if context is None:
            return not_judged(self, NOT_RECORDED)
        if not context.by_layer:
            return not_applicable(self, "the training computes no gradients layer by layer")
        if not notes:
            return not_judged(self, "no update was looked at")
        needed = max(self.updates, context.steps_per_epoch or 0)
        due = [note for note in notes if note.step - note.since >= needed]
        if not due and notes[-1].unmoved:
            return not_judged(self, f"{notes[-1].step - notes[-1].since} of {needed} updates since the first look")
        return judged(
            self,
            [
                self._judge_layer(record, due, name, held=name not in context.unheld, ruined=ruined)
                for name in context.layer_names()
            ],
        )

    def _judge_clearing(self, notes: Sequence[StaleGradients]) -> Finding | None:
        """Judge whether what a step has taken is taken again by the next."""
        checks = [
            Check(note.step, Severity.WARNING if note.in_a_row >= self.looks else None, float(note.in_a_row))
            for note in notes
        ]
        standing = settle(checks, 1)
        if standing is None:
            return None
        return finding_of(
            self,
            standing,
            threshold=float(self.looks),
            evidence=(
                f"at {standing.value:.0f} steps looked at, one after the other, the gradient was not cleared: the first"
                " backward pass after a step added to what that step had taken"
            ),
            explanation=(
                "Every step takes the gradients of all batches before it again, as with a momentum of 1: what was"
                " learned from long ago weighs as much as what is wrong now, and steps grow longer and longer."
            ),
            defect="the gradient of a step holds that of the steps before",
            prescriptions=(Prescription("call optimizer.zero_grad() after every step"),),
        )

    def _judge_missing(self, record: Record) -> Finding | None:
        """Judge whether the steps find any gradient to take."""
        notes = record.notes(MissingGradients)
        needed = self._needed(record)
        lost = _has_gradients(record.notes(Probe))
        is_over = bool(record.notes(Ending))
        whole = notes[-1] if is_over and notes and notes[-1].since == 1 else None
        checks = [
            Check(
                note.step,
                Severity.ERROR
                if note.in_a_row >= self.looks
                and (note.step - note.since >= needed or (note is whole and not note.zeros))
                and (lost or not note.zeros)
                else None,
                float(note.in_a_row),
            )
            for note in notes
        ]
        standing = settle(checks, 1)
        if standing is None:
            return None
        note = next(note for note in reversed(notes) if note.step <= standing.last_step)
        what = "no parameter that the optimizer holds had a gradient"
        if note.zeros:
            what = "every gradient was exactly 0, and those of the probe's loss are not"
        return finding_of(
            self,
            standing,
            first_step=note.since - 1,
            threshold=float(self.looks),
            evidence=(
                f"at {standing.value:.0f} steps looked at, one after the other, from step {note.since} to"
                f" {standing.last_step}, {what}"
            ),
            explanation=(
                "A step without a gradient changes nothing. Either the gradients are cleared between backward() and"
                " step(), or backward() starts at a value that is cut off from the parameters, as torch.tensor(loss),"
                " .item(), .detach() and .data make one, or goes through round, sign or a comparison, or another model;"
                " or all that the optimizer holds is frozen, as its requires_grad is False."
            ),
            defect="the steps of the optimizer change nothing",
            prescriptions=(
                Prescription("call optimizer.zero_grad() before backward(), and optimizer.step() right after it"),
                Prescription("call backward() on the very tensor that the loss function gives for the model's output"),
            ),
        )

    def _of_others(self, note: ForeignSteps) -> Finding:
        """Say that the steps are of optimizers of something else."""
        return finding_of(
            self,
            Standing(Severity.ERROR, 0, note.step, cleared=False, value=float(note.taken)),
            threshold=1.0,
            evidence=(
                f"optimizers took {note.taken} steps, and none of them holds a parameter of this model, which has"
                " gradients"
            ),
            explanation=(
                "Nothing of the model can learn: its gradients are computed, and no step takes them. The optimizer was"
                " made of the parameters of another model, or of this one before it was made anew, copied, or had its"
                " layers replaced."
            ),
            defect="no optimizer holds any parameter of the model",
            prescriptions=(
                Prescription(
                    "make the optimizer of this model's parameters, once the model is complete: the last thing"
                    " before the loop"
                ),
            ),
        )

    def _of_none(self, note: UntakenGradients) -> Finding:
        """Say that nobody takes a step."""
        return finding_of(
            self,
            Standing(Severity.ERROR, 0, note.step, cleared=False, value=float(note.passes)),
            threshold=float(self.updates),
            evidence=(
                f"gradients were computed in {note.passes} backward passes, no optimizer took a step, and every"
                " parameter is what it was before the first of them"
            ),
            explanation=(
                "Nothing of the model can learn: backward() computes gradients, and only a step changes parameters."
                " Either optimizer.step() is missing, or it stands behind a condition that was never met."
            ),
            defect="no optimizer takes a step",
            prescriptions=(Prescription("call optimizer.step() after every backward()"),),
        )

    def _judge_layer(
        self, record: Record, notes: Sequence[Movement], layer: str, *, held: bool, ruined: bool
    ) -> Finding | None:
        severity = Severity.ERROR if held or ruined else Severity.WARNING
        counts = [(note.step, len(self._frozen(note, layer))) for note in notes]
        checks = [Check(step, severity if count else None, float(count)) for step, count in counts]
        standing = settle(checks, 1)
        if standing is None:
            return None
        note = next(note for note in reversed(notes) if note.step <= standing.last_step)
        return self._finding(record, note, layer, standing, held=held)

    def _frozen(self, note: Movement, layer: str) -> list[str]:
        """Name the arrays that should have moved often enough."""
        return [name for name, pushes in note.unmoved.get(layer, {}).items() if pushes >= self.looks]

    def _finding(self, record: Record, note: Movement, layer: str, standing: Standing, *, held: bool) -> Finding:
        arrays = self._frozen(note, layer)
        named = " and ".join([", ".join(arrays[:-1]), arrays[-1]] if len(arrays) > 1 else arrays).replace("_", " ")
        pushes = max(note.unmoved[layer][name] for name in arrays)
        have = "have" if len(arrays) > 1 else "has"
        return finding_of(
            self,
            standing,
            layer=layer,
            first_step=note.since,
            threshold=1.0,
            evidence=(
                f"the {named} of {layer} {have} not changed by a bit in {note.step - note.since} updates; at"
                f" {pushes} of {note.looks} steps looked at, gradient and learning rate were large enough to change"
                f" {'them' if len(arrays) > 1 else 'it'}"
            ),
            explanation=(
                f"{layer} keeps the values it started with, and the layers around it train on what these happen to"
                " compute."
                + (
                    " The optimizer holds them and does not change them: something writes the old values back, or it"
                    " works on a copy."
                    if held
                    else " No optimizer holds them, so that their gradients are computed for nothing."
                )
            ),
            defect=f"the {named} of {layer} cannot learn",
            prescriptions=_cures(record, held=held),
        )


def learns_nothing(record: Record, gate: Gate, looks: int) -> bool:
    """Tell whether the network learned nothing up to its end, where simple models do find signal in the data."""
    last = gate.checks[-1:] if gate.checks and gate.checks[-1].final else gate.checks[-looks:]
    stopped = {Arm.NOT_LEARNING, Arm.NO_GRADIENT}
    enough = len(last) == looks or any(check.final for check in last)
    return enough and all(check.arms & stopped for check in last) and not shows_no_signal(record, SURE)


def _has_gradients(probes: Sequence[Probe]) -> bool:
    """Tell whether the loss pulls at the outputs wherever the monitor has looked for itself."""
    pulls = [max(probe.preactivation_gradients.values(), default=0.0) for probe in probes]
    return bool(pulls) and all(0.0 < pull < math.inf for pull in pulls)


def _cures(record: Record, *, held: bool) -> tuple[Prescription, ...]:
    if held:
        return (Prescription("hand the optimizer the network's own arrays, all of them, and write nothing back"),)
    why = "give the optimizer every layer, or compute no gradient for what is to stay"
    return (set_key(record, why, "training.frozen", []),)
