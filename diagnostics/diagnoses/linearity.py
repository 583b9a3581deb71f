"""Networks without an activation between their layers, which can find no more than a linear fit does."""

from gradvitals.diagnostics.diagnoses.base import change_activation, set_key
from gradvitals.diagnostics.findings import Prescription
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.scoring import SURE
from gradvitals.diagnostics.shortfall import Shortfall


def is_linear(record: Record) -> bool:
    """Tell whether no hidden layer bends what it passes on; what the output does moves no boundary between classes."""
    layers = () if record.context is None else record.context.layers
    return bool(layers) and all(info.activation == "linear" for info in layers[:-1])


def is_out_of_reach(record: Record) -> bool:
    """Tell whether a linear network ended surely behind simple models on samples in which no linear fit finds anything.

    As in XOR or circles: no rate and no time will make it learn.
    """
    if not is_linear(record):
        return False
    return any(
        note.linear_excess is not None
        and note.linear_excess_se is not None
        and not note.linear_excess > SURE * note.linear_excess_se
        and note.value > SURE * note.error
        for note in record.notes(Shortfall)[-1:]
    )


def bend(record: Record) -> Prescription:
    """Prescribe for a linear network what makes it none."""
    hidden = () if record.context is None else record.context.layers[:-1]
    if not hidden:
        return set_key(record, "add a hidden layer: without one the network is linear", "model.hidden", [32])
    why = "give the hidden layers an activation, as relu: without one they compute no more than a linear layer"
    return change_activation(record, why, "relu")
