"""Diagnosis 6: gradients that grow on their way down, or all at once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.diagnoses.base import (
    change_learning_rate,
    finding_of,
    judged,
    not_applicable,
    not_judged,
    set_key,
)
from gradvitals.diagnostics.diagnoses.vanishing_gradient import fold, gradient_ratio
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Incident, Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle

SETTLED = 20
"""Updates before update ratios are judged: zero-initialised layers start with large ones."""

LOSING = 0.5
"""Share of H above which a jump of the gradient counts; where H is not known, of the first loss."""

LEAST_HISTORY = 10
"""Sampled gradient norms that a running median needs."""


@dataclass(frozen=True, slots=True)
class ExplodingGradient:
    """Symptom: the gradient grows from layer to layer on its way down, or its norm jumps far above what it was.

    Cause: weights so large that each layer multiplies the gradient by more than 1; or steps so long that they leave
    the region in which the gradient means anything.
    Cure: a smaller initialisation (he_normal for ReLU); clipping at a high percentile of the healthy norm; a lower
    rate.
    Info: q_first/q_last above 30 before the first update.
    Warning: a norm above 100 times its running median with the loss above .5 H, or where H is not known above half of
    the first loss; or an update as large as the weights.
    Error: any of these if the network is impaired.
    Clear: a third of the way back to healthy, on a log scale.
    Needs: gradients layer by layer, and probes.
    Source: Pascanu et al. 2013; He et al. 2015. Growth over 30 at the start separated trainable from untrainable deep
    networks, but shallow ones train on: hence the gate.

    Attributes:
        growth: q_first/q_last at the start above which gradients explode by initialisation.
        spike: Multiple of its running median that a gradient norm may reach.
        movement: Update ratio that no layer should exceed.
        persistence: Probes in a row that must agree; one where a run ends blocked.
    """

    id: ClassVar[str] = "exploding_gradient"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ("gradients",)
    growth: float = 30.0
    spike: float = 100.0
    movement: float = 1.0
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge growth over depth at the start, and jumps over time after it."""
        context, probes = record.context, record.notes(Probe)
        if context is None or not probes:
            return not_judged(self, NOT_RECORDED)
        if not context.by_layer:
            return not_applicable(self, "the training computes no gradients layer by layer")
        blocked = any(check.final for check in gate.checks)
        if record.last_step == 0 and not blocked:
            return judged(self, [self._by_depth(record, gate, probes)])
        if len(probes) < self.persistence and not blocked:
            return not_judged(self, f"{len(probes)} of {self.persistence} checks")
        findings = [self._by_depth(record, gate, probes), self._by_norm(record, gate, probes)]
        if not any(finding is not None and finding.standing for finding in findings):
            findings += [self._by_movement(record, gate, probes, layer) for layer in context.layer_names()]
        norms = record.series("gradient_norm/global").steps
        if not any(findings) and not len(norms) and not any(probe.preactivation_gradients for probe in probes):
            return not_judged(self, "no gradient was recorded")
        return judged(self, findings)

    def _by_depth(self, record: Record, gate: Gate, probes: list[Probe]) -> Finding | None:
        """Judge the growth from the last layer down to the first before any update."""
        gradients = probes[0].preactivation_gradients
        names = list(gradients)
        growth = (gradient_ratio(probes[0], names[0], names[-1]) if names else None) or 0.0
        if _overflows([*gradients.values()], self.growth) and not _came_from_outside(record, probes[0]):
            growth = math.inf
        if probes[0].step > 0 or not growth > self.growth:
            return None
        standing = self._settle(gate, probes, [growth] * len(probes), self.growth, Severity.INFO)
        profile = ", ".join(f"{name} {gradients[name]:.1e}" for name in names)
        evidence = (
            f"before the first update the gradient grows {fold(growth)}-fold from {names[-1]} down to {names[0]}"
            f" (rms: {profile})"
        )
        return self._finding(record, names[0], standing, self.growth, evidence)

    def _by_norm(self, record: Record, gate: Gate, probes: list[Probe]) -> Finding | None:
        """Judge jumps of the global norm since the last probe, while most of the loss is still there."""
        norms = record.series("gradient_norm/global")
        jumps = []
        for previous, probe in _with_previous(probes):
            after = max(previous, SETTLED)
            recent, history = norms.between(after, probe.step), norms.between(-1, probe.step)
            judged = _is_losing(probe, probes[0]) and len(history) >= LEAST_HISTORY
            median = float(np.median(history.astype(np.float64))) if judged else 0.0
            jumps.append(float(np.max(recent, initial=0.0)) / median if median > 0.0 else 0.0)
        standing = self._settle(gate, probes, jumps, self.spike, Severity.WARNING)
        evidence = (
            "" if standing is None else f"the gradient's norm jumped {fold(standing.value)}-fold above its median"
        )
        return self._finding(record, None, standing, self.spike, evidence)

    def _by_movement(self, record: Record, gate: Gate, probes: list[Probe], layer: str) -> Finding | None:
        """Judge updates larger than the weights they change."""
        ratios = record.series(f"update_ratio/{layer}")
        largest = []
        for previous, probe in _with_previous(probes):
            after = max(previous, SETTLED)
            largest.append(float(np.max(ratios.between(after, probe.step), initial=0.0)))
        standing = self._settle(gate, probes, largest, self.movement, Severity.WARNING)
        if standing is None:
            return None
        evidence = f"single updates changed the weights of {layer} by {standing.value:.3g} times their own size"
        return self._finding(record, layer, standing, self.movement, evidence)

    def _settle(
        self, gate: Gate, probes: list[Probe], values: list[float], threshold: float, mild: Severity
    ) -> Standing | None:
        """Say what stands: mild by itself, an error where the network is impaired too."""
        checks = []
        for probe, value in zip(probes, values, strict=True):
            check = gate.at(probe.step)
            severity = Severity.ERROR if check is not None and check.impaired else mild
            final = check is not None and check.final
            checks.append(Check(probe.step, severity if value > threshold else None, value, final=final))
        return settle(checks, self.persistence if probes[-1].step > 0 else 1)  # at the start it is only info

    def _finding(
        self, record: Record, layer: str | None, standing: Standing | None, threshold: float, evidence: str
    ) -> Finding | None:
        if standing is None:
            return None
        return finding_of(
            self,
            standing,
            layer=layer,
            threshold=threshold,
            evidence=evidence,
            explanation=(
                "Each layer multiplies the gradient by more than one, so the first layers take steps out of all"
                " proportion and throw the network to where the gradient means nothing."
                " From there ReLUs die, activations saturate, or numbers overflow."
            ),
            prescriptions=self._cures(record, born=standing.first_step == 0),
        )

    def _cures(self, record: Record, *, born: bool) -> tuple[Prescription, ...]:
        initial = set_key(record, "initialise with he_normal", "model.init", "he_normal")
        clip = set_key(record, "clip the gradient to a global norm of 1", "training.clip_norm", 1.0)
        slower = change_learning_rate(record)
        return (initial, clip, slower) if born else (slower, clip, initial)


