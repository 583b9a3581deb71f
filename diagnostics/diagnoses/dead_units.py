"""Diagnosis 2: ReLU units that are silent on every training example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import ClassVar

from gradvitals.diagnostics.behind import is_done
from gradvitals.diagnostics.diagnoses.base import (
    change_activation,
    change_learning_rate,
    config_value,
    finding_of,
    judged,
    list_indices,
    not_applicable,
    not_judged,
    set_key,
)
from gradvitals.diagnostics.findings import NO_DATA, NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.margin import Reading
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.metrics import RECTIFIED
from gradvitals.diagnostics.notes import Scan
from gradvitals.diagnostics.observed_silence import ObservedSilence
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.start_notes import DataFacts
from gradvitals.diagnostics.unit_death import UnitDeath

ASK_FOR_SCAN = "add data=loader, or data=(inputs, targets), to watch(…): a scan of the training set tells exactly"


@dataclass(frozen=True, slots=True)
class DeadUnits:
    """Symptom: units whose output, and so whose gradient, is 0 on every training example.

    Cause: weights or biases driven (or initialised) so low that no input reaches the active side; usually one update
    that was too long. The evidence names it where it is known which one that was: in a plain chain of ReLU and linear
    layers, of which parameters are kept at the steps looked at. Below the first layer a unit can still be revived by
    changes under it.
    Cure: died: a lower learning rate, warm-up, clipping. Born dead: he_normal and zero biases. Either: leaky_relu.
    Info: any dead unit. Without the training set: units silent on all inputs that were observed in the later half of
    the training, which is not to be judged by.
    Warning: while most of the loss is still there, half of a layer, or a share that rose by 25 points since step 0, as
    long as the training goes on, or of a network that ended impaired or likely behind simple models; at any time half
    of one if it is likely to have ended behind them, a quarter if it surely did. Where the loss of the best constant
    is not known, most of the first loss counts.
    Error: a whole layer; half of one if the network is impaired.
    Clear: no dead unit left.
    Needs: a ReLU layer, and exact scans of the training set.
    Source: cs231n, neural-networks-1 ("can irreversibly die"); Lu et al. 2019 (born dead). Exact: the whole training
    set is scanned.

    Attributes:
        warn: Share of a layer's units from which it is a warning. Not once most of the loss is gone: what is silent
            then is width to spare (of 20 such networks, twins with leaky_relu were no better).
        costly: Share from which it is a warning if the network ended behind simple models.
        error: Share from which it is an error if the network is impaired; a whole layer always is.
        rise: Rise of the share since step 0 from which it is a warning, as a sign of worse to come: not once most of
            the loss is gone, when networks of moderate size often have units to spare, nor once the training is done
            and has found what there is; where much of a loss is noise, most of it is always left.
        persistence: Scans in a row that must agree; at the end of a run one is enough.
    """

    id: ClassVar[str] = "dead_units"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.5
    costly: float = 0.25
    error: float = 0.5
    rise: float = 0.25
    persistence: int = 2

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge every ReLU layer by its scans."""
        context, scans = record.context, record.notes(Scan)
        if context is None:
            return not_judged(self, NOT_RECORDED)
        units = {info.name: info.fan_out for info in context.layers if info.activation in RECTIFIED}
        if not units:
            return not_applicable(self, "no ReLU layer")
        if not scans:
            reason = NO_DATA if context.samples is None else "no exact scan of the training set was recorded"
            return Judgement(self.id, "not_judged", reason, self._observed(record, units))
        findings = [self._judge_layer(record, gate, scans, layer, count) for layer, count in units.items()]
        last = scans[-1].dead
        return judged(
            self, findings, *(Reading(len(last[layer]) / count, self.warn, layer) for layer, count in units.items())
        )

    def _observed(self, record: Record, units: Mapping[str, int]) -> tuple[Finding, ...]:
        """Say which units no input looked at has made fire; without the training set that is all there is to say."""
        return tuple(
            Finding(
                id=self.id,
                tier=self.tier,
                severity=Severity.INFO,
                layer=layer,
                first_step=note.since[layer],
                last_step=note.step,
                value=len(silent) / units[layer],
                threshold=1.0,
                evidence=(
                    f"{len(silent)} of {units[layer]} units of {layer} were silent on all {note.rows[layer]:,} observed"
                    f" inputs to them, at the {note.steps[layer]} steps looked at from step {note.since[layer]} on"
                    f" (units {list_indices(silent)})"
                ),
                explanation=(
                    "Other inputs may make them fire, so nobody knows whether they are dead. If they are, they get no"
                    " gradient and stop learning."
                ),
                prescriptions=(Prescription(ASK_FOR_SCAN),),
            )
            for note in record.notes(ObservedSilence)[-1:]
            for layer, silent in note.silent.items()
            if silent and layer in units
        )

    def _judge_layer(self, record: Record, gate: Gate, scans: list[Scan], layer: str, units: int) -> Finding | None:
        shares = [len(scan.dead[layer]) / units for scan in scans]
        checks = [
            Check(
                scan.step,
                self._severity(
                    share,
                    rise=0.0 if _is_over(record, gate, scan) else share - shares[0],
                    impaired=gate.impaired_at(scan.step),
                    behind=gate.behind_at(scan.step),
                    learned=gate.learned_at(scan.step) and not gate.likely_behind_at(scan.step),
                ),
                share,
                final=scan is scans[-1],
            )
            for scan, share in zip(scans, shares, strict=True)
        ]
        standing = settle(checks, self.persistence)
        if standing is None:
            return None
        if standing.severity > Severity.INFO:  # a few that were dead before it came to this are not what is wrong
            standing = replace(standing, first_step=_since(checks))
        return self._finding(record, scans, layer, units, standing)

    def _severity(self, share: float, *, rise: float, impaired: bool, behind: bool, learned: bool) -> Severity | None:
        if share == 1.0 or (share >= self.error and impaired):
            return Severity.ERROR
        enough = self.warn if not behind else min(self.costly, self.warn)
        if (share >= enough and (behind or not learned)) or rise >= self.rise:
            return Severity.WARNING
        return Severity.INFO if share > 0.0 else None

    def _finding(self, record: Record, scans: list[Scan], layer: str, units: int, standing: Standing) -> Finding:
        seen = next(scan for scan in reversed(scans) if scan.step <= standing.last_step and scan.dead[layer])
        dead = seen.dead[layer]
        born = set(scans[0].dead[layer])
        born_dead = len(born.intersection(dead)) if scans[0].step == 0 else 0
        revived = len(set().union(*(scan.dead[layer] for scan in scans)) - set(scans[-1].dead[layer]))
        origin = [f"{born_dead} of them dead before the first update"] if born_dead else []
        if 2 * born_dead < len(dead):
            origin.append(self._when(scans, layer, len(dead) - born_dead, "the others" if born_dead else "they"))
        evidence = (
            f"{len(dead)} of {units} units of {layer} are silent on all {seen.rows} training examples"
            f"{_of_a_sample(record)} (units {list_indices(dead)}); {', '.join(origin)}"
        )
        if revived and not standing.cleared:
            evidence += f"; {revived} once dead fire again"
        evidence += _killing_update(record, layer, dead, seen.step)
        return finding_of(
            self,
            standing,
            layer=layer,
            threshold=1.0 if standing.value == 1.0 else self.warn,
            evidence=evidence,
            explanation=(
                "A ReLU unit that is silent on every example gets no gradient and stops learning; the network is"
                " smaller than it looks."
                + (
                    " With the whole layer silent, no gradient reaches anything below it."
                    if len(dead) == units
                    else " Units in the first layer stay dead; deeper ones may revive if the layers below change."
                )
            ),
            prescriptions=self._cures(record, layer, born=2 * born_dead > len(dead)),
        )

    def _when(self, scans: list[Scan], layer: str, count: int, who: str) -> str:
        """Say between which scans at least half of the units died that were not born dead."""
        shares = [(scan.step, len(scan.dead[layer])) for scan in scans]
        for (before, few), (step, many) in pairwise(shares):
            if 2 * (many - few) >= count:
                return f"{many - few} of them died between steps {before} and {step}"
        return f"{who} died one after the other"

    def _cures(self, record: Record, layer: str, *, born: bool) -> tuple[Prescription, ...]:
        if record.context is not None and layer == record.context.layers[-1].name:
            why = "let the output layer give what the loss wants: outputs below 0 too"
            return (set_key(record, why, "model.output", "auto"),)
        living = "tanh" if config_value(record, "model.kind") == "rnn" else "leaky_relu"
        leaky = change_activation(record, f"use {living}, whose units keep a gradient where they are inactive", living)
        if not born:
            clip = set_key(record, "clip the gradient to a global norm of 1", "training.clip_norm", 1.0)
            return (change_learning_rate(record), clip, leaky)
        if record.context is None or record.context.config is None:  # nobody knows from what they started
            return Prescription("start from zero biases, and weights from he_normal"), leaky
        initial = set_key(record, "initialise with he_normal", "model.init", "he_normal")
        biases = set_key(record, "start from zero biases", "model.bias_init", "zeros")
        biased = config_value(record, "model.bias_init.value") is not None
        return (biases, initial, leaky) if biased else (initial, leaky)


