"""Diagnosis 11: the network does no better than a constant."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.behind import is_done
from gradvitals.diagnostics.data_signal import LEAST_ROWS
from gradvitals.diagnostics.diagnoses.base import (
    change_learning_rate,
    finding_of,
    judged,
    learning_rate,
    not_judged,
)
from gradvitals.diagnostics.diagnoses.gated import NO_SIGNAL, shows_no_signal
from gradvitals.diagnostics.diagnoses.linearity import bend, is_linear, is_out_of_reach
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import CONFIDENCE, LEAST_GAIN, Arm, Gate, gains_little
from gradvitals.diagnostics.learned import has_come_to_rest
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe, Signal
from gradvitals.diagnostics.persistence import Check, Standing, at_least, settle
from gradvitals.diagnostics.scoring import SMALL_SAMPLE
from gradvitals.diagnostics.start_notes import DataFacts

LARGEST_RATE = 1.0
"""Where the updates would ask for more, it is not the learning rate that keeps them small."""

SMALL_UPDATE, USUAL_UPDATE, LARGE_UPDATE = 1e-4, 1e-3, 3e-2
SPOKEN_OF = frozenset({Arm.NOT_LEARNING, Arm.NO_GRADIENT})


@dataclass(frozen=True, slots=True)
class NoLearning:
    """Symptom: after the warm-up the training loss is still that of the best constant output, or worse.

    Cause: anything that keeps gradients from turning into progress: see the root that explains it. Data without signal
    look the same, so before it speaks, simple models are tried on the same data, out of sample; fewer than ten samples
    need only differ. Where these surely find nothing, it is the data that are spoken of: targets that were shuffled,
    sorted or filtered without their inputs.
    Cure: the root's; if there is none, overfit a tiny set first and work up from there.
    Info: never.
    Warning: the gate's *not learning* arm at the last look alone, if the network is surely and clearly behind simple
    models on its own samples, and its loss has come to rest: one that was stopped early may only begin to learn. Or
    that arm, or a gain below 5 % at the end of 200 updates and more, where simple models surely gain less on the
    constant too, from inputs that are quantities.
    Error: that arm, where simple models do find signal in the data; or no gradient at all.
    Clear: the arm no longer holds.
    Needs: targets, a loss whose best constant is known, 100 updates and 20 % of the plan.
    Source: Karpathy 2019, "A recipe for training neural networks"; the gate's *not learning* arm.

    Attributes:
        persistence: Probes in a row that must agree.
        signal: Standard errors by which a simple model must beat the constant.
    """

    id: ClassVar[str] = "no_learning"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    persistence: int = 3
    signal: float = 3.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the gate's *not learning* arm."""
        if gate.reason:
            return not_judged(self, gate.reason)
        considered = [check for check in gate.checks if check.judged]
        checks = [
            Check(check.step, Severity.ERROR if check.arms & SPOKEN_OF else None, 0.0, final=check.final)
            for check in considered
        ]
        standing = settle(checks, self.persistence)
        if checks and checks[-1].severity and considered[-1].behind and has_come_to_rest(record.notes(Probe)):
            standing = at_least(standing, replace(checks[-1], severity=Severity.WARNING))
        if standing is None:
            return self._nothing_stands(record, len(checks))
        last = gate.at(standing.last_step)
        without_gradient = last is not None and Arm.NO_GRADIENT in last.arms
        if not standing.cleared and not without_gradient and (reason := self._no_signal(record)):
            if surely_nothing(record):
                return judged(self, [self._finding_of_data(record, standing)])
            return not_judged(self, reason)
        return judged(self, [self._finding(record, standing, without_gradient=without_gradient)])

    def _no_signal(self, record: Record) -> str:
        """Say why the data, and not the network, may be to blame; nothing if simple models do learn from them."""
        if not record.notes(Signal):
            return "whether the data hold any signal was not recorded"
        return NO_SIGNAL if shows_no_signal(record, self.signal) else ""

    def _nothing_stands(self, record: Record, checks: int) -> Judgement:
        """Speak of data in which a training that is done found next to nothing, if not surely less than 5 %."""
        if self._ended_with_nothing(record):
            end = record.notes(Probe)[-1].step
            found = Standing(Severity.WARNING, end, end, cleared=False, value=0.0)
            return judged(self, [self._finding_of_data(record, found)])
        if checks < self.persistence:
            return not_judged(self, f"{checks} of {self.persistence} checks")
        return judged(self, [])

    def _ended_with_nothing(self, record: Record) -> bool:
        """Tell whether a training that is done found next to nothing, and simple models surely nothing."""
        found_nothing = is_done(record) and gains_little(record.notes(Probe)[-1])
        return found_nothing and shows_no_signal(record, self.signal) and surely_nothing(record)

    def _finding_of_data(self, record: Record, standing: Standing) -> Finding:
        """Say that nobody finds anything in the data."""
        most = record.notes(Signal)[-1]
        own = next(probe.gain for probe in reversed(record.notes(Probe)) if probe.step <= standing.last_step)
        return finding_of(
            self,
            replace(standing, severity=Severity.WARNING),
            value=most.gain + CONFIDENCE * most.gain_se,
            threshold=LEAST_GAIN,
            evidence=(
                f"after {standing.last_step} updates the network gains {100 * (own or 0.0):.2g} % on the best constant"
                " output; a linear fit and nearest neighbours, fitted to others of the samples, gain surely less than"
                f" {100 * LEAST_GAIN:g} %"
            ),
            explanation=(
                "Neither the network nor simple models find in the inputs what the targets have to do with them. Either"
                " it is too little, or too deeply hidden, for any of them, or inputs and targets do not belong together"
                " any more, as where one of the two was shuffled, sorted or filtered without the other."
            ),
            prescriptions=(
                Prescription(
                    "compare a few inputs and targets, as the loop gets them, with where they come from; shuffle, sort"
                    " and filter both by the same indices"
                ),
            ),
        )

    def _finding(self, record: Record, standing: Standing, *, without_gradient: bool) -> Finding:
        probe = next(probe for probe in reversed(record.notes(Probe)) if probe.step <= standing.last_step)
        ratio = probe.loss_ratio if probe.loss_ratio is not None else float("nan")
        what = _without_gradient(probe, standing) if without_gradient else _no_gain(record, probe, standing)
        return finding_of(
            self,
            standing,
            value=ratio,
            threshold=0.95,
            evidence=what,
            explanation=(
                "The network has learned nothing from its inputs that a constant could not give."
                " This is a consequence: its cause is the root finding, or, where there is none, the learning rate, the"
                " labels or the loss."
                if not is_out_of_reach(record)
                else "Nothing bends between its layers: the network is linear, and no linear fit finds anything in"
                " these samples, where nearest neighbours do."
            ),
            prescriptions=(
                *([bend(record)] if _may_want_bends(record) else []),
                Prescription("try to overfit 20 examples first: if that fails, the program is wrong, not the data"),
                *(() if without_gradient else _rate_cures(record)),
            ),
        )


