"""Diagnosis 21: gradients that grow or fade on their way back through time."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.diagnoses.base import config_value, finding_of, judged, not_applicable, not_judged, set_key
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.start import LARGEST_GROWTH_BACK
from gradvitals.diagnostics.diagnoses.vanishing_gradient import fold
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.recurrence import Recurrence
from gradvitals.diagnostics.scoring import SURE

NO_STEP = "no time step by itself tells anything of the targets that a linear model can detect"
"""Why nobody knows how far back the gradient must come."""

LEAST = math.log(np.finfo(np.float32).smallest_subnormal)
"""Logarithm below which a gradient in float32 is 0, so that nobody knows how far it would have faded."""


@dataclass(frozen=True, slots=True)
class RecurrentGain:
    """Symptom: the gradient changes by orders of magnitude on its way back from the last time step to earlier ones.

    Cause: every step back multiplies it by the same recurrent weights and by the activation's slope; γ, the gain of a
    step, is then below 1 or above 1 many times in a row, and Σ log γ grows with the length of the sequence. Where it
    fades, what stood early does not reach the weights; where it grows, a small step changes everything.
    Cure: recurrent weights that keep lengths: orthogonal for tanh, the identity for relu; clipping where it grows;
    shorter sequences, or cells with gates.
    Info: Σ log γ above ln 1e3 back to any time step; or before the first update below −ln 1e6 back to the last time
    step that tells anything of the targets, at least half of it by the recurrent weights' spectral radius.
    Warning: growth above 10 before the first update, if the network is impaired or ended behind simple models. Fading
    as for info, if the network memorises or ended behind them: the gradient came back too late, to what was learned
    without it.
    Error: either info, if the network is impaired.
    Clear: growth below 1e3, or below 10 if it was there before the first update; fading less than a thousandfold.
    Needs: a layer unrolled through time whose gains can be seen, and probes. How far back the gradient must come the
    data tell, where a time step's inputs correlate with the targets; where none does, fading is not judged in a network
    that is impaired.
    Source: Bengio et al. 1994; Pascanu et al. 2013; Le et al. 2015 (the identity). Cells that learn forget too: trained
    ones had Σ log γ of −25 to 3, most began above −11, and one at −22 learned all the same: hence the impairment. Of
    54 healthy ones none began above 1, and what grew from there stayed below e³.

    Attributes:
        growth: Factor above which a gradient counts as exploding.
        grown: Factor above which it must stay where it was above the other before the first update, and which counts
            there where it costs something.
        fading: Factor below which it counts as vanishing, before the first update.
        faded: Factor below which it must stay.
        persistence: Probes in a row that must agree; one where a run ends blocked.
    """

    id: ClassVar[str] = "recurrent_gain"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    growth: float = 1e3
    grown: float = LARGEST_GROWTH_BACK
    fading: float = 1e-6
    faded: float = 1e-3
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge growth in every recurrent layer, and fading down to the first one."""
        context, probes, notes = record.context, record.notes(Probe), record.notes(Recurrence)
        if context is None or not probes:
            return not_judged(self, NOT_RECORDED)
        if not notes:
            return self._without_notes(context)
        if not context.by_layer:
            return not_applicable(self, "the training computes no gradients layer by layer")
        blocked = any(check.final for check in gate.checks)
        if len(probes) < self.persistence and record.last_step > 0 and not blocked:
            return not_judged(self, f"{len(probes)} of {self.persistence} checks")
        findings = [self._growing(record, gate, layer) for layer in notes[0].growth]
        if not any(finding is not None and finding.standing for finding in findings):
            findings.append(self._fading(record, gate))
        impaired = bool(gate.checks) and gate.checks[-1].impaired
        if not any(findings) and impaired and notes[-1].informative is None:
            return not_judged(self, NO_STEP)
        return judged(self, findings)

    def _without_notes(self, context: Context) -> Judgement:
        """Say why no gain was seen."""
        if (reason := context.unobserved.get("recurrence")) is not None:
            return not_judged(self, reason)
        length = (context.config or {}).get("model.sequence_length")
        if isinstance(length, int) and length > 1:
            return not_judged(self, NOT_RECORDED)
        return not_applicable(self, "no layer is unrolled through time")

    def _growing(self, record: Record, gate: Gate, layer: str) -> Finding | None:
        """Judge how much a layer makes the gradient grow; where it is not finite, as it was last seen."""
        notes = record.notes(Recurrence)
        first = notes[0].growth[layer]
        least = math.log(self.grown if first > math.log(self.growth) else self.growth)
        checks = []
        for probe in record.notes(Probe):
            seen = _last(notes, probe.step)
            growth = 0.0 if seen is None else seen.growth[layer]
            severity = _severity(record, gate, probe.step, frozenset(Arm)) if growth > least else None
            gated = gate.at(probe.step)
            checks.append(Check(probe.step, severity, growth, final=gated is not None and gated.final))
        standing = self._settle(checks)
        if (standing is None or standing.severity < Severity.WARNING) and self._began_too_large(record, gate, first):
            return self._grown_at_first(record, layer)
        note = None if standing is None else _last(notes, standing.last_step)
        if standing is None or note is None:
            return None
        evidence = (
            f"over the last {note.steps_back[layer]} of {note.time_steps} time steps of {layer} the gradient grows"
            f" {_fold(standing.value)}-fold on its way back ({_fold(first)}-fold {_when(notes[0])})"
        )
        return self._finding(layer, standing, math.log(self.growth), evidence, _tame(record))

    def _began_too_large(self, record: Record, gate: Gate, growth: float) -> bool:
        """Tell whether growth before the first update costs something: impaired, or behind simple models at the end."""
        last = gate.checks[-1] if gate.checks else None
        if last is None or record.notes(Recurrence)[0].step > 0 or not growth > math.log(self.grown):
            return False
        return last.behind or _severity(record, gate, last.step, frozenset(Arm)) is Severity.ERROR

    def _grown_at_first(self, record: Record, layer: str) -> Finding:
        """Say how much the gradient grew before the first update."""
        first, last = record.notes(Recurrence)[0], record.notes(Recurrence)[-1]
        value = first.growth[layer]
        standing = Standing(Severity.WARNING, 0, last.step, cleared=False, value=value)
        evidence = (
            f"before the first update the gradient grows {_fold(value)}-fold on its way back over the last"
            f" {first.steps_back[layer]} of {first.time_steps} time steps of {layer}"
            f" ({_fold(last.growth[layer])}-fold at step {last.step})"
        )
        return self._finding(layer, standing, math.log(self.grown), evidence, _tame(record))

    def _fading(self, record: Record, gate: Gate) -> Finding | None:
        """Judge what of the gradient comes back to the last time step that tells anything, from the start on."""
        notes = record.notes(Recurrence)
        layer, first = next(iter(notes[0].growth)), notes[0].reached
        if first is None or not first < math.log(self.fading) or not _by_weights(record, notes[0], first):
            return None
        arms = frozenset({Arm.NOT_LEARNING, Arm.MEMORISING})
        checks = []
        for probe in record.notes(Probe):
            seen = _last(notes, probe.step)
            reached = 0.0 if seen is None or seen.step < probe.step or seen.reached is None else seen.reached
            severity = _severity(record, gate, probe.step, arms) if reached < math.log(self.faded) else None
            checks.append(Check(probe.step, severity, reached))
        standing = self._settle(checks)
        late = (standing is None or standing.severity < Severity.WARNING) and _came_too_late(record, gate)
        if late:
            standing = Standing(Severity.WARNING, 0, checks[-1].step, cleared=False, value=first)
        if standing is None:
            return None
        now = checks[-1].value if late else standing.value
        evidence = (
            f"the last of {notes[0].time_steps} time steps that tells anything of the targets is number"
            f" {notes[0].informative}; on its way back there, the gradient on {layer} shrinks"
            f" {f'{_fold(-now)}-fold' if now < 0.0 else 'no more'} ({_fold(-first)}-fold {_when(notes[0])})"
        )
        return self._finding(layer, standing, math.log(self.faded), evidence, _remember(record))

    def _settle(self, checks: list[Check]) -> Standing | None:
        return settle(checks, self.persistence if checks[-1].step > 0 else 1)  # at the start it is only info

    def _finding(
        self, layer: str, standing: Standing, threshold: float, evidence: str, cures: tuple[Prescription, ...]
    ) -> Finding:
        grows = standing.value > 0.0
        return finding_of(
            self,
            standing,
            layer=layer,
            threshold=threshold,
            evidence=f"{evidence} (Σ log γ = {standing.value:.3g})",
            explanation=(
                "Each step back multiplies the gradient by the same recurrent weights, and the product has "
                + ("grown out of all proportion." if grows else "all but vanished.")
                + (
                    " The weights are thrown about by what stood early in a sequence."
                    if grows
                    else " What stood early in a sequence has no part in what the weights learn."
                )
            ),
            prescriptions=cures,
        )


