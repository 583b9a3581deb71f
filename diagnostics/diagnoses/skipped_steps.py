"""Steps that a loss scaler skipped, as their gradients were not finite: a part of diagnosis 1.

A scaler multiplies the loss, so that small gradients do not vanish in half precision. Where a gradient overflows, it
skips the step and halves its scale: now and then, that is how it works. It is no longer where it happens all the time,
or at a scale of at most 1: there a gradient that is not finite would not be finite without it either.
"""

from collections.abc import Sequence

from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.diagnostics.notes import SkippedSteps
from gradvitals.diagnostics.persistence import Check, settle

EXPLANATIONS = {
    Severity.INFO: (
        "A step whose gradient overflows is skipped, and the scale halved. Now and then that is how a loss scaler finds"
        " the largest scale there is room for."
    ),
    Severity.WARNING: (
        "A scaler that has found its scale skips one step in thousands. Here gradients are not finite again and again,"
        " and every time the step is lost and the scale halved."
    ),
    Severity.ERROR: (
        "A step that is skipped changes no parameter: the training stands still. The data, the forward pass or the loss"
        " hold numbers that are not finite, or half precision is too narrow for the gradient as it is."
    ),
}

CURES = (
    Prescription("look at the data, the outputs and the loss of a step that is skipped for NaN and infinities"),
    Prescription("train in float32, or in bfloat16 without a scaler: its range is that of float32"),
    Prescription("lower the learning rate 10-fold"),
)


def judge_skips(notes: Sequence[SkippedSteps], *, window: int, share: float, stuck: int) -> Finding | None:
    """Judge every note by its share of skipped steps, and by those skipped last.

    Args:
        notes: In order.
        window: Steps that a share is taken of; a note of fewer, as at the end, clears nothing.
        share: That may be skipped, growths undone left out.
        stuck: Steps in a row that may be skipped at a scale of at most 1.
    """
    whole = any(note.asked >= window for note in notes)
    judged = [
        (note, severity)
        for note in notes
        for severity in [_severity(note, most=share * window, stuck=stuck)]
        if note.asked >= window or not whole or severity in {Severity.WARNING, Severity.ERROR}
    ]
    checks = [Check(note.step, severity, note.falling / max(note.asked, 1)) for note, severity in judged]
    standing = settle(checks, 1)
    if standing is None:
        return None
    note = next(note for note, severity in reversed(judged) if severity is not None)
    is_stuck = standing.severity is Severity.ERROR
    return Finding(
        id="non_finite",
        tier="fact",
        severity=standing.severity,
        layer=None,
        first_step=standing.first_step,
        last_step=standing.last_step,
        cleared=standing.cleared,
        value=float(note.unscaled) if is_stuck else standing.value,
        threshold=float(stuck) if is_stuck else share,
        evidence=_evidence(note, is_stuck=is_stuck),
        explanation=EXPLANATIONS[standing.severity],
        prescriptions=() if standing.severity is Severity.INFO else CURES,
    )


def _evidence(note: SkippedSteps, *, is_stuck: bool) -> str:
    if is_stuck:
        return (
            f"the loss scaler has skipped the last {note.unscaled} steps at a scale of 1 or less, down to"
            f" {note.scale:.3g}: their gradients are not finite, and it is not the scale"
        )
    skipped = f"{note.skipped} of {note.asked} steps" if note.asked else "every step"
    return f"the loss scaler skipped {skipped}, the last one at a scale of {note.scale:.3g}"


def _severity(note: SkippedSteps, *, most: float, stuck: int) -> Severity | None:
    if note.unscaled >= stuck:
        return Severity.ERROR
    if note.falling > most:
        return Severity.WARNING
    return Severity.INFO if note.skipped or note.unscaled else None
