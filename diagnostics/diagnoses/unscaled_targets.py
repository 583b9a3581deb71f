"""Diagnosis 26: targets of a regression that lie far from where the outputs start."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from gradvitals.diagnostics.constant_predictor import OF_QUANTITIES
from gradvitals.diagnostics.diagnoses.base import judged, not_applicable, not_judged, set_key
from gradvitals.diagnostics.diagnoses.start import beats_constant, is_half_done, killed_on_the_way, settle_start
from gradvitals.diagnostics.diagnoses.update_sizes import THROWN, first_beyond, has_stood_still
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.scoring import SMALL_SAMPLE
from gradvitals.diagnostics.start_notes import DataFacts, Propagation

AT_THE_MEAN = 1.05
"""Loss, in units of the best constant's, below which a squared loss has less than a quarter of a deviation to go."""

REACH = 2.0
"""Distance from 0 that one standardised target in twenty exceeds: up to it no first error is larger than theirs are."""

MOSTLY, FLAT = 0.5, 0.2
"""Share of a layer's units that must be dead, or of its steepest slope that must be left, for it to count as harmed."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """How a target and the output for it lie to each other before the first update.

    Attributes:
        target: Its index.
        mean: Of the target.
        deviation: Of the target.
        start: Mean of the output.
        spread: Standard deviation of the output.
    """

    target: int
    mean: float
    deviation: float
    start: float
    spread: float

    @property
    def distance(self) -> float:
        """Distance of the two means, in standard deviations of the target."""
        return abs(self.mean - self.start) / self.deviation

    @property
    def is_far(self) -> bool:
        """Tell whether the target's mean is beyond where standardised targets are, from 0 and from the outputs."""
        return min(abs(self.mean), abs(self.mean - self.start)) > REACH

    @property
    def ratio(self) -> float:
        """Standard deviation of the target over that of the output."""
        return self.deviation / self.spread if self.spread > 0.0 else math.inf


@dataclass(frozen=True, slots=True)
class UnscaledTargets:
    """Symptom: the targets' mean is far from 0, where outputs start, or their spread is far from 1.

    Cause: targets in units of their own, such as prices or years.
    Cure: standardise the targets (and scale predictions back); start the output's bias at the targets' mean.
    Info: a standard deviation more than 5 times that of the outputs as they start. It alone is harmless: large targets
    stretch gradients and loss alike. Also a mean more than one standard deviation from 0 and from the outputs' mean.
    Warning: that, where it is beyond 2, too: nearer ones are no further away than standardised targets are. Or the
    standard deviation is less than a fifth of 1 and of the outputs'. Also a standard deviation that is too large, if
    the network ended behind simple models: those have standardised targets. Of the mean, likely is enough where an
    update went beyond .15 of a layer.
    Error: any of these if the network is impaired; of the mean only where it still is the best constant's loss away, or
    on the way to it units died or were saturated: what is stuck *at* the mean unharmed has another cause.
    No warning of large ones where no layer has moved: their gradients are not small, and nothing was tried.
    Clear: the network is surely better than the best constant: the mean, which is most of it, is then learned; unless
    units that died on the way to it are a warning still. Of a training set of a few rows, which the probe is the whole
    of, half of the loss says so.
    Needs: a regression by mse, mae or huber, and data.
    Source: LeCun et al. 1998, "Efficient BackProp", §4.5; Karpathy 2019, "A recipe for training neural networks"
    ("init well: if you are regressing some values that have a mean of 50 then initialize the final bias to 50").

    Attributes:
        warn: Distance of the means, in standard deviations of the target, from which it warns.
        spread: Ratio of the standard deviations, either way, from which it is said.
    """

    id: ClassVar[str] = "unscaled_targets"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 1.0
    spread: float = 5.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge every target against its output before the first update, and name the worst."""
        context, facts, starts = record.context, record.notes(DataFacts), record.notes(Propagation)
        if context is None:
            return not_judged(self, NOT_RECORDED)
        if context.loss not in OF_QUANTITIES or context.classes is not None:
            return not_applicable(self, "no regression")
        if not facts or not starts:
            return not_judged(self, NOT_RECORDED)
        if len(starts[0].output_means) != len(facts[0].target_means):
            return not_applicable(self, "outputs and targets are not as many")
        gaps = _gaps(facts[0], starts[0])
        off = [gap for gap in gaps if min(gap.distance, abs(gap.mean) / gap.deviation) > self.warn]
        tried = not has_stood_still(record)
        far, near = ([gap for gap in off if (gap.is_far and tried) is wanted] for wanted in (True, False))
        said = self._off_centre(record, gate, far) or self._odd_spread(record, gate, gaps, tried=tried)
        return judged(self, [said or self._off_a_little(record, near)])

    def _off_a_little(self, record: Record, off: list[_Gap]) -> Finding | None:
        """Say it of means that cost nothing: no further away than standardised targets are, or never set out for."""
        probes = record.notes(Probe)
        if not off or any(has_learned_the_mean(probe) for probe in probes):
            return None
        plain = self._plain(max(gap.distance for gap in off), self.warn, _distance_in_words(off))
        return replace(plain, last_step=record.last_step, prescriptions=_cures(record))

    def _off_centre(self, record: Record, gate: Gate, off: list[_Gap]) -> Finding | None:
        """Judge the means: the target's must be far from 0 too, or it is the network that starts elsewhere."""
        if not off:
            return None
        distance, evidence = max(gap.distance for gap in off), _distance_in_words(off)
        killed = killed_on_the_way(record, gate, has_learned_the_mean)
        plain = self._plain(distance, self.warn, f"{evidence}; {killed}" if killed else evidence)
        grave = not _arrived_unharmed(record, gate)
        over = None if killed else has_learned_the_mean
        thrown = first_beyond(record, THROWN) is not None
        return _settled(record, gate, plain, Severity.WARNING, grave=grave, over=over, thrown=thrown)

    def _odd_spread(self, record: Record, gate: Gate, gaps: list[_Gap], *, tried: bool) -> Finding | None:
        """Judge the deviations: the target's must be far from 1 too."""
        narrow = [gap for gap in gaps if max(gap.ratio, gap.deviation) < 1.0 / self.spread]
        wide = [gap for gap in gaps if min(gap.ratio, gap.deviation) > self.spread]
        if not narrow and not wide:
            return None
        worst = min(narrow, key=lambda gap: gap.ratio) if narrow else max(wide, key=lambda gap: gap.ratio)
        evidence = (
            f"target {worst.target} has a standard deviation of {worst.deviation:.3g}, its output starts with one of"
            f" {worst.spread:.3g}"
        )
        plain = self._plain(worst.ratio, 1.0 / self.spread if narrow else self.spread, evidence)
        if not narrow and not tried:
            return replace(plain, last_step=record.last_step, prescriptions=_cures(record))
        severity, over = (Severity.WARNING, has_learned_the_mean) if narrow else (Severity.INFO, None)
        return _settled(record, gate, plain, severity, grave=True, over=over)

    def _plain(self, value: float, threshold: float, evidence: str) -> Finding:
        """Word a finding as it stands at the start."""
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=Severity.INFO,
            layer=None,
            first_step=0,
            last_step=0,
            value=value,
            threshold=threshold,
            evidence=evidence,
            explanation=(
                "The first errors are as large as the targets, not as their differences, and so are the first"
                " gradients. With SGD they throw the weights about until units die; an optimizer with steps of fixed"
                " length spends them on the way to the mean."
            ),
            defect="Outputs start around 0 with a spread of about 1, and the targets are elsewhere.",
        )


