"""Diagnosis 18: inputs whose scale neither the weights nor the learning rate suit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import finding_of, judged, not_judged, set_key
from gradvitals.diagnostics.diagnoses.start import (
    USUAL,
    is_half_done,
    is_usual,
    killed_on_the_way,
    settle_start,
)
from gradvitals.diagnostics.diagnoses.update_sizes import THROWN, first_beyond
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.wording import times
from gradvitals.engine.events import OptimizerInfo

DOMINANT = 0.5
"""Share of the curvature from which a single column is named."""

CLEARLY_LESS = 0.5
"""Share of the loss at the start that standardised inputs may leave, for the scale to have made it."""

TOO_SLOW = 1e-3
"""Step, in units of the longest stable one, below which a rate is too low for any scale that we could suggest."""

SUITED = 1e-2
"""Step, in units of the longest one that is stable on the inputs as they are, of a rate that was found for these."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Something to be said of the scale of the inputs.

    Attributes:
        evidence: In words, with units.
        severity: What it is by itself.
        value: What was measured.
        threshold: What it was held against.
        grave: Whether it is an error where the network is impaired.
        rare: Whether hardly any healthy network has it.
        lost: Whether the training had to come down to where standardised inputs begin.
    """

    evidence: str
    severity: Severity
    value: float
    threshold: float
    grave: bool = False
    rare: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class UnscaledInputs:
    """Symptom: the first layer's loss surface is so steep, or its signals so large or small, that no step suits it.

    Cause: inputs as they were measured, in units of their own; often a single column in units far larger than others.
    Cure: standardise the inputs, with the training set's means and standard deviations.
    Info: columns with a root mean square outside [.05, 20], or standard deviations 100-fold apart (constant, binary and
    mostly zero columns left out); a first loss, or first pre-activations, that standardised inputs would make normal.
    Warning: with SGD, a step more than 6 times the longest that is stable along the first layer's weights, where the
    same network on standardised inputs would take a stable one.
    Also any of these, or a step beyond the longest stable one, if the network ended behind simple models: those have
    standardised inputs. Likely is enough for such a step, or where an update went beyond .15 of a layer and steps on
    standardised inputs would be stable; 100 updates are, where the loss was at a look still above their first one.
    Error: the warning, or a first loss or pre-activations that standardised inputs would mend, if the network is
    impaired.
    Clear: half of the best constant's loss is gone; unless units that died before are a warning still.
    Needs: data; for the steps an SGD that is known, and a cross-entropy or squared loss. A loop of one's own may clip
    its gradients: its steps count beside another sign only, and warn of nothing by themselves.
    Source: LeCun et al. 1998, "Efficient BackProp", §4.3 and §5; Cohen et al. 2021 (2/λ without, (2 + 2β)/λ with
    momentum); Lewkowycz et al. 2020, "The large learning rate phase": ReLU networks recover from steps up to 12/λ,
    which is 6 times 2/λ. Of 49 runs beyond that, with inputs to blame, 1 trained well. Inputs outside [-1, 1] are no
    fault: raw digits, wine and diabetes train.

    Attributes:
        smallest: Root mean square of the columns below which it is said.
        largest: And above which.
        spread: Ratio of standard deviations above which it is said.
        warn: Step, in units of the longest stable one, from which it warns.
        start: First loss, in units of H, above which standardised inputs must mend it.
    """

    id: ClassVar[str] = "unscaled_inputs"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    smallest: float = 0.05
    largest: float = 20.0
    spread: float = 100.0
    warn: float = 6.0
    start: float = 3.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the inputs by their columns and by what they do to the network as it was born."""
        facts, starts = record.notes(DataFacts), record.notes(Propagation)
        if record.context is None or not facts or not starts:
            return not_judged(self, NOT_RECORDED)
        lags = gate.behind_at(record.last_step) or gate.likely_behind_at(record.last_step)
        steps = [*self._in_steps(record.context, starts[0], lags=lags)]
        others = [*self._in_signals(record, record.context, starts[0]), *self._in_columns(facts[0], starts[0])]
        signs = [*steps, *others]
        if not signs or (record.context.config is None and not others):  # such steps alone may be the rate's fault
            return judged(self, [])
        return judged(self, [self._finding(record, gate, facts[0], starts[0], signs)])

    def _in_columns(self, facts: DataFacts, start: Propagation) -> Iterator[_Sign]:
        """Say what the columns alone show, unless the network itself brings them to scale."""
        if facts.rms is None or facts.widest is None or facts.narrowest is None:
            return
        is_scaled = start.read_rms is not None and self.smallest <= start.read_rms <= self.largest
        if not is_scaled and (facts.rms > self.largest or facts.rms < self.smallest):
            limit = self.largest if facts.rms > self.largest else self.smallest
            yield _Sign(f"the inputs' root mean square is {facts.rms:.3g}", Severity.INFO, facts.rms, limit)
        is_even = start.read_spread is not None and start.read_spread <= self.spread
        if not is_even and facts.widest > self.spread * facts.narrowest:
            evidence = (
                f"the columns' standard deviations go from {facts.narrowest:.3g} (column {facts.narrowest_column}, mean"
                f" {facts.narrowest_mean:.3g}) to {facts.widest:.3g} (column {facts.widest_column}, mean"
                f" {facts.widest_mean:.3g})"
            )
            yield _Sign(evidence, Severity.INFO, facts.widest / facts.narrowest, self.spread)

    def _in_steps(self, context: Context, start: Propagation, *, lags: bool) -> Iterator[_Sign]:
        """Say whether steps are too long for these inputs, and would not be for standardised ones."""
        now, then = (_step_share(context, value) for value in (start.curvature, start.standardised_curvature))
        if now is None or then is None or not now > (1.0 if lags else self.warn) or not then < 1.0:
            return
        evidence = (
            f"along the first layer's weights the steps are {now:,.3g} times the longest stable one; with standardised"
            f" inputs they would be {then:.2g} of it"
        )
        severity = Severity.INFO if context.config is None else Severity.WARNING  # a loop may clip its gradients
        yield _Sign(evidence, severity, now, 1.0 if lags else self.warn, grave=now > self.warn, rare=True)

    def _in_signals(self, record: Record, context: Context, start: Propagation) -> Iterator[_Sign]:
        """Say whether the first loss or the first pre-activations are out of the ordinary for the inputs' sake."""
        then = _step_share(context, start.standardised_curvature)
        if start.standardised_loss is None or start.standardised_deviations is None:
            return
        now = _step_share(context, start.curvature) or 0.0
        slow = context.config is not None and then is not None and then < TOO_SLOW and now < SUITED
        too_slow = slow and first_beyond(record, THROWN) is None
        grave = then is None or (then < 1.0 and not too_slow)
        constant = context.constant_loss
        if constant and start.loss > self.start * constant and start.standardised_loss < CLEARLY_LESS * start.loss:
            first_loss = times(start.loss / constant, "the best constant output's")
            evidence = (
                f"the first loss is {first_loss}, with standardised"
                f" inputs {start.standardised_loss / constant:.3g} times"
            )
            mended = start.standardised_loss <= self.start * constant
            lost = mended and _came_down_late(record, start.standardised_loss)
            yield _Sign(evidence, Severity.INFO, start.loss / constant, self.start, grave and mended, lost=lost)
        first = context.layers[0].name
        if len(context.layers) > 1 and first in start.deviations:
            own, other = start.deviations[first], start.standardised_deviations[first]
            if is_usual(other) and not is_usual(own):
                size = f"{own:.3g}" if math.isfinite(own) else "more than floats hold"
                evidence = f"the first pre-activations have a standard deviation of {size}, standardised {other:.3g}"
                yield _Sign(evidence, Severity.INFO, own, USUAL[0] if own < USUAL[0] else USUAL[1], grave)

    def _finding(self, record: Record, gate: Gate, facts: DataFacts, start: Propagation, signs: list[_Sign]) -> Finding:
        worst = max(signs, key=lambda sign: (sign.severity, sign.grave))
        warns = worst.severity is Severity.WARNING
        killed = killed_on_the_way(record, gate, is_half_done) if warns else ""
        standing = settle_start(
            record,
            gate,
            worst.severity,
            grave=any(sign.grave for sign in signs),
            over=is_half_done if warns and not killed else None,
            costly=True,
            too_large=any(sign.rare for sign in signs) or _was_thrown_by_them(record, start),
            lost=any(sign.lost for sign in signs),
        )
        evidence = "; ".join(filter(None, (*(sign.evidence for sign in signs), killed)))
        column = _dominant_column(start, facts)
        if column is not None:
            evidence += f"; column {column} alone makes {100 * (start.curvature_share or 0.0):.0f} % of that steepness"
        return finding_of(
            self,
            standing,
            value=worst.value,
            threshold=worst.threshold,
            evidence=evidence,
            explanation=(
                "The gradient on a weight is proportional to its input, so large inputs make steps too long, small ones"
                " too short, and no learning rate suits columns of very different size."
                " Initial weights assume inputs of mean 0 and standard deviation 1."
            ),
            prescriptions=self._cures(record, column),
        )

    def _cures(self, record: Record, column: int | None) -> tuple[Prescription, ...]:
        every = set_key(
            record, "standardise the inputs, with the training set's means and deviations", "data.scale", "standard"
        )
        if column is None:
            return (every,)
        why = f"standardise column {column} (counted from 0), which outweighs all others"
        return every, set_key(record, why, "data.columns", {str(column): "standard"})


