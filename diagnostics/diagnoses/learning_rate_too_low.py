"""Diagnosis 9: updates so small that the training ends long before it is done."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.decline import PROBES_BACK, fall, has_slowed
from gradvitals.diagnostics.diagnoses.base import (
    Diagnosis,
    change_learning_rate,
    config_value,
    judged,
    not_judged,
    optimizer_kind,
    set_key,
)
from gradvitals.diagnostics.diagnoses.clipped_delta import ClippedDelta
from gradvitals.diagnostics.diagnoses.data_faults import DataFaults
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.exploding_gradient import ExplodingGradient
from gradvitals.diagnostics.diagnoses.frozen_parameters import FrozenParameters
from gradvitals.diagnostics.diagnoses.gated import NO_SIGNAL, shows_no_signal
from gradvitals.diagnostics.diagnoses.initialization_scale import InitializationScale
from gradvitals.diagnostics.diagnoses.linearity import is_out_of_reach
from gradvitals.diagnostics.diagnoses.loss_mismatch import LossMismatch
from gradvitals.diagnostics.diagnoses.recurrent_gain import RecurrentGain
from gradvitals.diagnostics.diagnoses.saturated_output import SaturatedOutput
from gradvitals.diagnostics.diagnoses.saturated_units import SaturatedUnits
from gradvitals.diagnostics.diagnoses.start import UNUSUAL, USUAL
from gradvitals.diagnostics.diagnoses.symmetric_units import SymmetricUnits
from gradvitals.diagnostics.diagnoses.unscaled_inputs import UnscaledInputs
from gradvitals.diagnostics.diagnoses.unscaled_targets import UnscaledTargets
from gradvitals.diagnostics.diagnoses.update_sizes import (
    SCALE_FREE,
    SETTLED,
    STILL,
    has_updates,
    largest_ratio,
    longest_path,
    median_ratios,
    why_no_updates,
)
from gradvitals.diagnostics.diagnoses.vanishing_gradient import VanishingGradient
from gradvitals.diagnostics.error_budget import LEVEL, student_tail
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import WARM_UP_STEPS, Gate, is_not_learning
from gradvitals.diagnostics.learned import has_come_to_rest
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Ending, Incident, Probe
from gradvitals.diagnostics.scoring import SURE

USUAL_RATIO = 1.2e-3
"""Median, over the healthy networks of the tuning half, of the largest median update ratio of any layer."""

LEAST_PROBES = 5

CLIPPED = 10.0
"""Norm of most gradients, in units of that they are clipped to, from which clipping is what makes the steps small."""

LASTING = 0.7
"""Correlation of a fall with the one before that is put down to chance: a loss that wanders keeps its way a while."""


@dataclass(frozen=True, slots=True)
class LearningRateTooLow:
    """Symptom: the training ends with most of the loss left, which was still falling as slowly and evenly as it began.

    Cause: a learning rate, or a schedule, under which the weights have hardly moved.
    Cure: a larger learning rate, by powers of ten, while nothing else is changed; to clip less, where most of every
    gradient is clipped away.
    Info: never.
    Warning: at the end the loss is above .2 H, every layer's median update ratio is below .3 of what healthy networks
    have, and the loss falls evenly (Student's t of its logarithm's falls between probes), at no less than a tenth of
    its mean pace, and so slowly that another three trainings as long would not halve it; or above .8 H, and all
    updates together, did they point the same way, would change no layer by .05. If the network ended behind simple
    models, after 100 updates already, the latter is enough; and so are updates below what healthy networks have and a
    loss that still falls evenly, or below .3 of it and a loss that has not come to rest (where it is only likely to be
    behind, too); and if it did, or is not learning, that no update changed any layer by a tenth of what is usual. And
    no symptom stands that would explain a small gradient, where such make small steps: inputs that are small by less
    than ten times do not explain that nothing moved.
    Error: never: that needs a trial at a larger rate.
    Clear: never; it is judged once, at the end. Where nothing moves at all, no rate is to blame.
    Needs: the updates of training steps, five probes, a loss whose best constant is known, and 100 updates.
    Source: cs231n, neural-networks-3 (update ratios near 1e-3; too low a rate makes a linear curve). A converged
    training has small updates too, but it slows down: of 1,050 healthy networks of the tuning half with loss left, none
    fell so evenly, and of 1,064 the least sum of updates was .17. Least squares by full batches, done at .49 H, fall
    evenly at a thousandth of their mean pace.

    Attributes:
        left: Loss at the end, in units of H, that is left over.
        movement: Median update ratio that counts as small, of every layer: .3 of what is usual.
        trainings: Further trainings of the same length that would not halve the loss.
        untouched: Loss at the end, in units of H, of a network that has not begun.
        path: Sum of the update ratios of a network that has not moved.
        level: Chance of as large a t where the falls are noise, each with a correlation of .7 with the one before.
        tiny: Largest update ratio of a network in which none was of any size: a tenth of what is usual.
        below_usual: Median update ratio that counts as small where the network ended behind simple models.
        likely: As `level`, of such a network, where falls are independent: that it is impaired is sure already.
    """

    id: ClassVar[str] = "learning_rate_too_low"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    left: float = 0.2
    movement: float = 3.6e-4
    trainings: float = 3.0
    untouched: float = 0.8
    path: float = STILL
    level: float = LEVEL
    tiny: float = 0.1 * USUAL_RATIO
    below_usual: float = USUAL_RATIO
    likely: float = 0.05

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge a training that has ended."""
        probes = record.notes(Probe)
        if not probes or not has_updates(record):
            return not_judged(self, why_no_updates(record))
        size = max(median_ratios(record).values(), default=math.nan)
        left = probes[-1].loss_ratio
        behind = gate.behind_at(probes[-1].step)
        large = self.below_usual if behind else self.movement
        if record.notes(Incident) or (left is not None and (not left > self.left or size >= large)):
            return judged(self, [])
        reason = self._why_too_short(record, gate, size)
        if left is None or reason:
            return not_judged(self, reason)
        moves = largest_ratio(record, 0, probes[-1].step) > 0.0
        is_slow = moves and self._is_slow(record, gate, left, size)
        tiny = largest_ratio(record, 0, probes[-1].step) < self.tiny
        unmoved = self._has_not_moved(record)
        reason = _other_reason(record, gate, tiny=tiny, unmoved=unmoved) if is_slow else ""
        if reason:
            return not_judged(self, reason)
        return judged(self, [self._finding(record, probes[-1], size, large)] if is_slow else [])

    def _why_too_short(self, record: Record, gate: Gate, size: float) -> str:
        """Say what there is too little of to judge by; nothing where there is enough."""
        probes, endings = record.notes(Probe), record.notes(Ending)
        if math.isnan(size):
            return f"{record.last_step} updates made; judged by those after the first {SETTLED}"
        if not endings or endings[-1].cut_short:
            return "the training is not done"
        if probes[-1].loss_ratio is None or probes[-1].step < WARM_UP_STEPS or len(probes) < LEAST_PROBES:
            return gate.reason or f"{len(probes)} of {LEAST_PROBES} checks"
        return ""

    def _is_slow(self, record: Record, gate: Gate, left: float, size: float) -> bool:
        """Tell whether more of the same would have helped."""
        probes, last = record.notes(Probe), gate.checks[-1]
        never_large, unmoved = largest_ratio(record, 0, probes[-1].step) < self.tiny, self._has_not_moved(record)
        if (last.behind_early and (never_large or unmoved)) or (never_large and is_not_learning(probes[-1])):
            return True
        if last.behind and self._falls(probes, self.likely):
            return True
        if size >= self.movement:
            return False
        falls_on = (last.behind or last.likely_behind) and not has_come_to_rest(probes)
        return falls_on or (left > self.untouched and unmoved) or self._falls_slowly(probes)

    def _has_not_moved(self, record: Record) -> bool:
        """Tell whether all updates together could hardly move a layer, did they point the same way."""
        return longest_path(record, record.notes(Probe)[-1].step) < self.path

    def _falls_slowly(self, probes: list[Probe]) -> bool:
        """Tell whether the loss falls evenly, and by less than half in the training's length times some."""
        pace, _ = fall(probes)
        even = self._falls(probes, self.level, LASTING)
        return even and pace * self.trainings * probes[-1].step < math.log(2.0)

    def _falls(self, probes: list[Probe], level: float, correlation: float = 0.0) -> bool:
        """Tell whether the loss still falls as it did, which noise would look like with less than this chance."""
        _, t = fall(probes, correlation)
        return t > 0.0 and student_tail(t, len(probes[-PROBES_BACK:]) - 2) < level and not has_slowed(probes)

    def _finding(self, record: Record, last: Probe, size: float, large: float) -> Finding:
        pace, _ = fall(record.notes(Probe))
        left = f"the loss is still {last.loss_ratio:.3g} times that of the best constant output"
        more = f", and would take {math.log(2.0) / pace:,.3g} further updates to halve" if pace > 0.0 else ""
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=Severity.WARNING,
            layer=None,
            first_step=1,
            last_step=last.step,
            value=size,
            threshold=large,
            evidence=(
                f"after {last.step} updates {left}{more}; half of the updates change no layer by more than {size:.2g}"
                f" of its size (healthy networks: about {USUAL_RATIO:g})"
            ),
            explanation=(
                "The weights have hardly left where they began, and the loss falls as evenly as it does at the start of"
                " a training. Longer steps would cover the same ground sooner."
            ),
            prescriptions=(*_unclip(record), change_learning_rate(record, _factor(size))),
        )


