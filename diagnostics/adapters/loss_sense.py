"""Whether a loss of no name makes sense: whether it depends on the outputs, and is less where they are right.

Both are asked of drawn outputs of many sizes, and of the targets themselves, so that no network need have got there.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from gradvitals.engine.events import Array

DRAWS = 3
SIZES = (0.1, 1.0, 10.0)
"""Of the drawn outputs."""

OFF = 0.1
"""Of the targets' standard deviation: what outputs nearby differ by."""

ROUNDING = 1e-4
"""Share of a loss that adding up a batch in 32 bits, or in 16, may cost."""

LEAST = 4
"""Samples that there must be."""

Draw: TypeAlias = Callable[[Array], Array]
"""Makes other outputs of outputs."""


def ignores_outputs(value: Callable[[Draw], float | None], targets: Array) -> bool:
    """Ask a loss, tried out, whether it is the same to the bit whatever the outputs are.

    Args:
        value: Gives the loss of what is made of the outputs; None where it cannot be computed, or is not finite.
        targets: As the data give them.
    """
    generator = np.random.default_rng(0)

    def drawn(size: float, *, signed: bool) -> Draw:
        numbers = generator.standard_normal if signed else generator.random  # which logarithms and roots can take, too
        return lambda outputs: size * numbers(outputs.shape)

    def right(outputs: Array) -> Array:
        """Give the targets: a clipped residual is felt only there."""
        return targets.reshape(outputs.shape) if outputs.size == targets.size else outputs

    drawings = [right, *(drawn(size, signed=signed) for signed in (False, True) for size in SIZES)]
    finite = [found for draw in drawings if (found := value(draw)) is not None]
    return len(finite) >= LEAST and len(set(finite)) == 1


def prefers_wrong(value: Callable[[Array], float | None], outputs: Array, targets: Array) -> bool:
    """Ask a loss, tried out, whether it is larger of right outputs than of wrong ones, at every draw.

    Of classes the right one has the largest output or the least, of otherwise the same drawn ones; of quantities the
    outputs are the targets themselves, or those of other samples, and where these are no shares nothing nearby may be
    worse: decisions times what they cost are no distance from the targets. For the same reason nothing is asked of a
    loss that is linear in the outputs, nor of anything else.

    Args:
        value: Gives the loss of outputs; None where it cannot be computed, or is not finite.
        outputs: What the model gives for some samples.
        targets: Theirs, as the data give them.
    """
    if len(targets) < LEAST or len(np.unique(targets.reshape(len(targets), -1), axis=0)) < 2:
        return False
    is_class = targets.ndim == 1 and targets.dtype.kind in "iu" and outputs.ndim == 2
    if is_class and targets.min() >= 0 and targets.max() < outputs.shape[1]:
        pairs = [*_answers(outputs, targets)]
    elif targets.dtype.kind == "f" and outputs.shape == targets.shape and not _is_linear(value, outputs.shape):
        pairs = [*_values(targets)]
        if targets.min() < 0.0 or targets.max() > 1.0:
            pairs += _nearby(targets)
    else:
        return False
    losses = [(value(right), value(wrong)) for right, wrong in pairs]
    return all(right is not None and wrong is not None and right > wrong for right, wrong in losses)


def _answers(outputs: Array, targets: Array) -> Iterator[tuple[Array, Array]]:
    """Give outputs of which the class's own is the largest, and such of which it is the least."""
    generator = np.random.default_rng(0)
    for _ in range(DRAWS):
        rising = _of_kind(np.sort(generator.standard_normal(outputs.shape), axis=1), outputs)
        yield _with_first(rising[:, ::-1], targets), _with_first(rising, targets)


def _of_kind(scores: Array, outputs: Array) -> Array:
    """Make scores what the outputs are: probabilities, their logarithms, or scores."""
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    if ((outputs >= 0.0) & (outputs <= 1.0)).all():
        return np.asarray(shares)
    return np.log(shares) if (outputs <= 0.0).all() else scores


def _with_first(sorted_rows: Array, classes: Array) -> Array:
    """Exchange the first of every row with that of its class."""
    found, each = sorted_rows.copy(), np.arange(len(sorted_rows))
    found[each, classes], found[:, 0] = sorted_rows[:, 0], sorted_rows[each, classes]
    return found


def _values(targets: Array) -> Iterator[tuple[Array, Array]]:
    """Give the targets as outputs, and the same in other orders, of which none is right but by accident."""
    for shift in range(1, DRAWS + 1):
        yield targets, np.roll(targets, shift, axis=0)


def _nearby(targets: Array) -> Iterator[tuple[Array, Array]]:
    """Give the targets as outputs, and such as are a bit off, to either side."""
    generator = np.random.default_rng(0)
    for _ in range(DRAWS):
        off = OFF * float(targets.std()) * generator.standard_normal(targets.shape)
        yield from ((targets, targets + off), (targets, targets - off))


def _is_linear(value: Callable[[Array], float | None], shape: tuple[int, ...]) -> bool:
    """Tell whether halfway between drawn outputs the loss is the mean of theirs, but for rounding, and not the same."""
    generator = np.random.default_rng(0)
    first, second = generator.random(shape), generator.random(shape)
    one, other, halfway = value(first), value(second), value((first + second) / 2.0)
    if one is None or other is None or halfway is None or one == other:
        return False
    return abs(halfway - (one + other) / 2.0) <= ROUNDING * max(abs(one), abs(other))
