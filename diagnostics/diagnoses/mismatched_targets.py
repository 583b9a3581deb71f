"""What can be wrong with a loss and its targets: a function each, from notes to a mismatch."""

from types import MappingProxyType

from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_YES_OR_NO
from gradvitals.diagnostics.diagnoses.base import config_value
from gradvitals.diagnostics.diagnoses.meeting import Meeting, Mismatch, always
from gradvitals.diagnostics.findings import Prescription, Severity
from gradvitals.diagnostics.start_notes import AcrossSamples, ExchangedTargets, TargetFacts

MOST_CLASSES = 50
"""Different whole numbers that may be classes; more are quantities."""


def across_samples(meeting: Meeting) -> Mismatch | None:
    """Outputs (batch, 1) against targets (batch,): every output meets the targets of all samples."""
    if not (meeting.fit.across_samples or meeting.record.notes(AcrossSamples)):
        return None
    return always(
        Severity.ERROR,
        "outputs of shape (batch, 1) meet targets of shape (batch,), which broadcasts to (batch, batch)",
        "every output is compared with the targets of all samples, so the best it can do is their mean",
        Prescription("give outputs and targets the same shape, (batch, 1)"),
    )


def exchanged_targets(meeting: Meeting) -> Mismatch | None:
    """A loss of no name that does not care which target is whose."""
    for seen in meeting.record.notes(ExchangedTargets):
        return Mismatch(
            Severity.WARNING,
            Severity.ERROR,
            f"of {seen.samples} samples the loss is the same however their targets are exchanged among them",
            "no output can learn which target is its own, as where (batch,) meets (batch, 1) and both are broadcast",
            Prescription("give outputs and targets the same shape before they are subtracted or compared"),
        )
    return None


def different_widths(meeting: Meeting) -> Mismatch | None:
    """One output for several targets, which it cannot all meet; or several outputs that all learn the same one."""
    fit, targets = meeting.fit, meeting.targets
    if fit.takes != "values" or targets is None or targets.columns == fit.outputs:
        return None
    severity = Severity.ERROR if targets.columns > 1 else Severity.WARNING
    return Mismatch(
        severity,
        Severity.ERROR,
        f"{_count(fit.outputs, 'output')} and {_count(targets.columns, 'target')} per sample, compared by broadcasting",
        "outputs and targets do not pair up: what is compared with what is an accident of their shapes",
        meeting.cure("give the network one output for each target", {"model.output_units": targets.columns}),
        value=float(fit.outputs),
        threshold=float(targets.columns),
    )


def labels_beyond(meeting: Meeting) -> Mismatch | None:
    """Labels for which there is no output."""
    targets = meeting.targets
    if targets is None or not targets.beyond or not meeting.has_classes:
        return None
    return always(
        Severity.ERROR,
        f"{_count(meeting.fit.outputs, 'output')} for {targets.columns} classes: {100 * targets.beyond:.3g} % of the"
        " training examples have a label beyond the outputs",
        "there is no output for some labels, so the loss of these examples is undefined",
        meeting.cure("give the network one output for each class", {"model.output_units": targets.columns}),
    )


def cut_labels(meeting: Meeting) -> Mismatch | None:
    """Class labels that are no whole numbers, of which only what is before the point counts."""
    fit, targets = meeting.fit, meeting.targets
    if not fit.cut_labels or targets is None:
        return None
    left = fit.outputs - targets.unused
    return always(
        Severity.ERROR,
        f"{100 * fit.cut_labels:.3g} % of the class labels are no whole numbers; cut to such, they name {left} of the"
        f" {fit.outputs} classes that there are outputs for",
        "a label is the number of its class: what is behind its point is cut off, and with it what it says",
        Prescription(f"give labels as whole numbers from 0 to {fit.outputs - 1}: scale inputs, and not labels"),
    )


OF_ONE = MappingProxyType(
    {
        "softmax": ("a softmax", "its output is always 1"),
        "log_softmax": ("the logarithm of a softmax", "its output is always 0"),
    }
)
"""What stands over a single output, and what comes of it."""


