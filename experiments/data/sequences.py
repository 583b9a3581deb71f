"""Sequences made on the spot whose answer stands long before the question: what a recurrent network must remember.

A sample is one row: the features of its first time step, then those of its second, and so on.

References:
    Bengio, Simard & Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", §III (delayed
    copy); Hochreiter & Schmidhuber 1997, "Long short-term memory", §5.4, in the form of Le, Jaitly & Hinton 2015, "A
    simple way to initialize recurrent networks of rectified linear units", §4.1 (adding).
"""

from typing import assert_never

import numpy as np

from gradvitals.experiments.config.data import SequenceTask
from gradvitals.experiments.data.dataset import Floats, Labels, Table
from gradvitals.experiments.errors import UserError

DEFAULT_N = 1_000
DEFAULT_NOISE: dict[SequenceTask, float] = {"delayed_copy": 0.1, "adding": 0.0}
LEAST_STEPS: dict[SequenceTask, int] = {"delayed_copy": 1, "adding": 2}
SYMBOLS = ("a", "b", "c", "d")
FEATURES: dict[SequenceTask, tuple[str, ...]] = {"delayed_copy": SYMBOLS, "adding": ("number", "mark")}

MAX_NUMBERS = 100_000_000  # 0.8 GB in float64


def make_sequences(
    kind: SequenceTask, n: int | None, noise: float | None, sequence_length: int, rng: np.random.Generator
) -> Table:
    """Return `n` sequences, inputs `(n, sequence_length · features)`.

    delayed_copy: Which of four symbols, in classes of equal size, stood at the first step as a one-hot row? Everything
    after it is noise; that has the standard deviation `noise`, by default .1, at the first step too.

    adding: What is the sum of the two numbers that are marked? A step has a number, uniform in [0, 1], and a mark, 1 at
    one step in either half and else 0. Always answering 1 has a mean squared error of 1/6. `noise`, by default 0, is
    the standard deviation of what is added to the numbers seen, but not to those that are summed.

    Args:
        kind: Which task.
        n: Number of sequences, 1000 by default.
        noise: Standard deviation of the noise.
        sequence_length: Time steps.
        rng: Where the randomness comes from.

    Raises:
        UserError: If the sequences are too short for the task, or too many for their length.
    """
    if sequence_length < LEAST_STEPS[kind]:
        sentence = f"{kind}: sequences need at least {LEAST_STEPS[kind]} time steps, got {sequence_length}"
        raise UserError(sentence)
    count = DEFAULT_N if n is None else n
    numbers = count * sequence_length * len(FEATURES[kind])
    if numbers > MAX_NUMBERS:
        sentence = (
            f"{kind}: {count:,} sequences of {sequence_length:,} time steps hold {numbers:,} numbers;"
            f" at most {MAX_NUMBERS:,} are supported"
        )
        raise UserError(sentence)
    spread = DEFAULT_NOISE[kind] if noise is None else noise
    match kind:
        case "delayed_copy":
            steps, labels = _delayed_copy(count, sequence_length, spread, rng)
        case "adding":
            steps, labels = _adding(count, sequence_length, spread, rng)
        case _:
            assert_never(kind)
    return Table(
        inputs=steps.reshape(count, -1),
        labels=labels,
        feature_names=tuple(f"t{t + 1}_{name}" for t in range(sequence_length) for name in FEATURES[kind]),
        task="regression" if kind == "adding" else "classification",
        class_names=None if kind == "adding" else SYMBOLS,
        description=f"{kind}, {count} sequences of {sequence_length} time steps",
    )


def _delayed_copy(n: int, length: int, noise: float, rng: np.random.Generator) -> tuple[Floats, Labels]:
    """Make steps `(n, length, symbols)`, of which the first alone tells anything."""
    labels = rng.permutation(np.arange(n) % len(SYMBOLS))
    steps = rng.normal(0.0, noise, (n, length, len(SYMBOLS)))
    steps[:, 0] += np.eye(len(SYMBOLS))[labels]
    return steps, labels


def _adding(n: int, length: int, noise: float, rng: np.random.Generator) -> tuple[Floats, Labels]:
    """Make steps `(n, length, 2)` of numbers and marks, and the sums."""
    numbers, marks = rng.random((n, length)), np.zeros((n, length))
    half, rows = length // 2, np.arange(n)
    marks[rows, rng.integers(0, half, n)] = 1.0
    marks[rows, rng.integers(half, length, n)] = 1.0
    sums = (numbers * marks).sum(axis=1)
    return np.stack([numbers + rng.normal(0.0, noise, (n, length)), marks], axis=2), sums