def _came_too_late(record: Record, gate: Gate) -> bool:
    """Tell whether what had faded may be back, but the network ended behind simple models, or memorises."""
    if record.notes(Recurrence)[0].step > 0 or not gate.checks:
        return False
    return gate.checks[-1].behind or Arm.MEMORISING in gate.checks[-1].arms


def _last(notes: list[Recurrence], step: int) -> Recurrence | None:
    """Give the last note at or before a step; one is missing where a gradient was not finite."""
    position = bisect_right(notes, step, key=lambda note: note.step)
    return notes[position - 1] if position else None


def _by_weights(record: Record, note: Recurrence, reached: float) -> bool:
    """Tell whether at least half of what fades, in orders of magnitude, is due to the recurrent weights.

    The rest is that of the activation's slope: of saturated cells other rules tell, and other weights cure them.
    """
    seen = [record.series(f"spectral_radius/{layer}").between(-1, note.step) for layer in note.growth]
    radius = max((float(values[-1]) for values in seen if len(values)), default=math.nan)
    if math.isnan(radius) or note.informative is None:
        return False
    return radius == 0.0 or (note.time_steps - note.informative) * math.log(radius) < 0.5 * max(reached, LEAST)


def _when(note: Recurrence) -> str:
    return f"at step {note.step}" if note.step else "before the first update"