def _settled(
    record: Record,
    gate: Gate,
    plain: Finding,
    severity: Severity,
    *,
    grave: bool,
    over: Callable[[Probe], bool] | None,
    thrown: bool = False,
) -> Finding:
    """Say what stands of it, and what to do."""
    standing = settle_start(record, gate, severity, grave=grave, over=over, costly=True, too_large=thrown)
    return replace(
        plain,
        severity=standing.severity,
        first_step=standing.first_step,
        last_step=standing.last_step,
        cleared=standing.cleared,
        prescriptions=_cures(record),
    )


def _cures(record: Record) -> tuple[Prescription, ...]:
    return (
        set_key(record, "standardise the targets, and scale predictions back", "data.scale_targets", "standard"),
        set_key(record, "start the output's bias at the targets' mean", "model.output_bias", "prior"),
    )


def _distance_in_words(gaps: list[_Gap]) -> str:
    """Say how far the worst of these targets is from its output."""
    worst = max(gaps, key=lambda gap: gap.distance)
    return (
        f"target {worst.target} has a mean of {worst.mean:.4g} and a standard deviation of {worst.deviation:.3g},"
        f" its output starts around {worst.start:.3g}: {worst.distance:,.3g} standard deviations away"
    )


def has_learned_the_mean(probe: Probe) -> bool:
    """Tell whether the outputs have come to the targets: surely, or by the mean loss where few rows are all."""
    are_all = probe.whole_set and probe.samples < SMALL_SAMPLE
    return beats_constant(probe) or (are_all and is_half_done(probe))


def _arrived_unharmed(record: Record, gate: Gate) -> bool:
    """Tell whether the outputs have come to the targets' mean, and the hidden layers are none the worse for it."""
    probes, scans = record.notes(Probe), record.notes(Scan)
    if not probes or not gate.checks or record.context is None:
        return False
    start, last = probes[0], probes[-1]
    if last.loss_ratio is None or not last.loss_ratio < AT_THE_MEAN:
        return False
    flattened = any(
        slope < FLAT <= start.relative_slopes.get(layer, 0.0) for layer, slope in last.relative_slopes.items()
    )
    units = {info.name: info.fan_out for info in record.context.layers}
    silenced = bool(scans) and any(len(dead) >= MOSTLY * units[layer] for layer, dead in scans[-1].dead.items())
    return not (flattened or silenced or gate.checks[-1].arms & {Arm.BLOCKED, Arm.NO_GRADIENT})


def _gaps(facts: DataFacts, start: Propagation) -> list[_Gap]:
    """Set targets and outputs side by side, but for targets without spread and where a number is not finite."""
    columns = zip(facts.target_means, facts.target_deviations, start.output_means, start.output_deviations, strict=True)
    gaps = [_Gap(target, *numbers) for target, numbers in enumerate(columns)]
    return [gap for gap in gaps if gap.deviation > 0.0 and all(map(math.isfinite, (gap.distance, gap.spread)))]
