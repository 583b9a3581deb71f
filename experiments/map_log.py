"""The map of a sweep in TensorBoard's Images tab: a run of its own, beside those of the sweep."""

import struct
from pathlib import Path

from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.summaries import image_png
from gradvitals.experiments.sweep_map import SweepMap

TAG = "sweep_map"
SIZE = struct.Struct(">II")
SIZE_AT = 16
"""Where a PNG file says how wide and high it is."""


def log_map(drawn: SweepMap, png: bytes, folder: Path, *, finished: int) -> None:
    """Write the map's picture; that of an interrupted sweep and those of its continuations follow one another.

    Args:
        drawn: The map.
        png: Its picture, the content of a file.
        folder: Of the run that shows it.
        finished: Runs on it, which are its step.
    """
    down = f", `{drawn.row_axis}` down" if drawn.row_axis else ""
    about = (
        f"Root diagnosis and {drawn.score_name} on validation, `{drawn.column_axis}` across{down}; the step is the"
        " number of runs."
    )
    width, height = SIZE.unpack_from(png, SIZE_AT)
    with EventFile(folder, resume_step=finished) as file:
        file.summary(finished, image_png(TAG, png, width, height, about))
