"""Numbers that can be trained on: finite, and within what float32 holds after scaling."""

import numpy as np

from gradvitals.experiments.data.dataset import Floats, Labels
from gradvitals.experiments.errors import UserError

LARGEST = 1e30


def as_floats(array: Labels, where: str) -> Floats:
    """Return an array as float64.

    Args:
        array: What was read.
        where: The file and the array's name, for errors.

    Raises:
        UserError: If it does not hold real numbers, or one of them is not finite, is masked or too large.
    """
    if array.dtype.kind not in "biuf":
        sentence = f"{where}: holds {array.dtype} values, not real numbers"
        raise UserError(sentence)
    floats = np.array(array, dtype=np.float64)
    bad = ~(np.abs(floats) <= LARGEST)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        place = f"row {index[0]}, column {index[1]}" if len(index) == 2 else f"row {index[0]}"
        sentence = (
            f"{where}: {place} (counted from 0) is {floats[index]:g}, not a number that can be trained on;"
            " correct it or remove the row"
        )
        raise UserError(sentence)
    return floats
