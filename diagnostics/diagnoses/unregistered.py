"""What a model computes with and no optimizer gets: kept in a list, made in every pass, or left out."""

from gradvitals.diagnostics.diagnoses.base import Diagnosis, finding_of
from gradvitals.diagnostics.diagnoses.unreached import name_some
from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.diagnostics.gradient_notes import NewbornParameters, StrayParameters, UnheldParameters
from gradvitals.diagnostics.persistence import Standing


def of_strays(diagnosis: Diagnosis, note: StrayParameters, severity: Severity) -> Finding:
    """Say what the model computes with and does not count among its parameters."""
    shown = name_some(note.names)
    return _finding(
        diagnosis,
        severity,
        (note.step, len(note.names)),
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
        cure=("keep layers in nn.ModuleList, nn.ModuleDict or nn.Sequential, tensors in nn.Parameter"),
    )


def of_newborn(diagnosis: Diagnosis, note: NewbornParameters, severity: Severity) -> Finding:
    """Say that the forward makes parameters."""
    shown = name_some([" × ".join(map(str, shape)) for shape in note.shapes])
    return _finding(
        diagnosis,
        severity,
        (note.step, len(note.shapes)),
        evidence=(
            f"each of {note.passes} forward passes, one after the other, computed with parameters of its own that"
            f" the pass before did not have: {shown}"
        ),
        explanation=(
            "Layers that are built in forward() are drawn anew for every batch, no optimizer has them, and what they"
            " compute is another thing each time: the layers behind them have nothing to learn from."
        ),
        defect="the forward pass makes parameters, and throws them away",
        cure=("build the layers in __init__(), and call them in forward()"),
    )


def of_unheld(diagnosis: Diagnosis, note: UnheldParameters, severity: Severity) -> Finding:
    """Say what the model counts among its parameters and no optimizer holds."""
    return _finding(
        diagnosis,
        severity,
        (note.step, len(note.names)),
        evidence=(
            f"{name_some(note.names)}: among the model's parameters, held by no optimizer, and after {note.step}"
            " updates the same to the bit, although they have gradients"
        ),
        explanation=(
            "They keep the values that they started with. The optimizer was made of a part of the model, or before"
            " these parameters took the place of others."
        ),
        defect="no optimizer holds a part of the model",
        cure=(
            "make the optimizer of all of the model's parameters, once the model is complete: the last thing before"
            " the loop"
        ),
    )


def _finding(
    diagnosis: Diagnosis,
    severity: Severity,
    seen: tuple[int, int],
    *,
    evidence: str,
    explanation: str,
    defect: str,
    cure: str,
) -> Finding:
    """Give a finding of what was seen at the end: after so many updates, of so many parameters."""
    step, count = seen
    return finding_of(
        diagnosis,
        Standing(severity, 0, step, cleared=False, value=float(count)),
        threshold=1.0,
        evidence=evidence,
        explanation=explanation,
        defect=defect,
        prescriptions=(Prescription(cure),),
    )
