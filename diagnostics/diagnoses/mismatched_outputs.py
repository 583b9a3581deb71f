"""What can be wrong with a loss and its outputs: a function each, from notes to a mismatch."""

from dataclasses import replace

from gradvitals.diagnostics.behind import find_lag, is_done
from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_YES_OR_NO
from gradvitals.diagnostics.diagnoses.base import optimizer_kind
from gradvitals.diagnostics.diagnoses.meeting import AS_SOFTMAX_OR_SIGMOID, Meeting, Mismatch, always
from gradvitals.diagnostics.diagnoses.update_sizes import SCALE_FREE
from gradvitals.diagnostics.findings import Prescription, Severity
from gradvitals.diagnostics.gate import Arm
from gradvitals.diagnostics.least_loss import ANYWHERE, BOUNDS
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.start_notes import MixedRows

BESIDE = 1e-3
"""Distance from [0, 1], and of a sum from 1, from which on numbers are no probabilities."""

LOOSE = 1e-2
"""Distance from 1 of a sum of exponentials from which on their logarithms are no log-probabilities."""

ROUNDING = 1e-6
"""Share of H that may be no more than the last digits of targets at the edge of the bounds."""


def mixed_rows(meeting: Meeting) -> Mismatch | None:
    """Outputs of a sample that depend on the other samples of its batch: an axis was taken for another."""
    for seen in meeting.record.notes(MixedRows):
        return Mismatch(
            Severity.WARNING,
            Severity.ERROR,
            f"of {seen.samples} samples in a batch every other one was replaced, and an output of those that stayed"
            f" changed by {seen.change:.3g} (from sample to sample outputs differ by up to {seen.spread:.3g})",
            "the output of a sample depends on the other samples of its batch, and the loss holds it against this"
            " sample's target alone",
            Prescription(
                "keep the first axis for the samples: batch_first=True in recurrent and attention layers, dim=1 or −1"
                " in softmax, mean and sum, permute and not view to exchange axes"
            ),
            value=seen.change,
        )
    return None


def twice(meeting: Meeting) -> Mismatch | None:
    """A softmax or a sigmoid, and a loss that applies its own."""
    fit = meeting.fit
    if fit.takes != "logits" or fit.activation not in AS_SOFTMAX_OR_SIGMOID or meeting.is_softmax_of_one:
        return None
    inner = "softmax" if meeting.loss == "cross_entropy" else "sigmoid"
    return replace(
        always(
            Severity.ERROR,
            f"outputs of a {fit.activation}, between 0 and 1, taken for logits{meeting.floor}",
            f"{meeting.loss} takes logits and applies its own {inner}, on top of the {fit.activation} of the output"
            " layer: it can never be sure of anything",
            meeting.cure("end in a linear layer: the loss applies the rest", {"model.output": "linear"}),
        ),
        value=meeting.forced_ratio,
    )


def no_probabilities(meeting: Meeting) -> Mismatch | None:
    """Outputs taken for probabilities that are none."""
    if meeting.fit.takes != "probabilities":
        return None
    for seen in meeting.outputs:
        if seen.lowest is None or seen.highest is None:
            continue
        negative, large = seen.lowest < -BESIDE, seen.highest > 1.0 + BESIDE
        if not (negative or large):
            continue
        by_itself = Severity.ERROR if negative or meeting.loss in OF_YES_OR_NO else Severity.WARNING
        return Mismatch(
            by_itself,
            Severity.ERROR,
            f"outputs from {seen.lowest:.4g} to {seen.highest:.4g} taken for probabilities",
            f"{meeting.loss} takes probabilities and the outputs are none; those outside [0, 1] are clipped",
            meeting.cure(
                "let the loss take logits, from a linear layer",
                {"training.from_logits": True}
                if meeting.fit.activation == "linear"
                else {"training.from_logits": True, "model.output": "linear"},
            ),
            step=seen.step,
        )
    return None


def each_for_itself(meeting: Meeting) -> Mismatch | None:
    """Sigmoids taken for the shares of several classes, of which one excludes the others."""
    fit = meeting.fit
    if fit.takes != "probabilities" or fit.activation != "sigmoid" or meeting.loss not in OF_ONE_CLASS:
        return None
    if fit.outputs == 1 or meeting.has_several_labels:
        return None
    return Mismatch(
        Severity.INFO,
        Severity.WARNING,
        f"outputs of a sigmoid, each by itself, taken for the probabilities of {fit.outputs} classes",
        f"{meeting.loss} is of one class out of several, and sigmoids need not sum to 1",
        meeting.cure("end in a softmax, whose outputs do", {"model.output": "softmax"}),
    )


def no_log_probabilities(meeting: Meeting) -> Mismatch | None:
    """Outputs taken for logarithms of probabilities that are none."""
    if meeting.fit.takes != "log_probabilities":
        return None
    for seen in meeting.outputs:
        if seen.lowest is None or seen.highest is None or seen.sum_error is None:
            continue
        if seen.highest <= BESIDE and seen.sum_error <= LOOSE:
            continue
        are_probabilities = meeting.fit.activation in AS_SOFTMAX_OR_SIGMOID
        return always(
            Severity.ERROR,
            f"outputs from {seen.lowest:.4g} to {seen.highest:.4g} taken for logarithms of probabilities",
            f"{meeting.loss} takes log-probabilities, and the outputs are "
            + ("probabilities: it is −p, not −log p" if are_probabilities else "none: it falls for ever as they grow"),
            meeting.cure("use cross_entropy, which takes the logarithm itself", {"training.loss": "cross_entropy"})
            if meeting.fit.activation in {"softmax", "linear"}
            else meeting.cure_by_loss("cross_entropy"),
            step=seen.step,
        )
    return None


