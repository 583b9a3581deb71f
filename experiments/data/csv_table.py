"""Examples from a .csv file: inputs in columns of numbers, and a column of labels."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.data.dataset import Labels, Table
from gradvitals.experiments.data.finite import LARGEST
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.show import show

TARGET_NAMES = ("label", "target", "y", "class")


@dataclass(frozen=True, slots=True)
class _Rows:
    """The cells of a file, with the number of the line on which each row ends."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]

    def fault(self, row: int, column: int, text: str) -> UserError:
        """Return the error for a cell."""
        return UserError(f"{self.path}: row {self.lines[row]}, column {self.header[column]!r}: {text}")


def read_csv(path: Path, target: str | None = None) -> Table:
    """Read a CSV file; separators are commas, semicolons or tabs, a header is recognised.

    Rows in errors are lines of the file, as an editor or a spreadsheet numbers them.

    Args:
        path: The file.
        target: The column of the labels; by default the only one named label, target, y or class, or the last.

    Raises:
        UserError: If a cell is missing, is no finite number where one is needed, or rows differ in length.
    """
    rows = _read(path)
    column = _target_column(rows, target)
    features = [index for index in range(len(rows.header)) if index != column]
    if not features:
        sentence = f"{path}: only one column, {rows.header[0]!r}; a column of labels and one of inputs are needed"
        raise UserError(sentence)
    inputs = np.array([[_number(rows, row, index) for index in features] for row in range(len(rows.cells))])
    return Table(
        inputs=inputs,
        labels=_labels(rows, column),
        feature_names=tuple(rows.header[index] for index in features),
        target_name=rows.header[column],
        description=f"{path.name}: predict {rows.header[column]!r} from {len(features)} columns",
    )


def target_name(path: Path) -> str | None:
    """Return the name of the column that is taken for the labels by default; None if the file has no header."""
    rows = _read(path)
    name = rows.header[_target_column(rows, None)]
    return None if name.startswith("column ") else name


def _read(path: Path) -> _Rows:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sentence = f"{path}: not UTF-8 text (byte {error.start}); save the table as CSV in UTF-8"
        raise UserError(sentence) from error
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), skipinitialspace=True, strict=True
    )
    numbered: list[tuple[int, tuple[str, ...]]] = []
    try:
        numbered.extend(
            (reader.line_num, tuple(cell.strip() for cell in cells)) for cells in reader if "".join(cells).strip()
        )
    except csv.Error as error:
        sentence = f"{path}: row {reader.line_num}: not valid CSV: {error}"
        raise UserError(sentence) from error
    if not numbered:
        sentence = f"{path}: empty; a header and rows of numbers are needed"
        raise UserError(sentence)
    return _with_header(path, numbered)


def _with_header(path: Path, numbered: Sequence[tuple[int, tuple[str, ...]]]) -> _Rows:
    """Set the header apart and refuse rows of another length."""
    first = numbered[0][1]
    if _is_header(first, numbered[1][1] if len(numbered) > 1 else ()):
        header = tuple(cell or f"column {index + 1}" for index, cell in enumerate(first))
        numbered = numbered[1:]
    else:
        header = tuple(f"column {index + 1}" for index in range(len(first)))
    if not numbered:
        sentence = f"{path}: a header and no rows"
        raise UserError(sentence)
    for line, cells in numbered:
        if len(cells) != len(header):
            sentence = f"{path}: row {line}: {len(cells)} cells where the first row has {len(header)}"
            raise UserError(sentence)
    return _Rows(path, header, tuple(line for line, _ in numbered), tuple(cells for _, cells in numbered))


def _is_header(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Take the first row for a header if it has no number, or text above a number."""
    texts = [as_number(cell) is None for cell in first]
    return all(texts) or any(
        text and cell and as_number(below) is not None for text, cell, below in zip(texts, first, second, strict=False)
    )


def _target_column(rows: _Rows, target: str | None) -> int:
    counts = Counter(rows.header)
    if target is not None:
        if counts[target] != 1:
            state = "is there more than once" if target in counts else "is not there"
            meant = "" if target in counts else did_you_mean(target, rows.header)
            names = ", ".join(rows.header[:12]) + ", …" * (len(rows.header) > 12)
            sentence = f"{rows.path}: data.target: a column {target!r} {state}; there are {names}{meant}"
            raise UserError(sentence)
        return rows.header.index(target)
    named = [index for index, name in enumerate(rows.header) if name.casefold() in TARGET_NAMES]
    return named[0] if len(named) == 1 else len(rows.header) - 1


def _number(rows: _Rows, row: int, column: int) -> float:
    """Return a cell's number, or say what it is instead."""
    cell = rows.cells[row][column]
    if not cell:
        raise rows.fault(row, column, "the cell is empty; fill it in or remove the row")
    number = as_number(cell)
    if number is None:
        raise rows.fault(row, column, f"{show(cell)} is not a number; inputs must be numbers")
    if not abs(number) <= LARGEST:
        raise rows.fault(row, column, f"{cell} is not a number that can be trained on; correct it or remove the row")
    return number


def _labels(rows: _Rows, column: int) -> Labels:
    """Return a column as whole numbers, floats or text, whichever all its cells are."""
    cells = [row[column] for row in rows.cells]
    for row, cell in enumerate(cells):
        if not cell:
            raise rows.fault(row, column, "the label is missing; fill it in or remove the row")
    strays = [row for row, cell in enumerate(cells) if as_number(cell) is None]
    if strays and len(strays) * 5 > len(cells):
        return np.array(cells)
    if strays:
        text = f"{show(cells[strays[0]])} is not a number, as the other labels are"
        raise rows.fault(strays[0], column, text)
    values = np.array([_number(rows, row, column) for row in range(len(cells))])
    whole = all(cell.lstrip("+-").isdigit() for cell in cells)
    return values.astype(np.int64) if whole and np.abs(values).max() < 2**53 else values


def as_number(cell: str) -> float | None:
    """Return the number that a cell holds, or None if it holds text."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
