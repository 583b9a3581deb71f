"""What can be wrong with a loss by itself, where nobody knows its name: a function each, from notes to a mismatch."""

from gradvitals.diagnostics.diagnoses.meeting import Meeting, Mismatch, always
from gradvitals.diagnostics.findings import Prescription, Severity
from gradvitals.diagnostics.start_notes import OddLoss


def without_outputs(meeting: Meeting) -> Mismatch | None:
    """A loss that is the same whatever the outputs are."""
    if not any(note.ignores_outputs for note in meeting.record.notes(OddLoss)):
        return None
    return always(
        Severity.ERROR,
        "the loss is the same to the bit whatever the outputs are: the targets themselves were tried, and drawn ones of"
        " several sizes",
        "the loss does not depend on the outputs, so that there is nothing to learn from it, as where a cross-entropy"
        " of classes gets a single one",
        Prescription(
            "of two classes, use nn.BCEWithLogitsLoss, or give the network two outputs; else look where the loss loses"
            " the outputs"
        ),
    )


def of_wrong_answers(meeting: Meeting) -> Mismatch | None:
    """A loss that is less where outputs are wrong than where they are right."""
    if not any(note.prefers_wrong for note in meeting.record.notes(OddLoss)):
        return None
    return always(
        Severity.WARNING,  # to unlearn may be what is wanted
        "of right outputs the loss is larger than of wrong ones, at every draw",
        "what makes the loss smaller makes the answers worse: its sign, or that of a part of it, is the wrong one",
        Prescription("give the loss the other sign: of a likelihood or a similarity the negative is minimised"),
    )


def of_no_logarithms(meeting: Meeting) -> Mismatch | None:
    """A divergence that takes probabilities for their logarithms."""
    for note in meeting.record.notes(OddLoss):
        if note.not_logarithms is not None:
            lowest, highest = note.not_logarithms
            return always(
                Severity.ERROR,
                f"kl_div is given probabilities, from {lowest:.4g} to {highest:.4g}, as its first argument",
                "kl_div takes logarithms of the probabilities: of probabilities themselves it is linear in them, and"
                " least where the likeliest class has all",
                Prescription("give it log_softmax(outputs), not softmax(outputs), and the target's shares second"),
            )
    return None
