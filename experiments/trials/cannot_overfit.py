"""Diagnosis 22: a few examples that cannot be learned by heart."""

import math
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import config_value, judged, not_judged, set_key
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.trial_notes import OverfitTrial


@dataclass(frozen=True, slots=True)
class CannotOverfit:
    """Symptom: 20 training examples, without any regularisation, are not learned by heart.

    Cause: the program: an output that cannot reach its targets, a loss that does not take these outputs, dead or
    saturated layers, inputs or weights of absurd size; or, if Adam does learn them, the optimizer's rate.
    Cure: what an ordinary network has and this one has not, one key at a time; if Adam learns them, another rate.
    Info: Adam, at a rate of .01, .001 or .1, learns the examples, and the config's own optimizer does not. To learn is
    to get the loss down to `error` · H in 2,000 steps on one of two seeds, H being that of the best constant on them.
    Warning: the same, and the config's own optimizer stays above `warn` · H; or it gets below that, but nothing learns
    the examples save an ordinary network of the same widths: relu, he_normal, standardised data, the task's own loss.
    Error: only the ordinary network learns them, and the config's own optimizer stays above `warn` · H.
    Clear: the config's own optimizer learns them. Where not even the ordinary network does, it is not judged.
    Needs: `--overfit`, or this table in the config: it trains for a second or more. A loss whose H is known.
    Source: Karpathy, "A recipe for training neural networks", "overfit one batch"; cs231n, neural-networks-3, "sanity
    checks". 500 steps with the config's own optimizer alone would accuse healthy networks with a small rate, and linear
    ones; as it is, none of 385 networks that trained well, on 103 data sets, got a warning. Examples that contradict
    each other are left out: noise is no program's fault.

    Attributes:
        warn: Loss, in units of H, above which the config's own optimizer has learned next to nothing of them.
        error: Loss, in units of H, at which the examples count as learned.
        examples: How many examples.
        steps: Most updates of an attempt.
        seeds: Attempts, from other weights and on other examples, of which one must succeed.
    """

    id: ClassVar[str] = "cannot_overfit"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.5
    error: float = 0.1
    examples: int = 20
    steps: int = 2000
    seeds: int = 2

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - trained beside the run, not in it
        """Judge the last trial."""
        notes = record.notes(OverfitTrial)
        if not notes:
            return not_judged(self, "not recorded: --overfit makes the trial")
        trial = notes[-1]
        if trial.reason:
            return not_judged(self, trial.reason)
        if _best(trial.own) <= self.error:
            return judged(self, [])
        learned = [rate for rate, losses in trial.adam.items() if _best(losses) <= self.error]
        if learned:
            return judged(self, [self._rate_finding(record, trial, learned[-1]) if trial.own else None])
        if max(trial.control, default=math.inf) > self.error:
            reason = f"an ordinary network of its widths does not learn {trial.examples} examples by heart either"
            return not_judged(self, reason)
        return judged(self, [self._program_finding(record, trial)])

    def _rate_finding(self, record: Record, trial: OverfitTrial, rate: str) -> Finding:
        best = _best(trial.own)
        return self._finding(
            trial,
            Severity.WARNING if best > self.warn else Severity.INFO,
            best,
            self.warn if best > self.warn else self.error,
            evidence=(
                f"with {trial.optimizer}, {trial.steps:,} steps on {trial.examples} examples {_left(best)};"
                f" adam at {rate} gets below {self.error:.0%}"
            ),
            explanation=(
                "The program can learn, but hardly with this optimizer at this learning rate."
                " In a whole training it may have steps enough; on a few examples it should need few."
            ),
            prescriptions=(
                set_key(
                    record,
                    f"train with adam at {rate}, which learned the examples",
                    "training.optimizer",
                    {"kind": "adam", "learning_rate": float(rate)},
                ),
            ),
        )

    def _program_finding(self, record: Record, trial: OverfitTrial) -> Finding:
        losses = [*trial.own, *(loss for attempts in trial.adam.values() for loss in attempts)]
        own = _best(trial.own) if trial.own else min(losses)
        *most, last = trial.adam
        tried = f"adam at {', '.join(most)} and {last}"
        if trial.optimizer and trial.optimizer not in {f"adam at {rate}" for rate in trial.adam}:
            tried = f"{trial.optimizer}, and with {tried}"
        return self._finding(
            trial,
            Severity.ERROR if own > self.warn else Severity.WARNING,
            min(losses),
            self.error,
            evidence=(
                f"{trial.examples} examples are not learned by heart: {trial.steps:,} steps with {tried}"
                f" {_left(min(losses))}; an ordinary network of the same widths gets below {self.error:.0%}"
            ),
            explanation=(
                "What cannot learn a few examples by heart will not learn from many. No optimizer helps, so the fault"
                " is in the program: look at what the outputs can reach, at the loss, and at the initial weights."
            ),
            prescriptions=_towards_the_ordinary(record),
        )

    def _finding(
        self,
        trial: OverfitTrial,
        severity: Severity,
        value: float,
        threshold: float,
        *,
        evidence: str,
        explanation: str,
        prescriptions: tuple[Prescription, ...],
    ) -> Finding:
        return Finding(
            id=self.id,
            tier=self.tier,
            severity=severity,
            layer=None,
            first_step=trial.step,
            last_step=trial.step,
            value=value,
            threshold=threshold,
            evidence=evidence,
            explanation=explanation,
            prescriptions=prescriptions,
        )


def _best(losses: tuple[float, ...]) -> float:
    return min(losses, default=math.inf)


def _left(loss: float) -> str:
    """Say what is left of the loss, as the end of a sentence about steps."""
    if not math.isfinite(loss):
        return "give no finite loss"
    share = f"{loss:.1%} of" if loss < 1.0 else f"{loss:,.3g} times"
    return f"leave at least {share} the best constant's loss"


def _towards_the_ordinary(record: Record) -> tuple[Prescription, ...]:
    """Prescribe what the control has and the config has not, one key each; those it has already fall away later."""
    cures = []
    bounded = config_value(record, "model.output") not in {None, "auto"}
    if bounded and config_value(record, "training.from_logits") is not False:
        cures.append(set_key(record, "end in a linear layer: most losses apply the rest", "model.output", "linear"))
    if config_value(record, "model.kind") != "rnn":
        cures.append(set_key(record, "initialise with he_normal", "model.init", "he_normal"))
        cures.append(set_key(record, "use relu", "model.activation", "relu"))
    cures.append(set_key(record, "start from zero biases", "model.bias_init", "zeros"))
    cures.append(set_key(record, "standardise the inputs", "data.scale", "standard"))
    return tuple(cures)
