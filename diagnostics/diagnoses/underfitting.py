"""Diagnosis 11c: the network has not learned what simple models find in its own training samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.behind import LEAST_TO_CATCH_UP, find_own_lag, has_room, is_done, least_lag
from gradvitals.diagnostics.diagnoses.base import (
    config_value,
    finding_of,
    judged,
    not_judged,
    optimizer_kind,
    set_key,
)
from gradvitals.diagnostics.diagnoses.linearity import bend, is_linear
from gradvitals.diagnostics.diagnoses.memorising import Memorising
from gradvitals.diagnostics.findings import Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.learned import has_come_to_rest
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Ending, Probe
from gradvitals.diagnostics.persistence import Standing

ADAM = {"kind": "adam", "learning_rate": 0.001}
"""Kingma & Ba 2015, "Adam: a method for stochastic optimization": the rate that they suggest."""

ADAMS = frozenset({"adam", "adamw", "adamax", "nadam"})


@dataclass(frozen=True, slots=True)
class Underfitting:
    """Symptom: at its end the network does worse on samples that it was trained on than simple models that were not.

    Cause: the finding that explains it, where one stands. Else a training that was too slow or stopped too soon, layers
    that cannot bend, too few units, or a dropout or an L2 penalty too strong.
    Cure: the root's; if there is none, train on while the loss falls; another optimizer, a constant rate; an
    activation, more units, less regularisation.
    Info: after 200 updates and more a ridge regression or nearest neighbours, fitted to other training samples, have
    surely (Student's t of the paired scores) and clearly (by .05 of the answers, or .1 of H) better scores on up to
    1,024 of them. Where the network is impaired, other findings say more.
    Warning: by twice as much, and the loss has come to rest: in the last third of the training its least was lower by
    less than a twentieth.
    Error: never: a training may be stopped early on purpose.
    Clear: never; it is judged once, at the end.
    Needs: targets, a loss that is known, and the end of a training of 200 updates. Where one answer in twenty is wrong
    or less, and of a regression less than .2 H is left, there is no room, and nothing is asked; nor of an autoencoder,
    as a linear fit from inputs to themselves has but to copy them.
    Source: Karpathy 2019, "A recipe for training neural networks" (simple baselines). Of 1,064 healthy networks of the
    tuning half none was behind. Sound ones that were stopped early are, by a few points, and their loss still falls.

    Attributes:
        warn: Lag from which it warns, in units of what is clear.
    """

    id: ClassVar[str] = "underfitting"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 2.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge how the network ended on its own samples."""
        if gate.reason:
            return not_judged(self, gate.reason)
        probe = record.notes(Probe)[-1]
        if _others_say_more(record, gate, probe.step) or not has_room(probe):
            return judged(self, [])
        endings, lag = record.notes(Ending), find_own_lag(probe, record)
        if not endings or endings[-1].cut_short:
            return not_judged(self, "the training is not done")
        if lag is not None and not is_done(record):
            return not_judged(self, f"{probe.step} of {LEAST_TO_CATCH_UP} updates; simple models are ahead so far")
        return judged(self, [] if lag is None else [self._finding(record, probe, lag)])

    def _finding(self, record: Record, probe: Probe, lag: Lag) -> Finding:
        own, simple = (100.0 * score for score in (lag.score, lag.simple_score))
        if probe.majority_accuracy is not None:
            found = f"of {lag.samples} of its training examples the network gets {own:.3g} % right"
            others = f"a linear fit or nearest neighbours, fitted to others, get {simple:.3g} % of the same right"
        else:
            lost, simply_lost = (max(100.0 - score, 0.0) for score in (own, simple))
            found = f"on {lag.samples} of its training examples the loss is {lost:.3g} % of the best constant output's"
            others = f"a linear fit or nearest neighbours, fitted to others, lose {simply_lost:.3g} % there"
        at_rest = has_come_to_rest(record.notes(Probe))
        severity = Severity.WARNING if at_rest and lag.value >= self.warn * least_lag(probe) else Severity.INFO
        return finding_of(
            self,
            Standing(severity, probe.step, probe.step, cleared=False, value=lag.value),
            threshold=self.warn * least_lag(probe),
            evidence=f"{found}; {others}; the loss {'has come to rest' if at_rest else 'still falls'}",
            explanation=(
                "What simple models find in new samples was there to be learned, and the network has not learned it"
                " from the very samples that it was shown. Where no other finding says why, it is what none can see:"
                " too few units or updates, a rate that falls too soon, too much dropout or weight decay, parts that"
                " are not trained."
            ),
            prescriptions=(*_cures(record, at_rest=at_rest),),
        )


def _others_say_more(record: Record, gate: Gate, step: int) -> bool:
    """Tell whether the network is impaired at its end, and that is spoken of: one look may be too few to memorise."""
    check = gate.at(step)
    if check is None or check.arms != {Arm.MEMORISING}:
        return check is not None and check.impaired
    return any(finding.standing for finding in Memorising().judge(record, gate).findings)


def _cures(record: Record, *, at_rest: bool) -> Iterator[Prescription]:
    hidden = [] if record.context is None else record.context.layers[:-1]
    if not at_rest:
        yield _train_on(record)
    if is_linear(record):
        yield bend(record)
    if config_value(record, "model.dropout"):
        yield set_key(record, "keep all hidden units in training", "model.dropout", 0.0)
    if config_value(record, "training.l2"):
        yield set_key(record, "leave the weights their size: no L2 penalty", "training.l2", 0.0)
    if config_value(record, "training.schedule.kind") not in {None, "constant"}:
        yield set_key(record, "keep the learning rate up: no schedule that lowers it", "training.schedule", "constant")
    if optimizer_kind(record) not in {None, *ADAMS}:
        yield set_key(record, "let Adam find the size of the steps", "training.optimizer", ADAM)
    if hidden:
        yield Prescription("give the hidden layers more units")
    yield Prescription("try to overfit 20 examples, without dropout, weight decay and schedule")


def _train_on(record: Record) -> Prescription:
    epochs = config_value(record, "training.epochs")
    why = "train three times as long"
    return set_key(record, why, "training.epochs", 3 * epochs) if isinstance(epochs, int) else Prescription(why)
