"""Diagnosis 11: the network does no better than a constant, or surely worse than simple models."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradvitals.diagnostics.behind import find_lag, least_lag
from gradvitals.diagnostics.diagnoses.base import (
    change_activation,
    change_learning_rate,
    config_value,
    finding_of,
    judged,
    not_judged,
)
from gradvitals.diagnostics.diagnoses.gated import NO_SIGNAL, shows_no_signal
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.harm import beside
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe, Signal
from gradvitals.diagnostics.persistence import Check, Standing, settle

LARGEST_RATE = 1.0
"""Where the updates would ask for more, it is not the learning rate that keeps them small."""

SMALL_UPDATE, USUAL_UPDATE, LARGE_UPDATE = 1e-4, 1e-3, 3e-2
LEAST_LATE = 2
"""Probes in the last third of a training from which it is told whether it still goes on."""

SPOKEN_OF = frozenset({Arm.NOT_LEARNING, Arm.NO_GRADIENT})


@dataclass(frozen=True, slots=True)
class NoLearning:
    """Symptom: the training loss stays that of the best constant output, or simple models end surely and clearly ahead.

    Cause: anything that keeps gradients from turning into progress: see the root that explains it. Data without signal
    look the same, so before it speaks, simple models are tried on the same data, out of sample.
    Cure: the root's; if there is none, overfit a tiny set first and work up from there.
    Info: never.
    Warning: it learned something, ended surely and clearly behind a ridge regression or nearest neighbours that were
    fitted to other samples, and had come to a halt: in the last third of the probes its least loss fell by less than a
    tenth. None of the healthy networks of the tuning half was behind at all.
    Error: the gate's *not learning* arm, where simple models do find signal in the data; or no gradient at all.
    Clear: the arm no longer holds.
    Needs: targets, a loss whose best constant is known, 100 updates and 20 % of the plan; beside simple models, 200
    updates and 30 samples.
    Source: Karpathy 2019, "A recipe for training neural networks"; the gate's *not learning* arm.

    Attributes:
        persistence: Probes in a row that must agree.
        signal: Standard errors by which a simple model must beat the constant.
        halted: Share of its least loss before that a network keeps in the last third of its training, to count as one
            that learns no more.
    """

    id: ClassVar[str] = "no_learning"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    persistence: int = 3
    signal: float = 3.0
    halted: float = 0.9

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the gate's *not learning* arm."""
        if gate.reason:
            return not_judged(self, gate.reason)
        lag = find_lag(record.notes(Probe)[-1], record) if gate.checks[-1].behind else None
        left = self._left(record)
        behind = [] if lag is None or not left > self.halted else [self._behind(record, lag, left)]
        considered = [check for check in gate.checks if check.judged]
        checks = [
            Check(check.step, Severity.ERROR if check.arms & SPOKEN_OF else None, 0.0, final=check.final)
            for check in considered
        ]
        standing = settle(checks, self.persistence)
        if standing is None and len(checks) < self.persistence and not behind:
            return not_judged(self, f"{len(checks)} of {self.persistence} checks")
        if standing is None or (standing.cleared and behind):
            return judged(self, behind)
        last = gate.at(standing.last_step)
        without_gradient = last is not None and Arm.NO_GRADIENT in last.arms
        if not standing.cleared and not without_gradient and (reason := self._no_signal(record)):
            return not_judged(self, reason)
        return judged(self, [self._finding(record, standing, without_gradient=without_gradient)])

    def _left(self, record: Record) -> float:
        """Give what the last third of the training left of the least loss before; NaN where too little of it is known.

        A loss that still falls may go on to.
        """
        probes = record.notes(Probe)
        before = [probe.loss for probe in probes if 3 * probe.step <= 2 * probes[-1].step]
        after = [probe.loss for probe in probes if 3 * probe.step > 2 * probes[-1].step]
        return min(after) / min(before) if before and min(before) > 0.0 and len(after) >= LEAST_LATE else math.nan

    def _behind(self, record: Record, lag: Lag, left: float) -> Finding:
        probe = record.notes(Probe)[-1]
        standing = Standing(Severity.WARNING, probe.step, probe.step, cleared=False, value=lag.value)
        compared = beside(lag, by_answers=probe.majority_accuracy is not None)
        return finding_of(
            self,
            standing,
            threshold=least_lag(probe),
            evidence=(
                f"after {probe.step} updates a linear fit or nearest neighbours"
                f"{'' if lag.new else ', fitted to others,'} {compared}; in the last third of the training its loss"
                f" {f'fell by {100 * (1.0 - left):.2g} %' if left < 1.0 else 'did not fall'}"
            ),
            explanation=(
                "The network has learned less than there is to learn at sight. Its cause is the root finding, or, where"
                " there is none, what the rules cannot see: too few units or updates, a rate that falls too soon, too"
                " much dropout or weight decay, parts that are not trained."
            ),
            prescriptions=(
                *_bend(record),
                Prescription("try to overfit 20 examples, without dropout, weight decay and schedule"),
                *_rate_cures(record),
            ),
        )

    def _no_signal(self, record: Record) -> str:
        """Say why the data, and not the network, may be to blame; nothing if simple models do learn from them."""
        if not record.notes(Signal):
            return "whether the data hold any signal was not recorded"
        return NO_SIGNAL if shows_no_signal(record, self.signal) else ""

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
            ),
            prescriptions=(
                *_bend(record),
                Prescription("try to overfit 20 examples first: if that fails, the program is wrong, not the data"),
                *(() if without_gradient else _rate_cures(record)),
            ),
        )


def _no_gain(record: Record, probe: Probe, standing: Standing) -> str:
    constant = record.context.constant_loss if record.context else None
    known = float("nan") if constant is None else constant
    return (
        f"after {standing.last_step} updates the loss is {probe.loss:.4g}; the best constant output has {known:.4g}"
        " over the training set, and simple models do find signal in these data"
    )


def _without_gradient(probe: Probe, standing: Standing) -> str:
    return f"after {standing.last_step} updates every gradient is exactly 0, and the loss is still {probe.loss:.4g}"


def _bend(record: Record) -> tuple[Prescription, ...]:
    """Prescribe an activation where no hidden layer has one: together they are no more than one linear layer."""
    hidden = [] if record.context is None else record.context.layers[:-1]
    if not hidden or any(info.activation != "linear" for info in hidden):
        return ()
    why = "give the hidden layers an activation, as relu: without one they compute no more than a single linear layer"
    return (change_activation(record, why, "relu"),)


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
        rate = config_value(record, "training.optimizer.learning_rate")
        is_rate = not isinstance(rate, float | int) or rate * 10.0**decades <= LARGEST_RATE
        return (change_learning_rate(record, 10.0**decades),) if decades > 0 and is_rate else ()
    return (change_learning_rate(record, 0.1),) if max(medians) > LARGE_UPDATE else ()
