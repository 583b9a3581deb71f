"""What a PyTorch user trains on, read into arrays: a DataLoader, a Dataset, or inputs and targets as they are.

Reading it changes nothing that the training sees: a loader's rows are read through another, sequential one.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

from gradvitals.diagnostics.adapters.random_states import kept_attributes, kept_states
from gradvitals.diagnostics.adapters.torch_given import InputForm, as_matrix, side_by_side
from gradvitals.diagnostics.adapters.torch_rows import rows_of, sample_of
from gradvitals.engine.events import Array

MOST_BYTES = 2**30
"""Memory for what is read; of more, a sample of the rows is."""

ROWS_TOGETHER = 1024
"""Rows taken where the collate function pads every batch to a length of its own, so that they must be one batch."""

MOST_STREAMED = 50_000
"""Samples read of a stream, which may have no end."""

BATCH = 256
"""Rows read at once, where no loader says how many."""

TARGET_KEYS = frozenset({"y", "target", "targets", "label", "labels"})

Form: TypeAlias = tuple[tuple[int, ...], ...]
"""Shapes of a sample's inputs, of each if they are several, and of its targets."""


@dataclass(frozen=True, slots=True)
class DataArrays:
    """What was read.

    Attributes:
        inputs: `(samples, …)`, in the type they came in.
        targets: `(samples, …)`.
        complete: Whether this is the whole training set, as it will be seen; not so where it is too large, where only
            some of a stream was read, or where samples are made anew whenever they are asked for.
        total: Samples of the whole training set, as far as is known.
        form: Of inputs that are several, which are side by side then; else None.
    """

    inputs: Array
    targets: Array
    complete: bool
    total: int
    form: InputForm | None = None


def read_data(data: object, *, most_bytes: int = MOST_BYTES) -> DataArrays:
    """Read a training set.

    Args:
        data: A `DataLoader` or a `Dataset` whose batches are (inputs, targets), a list of such batches, or the two
            themselves, as tensors or arrays. Inputs may be several: a tuple, or by the names of the model's arguments.
        most_bytes: Memory for inputs and targets that are not there as arrays yet.

    Raises:
        TypeError: If it is of another form.
        ValueError: If there are no samples, or not as many targets as inputs.
    """
    if isinstance(data, DataLoader):
        with kept_states(data, data.dataset), kept_attributes(data.dataset):
            read = _read_loader(data, most_bytes)
    elif isinstance(data, Dataset) or (
        hasattr(data, "__getitem__") and not isinstance(data, Sequence | Mapping | type)
    ):
        with kept_states(data), kept_attributes(data):
            read = _read_loader(DataLoader(data, batch_size=BATCH), most_bytes)
    elif isinstance(data, tuple | list) and data and all(map(_is_batch, data)):
        read = _joined(map(_pair, data), most_bytes)
    elif isinstance(data, tuple | list) and len(data) == 2:
        inputs, targets = np.atleast_1d(_inputs(*data)), np.atleast_1d(to_array(data[1]))
        read = DataArrays(inputs, targets, complete=True, total=len(inputs))
    else:
        raise TypeError(_not_understood(data))
    if len(read.inputs) != len(read.targets) or not len(read.inputs):
        msg = f"data must have a target for every input, got shapes {read.inputs.shape} and {read.targets.shape}"
        raise ValueError(msg)
    if read.inputs.dtype.names:
        return replace(read, inputs=as_matrix(read.inputs), form=InputForm(read.inputs.dtype))
    return read