def out_of_reach(meeting: Meeting) -> Mismatch | None:
    """Targets that no output of this activation can meet, or margins, or certainty."""
    fit, targets, ratio = meeting.fit, meeting.targets, meeting.forced_ratio
    if targets is None or not ratio > ROUNDING or twice(meeting) is not None or meeting.is_softmax_of_one:
        return None
    bounds = BOUNDS.get(fit.activation, ANYWHERE)
    where = f"{bounds.low:g} or more" if bounds.high == ANYWHERE.high else f"from {bounds.low:g} to {bounds.high:g}"
    outputs = f"outputs of {fit.activation}, {where}"
    if fit.takes == "values":
        evidence = f"targets from {targets.lowest:.4g} to {targets.highest:.4g}, {outputs}{meeting.floor}"
        defect = f"some targets are where no {fit.activation} can go"
    elif fit.takes == "scores":
        evidence = f"{outputs}, where label 0 wants −1 or less{meeting.floor}"
        defect = f"{meeting.loss} wants scores of either sign"
    elif fit.takes == "probabilities":
        evidence = f"{outputs} and 1 in sum{meeting.floor}"
        defect = "the probabilities of labels that may come together, or not at all, are made to sum to 1"
    else:
        evidence = f"{outputs}, taken for logits{meeting.floor}"
        defect = "the logits are kept within bounds, so the probabilities are kept from 0 and 1"
    cure = meeting.cure("end in a linear layer, which can go anywhere", {"model.output": "linear"})
    if fit.activation == "softmax" and meeting.has_several_labels:
        evidence += "; an example may have several labels, and a softmax chooses one"
        cure = meeting.cure_by_loss("binary_cross_entropy")
    by_itself, impaired = Severity.INFO, Severity.INFO
    if ratio >= meeting.warn:
        by_itself, impaired = Severity.WARNING, Severity.ERROR
    cannot_be_right = fit.takes == "values" or fit.activation in AS_SOFTMAX_OR_SIGMOID
    if ratio >= meeting.error and cannot_be_right:  # else only certainty, or a margin, is out of reach
        by_itself = Severity.ERROR
    return Mismatch(by_itself, impaired, evidence, defect, cure, value=ratio, threshold=meeting.warn)


def squared_probabilities(meeting: Meeting) -> Mismatch | None:
    """A residual of probabilities: it works, and slows down where it is most wrong."""
    fit, targets = meeting.fit, meeting.targets
    right = AS_SOFTMAX_OR_SIGMOID.get(fit.activation)
    if fit.takes != "values" or targets is None or not targets.are_labels or right is None or meeting.is_softmax_of_one:
        return None
    cure = meeting.cure(f"use {right}, in which that factor cancels", {"training.loss": right})
    if fit.activation == "softmax" and meeting.has_several_labels:
        cure = meeting.cure_by_loss("binary_cross_entropy")
    return Mismatch(
        Severity.INFO,
        Severity.ERROR,
        f"{meeting.loss} of a {fit.activation}, on labels 0 and 1",
        f"the slope of the {fit.activation} is a factor of the gradient, nearly 0 where an output is surely wrong",
        cure,
        arms=frozenset({Arm.NOT_LEARNING, Arm.NO_GRADIENT}),
    )


def sum_for_mean(meeting: Meeting) -> Mismatch | None:
    """A batch's losses summed: gradients, and the best learning rate, that depend on the batch."""
    if meeting.fit.reduction != "sum":
        return None
    size = "" if meeting.record.context is None else f" of {meeting.record.context.batch_size} examples"
    free = optimizer_kind(meeting.record) in SCALE_FREE
    return Mismatch(
        Severity.INFO,
        Severity.INFO if free else Severity.ERROR,
        f"the losses of a batch{size} are summed, and so are their gradients",
        "the length of a step grows with the size of the batch",
        meeting.cure("take the mean", {"training.reduction": "mean"}),
    )


def cut_off(meeting: Meeting) -> Mismatch | None:
    """Logits or scores of classes that an activation cuts off on one side: a class that is silent stays so."""
    fit, record = meeting.fit, meeting.record
    if meeting.loss not in OF_ONE_CLASS or fit.takes == "probabilities" or fit.activation not in {"relu", "gelu"}:
        return None
    scans, context = record.notes(Scan), record.context
    silent = len(scans[-1].dead.get(context.layers[-1].name, ())) if scans and context is not None else 0
    classes = silent - (meeting.targets.unused if meeting.targets is not None else 0)
    evidence = f"a {fit.activation} behind the {fit.takes} of the classes"
    cure = meeting.cure("end in a linear layer", {"model.output": "linear"})
    if classes <= 0:
        seen, probes = f"{evidence}: a class below 0 gets hardly any gradient", record.notes(Probe)
        if not probes or not is_done(record) or find_lag(probes[-1], record) is None:
            return always(Severity.INFO, seen, "", cure)
        defect = "where the output of a class is cut off, nothing pushes it up again"
        return always(Severity.WARNING, f"{seen}; simple models do better", defect, cure)
    return Mismatch(
        Severity.WARNING,
        Severity.ERROR,
        f"{evidence}: that of {classes} of {fit.outputs} is 0 on every training example",
        "a class whose output is never above 0 gets no gradient, and cannot be learned",
        cure,
        value=classes / fit.outputs,
    )
