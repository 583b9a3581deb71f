"""Diagnosis 3: sigmoid and tanh layers that work at the flat ends of their activation."""

from dataclasses import dataclass, replace
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
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.learned import has_learned
from gradvitals.diagnostics.margin import Reading
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import SLOPED
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle

LEAST_HISTORY = 10
"""Sampled steps that a median needs."""


@dataclass(frozen=True, slots=True)
class SaturatedUnits:
    """Symptom: S, the mean slope of the activation relative to its steepest, is near 0: outputs stick to their ends.

    Cause: pre-activations far too large, from large initial weights or unscaled inputs. Saturation that comes late is
    learning: converged networks at 97–100 % accuracy had S of .03–.17.
    Cure: shrink the weights, standardise the inputs, glorot_uniform, ReLU; where it came later, a lower learning rate.
    Info: S below .2 before the first update, or before half of the loss has gone.
    Warning: S below .2 if the network is impaired, or ended behind simple models, or is likely to and was so before the
    first update; or below .1 and stuck in the first 20 % of the plan.
    Error: S below .1 if the network is impaired.
    Clear: S above a third of the way back to 1, .47.
    Needs: a hidden sigmoid or tanh layer, and probes; outputs are `saturated_output`'s.
    Source: Glorot & Bengio 2010, §3; Rakitianskaia & Engelbrecht 2015; Karpathy 2016, "Yes you should understand
    backprop".

    Attributes:
        warn: S below which it is worth a word, and a warning if the network is impaired.
        error: S below which it is an error if the network is impaired.
        early: Share of the plan in which a layer that is flat and stuck from the start is a warning without the gate.
        movement: Median update ratio over that of the last layer below which a layer counts as stuck.
        persistence: Probes in a row that must agree.
    """

    id: ClassVar[str] = "saturated_units"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.2
    error: float = 0.1
    early: float = 0.2
    movement: float = 0.1
    persistence: int = 2

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge every sigmoid and tanh layer by its probes."""
        context, probes = record.context, record.notes(Probe)
        if context is None or not probes:
            return not_judged(self, NOT_RECORDED)
        layers = [name for name in context.layer_names(SLOPED) if name != context.layers[-1].name]
        if not layers:
            return not_applicable(self, "no hidden sigmoid or tanh layer")
        layers = [name for name in layers if any(name in probe.relative_slopes for probe in probes)]
        if not layers:
            return not_judged(self, "no probe came by a hidden sigmoid or tanh layer")
        if len(probes) < self.persistence and record.last_step > 0:
            return not_judged(self, f"{len(probes)} of {self.persistence} checks")
        findings = [
            self._judge_layer(record, gate, [probe for probe in probes if layer in probe.relative_slopes], layer)
            for layer in layers
        ]
        last = probes[-1].relative_slopes
        return judged(self, findings, *(Reading(last[layer], self.warn, layer) for layer in layers if layer in last))

    def _judge_layer(self, record: Record, gate: Gate, probes: list[Probe], layer: str) -> Finding | None:
        stuck = self._stuck_from_the_start(record, layer)
        checks = []
        for probe in probes:
            slope, impaired = probe.relative_slopes[layer], gate.impaired_at(probe.step)
            check = gate.at(probe.step)
            held = Severity.ERROR if impaired else Severity.WARNING if stuck else None
            checks.append(
                Check(
                    probe.step,
                    self._severity(probe, probes[0], layer, impaired=impaired, stuck=stuck),
                    slope,
                    held=held if slope < self.clear_at else None,
                    final=check is not None and check.final,
                )
            )
        standing = settle(checks, self.persistence if record.last_step > 0 else 1)  # at the start it is only info
        last = checks[-1]
        born = probes[0].step == 0 and checks[0].value < self.warn
        costs = gate.behind_at(last.step) or (born and gate.likely_behind_at(last.step))
        if last.value < self.warn and costs:
            standing = at_least(standing, replace(last, severity=Severity.WARNING))
        return None if standing is None else self._finding(record, probes, layer, standing)

    @property
    def clear_at(self) -> float:
        """S from which a standing finding clears: a third of the way back to 1."""
        return self.warn + (1.0 - self.warn) / 3.0

    def _stuck_from_the_start(self, record: Record, layer: str) -> bool:
        """Tell whether the layer was flat, and hardly moved beside the last one, in the first part of the plan."""
        context = record.context
        if context is None or context.total_steps is None:
            return False
        until = int(self.early * context.total_steps)
        if record.last_step < until:
            return False
        slopes = record.series(f"sigmoid_slope/{layer}").between(0, until)
        ratios = [record.series(f"update_ratio/{name}").between(0, until) for name in (layer, context.layers[-1].name)]
        if min(len(slopes), *map(len, ratios)) < LEAST_HISTORY:
            return False
        flat = 4.0 * float(np.median(slopes)) < self.error
        return flat and bool(np.median(ratios[0]) < self.movement * np.median(ratios[1]))

    def _severity(self, probe: Probe, start: Probe, layer: str, *, impaired: bool, stuck: bool) -> Severity | None:
        slope = probe.relative_slopes[layer]
        if not slope < self.warn:
            return None
        learned = has_learned(probe)
        if impaired and not learned:
            return Severity.ERROR if slope < self.error else Severity.WARNING
        if stuck and not learned and probe.step > 0:
            return Severity.WARNING
        return Severity.INFO if probe.step == 0 or probe.loss > 0.5 * start.loss else None

    def _finding(self, record: Record, probes: list[Probe], layer: str, standing: Standing) -> Finding:
        at_start = probes[0].relative_slopes[layer]
        threshold = self.error if standing.severity is Severity.ERROR else self.warn
        since = "already before the first update" if at_start < self.warn else f"{at_start:.3f} before the first update"
        return finding_of(
            self,
            standing,
            layer=layer,
            threshold=threshold,
            evidence=(
                f"the activations of {layer} pass on {100 * standing.value:.2g} % of their steepest slope on average"
                f" (healthy at the start: above {100 * self.warn:.0f} %), {since}"
            ),
            explanation=(
                "Where the activation is flat, its slope multiplies every gradient by almost nothing, so this layer and"
                " all layers below it hardly learn. The pre-activations are too large: the weights, or the inputs, are."
            ),
            prescriptions=(
                *(() if at_start < self.warn else (change_learning_rate(record),)),
                set_key(record, "initialise with glorot_uniform", "model.init", "glorot_uniform"),
                set_key(record, "standardise the inputs", "data.scale", "standard"),
            ),
        )