def one_class(meeting: Meeting) -> Mismatch | None:
    """A softmax, or a loss of one class out of several, over a single output: nothing to choose from."""
    fit, targets, loss = meeting.fit, meeting.targets, meeting.loss
    of_one = loss in OF_ONE_CLASS and fit.outputs == 1
    if not (of_one or meeting.is_softmax_of_one) or (targets is not None and targets.beyond):
        return None
    if not of_one and fit.takes == "values" and targets is not None and targets.are_labels:
        cure = meeting.cure_by_loss("binary_cross_entropy")
    elif not of_one:
        right = "sigmoid" if loss in OF_YES_OR_NO and fit.takes == "probabilities" else "linear"
        cure = meeting.cure(f"end in a {right} layer", {"model.output": right})
    else:
        cure = meeting.cure_by_loss("binary_cross_entropy" if targets is None or targets.are_labels else "mse")
    what, gives = OF_ONE.get(fit.activation, (f"{loss}", "it is the same whatever the output"))
    return always(
        Severity.ERROR,
        f"{what} over a single output",
        f"{what} over a single output has nothing to choose from: {gives}, and its gradient always 0",
        cure,
    )


def impossible_targets(meeting: Meeting) -> Mismatch | None:
    """Targets that the loss is not defined for."""
    targets, loss = meeting.targets, meeting.loss
    if targets is None or not (meeting.has_classes or loss in OF_YES_OR_NO):
        return None
    if targets.lowest < 0.0 or targets.highest > 1.0:
        return always(
            Severity.ERROR,
            f"targets from {targets.lowest:.4g} to {targets.highest:.4g}",
            f"{loss} is defined for {'labels 0 and 1' if loss in OF_YES_OR_NO else 'shares of classes'}, and what it"
            " gives for other targets is no measure of error",
            _cure_targets(meeting, targets),
        )
    if meeting.has_classes and meeting.fit.outputs > 1 and targets.unshared:
        return Mismatch(
            Severity.WARNING,
            Severity.ERROR,
            f"{100 * targets.unshared:.3g} % of the training examples have several labels, or none",
            f"{loss} is of one class out of several: an example without labels teaches nothing, and several compete",
            meeting.cure_by_loss("binary_cross_entropy"),
            value=targets.unshared,
        )
    return None


def class_numbers(meeting: Meeting) -> Mismatch | None:
    """Numbers of classes taken for quantities: class 2 is not twice class 1."""
    fit, targets = meeting.fit, meeting.targets
    if fit.takes != "values" or targets is None or not fit.is_classification:
        return None
    if targets.columns > 1 or targets.levels <= 2:
        return None
    numbers = f"classes as numbers from {targets.lowest:g} to {targets.highest:g}"
    return always(Severity.INFO, f"{numbers}, under {meeting.loss}", "", _cure_by_classes(meeting, targets))


def unused_outputs(meeting: Meeting) -> Mismatch | None:
    """Outputs that no label stands for."""
    targets, outputs = meeting.targets, meeting.fit.outputs
    if targets is None or not targets.unused or not (meeting.has_classes or targets.are_labels) or outputs == 1:
        return None
    used = outputs - targets.unused
    why = f"give the network {used} outputs, one for each label"
    spelt_out = config_value(meeting.record, "model.output_units") is not None
    return always(
        Severity.INFO,
        f"{outputs} outputs, of which {targets.unused} stand for no label of the training set",
        "",
        meeting.cure(why, {"model.output_units": used}) if spelt_out else Prescription(why),
    )


def _cure_targets(meeting: Meeting, targets: TargetFacts) -> Prescription:
    if targets.levels == 2 and (targets.lowest, targets.highest) == (-1.0, 1.0):
        return Prescription("write the labels −1 and 1 as 0 and 1")
    if targets.columns == 1 and targets.whole and targets.lowest >= 0.0 and targets.levels <= MOST_CLASSES:
        return _cure_by_classes(meeting, targets)
    return meeting.cure_by_loss("mse")


def _cure_by_classes(meeting: Meeting, targets: TargetFacts) -> Prescription:
    cure, classes = meeting.cure_by_loss("cross_entropy"), int(targets.highest) + 1
    settings = None if cure.set is None else {**cure.set, "model.output_units": classes}
    return Prescription(f"take the numbers for classes: cross_entropy on {classes} linear outputs", settings)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