def _is_losing(probe: Probe, first: Probe) -> bool:
    """Tell whether most of the loss is still there: what is learned has small gradients, above which any may jump."""
    if probe.loss_ratio is not None:
        return probe.loss_ratio > LOSING
    return not probe.loss < first.loss - (1.0 - LOSING) * abs(first.loss)


def _overflows(gradients: Sequence[float], growth: float) -> bool:
    """Tell whether gradients, the last layer's last, grew beyond all numbers: NaN at once, as of sqrt at 0, is none."""
    finite = [each for each in gradients if math.isfinite(each)]
    grew = bool(finite) and max(finite) > growth * finite[-1]
    return any(map(math.isinf, gradients)) or (grew and len(finite) < len(gradients))


def _came_from_outside(record: Record, probe: Probe) -> bool:
    """Tell whether what is not finite elsewhere made the gradients infinite, which shows no growth."""
    incident = next(iter(record.notes(Incident)), None)
    if incident is None:
        return False
    return incident.what in {"inputs", "read", "parameters"} or (incident.what == "loss" and math.isnan(probe.loss))


def _with_previous(probes: list[Probe]) -> Iterator[tuple[int, Probe]]:
    """Yield every probe with the step of the one before it."""
    previous = 0
    for probe in probes:
        yield previous, probe
        previous = probe.step
