"""What a module of several inputs is given, as a row per sample: its tensors side by side, and apart again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch

from gradvitals.diagnostics.adapters.torch_arrays import as_array, to_tensor
from gradvitals.engine.events import Array

Given: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of a call."""

PLAIN = (type(None), bool, int, float, str)


@dataclass(frozen=True, slots=True)
class ZeroState:
    """A recurrent layer's state of zeros `(layers, samples, …)`, as a loop makes it anew for every batch.

    Attributes:
        shape: Without the samples.
    """

    shape: tuple[int, ...]

    def of(self, samples: int, like: torch.Tensor) -> torch.Tensor:
        """Give it for so many samples."""
        return like.new_zeros((self.shape[0], samples, *self.shape[1:]))


@dataclass(frozen=True)
class InputForm:
    """How several inputs stand side by side in a row.

    Attributes:
        fields: Of a structured type, one per tensor with a row per sample; positional ones are named by their place.
        fixed: What is the same at every call, by name or place.
    """

    fields: np.dtype[Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names."""
        return self.fields.names or ()

    @property
    def are_quantities(self) -> bool:
        """Whether all inputs are floats."""
        return all(self.fields[name].base.kind == "f" for name in self.names)

    def columns(self) -> dict[str, slice]:
        """Give where the tensors are in a row."""
        ends = np.cumsum([0, *(int(np.prod(self.fields[name].shape)) for name in self.names)]).tolist()
        return {name: slice(*ends[place : place + 2]) for place, name in enumerate(self.names)}

    def apart(self, rows: Array, like: torch.Tensor) -> Given:
        """Give the arguments of a call on rows, on the device of a tensor, floats in its precision.

        What is fixed is what was kept: whoever calls a module that may write into it copies it first.
        """
        given = {name: _fixed_of(value, len(rows), like) for name, value in self.fixed.items()}
        for name, columns in self.columns().items():
            part, kind = rows[:, columns], self.fields[name]
            given[name] = to_tensor(part.astype(kind.base).reshape(len(rows), *kind.shape), like)
        args = tuple(given.pop(str(place)) for place in range(sum(name.isdecimal() for name in given)))
        return args, given

    def without(self, names: Collection[str], rows: Array) -> tuple["InputForm", Array]:
        """Leave out some fields, of the form and of rows."""
        kept = [name for name in self.names if name not in names]
        columns = self.columns()
        smaller = InputForm(np.dtype([(name, self.fields[name]) for name in kept]), self.fixed)
        return smaller, np.concatenate([rows[:, columns[name]] for name in kept], axis=1)

    def is_like(self, other: "InputForm") -> bool:
        """Tell whether another call had the same form."""
        same = self.fields == other.fields and self.fixed.keys() == other.fixed.keys()
        return same and all(_are_same(value, other.fixed[name]) for name, value in self.fixed.items())


def side_by_side(parts: Mapping[str, Array]) -> Array:
    """Give several arrays `(samples, …)` as one of a structured type.

    Raises:
        ValueError: If they have not a row each for every sample.
    """
    lengths = {len(part) if part.ndim else -1 for part in parts.values()}
    if len(lengths) != 1 or lengths == {-1}:
        shapes = ", ".join(str(part.shape) for part in parts.values())
        msg = f"several inputs must have a row per sample each, got shapes {shapes}"
        raise ValueError(msg)
    joined = np.empty(lengths.pop(), np.dtype([(name, part.dtype, part.shape[1:]) for name, part in parts.items()]))
    for name, part in parts.items():
        joined[name] = part
    return joined


def as_matrix(joined: Array) -> Array:
    """Give what `side_by_side` made as `(samples, columns)`; whole numbers beside floats are kept as they are."""
    parts = [joined[name].reshape(len(joined), -1) for name in joined.dtype.names or ()]
    kinds = {part.dtype.kind == "f" for part in parts}
    kind = np.result_type(*parts) if kinds == {True} else np.dtype(np.float64 if True in kinds else np.int64)
    return np.concatenate([part.astype(kind) for part in parts], axis=1)


def read_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Array, InputForm] | None:
    """Read what a module is called with, as rows; None where it cannot be told apart by sample."""
    given = {str(place): value for place, value in enumerate(args)} | dict(kwargs)
    samples = next((len(value) for value in given.values() if has_rows(value)), 0)
    rows = {name: value for name, value in given.items() if has_rows(value) and len(value) == samples}
    try:
        fixed = {name: _fix(value, samples) for name, value in given.items() if name not in rows}
    except TypeError:
        return None
    if not rows:
        return None
    joined = side_by_side({name: as_array(value) for name, value in rows.items()})
    return as_matrix(joined), InputForm(joined.dtype, fixed)


def has_rows(given: Any) -> bool:  # noqa: ANN401 - whatever a module is given
    """Tell whether it is a tensor with a row per sample, and with values."""
    is_plain = isinstance(given, torch.Tensor) and given.layout is torch.strided and not given.is_nested
    return is_plain and given.ndim > 0 and len(given) > 0 and not (given.is_meta or given.is_complex())


def _fix(value: Any, samples: int) -> Any:  # noqa: ANN401 - as above
    """Give what a call was given as it is to be kept.

    Raises:
        TypeError: If it is of a kind that may differ from sample to sample.
    """
    if isinstance(value, PLAIN):
        return value
    if type(value) in {tuple, list} and all(isinstance(each, torch.Tensor) for each in value):
        return tuple(_fix(each, samples) for each in value)
    if not has_rows(value):
        raise TypeError
    if value.ndim > 1 and value.shape[1] == samples:
        if bool(value.detach().any()):
            raise TypeError  # carried over from another batch
        return ZeroState((value.shape[0], *value.shape[2:]))
    return value.detach().clone()


def _fixed_of(value: Any, samples: int, like: torch.Tensor) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, tuple):
        return tuple(_fixed_of(each, samples, like) for each in value)
    if isinstance(value, ZeroState):
        return value.of(samples, like)
    return value


def _are_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - as above
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and bool(torch.equal(one, other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_are_same, one, other))
    return type(one) is type(other) and str(one) == str(other)  # NaN is NaN