def _factor(size: float) -> float:
    """Give the power of ten that makes updates of this size usual ones."""
    return float(10.0 ** max(round(math.log10(USUAL_RATIO / size)), 1)) if size > 0.0 else 10.0


def _unclip(record: Record) -> Iterator[Prescription]:
    """Prescribe to clip at what gradients usually are, where most of every one is clipped away."""
    limit, norms = config_value(record, "training.clip_norm"), record.series("gradient_norm/global").values
    usual = float(np.median(norms)) if len(norms) else 0.0
    if isinstance(limit, float | int) and CLIPPED * limit <= usual < math.inf:
        norm = float(f"{usual:.2g}")
        why = f"clip the gradient to a global norm of {norm:g}, as most have, and not of {limit:g}"
        yield set_key(record, why, "training.clip_norm", norm)


def _is_scale_free(record: Record) -> bool:
    """Tell whether the size of the steps does not depend on that of the gradient: only the rate makes them tiny."""
    return optimizer_kind(record) in SCALE_FREE


def _other_reason(record: Record, gate: Gate, *, tiny: bool, unmoved: bool) -> str:
    """Say what else may explain a small gradient, or a loss that stays; nothing if nothing does.

    Where all updates were tiny, no mild symptom does of an optimizer that rescales them, and nothing that makes errors
    large does of any. Where nothing moved, no inputs do that are but a bit small.
    """
    if shows_no_signal(record, SURE):
        return NO_SIGNAL
    if is_out_of_reach(record):
        return "the network is linear, and no linear fit finds anything in its samples"
    mild = Severity.WARNING if tiny and _is_scale_free(record) else Severity.INFO
    found = (finding for other in _symptoms() for finding in other.judge(record, gate).findings)
    serious = (finding for finding in found if finding.standing and finding.severity > mild)
    able = (finding for finding in serious if not (tiny and _makes_errors_large(finding)))
    reasons = (finding.key for finding in able if not (unmoved and _is_of_small_inputs(finding)))
    return next((f"{key} stands, and may be the reason" for key in reasons), "")


def _makes_errors_large(finding: Finding) -> bool:
    return finding.id in {"initialization_scale", "unscaled_targets"} and finding.value > finding.threshold


def _is_of_small_inputs(finding: Finding) -> bool:
    """Tell whether a warning is of first signals that are too small, and by less than ten times."""
    is_small = finding.threshold == USUAL[0] and finding.value >= UNUSUAL[0]
    return finding.id == UnscaledInputs.id and finding.severity is Severity.WARNING and is_small


def _symptoms() -> tuple[Diagnosis, ...]:
    """Give the rules of what can make gradients small, with their own thresholds."""
    return (
        LossMismatch(),
        FrozenParameters(),
        ClippedDelta(),
        DataFaults(),
        UnscaledInputs(),
        UnscaledTargets(),
        SymmetricUnits(),
        InitializationScale(),
        SaturatedOutput(),
        SaturatedUnits(),
        DeadUnits(),
        ExplodingGradient(),
        VanishingGradient(),
        RecurrentGain(),
    )
