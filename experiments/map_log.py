"""The map of a sweep in TensorBoard's Images tab: a run of its own, beside those of the sweep."""

from io import BytesIO
from pathlib import Path

from gradvitals.diagnostics.tensorboard.event_file import EventFile
from gradvitals.diagnostics.tensorboard.summaries import image_png
from gradvitals.experiments.sweep_map import SweepMap

TAG = "sweep_map"
MOST_WIDE = 880
"""Pixels: what the tab has beside its list of runs, in a window of 1,280."""


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
    png, (width, height) = _fitting(png)
    with EventFile(folder, resume_step=finished) as file:
        file.summary(finished, image_png(TAG, png, width, height, about))


def _fitting(png: bytes) -> tuple[bytes, tuple[int, int]]:
    """Give a picture no wider than the tab, and its width and height."""
    from PIL import Image

    image = Image.open(BytesIO(png))
    if image.width <= MOST_WIDE:
        return png, image.size
    smaller = image.convert("RGB").resize(
        (MOST_WIDE, round(image.height * MOST_WIDE / image.width)), Image.Resampling.LANCZOS
    )
    buffer = BytesIO()
    smaller.save(buffer, "PNG")
    return buffer.getvalue(), smaller.size