def to_array(part: object) -> Array:
    """Give a tensor, an array or a list of numbers as an array that shares its memory where it can.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(part, torch.Tensor):
        tensor = part.detach().cpu()
        tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
        tensor = tensor.float() if tensor.dtype is torch.bfloat16 else tensor  # which NumPy does not know
        return np.asarray(tensor.resolve_conj().resolve_neg().numpy())
    several = isinstance(part, tuple | list) and any(getattr(each, "ndim", 0) for each in part)
    try:
        array = np.empty(0, object) if several or isinstance(part, Mapping | str) else np.asarray(part)
    except ValueError:  # as of lists of several lengths
        raise TypeError(_not_understood(part)) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(_not_understood(part))
    return array


def _is_batch(part: object) -> bool:
    """Tell whether an entry of a list is (inputs, targets), with a row of each per sample."""
    if not isinstance(part, tuple | list) or len(part) != 2:
        return False
    if _are_several(*part):
        return True
    return all(getattr(each, "ndim", 0) for each in part) and len(part[0]) == len(part[1])


def _not_understood(found: object) -> str:
    if isinstance(found, Mapping):
        what = f"a {type(found).__name__} with the keys {', '.join(map(repr, found))}"
    elif isinstance(found, tuple | list):
        what = f"a {type(found).__name__} of {len(found)}: {', '.join(type(part).__name__ for part in found[:6])}"
    else:
        what = f"a {type(found).__name__}"
    return (
        "data must give (inputs, targets), two tensors with a row per sample: a DataLoader or a Dataset of such pairs,"
        f" a list of batches, or the two themselves; several inputs are ((first, second), targets); got {what}"
    )


def _pair(batch: object) -> tuple[Array, Array]:
    """Take a batch apart."""
    if isinstance(batch, Mapping) and len(batch) > 1 and len(TARGET_KEYS.intersection(batch)) == 1:
        target = next(key for key in batch if key in TARGET_KEYS)
        others = {key: part for key, part in batch.items() if key != target}
        batch = (others if len(others) > 1 else next(iter(others.values())), batch[target])
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(_not_understood(batch))
    try:
        inputs, targets = _inputs(*batch), to_array(batch[1])
    except TypeError:
        raise TypeError(_not_understood(batch)) from None
    return inputs, targets


def _inputs(given: Any, targets: object) -> Array:  # noqa: ANN401 - whatever stands before the targets
    """Take one input, or several, as a tuple or by the names of the model's arguments."""
    if _are_several(given, targets):
        parts = given if isinstance(given, Mapping) else {str(place): part for place, part in enumerate(given)}
        return side_by_side({name: to_array(part) for name, part in parts.items()})
    return to_array(given)


def _are_several(given: Any, targets: object) -> bool:  # noqa: ANN401 - as above
    """Tell whether these are several inputs; in a sequence each with a row for every target."""
    if isinstance(given, Mapping):
        return bool(given) and all(isinstance(name, str) and not name.isdecimal() for name in given)
    if not isinstance(given, tuple | list) or len(given) < 2:
        return False
    rows = len(targets) if isinstance(targets, torch.Tensor | np.ndarray) and targets.ndim else -1
    return all(getattr(part, "ndim", 0) and len(part) == rows for part in given)


def _batch(given: object) -> tuple[Array, Array]:
    """Take a batch apart, which may be a single sample: a loader that makes no batches gives what the data set has."""
    inputs, targets = _pair(given)
    is_batch = inputs.ndim and targets.ndim and len(inputs) == len(targets)
    return (inputs, targets) if is_batch else (inputs[np.newaxis], targets[np.newaxis])