def _is_over(record: Record, gate: Gate, scan: Scan) -> bool:
    """Tell whether nothing worse is to come of units that die: the loss is gone, or the training is done and went well.

    Of a loss that nobody knows it counts that nothing is known to have gone wrong.
    """
    if gate.learned_at(scan.step):
        return True
    went_well = not gate.impaired_at(scan.step) and not gate.likely_behind_at(scan.step)
    return scan is record.notes(Scan)[-1] and is_done(record) and went_well


def _since(checks: Sequence[Check]) -> int:
    """Give the step of the first of the last checks, one after the other, that all say more than info."""
    serious = takewhile(lambda check: (check.severity or Severity.INFO) > Severity.INFO, reversed(checks))
    return min(check.step for check in serious)


def _killing_update(record: Record, layer: str, dead: Sequence[int], step: int) -> str:
    """Tell of the unit that fired on most rows which update killed it; nothing unless that is known exactly."""
    last = {note.unit: note for note in record.notes(UnitDeath) if note.layer == layer and note.step <= step}
    known = [note for unit, note in last.items() if unit in dead and note.killed_by is not None and note.fired_rows]
    if not known:
        return ""
    note = max(known, key=lambda note: note.fired_rows or 0)
    changes = []
    if note.bias_before is not None and note.bias_after is not None:
        changes.append(f"its bias went from {note.bias_before:.3g} to {note.bias_after:.3g}")
    if note.weight_change is not None and note.weight_norm_before is not None:
        changes.append(
            f"its weights changed by {note.weight_change:.3g} (their norm was {note.weight_norm_before:.3g})"
        )
    if (note.largest_with_both or 0.0) > 0.0:  # with what it got before, its own new parameters leave it alive
        changes.append("what it gets from the layers below changed")
    if note.largest_before is not None and note.largest_after is not None:
        changes.append(f"its largest pre-activation fell from {note.largest_before:.3g} to {note.largest_after:.3g}")
    return f"; update {note.killed_by} killed unit {note.unit}{': ' if changes else ''}{', '.join(changes)}"


def _of_a_sample(record: Record) -> str:
    """Say so where not all of the training set could be scanned."""
    facts = record.notes(DataFacts)
    return "" if not facts or facts[0].complete else " looked at, a sample of the training set"
