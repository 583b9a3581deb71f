"""Which column of the inputs a key of data.columns means: the one of that name, or else of that index."""

from collections.abc import Mapping

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.config.data import ScaleValue
from gradvitals.experiments.data.dataset import Table
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.show import show

MOST_NAMES = 12


def scales_by_index(columns: Mapping[str, ScaleValue], table: Table, origin: str) -> dict[int, ScaleValue]:
    """Return the scale of each column that has one of its own.

    Args:
        columns: By a column's name, or its index among the inputs, counted from 0. Where a name is a number, it wins.
        table: The examples as read.
        origin: The config's file, for errors.

    Raises:
        UserError: If there is no such column, a name stands for several, or a column is given twice.
    """
    keys: dict[int, str] = {}
    for key in columns:
        index = _find(key, table, f"{origin}: data.columns")
        if index in keys:
            sentence = f"{origin}: data.columns: {show(keys[index])} and {show(key)} are the same column; keep one"
            raise UserError(sentence)
        keys[index] = key
    return {index: columns[key] for index, key in keys.items()}


def _find(key: str, table: Table, where: str) -> int:
    """Return the index of a column."""
    names = table.feature_names
    if key in names:
        indices = [str(index) for index, name in enumerate(names) if name == key]
        if len(indices) > 1:
            sentence = f"{where}: a column {show(key)} is there more than once; give its index, {' or '.join(indices)}"
            raise UserError(sentence)
        return names.index(key)
    if key == table.target_name:
        sentence = f"{where}: {show(key)} is the target, and only inputs are scaled here; see data.scale_targets"
        raise UserError(sentence)
    digits = key.removeprefix("-")
    if digits.isascii() and digits.isdecimal():
        last = len(names) - 1
        if digits == key and len(key) < 10 and int(key) <= last:
            return int(key)
        sentence = (
            f"{where}: there is no column {show(key)}; inputs are counted from 0, the last is {last} ({names[-1]!r})"
        )
        raise UserError(sentence)
    known = ", ".join(names[:MOST_NAMES]) + ", …" * (len(names) > MOST_NAMES)
    sentence = f"{where}: a column {show(key)} is not there; there are {known}{did_you_mean(key, names)}"
    raise UserError(sentence)