def _fold(logarithm: float) -> str:
    return fold(math.exp(logarithm))


def _severity(record: Record, gate: Gate, step: int, arms: frozenset[Arm]) -> Severity:
    """Give an error where the network is impaired by one of these arms, and data without signal are no excuse."""
    counting = arms - {Arm.NOT_LEARNING} if shows_no_signal(record, SURE) else arms
    gated = gate.at(step)
    return Severity.ERROR if gated is not None and gated.arms & counting else Severity.INFO


def _keep_lengths(record: Record) -> tuple[Prescription, ...]:
    """Prescribe recurrent weights under which a gradient keeps its length; none where the config has them already."""
    key = "model.recurrent_init"
    if config_value(record, "model.cell") == "relu":
        return (set_key(record, "start the recurrent weights as the identity", key, {"kind": "identity"}),)
    given = config_value(record, key) is not None or config_value(record, f"{key}.kind") is not None
    if config_value(record, "model.kind") == "rnn" and not given:
        return ()  # it is the default
    return (set_key(record, "start the recurrent weights orthogonal", key, "orthogonal"),)


def _tame(record: Record) -> tuple[Prescription, ...]:
    clip = set_key(record, "clip the gradient to a global norm of 1", "training.clip_norm", 1.0)
    return *_keep_lengths(record), clip, Prescription("cut the sequences into shorter ones")


def _remember(record: Record) -> tuple[Prescription, ...]:
    shorter = Prescription("shorten the sequences, so that what matters stands nearer to the end")
    return (
        *_keep_lengths(record),
        shorter,
        Prescription("use cells with gates (LSTM, GRU), in a framework that has them"),
    )
