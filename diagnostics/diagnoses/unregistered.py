"""What a model computes with and no optimizer gets: kept in a list, made in every pass, or left out."""

from gradvitals.diagnostics.diagnoses.base import Diagnosis, finding_of
from gradvitals.diagnostics.diagnoses.unreached import name_some
from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.diagnostics.gradient_notes import NewbornParameters, StrayParameters, UnheldParameters
from gradvitals.diagnostics.persistence import Standing


def of_strays(diagnosis: Diagnosis, note: StrayParameters, *, ruined: bool) -> Finding:
    """Say what the model computes with and does not count among its parameters."""
    severity = Severity.ERROR if ruined else Severity.WARNING
    shown = name_some(note.names)
    return finding_of(
        diagnosis,
        Standing(severity, 0, note.step, cleared=False, value=float(len(note.names))),
        threshold=1.0,
        evidence=(
            f"{shown}: used by the model, not among its parameters(), and after {note.step} updates the same to the"
            " bit, although they have gradients"
        ),
        explanation=(
            "What is kept in a plain list or dictionary, or is a tensor and no nn.Parameter, is not found by"
            " parameters(), .to(), train() and state_dict(). No optimizer got it, so it keeps the values that it"
            " started with."
        ),
        defect="parts of the model are not registered, and cannot learn",
        prescriptions=(
            Prescription("keep layers in nn.ModuleList, nn.ModuleDict or nn.Sequential, tensors in nn.Parameter"),
        ),
    )


def of_newborn(diagnosis: Diagnosis, note: NewbornParameters, *, ruined: bool, lags: bool) -> Finding:
    """Say that the forward makes parameters."""
    severity = Severity.ERROR if ruined else Severity.WARNING if lags else Severity.INFO
    shown = name_some([" × ".join(map(str, shape)) for shape in note.shapes])
    return finding_of(
        diagnosis,
        Standing(severity, 0, note.step, cleared=False, value=float(len(note.shapes))),
        threshold=1.0,
        evidence=(
            f"each of {note.passes} forward passes, one after the other, computed with parameters of its own that"
            f" the pass before did not have: {shown}"
        ),
        explanation=(
            "Layers that are built in forward() are drawn anew for every batch, no optimizer has them, and what they"
            " compute is another thing each time: the layers behind them have nothing to learn from."
        ),
        defect="the forward pass makes parameters, and throws them away",
        prescriptions=(Prescription("build the layers in __init__(), and call them in forward()"),),
    )


def of_unheld(diagnosis: Diagnosis, note: UnheldParameters, *, ruined: bool, lags: bool) -> Finding:
    """Say what the model counts among its parameters and no optimizer holds."""
    severity = Severity.ERROR if ruined else Severity.WARNING if lags else Severity.INFO
    return finding_of(
        diagnosis,
        Standing(severity, 0, note.step, cleared=False, value=float(len(note.names))),
        threshold=1.0,
        evidence=(
            f"{name_some(note.names)}: among the model's parameters, held by no optimizer, and after {note.step}"
            " updates the same to the bit, although they have gradients"
        ),
        explanation=(
            "They keep the values that they started with. The optimizer was made of a part of the model, or before"
            " these parameters took the place of others."
        ),
        defect="no optimizer holds a part of the model",
        prescriptions=(
            Prescription(
                "make the optimizer of all of the model's parameters, once the model is complete: the last thing before"
                " the loop"
            ),
        ),
    )
