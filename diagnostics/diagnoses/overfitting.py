"""Diagnosis 14: the validation loss rises while the training loss still falls."""

from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import config_value, finding_of, judged, not_judged, set_key
from gradvitals.diagnostics.diagnoses.memorising import NO_VALIDATION
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.persistence import Check, Standing, settle
from gradvitals.diagnostics.scoring import SMALL_SAMPLE
from gradvitals.diagnostics.validation_course import ValidationCourse


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Symptom: the loss on the validation set has passed its lowest point and rises, while that on training data falls.

    Cause: what is still learned is true of the training examples alone: their noise, or which of them there are.
    Cure: stop at the lowest point; L2, dropout; more data, or a smaller network.
    Info: above its lowest by 15 % and by 4 standard errors, sample by sample.
    Warning: and by .05 H, while the training loss has fallen by 10 % since.
    Error: never, but by a limit of the user's.
    Clear: any of it no longer holds, as where a second descent follows.
    Needs: a validation set of 30 samples, a loss whose best constant is known, and three probes after its lowest point.
    Source: Prechelt 1998, "Early stopping, but when?". Of 1e5 simulated trainings that learn nothing any more, with 3
    standard errors 30 were called overfitted, as the lowest of five probes is picked: hence 4.

    Attributes:
        share: Rise above the lowest validation loss, in units of it, from which it is said.
        errors: The same in standard errors of the paired difference.
        warn: The same in units of H, from which it warns.
        learning: By how much the training loss must have fallen since, as a share of what it was.
        persistence: Probes in a row that must agree.
    """

    id: ClassVar[str] = "overfitting"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    share: float = 0.15
    errors: float = 4.0
    warn: float = 0.05
    learning: float = 0.1
    persistence: int = 3

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - a rise needs no impairment
        """Judge the validation loss against its lowest."""
        probes = {probe.step: probe for probe in record.notes(Probe)}
        notes = [note for note in record.notes(ValidationCourse) if note.step in probes]
        if not notes:
            return not_judged(self, NO_VALIDATION if probes else NOT_RECORDED)
        if len(notes) < self.persistence and record.last_step > 0:
            return not_judged(self, f"{len(notes)} of {self.persistence} checks")
        checks = [
            Check(note.step, self._severity(note, probes[note.lowest_step], probes[note.step]), note.rise)
            for note in notes
        ]
        standing = settle(checks, self.persistence)
        if standing is not None and notes[-1].samples < SMALL_SAMPLE:
            return not_judged(self, f"{notes[-1].samples} of {SMALL_SAMPLE} validation samples")
        return judged(self, [None if standing is None else self._finding(record, notes, standing)])

    def _severity(self, note: ValidationCourse, best: Probe, now: Probe) -> Severity | None:
        """Say what one look says by itself."""
        lowest = note.loss_ratio - note.rise
        if not (note.rise > self.share * lowest and note.rise > self.errors * note.rise_se):
            return None
        before, after = best.loss_ratio, now.loss_ratio
        still_learns = before is not None and after is not None and after < (1.0 - self.learning) * before
        return Severity.WARNING if still_learns and note.rise > self.warn else Severity.INFO

    def _finding(self, record: Record, notes: list[ValidationCourse], standing: Standing) -> Finding:
        note = next(note for note in reversed(notes) if note.step == standing.last_step)
        score = f"; its score is {note.fall:.3g} below its best" if note.fall > self.errors * note.fall_se else ""
        return finding_of(
            self,
            standing,
            value=note.rise,
            threshold=self.warn,
            evidence=(
                f"on {note.samples} new samples the loss was lowest at step {note.lowest_step}, with"
                f" {note.loss_ratio - note.rise:.3g} of the best constant output's, and is {note.loss_ratio:.3g} now"
                f" (higher by {note.rise:.2g} ± {note.rise_se:.1g}){score}"
            ),
            explanation=(
                "What the network learned since then holds for its training examples and not for new ones."
                " The parameters of the lowest point would have been the better ones, and the time after it is lost."
            ),
            prescriptions=_cures(record),
        )


def _cures(record: Record) -> tuple[Prescription, ...]:
    l2 = config_value(record, "training.l2")
    stronger = 10.0 * l2 if isinstance(l2, float) and l2 > 0.0 else 0.01
    stop = "stop when the validation loss has not fallen for 5 epochs"
    return (
        set_key(record, stop, "training.early_stopping", {"patience": 5}),
        set_key(record, f"shrink the weights with an L2 penalty of {stronger:g}", "training.l2", stronger),
        set_key(record, "silence half of the hidden units in training", "model.dropout", 0.5),
        Prescription("train on more examples, or with a smaller network"),
    )
