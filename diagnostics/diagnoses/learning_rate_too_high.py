"""Diagnosis 7: single updates that threw the network out of where it could learn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gradvitals.diagnostics.behind import find_any_lag
from gradvitals.diagnostics.diagnoses.base import change_learning_rate, finding_of, judged, not_judged, set_key
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.saturated_units import SaturatedUnits
from gradvitals.diagnostics.diagnoses.start import STOPPED, what_was_broken
from gradvitals.diagnostics.diagnoses.update_sizes import (
    THROWN,
    Update,
    first_beyond,
    first_growth,
    has_updates,
    median_ratios,
    why_no_updates,
)
from gradvitals.diagnostics.diagnoses.vanishing_gradient import VanishingGradient
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import WARM_UP_STEPS, Arm, Gate, GateCheck, warm_up
from gradvitals.diagnostics.learned import has_come_to_rest
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Incident, Probe, Scan
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle
from gradvitals.diagnostics.scoring import SURE
from gradvitals.diagnostics.wording import times
from gradvitals.engine.events import LayerInfo

USUAL_START = 0.02
"""A first update of this size, in units of he_normal's norm, is what a tenfold lower rate is counted towards."""


@dataclass(frozen=True, slots=True)
class LearningRateTooHigh:
    """Symptom: an update changes a layer by a large share of its size, and from then on nothing is learned.

    Cause: a step so long that the gradient means nothing where it ends. It seldom oscillates: numbers overflow within
    some 40 updates, a whole ReLU layer dies, activations saturate, or the loss stays far above where it began. A
    network that was broken before its first update is no case of it.
    Cure: a lower learning rate, by powers of ten; a warm-up; clipping the gradient to a norm of 1.
    Info: never.
    Warning: an update beyond .15 of a layer, and after the warm-up a loss above twice that of the start and of the best
    constant; or one above .5 H that had been lower by .05 H; or a network that ended behind simple models (after 100
    updates already, if its loss has come to rest, or one of these was seen at any look: it lost its time by it; and
    by however little, if after half of the training the loss was still above that of the start or of the constant).
    Or, where it ended behind them (likely, or surely after 100 updates) or memorises, a hidden layer that is saturated
    only since then or lost a quarter of its units; or units and gradients that another rule warns of, and were well
    before. Likewise a loss above .5 H while half of the updates change a layer by more than a tenth.
    Where a layer saturated in training and the network surely ended behind them, an update beyond .03 is enough.
    Error: an update beyond .15 of a layer in a network that is impaired after it: not learning, a whole layer dead, no
    gradient left, or numbers that are not finite. Of a layer that died whole, one beyond .03 is enough.
    Clear: the loss falls again.
    Needs: the updates of training steps and probes from the start on; targets, a loss whose best constant is known, and
    100 updates, unless it ends blocked.
    Source: cs231n, neural-networks-3 (update ratios near 1e-3). Of 1,050 healthy networks (tuning half) the largest
    ratio was .03 in the median and beyond .15 in one of twelve, all of which learned: hence the impairment.

    Attributes:
        movement: Update ratio that a layer's updates may reach.
        deadly: Update ratio beyond which updates count that a whole layer died or saturated of: well-tuned ones are
            smaller.
        constantly: Median update ratio from which half of what was learned goes again.
        blown_up: Loss, in units of the larger of H and the first loss, that counts as blown up.
        losing: Loss, in units of H, above which a loss that has risen again counts.
        rise: By how much it must have risen above its lowest, in units of H.
        persistence: Probes in a row that must agree; one where a run ends blocked.
    """

    id: ClassVar[str] = "learning_rate_too_high"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    movement: float = THROWN
    deadly: float = 0.03
    constantly: float = 0.1
    blown_up: float = 2.0
    losing: float = 0.5
    rise: float = 0.05
    persistence: int = 2

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge what became of the network after its largest updates."""
        context, probes = record.context, record.notes(Probe)
        if context is None or not probes or not has_updates(record):
            return not_judged(self, why_no_updates(record))
        update = first_beyond(record, self.movement) or self._deadly(record) or self._flattening(record, gate)
        if update is None:
            return judged(self, [])
        checks = self._checks(record, gate, update)
        standing = settle(checks, self.persistence)
        spoiled = _what_it_spoiled(record, gate, update)
        last = gate.checks[-1]
        costs = last.likely_behind or last.behind_early or Arm.MEMORISING in last.arms
        lost = _lost_units(record, probes[0], probes[-1]) if costs else ""
        had_time = has_come_to_rest(probes) or any(check.severity is not None for check in checks)
        behind = last.behind or (last.behind_early and had_time) or self._lost_half(record, update)
        if behind or spoiled or lost:
            standing = at_least(standing, replace(checks[-1], severity=Severity.WARNING))
        flattened = lost or (spoiled is not None and spoiled.id == SaturatedUnits.id)
        if standing is not None and (broken := what_was_broken(record, fading=not flattened)):
            return not_judged(self, f"before the first update {broken}")
        if standing is None and gate.reason:
            return not_judged(self, gate.reason)
        told = lost if spoiled is None else spoiled.evidence
        return judged(self, [None if standing is None else self._finding(record, gate, update, standing, told)])

    def _lost_half(self, record: Record, update: Update) -> bool:
        """Tell whether half of the time was lost by an update, and the network surely ended behind simple models.

        At a look after half of all updates or more, the loss was still above that of the start or of the best constant.
        """
        probes = record.notes(Probe)
        first, last = probes[0].loss_ratio, probes[-1]
        if first is None or last.step < WARM_UP_STEPS or find_any_lag(last, record) is None:
            return False
        late = (probe for probe in probes if probe.step >= max(update.step, 0.5 * last.step))
        return any(probe.loss_ratio is not None and probe.loss_ratio > min(first, 1.0) for probe in late)

    def _deadly(self, record: Record) -> Update | None:
        """Give the first update of no usual size, if all units of a layer have died after it."""
        update = first_beyond(record, self.deadly)
        after = [scan for scan in record.notes(Scan) if update is not None and scan.step >= update.step]
        return update if any(_dead_layers(record, scan) for scan in after) else None

    def _flattening(self, record: Record, gate: Gate) -> Update | None:
        """Give the first update of no usual size, if a layer saturated in training and the network ended behind."""
        probes = record.notes(Probe)
        flat = gate.checks[-1].behind and _flattened(record, probes[0], probes[-1])
        return first_beyond(record, self.deadly) if flat else None

    def _checks(self, record: Record, gate: Gate, update: Update) -> list[Check]:
        probes, context = record.notes(Probe), record.context
        counting = STOPPED - {Arm.NOT_LEARNING} if shows_no_signal(record, SURE) else STOPPED
        settled = warm_up(None if context is None else context.total_steps)
        checks = []
        tossed = max(median_ratios(record).values(), default=0.0) > self.constantly
        lowest = math.inf
        for probe, gated in zip(probes, gate.checks, strict=True):
            severity: Severity | None = None
            ratio = math.nan if probe.loss_ratio is None else probe.loss_ratio
            if probe.step < update.step:
                pass
            elif gated.arms & counting:
                severity = Severity.ERROR
            elif probe.step >= settled:
                has_risen = ratio > self.losing and ratio > lowest + self.rise
                is_tossed = tossed and ratio > self.losing
                if has_risen or is_tossed or self._is_blown_up(probes[0], ratio):
                    severity = Severity.WARNING
            checks.append(Check(probe.step, severity, ratio, final=gated.final))
            lowest = min(lowest, ratio)
        return checks

    def _is_blown_up(self, first: Probe, ratio: float) -> bool:
        """Tell whether the loss is far above those of the best constant and of the start."""
        start = 1.0 if first.loss_ratio is None else max(first.loss_ratio, 1.0)
        return ratio > self.blown_up * start

    def _finding(self, record: Record, gate: Gate, update: Update, standing: Standing, spoiled: str) -> Finding:
        since = _what_followed(record, gate.at(standing.last_step), standing)
        if spoiled and not _dead_at_the_end(record):  # which is more, and told already
            since += f"; {spoiled}"
        return finding_of(
            self,
            standing,
            first_step=update.step,
            value=update.ratio,
            threshold=self.movement,
            evidence=(
                f"the update of step {update.step} changed the weights of {update.layer} by {update.ratio:.2g} times"
                f" their size (well-tuned ones change by 0.001 to 0.03); {since}"
            ),
            explanation=(
                "A gradient holds for the neighbourhood of where it was taken. Steps as long as these end elsewhere:"
                " where units are silent or saturated, or where numbers overflow."
            ),
            prescriptions=_cures(record),
        )


def _what_it_spoiled(record: Record, gate: Gate, update: Update) -> Finding | None:
    """Give what stands of saturated units or vanishing gradients that were not there before an update."""
    rules = (SaturatedUnits(), VanishingGradient())
    found = (finding for rule in rules for finding in rule.judge(record, gate).findings)
    serious = (finding for finding in found if finding.standing and finding.severity > Severity.INFO)
    return next((finding for finding in serious if finding.first_step >= update.step), None)


def _lost_units(record: Record, first: Probe, last: Probe) -> str:
    """Say which hidden layer is saturated since the start, or lost a quarter of its units: few healthy networks do."""
    if flattened := _flattened(record, first, last):
        return flattened
    dead, scans = DeadUnits(), record.notes(Scan)
    for info in _hidden(record):
        counts = [len(scan.dead.get(info.name, ())) for scan in (*scans[:1], *scans[-1:])]
        if counts and counts[-1] - counts[0] >= dead.costly * info.fan_out:
            return f"{counts[-1] - counts[0]} of the {info.fan_out} units of {info.name} have died"
    return ""


def _flattened(record: Record, first: Probe, last: Probe) -> str:
    """Say which hidden layer is saturated that was not before the first update."""
    saturated = SaturatedUnits()
    for info in _hidden(record):
        before, after = (probe.relative_slopes.get(info.name, math.nan) for probe in (first, last))
        if before >= saturated.warn and after < saturated.error:
            fall = f"{100 * after:.2g} % of their steepest slope, {100 * before:.2g} % before the first update"
            return f"the activations of {info.name} pass on {fall}"
    return ""


def _hidden(record: Record) -> Sequence[LayerInfo]:
    return () if record.context is None else record.context.layers[:-1]


def _dead_layers(record: Record, scan: Scan) -> list[str]:
    """Name the layers of which a scan found no unit alive."""
    units = {} if record.context is None else {info.name: info.fan_out for info in record.context.layers}
    return [layer for layer, indices in scan.dead.items() if len(indices) == units.get(layer)]


def _dead_at_the_end(record: Record) -> list[str]:
    return [layer for scan in record.notes(Scan)[-1:] for layer in _dead_layers(record, scan)]


def _what_followed(record: Record, gated: GateCheck | None, standing: Standing) -> str:
    """Say what became of the network."""
    incident = next(iter(record.notes(Incident)), None)
    if incident is not None:
        return f"at step {incident.step} numbers were no longer finite"
    dead = _dead_at_the_end(record)
    if dead:
        return f"all units of {', '.join(dead)} have died since"
    if gated is not None and Arm.NO_GRADIENT in gated.arms:
        return "every gradient is exactly 0 since"
    if math.isnan(standing.value):
        return "what a constant output would lose is not known"
    of = "that of the best constant output"
    loss = f"the loss is {times(standing.value, of)}"
    lowest = min((probe.loss_ratio for probe in record.notes(Probe) if probe.loss_ratio is not None), default=math.nan)
    it = of if math.isinf(standing.value) else "it"
    return f"{loss}, and was {lowest:.3g} times {it}" if lowest < 0.9 * standing.value else loss


def _cures(record: Record) -> tuple[Prescription, ...]:
    size = first_growth(record)
    powers = round(math.log10(size / USUAL_START)) if 0.0 < size < math.inf else 1
    clip = set_key(record, "clip the gradient to a global norm of 1", "training.clip_norm", 1.0)
    return change_learning_rate(record, 10.0 ** -max(powers, 1)), clip
