"""What differs between the backends of Keras: arrays, the gradients of a frozen pass, and what it must not move."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np

from gradvitals.engine.events import Array

Tensor: TypeAlias = Any
"""A tensor of the backend in use."""

Meet: TypeAlias = Callable[[Tensor], Tensor]
"""Is shown a tensor whose gradient is wanted, and gives the one to go on with."""

Run: TypeAlias = Callable[[Meet, Tensor], tuple[Tensor, Sequence[Tensor]]]
"""A pass through a model: from inputs to a scalar and further tensors."""


def as_array(tensor: Tensor) -> Array:
    """Give a tensor, or a variable, as a read-only array; as float32 where NumPy has no such type."""
    value: Any = getattr(tensor, "value", tensor)
    if keras.backend.standardize_dtype(value.dtype) == "bfloat16":
        value = keras.ops.cast(value, "float32")
    plain = value.detach().cpu().numpy() if hasattr(value, "detach") else keras.ops.convert_to_numpy(value)
    array = np.asarray(plain).view()
    array.flags.writeable = False
    return array


def as_rows(array: Array, axis: int) -> Array:
    """Give an array as `(samples, units)`; the units' axis is counted from behind, all others are samples."""
    rows = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
    rows.flags.writeable = False
    return rows


def run_with_gradients(run: Run, inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor | None]]:
    """Run forward and backward.

    Args:
        run: Meets every tensor whose gradient is wanted, in the same order each time.
        inputs: Its inputs.

    Returns:
        The further tensors, and the gradient of the scalar on each tensor that was met; None where it has none.
    """
    match keras.backend.backend():
        case "torch":
            return _by_torch(run, inputs)
        case "jax":
            return _by_jax(run, inputs)
        case "tensorflow":
            return _by_tensorflow(run, inputs)
        case other:
            msg = f"Keras on {other} gives no gradients: use torch, jax or tensorflow"
            raise TypeError(msg)


@contextmanager
def frozen(model: Any) -> Iterator[None]:  # noqa: ANN401 - Keras has no types for us
    """Let a model be run without leaving a trace: variables, its seeds among them, modes and generators stay."""
    with ExitStack() as stack:
        stack.enter_context(kept_generators())
        stack.enter_context(keras.StatelessScope())
        if keras.backend.backend() == "torch":
            import torch

            stack.enter_context(torch.no_grad())
            modes = [(part, part.training) for part in model.modules()]
            stack.callback(_set_modes, modes)
            _set_modes([(part, False) for part, _ in modes])
        yield


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


def _by_torch(run: Run, inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor | None]]:
    import torch

    met: list[Tensor] = []

    def meet(tensor: Tensor) -> Tensor:
        met.append(tensor)
        return tensor

    with torch.enable_grad():
        if inputs.is_floating_point():
            inputs = inputs.detach().clone().requires_grad_()  # so that frozen layers get gradients too
        scalar, further = run(meet, inputs)
    able = [tensor for tensor in met if tensor.requires_grad]
    if not scalar.requires_grad or not able:
        return further, [None] * len(met)
    found = dict(zip(map(id, able), torch.autograd.grad(scalar, able, allow_unused=True), strict=True))
    return further, [found.get(id(tensor)) for tensor in met]


def _by_jax(run: Run, inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor | None]]:
    """Differentiate by zeros added to every tensor that is met."""
    import jax

    def meetings(given: Tensor) -> list[Tensor]:
        met: list[Tensor] = []

        def meet(tensor: Tensor) -> Tensor:
            met.append(tensor)
            return tensor

        run(meet, given)
        return met

    zeros = [jax.numpy.zeros(each.shape, each.dtype) for each in jax.eval_shape(meetings, inputs)]

    def scalar_of(added: list[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        remaining = iter(added)
        return run(lambda tensor: tensor + next(remaining), inputs)

    gradients, further = jax.grad(scalar_of, has_aux=True)(zeros)
    return further, list(gradients)


def _by_tensorflow(run: Run, inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor | None]]:
    import tensorflow as tf

    met: list[Tensor] = []

    def meet(tensor: Tensor) -> Tensor:
        tape.watch(tensor)
        met.append(tensor)
        return tensor

    with tf.GradientTape() as tape:
        scalar, further = run(meet, inputs)
    return further, list(tape.gradient(scalar, met))
