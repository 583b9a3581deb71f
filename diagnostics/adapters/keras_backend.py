"""What differs between the backends of Keras: arrays, and what a frozen pass must not move."""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np

from gradvitals.engine.events import Array

Tensor: TypeAlias = Any
"""A tensor of the backend in use."""


def as_array(tensor: Tensor) -> Array:
    """Give a tensor, or a variable, as a read-only array; what has half precision as float32, to be computed with."""
    value: Any = getattr(tensor, "value", tensor)
    if keras.backend.standardize_dtype(value.dtype) in {"bfloat16", "float16"}:
        value = keras.ops.cast(value, "float32")
    plain = value.detach().cpu().numpy() if hasattr(value, "detach") else keras.ops.convert_to_numpy(value)
    array = np.asarray(plain).view()
    array.flags.writeable = False
    return array


def in_keras_precision(array: Array) -> Array:
    """Give quantities as floats, in the precision that Keras computes in."""
    return np.asarray(array, keras.config.floatx())


def as_rows(array: Array, axis: int) -> Array:
    """Give an array as `(samples, units)`; the units' axis is counted from behind, all others are samples."""
    rows = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
    rows.flags.writeable = False
    return rows


class ReadingScope(keras.StatelessScope):  # type: ignore[misc]
    """Lets variables be read but not changed.

    Attributes:
        read: The identities of the variables that were read.
    """

    def __init__(self) -> None:
        """Take the variables as they are."""
        super().__init__()
        self.read: set[int] = set()

    def get_current_value(self, variable: Any) -> Tensor | None:  # noqa: ANN401 - Keras has no types for us
        """Give what a variable was set to inside; None where it is as it was."""
        self.read.add(id(variable))
        return super().get_current_value(variable)


@contextmanager
def frozen(model: Any) -> Iterator[ReadingScope]:  # noqa: ANN401 - as above
    """Let a model be run without leaving a trace: variables, its seeds among them, modes and generators stay."""
    with ExitStack() as stack:
        stack.enter_context(kept_generators())
        scope = stack.enter_context(ReadingScope())
        if keras.backend.backend() == "torch":
            import torch

            stack.enter_context(torch.no_grad())
            modes = [(part, part.training) for part in model.modules()]
            stack.callback(_set_modes, modes)
            _set_modes([(part, False) for part, _ in modes])
        yield scope


@contextmanager
def kept_generators() -> Iterator[None]:
    """Give the global random states back as they were: those of NumPy, `random` and, where it is in use, PyTorch."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - users draw from it
    torch = sys.modules.get("torch")
    torch_state = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002 - as above
        if torch is not None:
            torch.set_rng_state(torch_state)


def _set_modes(modes: Sequence[tuple[Any, bool]]) -> None:
    for part, training in modes:
        part.training = training