def _was_thrown_by_them(record: Record, start: Propagation) -> bool:
    """Tell whether an update threw a layer out, and on standardised inputs the first one's steps would be stable."""
    then = None if record.context is None else _step_share(record.context, start.standardised_curvature)
    return then is not None and then < 1.0 and first_beyond(record, THROWN) is not None


def _came_down_late(record: Record, standardised_loss: float) -> bool:
    """Tell whether the loss was at a later look still above that which standardised inputs begin with."""
    return any(probe.step > 0 and probe.loss > standardised_loss for probe in record.notes(Probe))


def _step_share(context: Context, curvature: float | None) -> float | None:
    """Give the learning rate in units of the largest that is stable along a direction of this curvature λ.

    That is 2/λ, with momentum β (2 + 2β)/λ, with Nesterov's (2 + 2β)/((1 + 2β) λ). None where updates are no SGD, or
    are bounded or warmed up, or the loss is a sum.

    References:
        Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability", appendix B.
    """
    optimizer = _plain_sgd(context)
    if optimizer is None or curvature is None:
        return None
    longest = 2.0 + 2.0 * optimizer.momentum
    if optimizer.nesterov:
        longest /= 1.0 + 2.0 * optimizer.momentum
    return optimizer.learning_rate * curvature / longest


def _plain_sgd(context: Context) -> OptimizerInfo | None:
    """Give the optimizer, if its steps are those of SGD, and nothing is known to make them shorter."""
    config, told = context.config, context.optimizer
    if config is None:
        return told if told is not None and told.kind == "sgd" and not told.clips else None
    bounded = ("training.clip_norm", "training.clip_value", "training.schedule.warm_up")
    if any(config.get(key) for key in bounded) or config.get("training.gradient") == "random_search":
        return None
    rate, momentum = config.get("training.optimizer.learning_rate"), config.get("training.optimizer.momentum", 0.0)
    if config.get("training.optimizer.kind") != "sgd" or not isinstance(rate, float | int):
        return None
    nesterov = bool(config.get("training.optimizer.nesterov"))
    return OptimizerInfo("sgd", rate, momentum, nesterov) if isinstance(momentum, float | int) else None


def _dominant_column(start: Propagation, facts: DataFacts) -> int | None:
    """Name the column that makes most of the curvature, where there are others it could be compared with."""
    column, share = start.curvature_column, start.curvature_share
    if column is None or share is None or share < DOMINANT or not 1 < facts.columns != column:
        return None
    return column
