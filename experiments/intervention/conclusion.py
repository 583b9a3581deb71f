"""What an intervention shows: the root, what vanishes with it, and what became of every prescription."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradvitals.diagnostics.findings import Finding, Outcome, Prescription, Severity, Verdict
from gradvitals.diagnostics.roots import CONSEQUENCES, KINDS
from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.intervention.arms import RATE, changed, touches
from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS
from gradvitals.experiments.intervention.evidence import BY_NATURE, Intervention
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.run_report import subject


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows from an intervention.

    Attributes:
        provisional: The finding taken for the root before anything was tried; None where none stands.
        lifting: The smallest change that lifts the impairment; None where none does.
        cure: The smallest change that lifts it and is as good as the sane defaults; None where none is.
        root: The finding that the lifting change speaks for; None without one.
        vanished: What vanishes with the lifting change, the root left out.
        speaks: Whether the root prescribes something for a key that the lifting change has.
        seconds: Those of what vanishes that prescribe something for a key of it that the root has nothing to say of.
        verdict: The sick run's, with roots, explanations and outcomes as they were found to be.
    """

    provisional: Finding | None
    lifting: Tried | None
    cure: Tried | None
    root: Finding | None
    vanished: tuple[Finding, ...]
    speaks: bool
    seconds: tuple[Finding, ...]
    verdict: Verdict


def conclude(found: Intervention, verdict: Verdict | None = None) -> Conclusion:
    """Draw the conclusions of an intervention.

    Args:
        found: The intervention.
        verdict: What is to be revised; the sick run's own unless given.
    """
    tried = [each for each in found.tried if each.effect is not None]
    lifts = sorted((each for each in tried if found.lifts(each)), key=lambda each: -each.mean)
    cure = found.cure
    lifting = cure or (lifts[0] if lifts else None)
    provisional = next((each for each in found.standing if each.explained_by is None), None)
    gone = () if lifting is None else found.vanished(lifting)
    root = None if lifting is None else _root(found, lifting, gone, provisional)
    vanished = tuple(each for each in gone if root is None or each.key != root.key)
    speaks = root is not None and lifting is not None and speaks_of(found, root, lifting)
    seconds = _seconds(found, lifting, root, vanished) if lifting is not None and root is not None and speaks else ()
    revised = _revised(found, verdict or _own(found), root, [each for each in vanished if each not in seconds])
    return Conclusion(provisional, lifting, cure, root, vanished, speaks, seconds, revised)


def _seconds(found: Intervention, lifting: Tried, root: Finding, vanished: Sequence[Finding]) -> tuple[Finding, ...]:
    """Give what else is a cause: it prescribes something for a key of a change of several, and no finding before it."""
    causes: list[Finding] = []
    rest = {key for key in lifting.keys if not _speaks_of_key(found, root, lifting, key)}
    for each in vanished:
        spoken_of = {key for key in rest if _speaks_of_key(found, each, lifting, key)}
        causes += [each] if spoken_of else []
        rest -= spoken_of
    return tuple(causes)


def prescribed_keys(finding: Finding) -> set[str]:
    """Give the keys that a finding prescribes something for."""
    return {key for prescription in finding.prescriptions for key in prescription.set or ()}


def _root(found: Intervention, lifting: Tried, gone: Sequence[Finding], provisional: Finding | None) -> Finding | None:
    """Name the root among what vanishes with a change: what is wrong with the thing that was changed.

    First what is a cause by its nature, of the program, the data or the initial weights, and prescribes that very
    change, though it may have been but a remark. Then the provisional root if it prescribes another value of that key,
    whatever prescribes it. A symptom that always has a cause is the root only where nothing else vanishes, or where
    it prescribes that very change, and nothing else speaks of its key. Else the provisional root is.
    """
    causes = [each for each in gone if each.id not in CONSEQUENCES]
    native = [each for each in (*causes, *_remarks_gone(found, lifting)) if each.id in BY_NATURE]
    native = sorted(
        (each for each in native if _prescribes(found, each, lifting)), key=lambda each: KINDS.index(each.id)
    )
    prescribing = [each for each in causes if _prescribes(found, each, lifting)]
    touching = [each for each in causes if speaks_of(found, each, lifting)]
    likely = [each for each in (*prescribing, *touching) if each is provisional]
    symptoms = [each for each in gone if _prescribes(found, each, lifting)]
    vanished = [each for each in gone if each is provisional]
    at_home = [each for each in native if each is provisional]
    return next(iter((*at_home, *native, *likely, *prescribing, *touching, *symptoms, *vanished, *causes, *gone)), None)


