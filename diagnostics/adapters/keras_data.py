"""What a Keras user trains on, read into arrays: inputs and targets, or a data set of batches of these."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import as_array, kept_generators
from gradvitals.engine.events import Array

MOST_BYTES = 2**30
"""Memory for what is read of a data set; more is not read."""

READABLE = (
    "data must be (inputs, targets), two arrays with a row per sample, perhaps with weights as a third, or a"
    " keras.utils.PyDataset, a tf.data.Dataset or a torch DataLoader of such batches"
)


@dataclass(frozen=True, slots=True)
class KerasData:
    """A training set.

    Attributes:
        inputs: `(samples, …)`.
        targets: `(samples, …)`.
        complete: Whether these are all.
        weighted: Whether samples come with weights of their own, which are not read.
    """

    inputs: Array
    targets: Array
    complete: bool = True
    weighted: bool = False


def read_data(data: object, *, most_bytes: int = MOST_BYTES) -> KerasData:
    """Read a training set.

    Args:
        data: As `fit` takes it.
        most_bytes: Memory for it, where it is not there as arrays yet.

    Raises:
        TypeError: If it is of another form.
        ValueError: If there are no samples, or not as many targets as inputs.
    """
    if isinstance(data, tuple | list):
        read = _one_batch(data)
    else:
        with kept_generators():
            read = _joined(_batches(data), most_bytes)
    inputs, targets = read.inputs, read.targets
    if inputs.ndim < 1 or targets.ndim < 1 or len(inputs) != len(targets) or not len(inputs):
        msg = f"data must have a target for every input, got shapes {inputs.shape} and {targets.shape}"
        raise ValueError(msg)
    return read


def _batches(data: Any) -> Iterator[object]:  # noqa: ANN401 - a data set of any kind
    """Give the batches of a data set, in its own order.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(data, keras.utils.PyDataset):
        return (data[index] for index in range(len(data)))
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(data, torch.utils.data.DataLoader):
        from gradvitals.diagnostics.adapters.torch_data import read_data as read_loader

        arrays = read_loader(data)
        return iter([(arrays.inputs, arrays.targets)])
    if isinstance(data, Iterable) and iter(data) is not data and hasattr(data, "as_numpy_iterator"):
        return iter(data)
    found = f"a {type(data).__name__}"
    msg = f"{READABLE}; got {found}"
    raise TypeError(msg)


def _joined(batches: Iterator[object], most_bytes: int) -> KerasData:
    parts: list[KerasData] = []
    used, complete = 0, True
    for batch in batches:
        part = _one_batch(batch)
        inputs, targets = part.inputs, part.targets
        if parts and (inputs.shape[1:], targets.shape[1:]) != (parts[0].inputs.shape[1:], parts[0].targets.shape[1:]):
            complete = False  # padded to another length
            continue
        parts.append(part)
        used += inputs.nbytes + targets.nbytes
        if used >= most_bytes:
            complete = False
            break
    if not parts:
        msg = "data hold no samples"
        raise ValueError(msg)
    inputs = np.concatenate([part.inputs for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    return KerasData(inputs, targets, complete, weighted=any(part.weighted for part in parts))


def _one_batch(batch: object) -> KerasData:
    """Take a batch apart.

    Raises:
        TypeError: If it is not of two arrays, or of three with weights of samples.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in {2, 3}:
        what = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, tuple | list) else "")
        msg = f"{READABLE}; got {what}"
        raise TypeError(msg)
    weighted = len(batch) == 3 and batch[2] is not None
    return KerasData(_array(batch[0], "inputs"), _array(batch[1], "targets"), weighted=weighted)


def _array(part: Any, what: str) -> Array:  # noqa: ANN401 - whatever the user gives
    if isinstance(part, tuple | list) and any(getattr(each, "ndim", 0) for each in part):
        part = dict(enumerate(part))  # a list of arrays is of a model with several inputs
    array = part if isinstance(part, np.ndarray) else None
    if array is None and not isinstance(part, dict | str):
        array = as_array(part) if keras.ops.is_tensor(part) else np.asarray(part)
    if array is None or array.dtype.kind not in "fiub":
        found = f"the {what} are a {type(part).__name__}"
        msg = f"{READABLE}; {found}, and models of several inputs or outputs cannot be probed: leave data out"
        raise TypeError(msg)
    return array
