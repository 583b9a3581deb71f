"""What is said of parameters that an optimizer holds and no gradient reaches; `frozen_parameters` says it."""

from collections.abc import Sequence

from gradvitals.diagnostics.diagnoses.base import Diagnosis, finding_of
from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.diagnostics.gradient_notes import UnreachedParameters
from gradvitals.diagnostics.persistence import Standing

SHOWN = 4
"""Parameters that are named."""


def of_unreached(rule: Diagnosis, note: UnreachedParameters, *, harmed: bool) -> Finding:
    """Say what an optimizer holds and no gradient reaches.

    Args:
        rule: In whose name it is said.
        note: What was seen.
        harmed: Whether the network is the worse for something.
    """
    severity = Severity.WARNING if harmed or note.returned else Severity.INFO
    told = note.names if harmed or not note.returned else note.returned
    subject = "they have" if len(told) > 1 else "it have"
    returned = ", although the model returns what comes of it" if note.returned else ""
    return finding_of(
        rule,
        Standing(severity, 0, note.step, cleared=False, value=float(len(told))),
        threshold=1.0,
        evidence=(
            f"{name_some(told)}: held by the optimizer; at none of {note.looks} steps looked at did {subject} a"
            f" gradient, while others had one{returned}"
        ),
        explanation=(
            "The forward computes with these, and the loss does not depend on what comes of it, or is cut off from it:"
            " by detach(), .data, .item(), torch.tensor() or NumPy on the way, or because an output, or a term of the"
            " loss, is left out. They keep the values that they started with."
        ),
        defect="parts of the model get no gradient, and cannot learn" if severity is Severity.WARNING else "",
        prescriptions=(
            Prescription(
                "let the loss reach them by tensors alone, or set requires_grad to False and leave them out of the"
                " optimizer if they are meant to stay"
            ),
        ),
    )


def name_some(names: Sequence[str]) -> str:
    """List the first of some names."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
