"""The impairment gate: is the network, at a given moment, provably not doing its job?

A symptom is not a fault: solved networks saturate, and a deep sigmoid net with tiny gradients may learn under Adam.
Only a symptom *and* impairment separates the sick from the healthy. The gate is judged at probes and has three arms:
*not learning*, against the best constant predictor (see `constant_predictor`); *memorising*, against simple models on
new samples (see `generalisation`); and *blocked*, which for *no gradient* at all is told apart. Beside the arms it says
whether a network that did learn something ended *behind* simple models (see `behind`).
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum

from gradvitals.diagnostics.behind import find_lag, find_likely_lag, simple_models_learn
from gradvitals.diagnostics.findings import NOT_RECORDED
from gradvitals.diagnostics.generalisation import is_gap
from gradvitals.diagnostics.learned import LEARNED, has_lost_most
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Generalisation, Incident, Probe, Scan
from gradvitals.diagnostics.scoring import SMALL_SAMPLE, SURE

CONFIDENCE = 3.09
"""Standard errors of a one-sided 99.9 % bound."""

LEAST_GAIN = 0.05
"""A network whose gain over the constant is surely below this share of H is not learning."""

OVERFITTED = 0.5
"""Training loss, in units of H, below which a network has learned its training set; or so much of the accuracy."""

LEAST_SHORTFALL = 0.1
"""Score that simple models must have more than the network on new samples, for it to have memorised its own."""

OWN_ADVANTAGE = 0.5
"""Share of that which must be what it does better on its own samples: what it lacks on both it never learned."""

WARM_UP_STEPS, WARM_UP_SHARE, LARGEST_WARM_UP_SHARE = 100, 0.2, 0.5


class Arm(Enum):
    """Why a network counts as impaired."""

    NOT_LEARNING = "not learning"
    MEMORISING = "memorising"
    BLOCKED = "blocked"
    NO_GRADIENT = "no gradient"
    """Blocked, too: all gradients are exactly 0, and nothing else says why."""


@dataclass(frozen=True, slots=True)
class GateCheck:
    """The gate at one probe.

    Attributes:
        step: Of the probe.
        judged: False during warm-up and where nothing could be compared.
        arms: Why the network counts as impaired; empty where it does not.
        last: Whether no probe followed.
        learned: Whether most of the loss is gone, whatever the arms say.
        behind: Whether it ended surely and clearly behind simple models, on its own samples or on new ones. That is no
            arm: it makes a warning of a symptom and no error, as a network may be stopped early on purpose.
        behind_early: The same after 100 updates already: what was lost before the first has had its time.
        likely_behind: Whether it was done, and is likely to have ended clearly behind simple models: enough for a
            warning of what is known to have been wrong, and hardly any healthy network has.
    """

    step: int
    judged: bool
    arms: frozenset[Arm]
    last: bool
    learned: bool = False
    behind: bool = False
    behind_early: bool = False
    likely_behind: bool = False

    @property
    def impaired(self) -> bool:
        """Whether any arm holds."""
        return bool(self.arms)

    @property
    def final(self) -> bool:
        """Whether it needs no persistence: what is blocked at the end of a run stays blocked."""
        return self.last and not self.arms.isdisjoint({Arm.BLOCKED, Arm.NO_GRADIENT})


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate over a whole run, one check per probe."""

    checks: tuple[GateCheck, ...]
    reason: str = ""
    """Why it could not be judged at all; empty where it was."""
    _steps: tuple[int, ...] = field(default=())

    def at(self, step: int) -> GateCheck | None:
        """Give the last check at or before a step."""
        position = bisect_right(self._steps, step)
        return self.checks[position - 1] if position else None

    def impaired_at(self, step: int) -> bool:
        """Tell whether the network was impaired at the last check at or before a step."""
        check = self.at(step)
        return check is not None and check.impaired

    def learned_at(self, step: int) -> bool:
        """Tell whether most of the loss was gone at the last check at or before a step."""
        check = self.at(step)
        return check is not None and check.learned

    def behind_at(self, step: int) -> bool:
        """Tell whether the network ended behind simple models, and a step is not before its last check."""
        check = self.at(step)
        return check is not None and check.behind

    def likely_behind_at(self, step: int) -> bool:
        """Tell whether the network is likely to have ended behind them, and a step is not before its last check."""
        check = self.at(step)
        return check is not None and check.likely_behind


def judge_gate(record: Record) -> Gate:
    """Judge the gate at every probe of a record."""
    context, probes = record.context, record.notes(Probe)
    if context is None or not probes:
        return Gate((), NOT_RECORDED)
    incident = next(iter(record.notes(Incident)), None)
    scans = record.notes(Scan)
    new = {note.step: note for note in record.notes(Generalisation)}
    planned = context.total_steps
    checks = []
    for probe in probes:
        last = probe is probes[-1]
        warm = probe.step >= warm_up(planned) or (last and probe.step >= WARM_UP_STEPS)
        arms = set()
        if warm and is_not_learning(probe):
            arms.add(Arm.NOT_LEARNING)
        if warm and probe.step in new and is_memorising(probe, new[probe.step]):
            arms.add(Arm.MEMORISING)
        if is_blocked(probe, scans, incident, {info.name: info.fan_out for info in context.layers}):
            arms.add(Arm.BLOCKED)
        elif has_no_gradient(probe):
            arms.add(Arm.NO_GRADIENT)
        judged = (warm and probe.gain is not None) or not arms.isdisjoint({Arm.BLOCKED, Arm.NO_GRADIENT})
        lags = _find_lags(probe, record) if last else (False, False, False)
        checks.append(GateCheck(probe.step, judged, frozenset(arms), last, has_lost_most(probe, probes[0]), *lags))
    reason = "" if any(check.judged for check in checks) else _why_not(record, probes)
    return Gate(tuple(checks), reason, tuple(check.step for check in checks))


