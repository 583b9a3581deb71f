"""A Keras user's function of targets and outputs seen through: which of Keras's own losses it is, if it is one.

No backend tells what a function calls. So it is held against the losses that Keras has, and is the one that gives the
same numbers: of logits and of shares that were drawn, and of the targets in several orders.
"""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import (
    ReadingScope,
    Tensor,
    as_array,
    in_keras_precision,
    kept_generators,
)
from gradvitals.engine.events import Array

DRAWS = 3
"""Draws of outputs, of either kind, of which two losses must give the same."""

CLOSE = 1e-5
"""Relative distance of two losses, in floats of 32 bits, that is no more than rounding."""


def see_through(loss: Any, outputs: tuple[int, ...], targets: Array) -> Any | None:  # noqa: ANN401 - a function, or an object
    """Find the loss of Keras's own that another one is; None if it is none of them.

    Args:
        loss: What the model is compiled with.
        outputs: Shape of what the model gives for some samples.
        targets: Of as many samples, as the data give them.
    """
    with kept_generators(), ReadingScope():
        try:
            cases = [(ours, theirs, _number(loss, ours, theirs)) for ours, theirs in _draws(outputs, targets)]
        except Exception:  # noqa: BLE001 - it may take none but its own model's outputs
            return None
        return next((each for each in _candidates(loss, outputs, targets) if _agrees(each, cases)), None)


def unreduced(loss: Any, targets: Tensor, outputs: Tensor) -> Tensor:  # noqa: ANN401 - as above
    """Compute a loss of every sample, as Keras does before it reduces; a function may have reduced it itself."""
    if isinstance(loss, keras.losses.Loss):
        return loss.call(targets, outputs)
    return loss(*_of_one_rank(targets, outputs))


def _candidates(loss: Any, outputs: tuple[int, ...], targets: Array) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Give the losses that outputs and targets of these shapes may have, averaged or summed."""
    of_keras, alike = keras.losses, len(outputs) == targets.ndim and outputs[1:] == targets.shape[1:]
    own = getattr(loss, "reduction", None)
    for reduction in ("sum_over_batch_size", "sum") if own is None else (own,):
        if targets.shape[1:] in {(), (1,)} and len(outputs) == 2:
            for from_logits in (False, True):
                yield of_keras.SparseCategoricalCrossentropy(from_logits=from_logits, reduction=reduction)
        for from_logits in (False, True):
            if alike:
                yield of_keras.CategoricalCrossentropy(from_logits=from_logits, reduction=reduction)
            yield of_keras.BinaryCrossentropy(from_logits=from_logits, reduction=reduction)
        yield from (kind(reduction=reduction) for kind in (of_keras.MeanSquaredError, of_keras.MeanAbsoluteError))
        yield of_keras.Huber(reduction=reduction)


def _draws(outputs: tuple[int, ...], targets: Array) -> Iterator[tuple[Array, Array]]:
    """Give logits, and shares of 1, with targets in another order."""
    generator = np.random.default_rng(0)
    for _ in range(DRAWS):
        logits = generator.normal(size=outputs)
        shares = np.exp(logits) if outputs[-1] > 1 else generator.random(outputs)
        order = generator.permutation(len(targets))
        yield logits, targets[order]
        yield shares / shares.sum(axis=-1, keepdims=True) if outputs[-1] > 1 else shares, targets[order]


def _number(loss: Any, outputs: Array, targets: Array) -> float:  # noqa: ANN401 - as above
    ours = keras.ops.convert_to_tensor(in_keras_precision(outputs))
    theirs = keras.ops.cast(keras.ops.convert_to_tensor(targets), ours.dtype)
    losses = np.asarray(as_array(unreduced(loss, theirs, ours)), np.float64)
    return float(losses.sum() if getattr(loss, "reduction", "") == "sum" else losses.mean())


def _agrees(candidate: Any, cases: list[tuple[Array, Array, float]]) -> bool:  # noqa: ANN401 - as above
    try:
        return all(
            math.isclose(_number(candidate, ours, theirs), wanted, rel_tol=CLOSE, abs_tol=CLOSE**2)
            for ours, theirs, wanted in cases
        )
    except Exception:  # noqa: BLE001 - a loss that these targets do not suit
        return False


def _of_one_rank(targets: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Bring the two to one rank, as Keras does: a last axis of one is dropped, or added."""
    ops, alone = keras.ops, min(len(outputs.shape), len(targets.shape)) == 1
    difference = len(outputs.shape) - len(targets.shape)
    if difference == 1 and outputs.shape[-1] == 1:
        return (ops.expand_dims(targets, -1), outputs) if alone else (targets, ops.squeeze(outputs, -1))
    if difference == -1 and targets.shape[-1] == 1:
        return (targets, ops.expand_dims(outputs, -1)) if alone else (ops.squeeze(targets, -1), outputs)
    return targets, outputs
