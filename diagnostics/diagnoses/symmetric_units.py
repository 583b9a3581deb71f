"""Diagnosis 15: hidden units that are copies of each other and stay so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from gradvitals.diagnostics.diagnoses.base import (
    change_initialization,
    finding_of,
    judged,
    list_indices,
    not_applicable,
    not_judged,
)
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.notes import Scan, Symmetry
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.engine.events import LayerInfo

Groups: TypeAlias = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class SymmetricUnits:
    """Symptom: hidden units whose incoming and outgoing weights are all equal, before the first update and still later.

    Cause: weights that all start at one value, mostly zero. Such units compute the same and get the same gradient,
    so no update can tell them apart; only rounding or dropout may, in time.
    Cure: random initial weights, he_normal or glorot_uniform; biases may start equal, and so may the output layer.
    Info: never.
    Warning: two units and more of a layer are one, and do fire; silent ReLU units are those of dead_units, unless all
    weights of the layer are 0, which is why they are silent. Also half of a layer that was so before the first update,
    if the network ended behind simple models: only rounding or dropout have told those units apart.
    Error: so many of them that at least half of a layer's units only repeat another; or did before the first update, if
    the network is impaired.
    Clear: their weights differ by more than a hundredth.
    Needs: two hidden units in a layer, and 20 updates.
    Source: cs231n, neural-networks-2 ("Pitfall: all zero initialization"). Exact: the weights are compared, unit by
    unit, with a tolerance for rounding (1e-5 in float32, 1e-12 in float64) after the first update.

    Attributes:
        error: Share of a layer's units that only repeat another from which it is an error.
        updates: Updates after which the units must still be equal.
    """

    id: ClassVar[str] = "symmetric_units"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    error: float = 0.5
    updates: int = 20

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge every hidden layer that had equal units at the start."""
        context, notes = record.context, record.notes(Symmetry)
        if context is None:
            return not_judged(self, NOT_RECORDED)
        if not any(info.fan_out > 1 for info in context.layers[:-1]):
            return not_applicable(self, "no hidden layer of two units or more")
        if not notes:
            return not_judged(self, "not recorded, or it is not known which layer reads which")
        first, *later = notes
        later = [note for note in later if note.step - first.step >= self.updates]
        if not first.same:
            return judged(self, [])
        if not later:
            made = record.last_step - first.step
            return not_judged(self, f"{made} updates made; equal units are judged after {self.updates}")
        layers = [info for info in context.layers if info.name in first.same]
        found = []
        for info in layers:
            still = self._judge_layer(record, later, info, first.step)
            once = self._told_apart(record, gate, first, info)
            said = still is not None and still.standing and (once is None or still.severity >= once.severity)
            found.append(still if said or once is None else once)
        return judged(self, found)

    def _told_apart(self, record: Record, gate: Gate, first: Symmetry, info: LayerInfo) -> Finding | None:
        """Say of a layer that it began as few units, though they differ by now, where that may be what it cost."""
        groups = firing(record, first.step, info, first.same[info.name])
        share, last = copies(groups) / info.fan_out, gate.checks[-1] if gate.checks else None
        if share < self.error or last is None or not (last.impaired or last.behind):
            return None
        severity = Severity.ERROR if last.impaired else Severity.WARNING
        standing = Standing(severity, first.step, record.last_step, cleared=False, value=share)
        made = record.last_step - first.step
        how = f"had the same incoming and outgoing weights at the start; they differ after {made} updates"
        return self._finding(record, info, standing, groups, f"{how}, by rounding or by chance")

    def _judge_layer(self, record: Record, notes: Sequence[Symmetry], info: LayerInfo, since: int) -> Finding | None:
        checks = []
        for note in notes:
            same, alike = (
                copies(firing(record, note.step, info, groups.get(info.name, ()))) / info.fan_out
                for groups in (note.same, note.alike)
            )
            checks.append(Check(note.step, self._severity(same), same or alike, held=self._severity(alike)))
        standing = settle(checks, 1)
        if standing is None:
            return None
        note = next(note for note in reversed(notes) if note.step <= standing.last_step)
        exact = firing(record, note.step, info, note.same.get(info.name, ()))
        groups = exact or firing(record, note.step, info, note.alike.get(info.name, ()))
        how = (
            f"have the same incoming and outgoing weights, {'as' if exact else 'up to a hundredth, which were equal'}"
            f" at the start, after {note.step - since} updates"
        )
        return self._finding(record, info, replace(standing, first_step=since), groups, how)

    def _severity(self, share: float) -> Severity | None:
        if share == 0.0:
            return None
        return Severity.ERROR if share >= self.error else Severity.WARNING

    def _finding(
        self, record: Record, info: LayerInfo, standing: Standing, groups: Sequence[tuple[int, ...]], how: str
    ) -> Finding:
        largest = max(groups, key=len)
        count, units = copies(groups), info.fan_out
        others = f" ({len(groups) - 1} more such groups)" if len(groups) > 1 else ""
        return finding_of(
            self,
            standing,
            layer=info.name,
            threshold=self.error,
            evidence=f"{len(largest)} of {units} units of {info.name} (units {list_indices(largest)}){others} {how}",
            explanation=(
                "Units with the same weights compute the same and get the same gradient, so training cannot make them"
                f" differ, but for rounding: {info.name} began as if it had {units - count}"
                f" unit{'s' if units - count > 1 else ''}."
            ),
            defect=f"{count} of {units} units of {info.name} began as copies of another",
            prescriptions=(
                change_initialization(
                    record, "start from random weights, which differ from unit to unit", info.activation
                ),
            ),
        )


def copies(groups: Groups) -> int:
    """Count the units that only repeat another."""
    return sum(len(group) - 1 for group in groups)


def firing(record: Record, step: int, info: LayerInfo, groups: Groups) -> list[tuple[int, ...]]:
    """Leave out ReLU units that were dead in every scan until then: they are equal, but that is not what ails them.

    Where all weights of the layer are 0, and stay so as no gradient comes by, just that is what ails them.
    """
    dead: set[int] = set()
    if info.activation in RECTIFIED and not _is_zero(record, step, info.name):
        scans = [set(scan.dead.get(info.name, ())) for scan in record.notes(Scan) if scan.step <= step]
        dead = set.intersection(*scans) if scans else dead
    alive = (tuple(unit for unit in group if unit not in dead) for group in groups)
    return [group for group in alive if len(group) > 1]


def _is_zero(record: Record, step: int, layer: str) -> bool:
    """Tell whether every weight of a layer was 0 at all steps looked at until then."""
    norms = record.series(f"weight_norm/{layer}").between(0, step)
    return len(norms) > 0 and not norms.any()
