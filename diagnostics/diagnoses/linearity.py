"""Networks without an activation between their layers, which can find no more than a linear fit does."""

from gradvitals.diagnostics.diagnoses.base import change_activation, set_key
from gradvitals.diagnostics.findings import Prescription
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Signal
from gradvitals.diagnostics.scoring import SURE
from gradvitals.diagnostics.straightness import Straightness


def is_linear(record: Record) -> bool:
    """Tell whether nothing before the output bends what it passes on; what that does moves no boundary of classes."""
    return any(note.straight for note in record.notes(Straightness)[-1:])


def is_out_of_reach(record: Record) -> bool:
    """Tell whether a linear network learned nothing from data that hold a signal, but surely none for a linear fit.

    As in XOR or circles: no rate and no time will make it learn.
    """
    return is_linear(record) and any(
        note.gain > SURE * note.gain_se
        and note.linear_gain is not None
        and note.linear_gain_se is not None
        and not note.linear_gain > SURE * note.linear_gain_se
        for note in record.notes(Signal)[-1:]
    )


def bend(record: Record) -> Prescription:
    """Prescribe for a linear network what makes it none."""
    hidden = () if record.context is None else record.context.layers[:-1]
    if not hidden:
        return set_key(record, "add a hidden layer: without one the network is linear", "model.hidden", [32])
    why = "give the hidden layers an activation, as relu: without one they compute no more than a linear layer"
    return change_activation(record, why, "relu")