def warm_up(total_steps: int | None) -> int:
    """Give the first step at which the gate is judged: 100 or 20 % of the plan, at most half of it.

    A plan below 100 updates is a smoke run, from which nobody expects learning: its end comes before the 100th.
    """
    if total_steps is None or total_steps < WARM_UP_STEPS:
        return WARM_UP_STEPS
    return int(min(max(WARM_UP_STEPS, WARM_UP_SHARE * total_steps), LARGEST_WARM_UP_SHARE * total_steps))


def is_not_learning(probe: Probe) -> bool:
    """Tell whether the network surely gains below 5 % on the constant and is right no oftener than the majority."""
    if probe.gain is None or probe.gain_se is None or probe.loss_ratio is None:
        return False
    if probe.samples < SMALL_SAMPLE:  # the whole set is judged by its mean
        learned_nothing = probe.whole_set and not probe.loss_ratio < 0.98
    else:
        learned_nothing = not probe.gain + CONFIDENCE * probe.gain_se >= LEAST_GAIN
    return learned_nothing and not beats_majority(probe)


def gains_little(probe: Probe) -> bool:
    """Tell whether a network gains below 5 % on the constant, if not surely, and is right no oftener by much."""
    return probe.gain is not None and probe.gain < LEAST_GAIN and not beats_majority(probe)


def beats_majority(probe: Probe) -> bool:
    """Tell whether a classifier is right more often than one that always names the commonest class, by 2 SE.

    Where its loss is surely *above* the constant's, being a little more often right is no excuse: it must then have
    half of the accuracy that the majority leaves. (Saturated networks with three times the loss of a constant were
    right on 15 to 25 % of ten balanced classes.)
    """
    excess, error, majority = probe.accuracy_excess, probe.accuracy_excess_se, probe.majority_accuracy
    if excess is None or error is None or majority is None:
        return False
    surely_worse = (
        probe.gain is not None and probe.gain_se is not None and probe.gain + CONFIDENCE * probe.gain_se < 0.0
    )
    return excess > 2.0 * error and (not surely_worse or is_mostly_right(probe))


def is_mostly_right(probe: Probe) -> bool:
    """Tell whether a classifier may have half of the accuracy that always naming the commonest class leaves."""
    excess, error, majority = probe.accuracy_excess, probe.accuracy_excess_se, probe.majority_accuracy
    if excess is None or error is None or majority is None:
        return False
    return excess + 2.0 * error >= 0.5 * (1.0 - majority)


def is_overfitted(probe: Probe, new: Generalisation) -> bool:
    """Tell whether a network has learned its training set, and does surely and clearly worse on new samples.

    It has learned it with a loss below H/2, or with half of the accuracy that the majority leaves. That alone is no
    fault: on small and noisy sets the best networks are overfitted.
    """
    excess, majority = probe.accuracy_excess, probe.majority_accuracy
    is_right = excess is not None and majority is not None and excess >= OVERFITTED * (1.0 - majority)
    return (is_right or (probe.loss_ratio is not None and probe.loss_ratio < OVERFITTED)) and is_gap(new)


def is_memorising(probe: Probe, new: Generalisation) -> bool:
    """Tell whether a network is overfitted, and simple models do surely and clearly better on the same new samples.

    Most of what it lacks there it must have on its own: else it is as much behind them on both, and has underfitted.

    Without them, a network that had learned nothing but its training set, and one that found what there is in a noisy
    one, look alike: of 232 healthy runs with a low training loss, 3 had a validation loss that was not surely below H,
    and so had a quarter of those on data without signal.
    """
    if new.shortfall is None or new.shortfall_se is None:
        return False
    surely_worse = new.shortfall >= LEAST_SHORTFALL and new.shortfall > SURE * new.shortfall_se
    by_heart = new.training_score - new.score >= OWN_ADVANTAGE * new.shortfall
    return is_overfitted(probe, new) and simple_models_learn(new) and surely_worse and by_heart


def is_blocked(probe: Probe, scans: list[Scan], incident: Incident | None, units: dict[str, int]) -> bool:
    """Tell whether a number is not finite or a whole layer is dead."""
    if incident is not None and incident.step <= probe.step:
        return True
    known = [scan for scan in scans if scan.step <= probe.step]
    return bool(known) and any(len(dead) == units[layer] for layer, dead in known[-1].dead.items())


def has_no_gradient(probe: Probe) -> bool:
    """Tell whether all gradients are exactly zero with most of the loss left: nothing can change any more.

    Without a constant to compare with, nobody knows how much is left. A classifier that is mostly right has learned:
    its gradients may have been rounded away.
    """
    gradients = probe.preactivation_gradients.values()
    if not gradients or any(value != 0.0 for value in gradients):
        return False
    loss_is_left = probe.loss_ratio is not None and probe.loss_ratio >= LEARNED
    return loss_is_left and not is_mostly_right(probe)


def _find_lags(probe: Probe, record: Record) -> tuple[bool, bool, bool]:
    """Tell whether a network ended behind simple models: surely, surely though it had no time, or likely."""
    early = find_lag(probe, record, WARM_UP_STEPS) is not None
    return find_lag(probe, record) is not None, early, find_likely_lag(probe, record) is not None


def _why_not(record: Record, probes: list[Probe]) -> str:
    if probes[-1].gain is None:
        return "no targets or no known loss to compare with the best constant predictor"
    context = record.context
    planned = warm_up(context.total_steps if context else None)
    return f"{probes[-1].step} updates made; judged from update {planned} on, or at the end of 100 and more"