def surely_nothing(record: Record) -> bool:
    """Tell whether simple models surely explain next to nothing of the targets, by inputs that are quantities.

    Of names, as token ids are, they cannot be expected to.
    """
    signals, facts = record.notes(Signal), record.notes(DataFacts)
    if not signals or not facts or facts[0].rms is None or facts[0].rows < SMALL_SAMPLE:
        return False
    best = signals[-1]
    if best.linear_gain is None or best.linear_gain_se is None:
        return False
    gains = ((best.gain, best.gain_se), (best.linear_gain, best.linear_gain_se))
    return all(gain + CONFIDENCE * error < LEAST_GAIN for gain, error in gains)


def _no_gain(record: Record, probe: Probe, standing: Standing) -> str:
    constant = record.context.constant_loss if record.context else None
    known = float("nan") if constant is None else constant
    few = probe.whole_set and probe.samples < LEAST_ROWS
    signal = f"its {probe.samples} samples can be told apart" if few else "simple models do find signal in these data"
    return (
        f"after {standing.last_step} updates the loss is {probe.loss:.4g}; the best constant output has {known:.4g}"
        f" over the training set, and {signal}"
    )


def _without_gradient(probe: Probe, standing: Standing) -> str:
    return f"after {standing.last_step} updates every gradient is exactly 0, and the loss is still {probe.loss:.4g}"


def _may_want_bends(record: Record) -> bool:
    """Tell whether being linear may be what is wrong; one layer by itself is meant to be, unless it cannot do it."""
    one_layer = record.context is not None and len(record.context.layers) == 1
    return is_out_of_reach(record) if one_layer else is_linear(record)


def _rate_cures(record: Record) -> tuple[Prescription, ...]:
    """Prescribe another learning rate where the updates are clearly too small or too large for the weights.

    Well-tuned runs have median update ratios of 8e-4 to 3e-2 (cs231n, neural-networks-3: about 1e-3); a rate that is
    too low is raised to where they are about that. Weights that do not move at all no rate will move.
    """
    names = [] if record.context is None else record.context.layer_names()
    medians = [
        float(np.median(values.astype(np.float64)))
        for name in names
        if len(values := record.series(f"update_ratio/{name}").values)
    ]
    if not medians:
        return ()
    if max(medians) < SMALL_UPDATE:
        decades = round(math.log10(USUAL_UPDATE / max(medians))) if max(medians) > 0.0 else 0
        rate = learning_rate(record)
        is_rate = rate is None or rate * 10.0**decades <= LARGEST_RATE
        return (change_learning_rate(record, 10.0**decades),) if decades > 0 and is_rate else ()
    return (change_learning_rate(record, 0.1),) if max(medians) > LARGE_UPDATE else ()