def _remarks_gone(found: Intervention, lifting: Tried) -> list[Finding]:
    """Give what is only a remark in the sick run, or has cleared, and is not seen in most seeds of an arm."""
    verdicts = [trial.verdict for trial in lifting.trials.values() if trial.verdict is not None]
    seen = Counter(key for each in verdicts for key in {subject(one.id, one.layer) for one in each.findings})
    remarks = [each for each in _own(found).findings if each.severity is Severity.INFO]
    return [each for each in remarks if 2 * seen[subject(each.id, each.layer)] < len(verdicts)]


def _prescribes(found: Intervention, finding: Finding, lifting: Tried) -> bool:
    return any(arm_of(found, prescription) is lifting for prescription in finding.prescriptions)


def speaks_of(found: Intervention, finding: Finding, lifting: Tried) -> bool:
    """Tell whether a finding prescribes a change of the same key, though not to the same value."""
    return any(_speaks_of_key(found, finding, lifting, key) for key in lifting.keys)


def _speaks_of_key(found: Intervention, finding: Finding, lifting: Tried, key: str) -> bool:
    """Tell the same of one key; what wants a lower learning rate does not speak of a higher one."""
    cures = [cure for prescription in finding.prescriptions for cure in (prescription.set or {}).items()]
    wanted = [(other, value) for other, value in cures if touches(key, other)]
    if key != RATE:
        return bool(wanted)
    own, new = found.sick.arm.config.training.optimizer.learning_rate, lifting.arm.changes[RATE]
    return any(other != RATE or (value > own) == (new > own) for other, value in wanted)


def _own(found: Intervention) -> Verdict:
    return Verdict(()) if found.sick.checked is None else found.sick.checked.verdict


def _revised(found: Intervention, verdict: Verdict, root: Finding | None, explained: Sequence[Finding]) -> Verdict:
    """Give a verdict anew: the confirmed root first, behind it what it explains, cures with their outcomes."""
    confirmed = len(found.seeds) >= ENOUGH_SEEDS
    findings = [
        replace(each, prescriptions=tuple(_tried(found, prescription) for prescription in each.prescriptions))
        for each in verdict.findings
    ]
    if root is not None and confirmed and root.key in {each.key for each in findings}:
        gone = {each.key for each in explained}
        worst = max((each.severity for each in explained), default=root.severity)
        findings = [
            replace(each, severity=max(each.severity, worst), cleared=False) if each.key == root.key else each
            for each in findings
        ]
        findings = [replace(each, explained_by=_cause(each, root, gone)) for each in findings]
        findings.sort(key=lambda each: (each.cleared, each.key != root.key, each.explained_by is not None))
    return replace(verdict, findings=tuple(findings))


def _cause(finding: Finding, root: Finding, gone: set[str]) -> str | None:
    """Give what explains a finding once the root is known; one that outlives it stands for itself."""
    if finding.key == root.key:
        return None
    if finding.key in gone:
        return root.key
    return None if finding.explained_by in {root.key, *gone} else finding.explained_by


def _tried(found: Intervention, prescription: Prescription) -> Prescription:
    """Give a prescription with what became of it; too few seeds, or scores alone that are good, leave it untested."""
    tried = arm_of(found, prescription)
    if tried is None or tried.effect is None or tried.effect.seeds < ENOUGH_SEEDS:
        return prescription
    if found.may_lift(tried) and not found.is_watched(tried):
        return prescription
    outcome: Outcome = "confirmed" if found.lifts(tried) else "refuted"
    return replace(prescription, outcome=outcome)


def arm_of(found: Intervention, prescription: Prescription) -> Tried | None:
    """Find the arm that a prescription is; None where it could not be tried."""
    config = found.sick.arm.config
    other = changed(config, prescription.set) if prescription.set else None
    if other is None:
        return None
    wanted = training_hash(other)
    return next((each for each in found.tried if training_hash(each.arm.config) == wanted), None)
