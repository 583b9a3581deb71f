"""What is measured once, before the first update: the data, and how signals go through the network as it was born."""

import numpy as np

from gradvitals.diagnostics.column_scales import measure_columns
from gradvitals.diagnostics.data_facts import measure_data
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.probing import SEED
from gradvitals.diagnostics.propagation import measure_propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, Observable


def measure_start(
    network: Observable, data: WatchedData, sample: tuple[Array, Array], *, step: int
) -> tuple[Note, ...]:
    """Measure data and network.

    Args:
        network: Is run frozen.
        data: Training and validation set; without a training row there is nothing to measure.
        sample: Inputs and targets of the probe.
        step: The step the notes carry.
    """
    if not data.inputs.size:
        return ()
    columns = None
    if not data.discrete:
        columns = data.known.get("columns", lambda: measure_columns(data.inputs.reshape(len(data.inputs), -1)))
    return (
        measure_data(network, data, columns, step=step),
        measure_propagation(network, *sample, columns, np.random.default_rng(SEED), step=step),
    )
