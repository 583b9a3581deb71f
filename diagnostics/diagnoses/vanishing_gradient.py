"""Diagnosis 5: gradients that fade on their way down."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.diagnoses.base import (
    change_activation,
    finding_of,
    judged,
    not_applicable,
    not_judged,
    set_key,
)
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.update_sizes import median_ratios
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.margin import Reading
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.scoring import SURE


@dataclass(frozen=True, slots=True)
class VanishingGradient:
    """Symptom: q, the rms gradient on a layer's pre-activations, is orders smaller in the first layer than in the last.

    Cause: every layer multiplies the gradient by its weights and its activation's slope, at most ¼ for a sigmoid; a
    product of many factors below 1 vanishes. It harms only if the first layers then hardly move (Adam rescales).
    Cure: ReLU with he_normal; a larger initialisation; Adam; fewer layers.
    Info: q_first/q_last below 1e-3.
    Warning: and the first layer's median update ratio is below .1 of the last one's.
    Also below 1e-2 at the start and in the median of the probes, with an update ratio below .2 of the last one's in
    the median of the training, or a largest one below .1, if the network is not learning, or ended behind simple
    models.
    Error: q_first/q_last below 1e-3 if the network is impaired, and the first layer's median update ratio, or its
    largest so far, is below .1 of the last one's; or below 1e-2 as above, if for three probes it was not learning.
    Clear: q_first/q_last above a third of the way back to 1, on a log scale .01.
    Needs: three layers and more, gradients layer by layer, and probes.
    Source: Bengio et al. 1994; Glorot & Bengio 2010, §4; He et al. 2015. The same ratio of 8e-5 never learns under SGD
    and learns under Adam, hence the gate.

    Attributes:
        ratio: q_first/q_last below which gradients count as vanishing.
        mild: And below which they do in a network that is the worse for it, and was born with them.
        movement: Median update ratio of the first layer over that of the last below which the first counts as stuck.
        mild_movement: The same over the whole training, where the network is the worse for it.
        persistence: Probes in a row that must agree.
    """

    id: ClassVar[str] = "vanishing_gradient"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    ratio: float = 1e-3
    mild: float = 1e-2
    movement: float = 0.1
    mild_movement: float = 0.2
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the first layer against the last by the probes."""
        context, probes = record.context, record.notes(Probe)
        if context is None or not probes:
            return not_judged(self, NOT_RECORDED)
        if not context.by_layer:
            return not_applicable(self, "the training computes no gradients layer by layer")
        if len(context.layers) < 3:
            return not_applicable(self, f"{len(context.layers)} layers; gradients vanish over three and more")
        if len(probes) < self.persistence and record.last_step > 0:
            return not_judged(self, f"{len(probes)} of {self.persistence} checks")
        observed = [name for name in context.layer_names() if all(name in p.preactivation_gradients for p in probes)]
        if len(observed) < 3:
            return not_judged(self, "fewer than three layers whose gradients can be observed")
        first, last = observed[0], observed[-1]
        ratios = [gradient_ratio(probe, first, last) for probe in probes]
        checks = []
        for probe, ratio in zip(probes, ratios, strict=True):
            shrunk = 1.0 if ratio is None else ratio
            impaired = gate.impaired_at(probe.step)
            stuck = self._is_stuck(record, probe.step, first, last)
            stuck |= impaired and self._never_moved(record, probe.step, first, last)
            severity = self._severity(stuck=stuck, impaired=impaired)
            checks.append(
                Check(
                    probe.step,
                    severity if shrunk < self.ratio else None,
                    shrunk,
                    held=severity if shrunk < self.clear_at else None,
                )
            )
        standing = settle(checks, self.persistence if record.last_step > 0 else 1)  # at the start it is only info
        if standing is None or standing.cleared or standing.severity is Severity.INFO:
            standing = self._mildly(record, gate, ratios, first, last) or standing
        readings = [] if ratios[-1] is None else [Reading(ratios[-1], self.ratio, first)]
        return judged(self, [None if standing is None else self._finding(record, probes, standing)], *readings)

    @property
    def clear_at(self) -> float:
        """Ratio from which a standing finding clears: a third of the way back to 1, in orders of magnitude."""
        return float(self.ratio ** (2.0 / 3.0))

    def _mildly(self, record: Record, gate: Gate, ratios: list[float | None], first: str, last: str) -> Standing | None:
        """Say what stands of gradients that are small from the start on, where the network is the worse for it."""
        probes, known = record.notes(Probe), [ratio for ratio in ratios if ratio is not None]
        stopped = [Arm.NOT_LEARNING in check.arms for check in gate.checks] if not shows_no_signal(record, SURE) else []
        suffers = any(stopped[-1:]) or gate.behind_at(probes[-1].step)
        if not suffers or ratios[0] is None or max(ratios[0], float(np.median(known))) >= self.mild:
            return None
        moves = median_ratios(record)
        below, above = moves.get(first, 0.0), moves.get(last, 0.0)
        is_stuck = 0.0 < below < self.mild_movement * above  # what does not move at all is frozen
        if not is_stuck and not self._never_moved(record, probes[-1].step, first, last):
            return None
        severity = Severity.ERROR if stopped and all(stopped[-self.persistence :]) else Severity.WARNING
        return Standing(severity, probes[0].step, probes[-1].step, cleared=False, value=ratios[0])

    def _severity(self, *, stuck: bool, impaired: bool) -> Severity:
        if not stuck:
            return Severity.INFO
        return Severity.ERROR if impaired else Severity.WARNING

    def _is_stuck(self, record: Record, step: int, first: str, last: str) -> bool:
        """Tell whether the first layer moved far less than the last one over an epoch (at least 20 updates)."""
        context = record.context
        if context is not None and first in context.unheld:
            return False  # it was never meant to move
        per_epoch = 0 if context is None or not context.samples else -(-context.samples // context.batch_size)
        after = step - max(per_epoch, 20)
        moves = [record.series(f"update_ratio/{layer}").between(after, step) for layer in (first, last)]
        if min(map(len, moves)) == 0:
            return False
        return bool(np.median(moves[0]) < self.movement * np.median(moves[1]))

    def _never_moved(self, record: Record, step: int, first: str, last: str) -> bool:
        """Tell whether no update of the first layer was near the largest of the last, which may have come to rest."""
        below, above = (record.series(f"update_ratio/{layer}").between(-1, step) for layer in (first, last))
        return min(len(below), len(above)) > 0 and 0.0 < below.max() < self.movement * above.max()

    def _finding(self, record: Record, probes: list[Probe], standing: Standing) -> Finding:
        probe = next(probe for probe in reversed(probes) if probe.step <= standing.last_step)
        names = list(probe.preactivation_gradients)
        profile = ", ".join(f"{name} {probe.preactivation_gradients[name]:.1e}" for name in names)
        return finding_of(
            self,
            standing,
            layer=names[0],
            threshold=self.ratio if standing.value < self.ratio else self.mild,
            evidence=(
                f"the gradient shrinks {fold(1.0 / standing.value)}-fold from {names[-1]} down to {names[0]}"
                f" (rms: {profile})"
            ),
            explanation=(
                "Each layer on the way down multiplies the gradient by its weights and by its activation's slope, and"
                " the product has all but vanished. The first layers keep their random weights while the last ones"
                " train on what these happen to compute."
            ),
            prescriptions=(
                change_activation(record, "use relu, which passes gradients on at full size", "relu"),
                set_key(
                    record,
                    "train with adam, which rescales each parameter's step",
                    "training.optimizer",
                    {"kind": "adam", "learning_rate": 0.001},
                ),
            ),
        )


def fold(factor: float) -> str:
    """Write a factor: whole up to a million, in powers of ten beyond.

    >>> fold(2147.3), fold(9.96e15)
    ('2,147', '1e+16')
    """
    return f"{factor:,.0f}" if factor < 1e6 else f"{factor:.2g}"


def gradient_ratio(probe: Probe, first: str, last: str) -> float | None:
    """Give q_first / q_last; None where either is 0 or not finite: nothing flows at all, which other rules judge."""
    below, above = probe.preactivation_gradients[first], probe.preactivation_gradients[last]
    if not (0.0 < below < float("inf") and 0.0 < above < float("inf")):
        return None
    return below / above
