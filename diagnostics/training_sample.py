"""A larger sample of the training set, on which a network is held against simple models at its end."""

import numpy as np

from gradvitals.engine.events import Array, Observable, ProbeResult

MOST_ROWS = 1024
"""Four times a probe's: a standard error is half of what it is there."""

MOST_NUMBERS = 2**19
"""Inputs of all of them together, where they are more than a probe's: simple models of long inputs take seconds."""

ROWS_AT_ONCE = 256
"""As a probe has."""


def draw_rows(inputs: Array, generator: np.random.Generator) -> Array:
    """Draw the rows to compare on, in ascending order; fewer where inputs are long."""
    width = max(inputs.size // max(len(inputs), 1), 1)
    most = min(MOST_ROWS, max(MOST_NUMBERS // width, ROWS_AT_ONCE))
    return np.sort(generator.choice(len(inputs), min(len(inputs), most), replace=False))


def probe_in_parts(network: Observable, inputs: Array, targets: Array, *, step: int) -> ProbeResult:
    """Run a network frozen on some rows, no more at once than a probe has."""
    starts = range(0, len(inputs), ROWS_AT_ONCE)
    parts = [slice(start, start + ROWS_AT_ONCE) for start in starts]
    results = [network.probe(inputs[part], targets[part], step=step) for part in parts]
    scores = [result.scores for result in results if result.scores is not None]
    return ProbeResult(
        np.concatenate([result.losses for result in results]),
        np.concatenate([result.outputs for result in results]),
        np.concatenate(scores) if len(scores) == len(results) else None,
    )