def _read_loader(loader: Any, most_bytes: int) -> DataArrays:  # noqa: ANN401 - torch has no types for us
    if isinstance(loader.dataset, IterableDataset):
        return _read_stream(loader, most_bytes)
    if loader.batch_size is None and loader.batch_sampler is None:  # the data set makes its batches itself
        return _joined(map(_batch, _reading(loader, copy.copy(loader.sampler), batch_size=None)), most_bytes)
    if not hasattr(loader.dataset, "__len__"):
        raise TypeError(_not_understood(loader.dataset))
    rows, complete = rows_of(loader)
    total = len(rows)
    if not len(rows):
        msg = "data hold no samples"
        raise ValueError(msg)
    if type(loader.dataset) is TensorDataset and loader.collate_fn is default_collate:
        inputs, targets = _pair(loader.dataset.tensors)  # they are in memory already, whatever the limit
        if not np.array_equal(rows, np.arange(len(inputs))):
            inputs, targets = inputs[rows], targets[rows]
        return DataArrays(inputs, targets, complete=complete, total=total)
    size = loader.batch_size or BATCH
    first = _pair(next(iter(_reading(loader, rows[:size].tolist(), batch_size=size))))
    _require_row_each(first, min(size, total))
    complete &= _same(first, _pair(next(iter(_reading(loader, rows[:size].tolist(), batch_size=size)))))
    most = max(most_bytes * len(first[0]) // max(first[0].nbytes + first[1].nbytes, 1), 1)
    if len(rows) > most:
        rows, complete = sample_of(rows, most), False
    batches = map(_pair, _reading(loader, rows.tolist(), batch_size=size))
    arrays = _filled(batches, len(rows), _form(first), first)
    if arrays is not None:
        return DataArrays(*arrays, complete=complete, total=total)
    few = sample_of(rows, min(ROWS_TOGETHER, most))  # padded together, as the collate function does it
    together = _pair(next(iter(_reading(loader, few.tolist(), batch_size=len(few)))))
    _require_row_each(together, len(few))
    return DataArrays(*together, complete=complete and len(few) == total, total=total)


def _require_row_each(batch: tuple[Array, Array], samples: int) -> None:
    """Refuse batches that have not a row per sample, as sequences with time first and joined graphs.

    Raises:
        TypeError: If this is one.
    """
    if any(part.shape[:1] != (samples,) for part in batch):
        shapes = " and ".join(str(part.shape) for part in batch)
        msg = f"data must have a row per sample, along the first axis: a batch of {samples} has the shapes {shapes}"
        raise TypeError(msg)


def _reading(loader: Any, rows: Iterable[Any], batch_size: int | None) -> Any:  # noqa: ANN401 - as above
    """Make a loader of these rows, in this order, that draws from no generator but its own."""
    own = torch.Generator()
    return DataLoader(
        loader.dataset, batch_size=batch_size, sampler=rows, collate_fn=loader.collate_fn, num_workers=0, generator=own
    )


def _read_stream(loader: Any, most_bytes: int) -> DataArrays:  # noqa: ANN401 - as above
    """Read an `IterableDataset` from its beginning."""
    stream = loader.dataset
    if iter(stream) is iter(stream):
        msg = "data can be read only once, and the training needs them: give another DataLoader, or (inputs, targets)"
        raise TypeError(msg)
    own = torch.Generator()
    reading = DataLoader(
        stream, batch_size=loader.batch_size, collate_fn=loader.collate_fn, num_workers=0, generator=own
    )
    return _joined(map(_batch, reading), most_bytes)


def _joined(batches: Iterator[tuple[Array, Array]], most_bytes: int) -> DataArrays:
    """Join batches, as many as there is memory for, and as have the shape of the first."""
    parts: list[tuple[Array, Array]] = []
    used = streamed = 0
    complete = True
    for inputs, targets in batches:
        if not parts or _form((inputs, targets)) == _form(parts[0]):
            parts.append((inputs, targets))
            used += inputs.nbytes + targets.nbytes
        else:
            complete = False
        streamed += len(inputs)
        if used >= most_bytes or streamed >= MOST_STREAMED:
            complete = False
            break
    if not parts:
        msg = "data hold no samples"
        raise ValueError(msg)
    inputs, targets = (np.concatenate(blocks) for blocks in zip(*parts, strict=True))
    return DataArrays(inputs, targets, complete=complete, total=len(inputs))


def _filled(
    batches: Iterator[tuple[Array, Array]], rows: int, form: Form, like: tuple[Array, Array]
) -> tuple[Array, Array] | None:
    """Write batches into arrays of so many rows; None where a batch has another shape, or not a row per sample."""
    arrays = tuple(np.empty((rows, *part.shape[1:]), part.dtype) for part in like)
    start = 0
    for batch in batches:
        stop = start + len(batch[0])
        if _form(batch) != form or stop > rows:
            return None
        for array, part in zip(arrays, batch, strict=True):
            array[start:stop] = part
        start = stop
    return (arrays[0], arrays[1]) if start == rows else None


def _form(batch: tuple[Array, Array]) -> Form:
    inputs, targets = batch
    several = [inputs.dtype[name].shape for name in inputs.dtype.names or ()]
    return (*several, targets.shape[1:]) if several else (inputs.shape[1:], targets.shape[1:])


def _same(batch: tuple[Array, Array], again: tuple[Array, Array]) -> bool:
    """Tell whether the same samples were the same a second time."""
    return all(
        one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        for one, other in zip(batch, again, strict=True)
    )
