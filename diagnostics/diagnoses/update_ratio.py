"""Diagnosis 10: updates that are far larger or smaller, for their weights, than those of trainings that work."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.decline import has_slowed
from gradvitals.diagnostics.diagnoses.base import change_learning_rate, judged, not_judged
from gradvitals.diagnostics.diagnoses.gated import shows_no_signal
from gradvitals.diagnostics.diagnoses.start import beats_constant
from gradvitals.diagnostics.diagnoses.update_sizes import SETTLED, has_updates, median_ratios, why_no_updates
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.learned import LEARNED
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.scoring import SURE

LEAST_RATIOS = 5


@dataclass(frozen=True, slots=True)
class UpdateRatio:
    """Symptom: ρ, the median size of a layer's updates relative to its weights, is outside 1e-4 to 3e-2.

    Cause: a learning rate, or gradients, of a size that does not suit the weights.
    Cure: see learning_rate_too_high and learning_rate_too_low; a factor on the learning rate that makes ρ about 1e-3.
    Info: the median ρ of the layer that moves most is outside 1e-4 to 3e-2, with the loss above .2 H.
    Warning: it is outside 1e-5 to 1e-1.
    Error: never: what it does to the network is what learning_rate_too_high and no_learning say.
    Clear: never; it is judged by what is there, and says nothing once the loss is below .2 H, of data
    without signal, or where nothing moves at all, which no rate mends; nor of small updates where the loss is surely
    below H and has all but stopped falling, as at the end of a least-squares fit.
    Needs: five updates looked at after the first 20, and a loss whose best constant is known.
    Source: cs231n, neural-networks-3 ("somewhere around 1e-3"). Of 1,050 healthy networks of the tuning half, 1 had a
    median ρ above 1e-1 and none, with loss left, one below 1e-5.

    Attributes:
        lowest: Median ρ below which it is said.
        highest: Median ρ above which it is said.
        warn_low: Median ρ below which it warns.
        warn_high: Median ρ above which it warns.
    """

    id: ClassVar[str] = "update_ratio"
    tier: ClassVar[Tier] = "hint"
    events: ClassVar[tuple[str, ...]] = ()
    lowest: float = 1e-4
    highest: float = 3e-2
    warn_low: float = 1e-5
    warn_high: float = 1e-1

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the layer that moves most."""
        probes = record.notes(Probe)
        if not probes or not has_updates(record):
            return not_judged(self, why_no_updates(record))
        left = probes[-1].loss_ratio
        ratios = median_ratios(record)
        series = [record.series(f"update_ratio/{layer}") for layer in ratios]
        looked_at = max((int((each.steps > SETTLED).sum()) for each in series), default=0)
        if left is None or looked_at < LEAST_RATIOS:
            return not_judged(self, gate.reason or f"{looked_at} of {LEAST_RATIOS} updates looked at")
        layer = max(ratios, key=lambda name: ratios[name])
        is_harmless = left <= LEARNED or ratios[layer] == 0.0 or shows_no_signal(record, SURE)
        is_done = ratios[layer] < self.lowest and beats_constant(probes[-1]) and has_slowed(probes)
        severity = None if is_harmless or is_done else self._severity(ratios[layer])
        return judged(self, [] if severity is None else [self._finding(record, layer, ratios[layer], severity)])

    def _severity(self, ratio: float) -> Severity | None:
        if not self.warn_low <= ratio <= self.warn_high:
            return Severity.WARNING
        return None if self.lowest <= ratio <= self.highest else Severity.INFO

    def _finding(self, record: Record, layer: str, ratio: float, severity: Severity) -> Finding:
        is_large = ratio > self.highest
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=severity,
            layer=layer,
            first_step=SETTLED + 1,
            last_step=record.last_step,
            value=ratio,
            threshold=self.warn_high if is_large else self.warn_low,
            evidence=(
                f"half of the updates change the weights of {layer} by {'more' if is_large else 'less'} than"
                f" {ratio:.2g} of their size, and no layer changes more; usual are {self.lowest:g} to {self.highest:g}"
            ),
            explanation=(
                "Each update throws away a good part of what the weights had learned."
                if is_large
                else "At this pace the weights stay where they began, however long the training."
            )
            + " The learning rate is what scales all updates alike.",
            prescriptions=(change_learning_rate(record, 0.1 if is_large else 10.0),),
        )
