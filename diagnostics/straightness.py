"""Whether what a network makes of its inputs is linear: halfway between two samples, halfway between their answers.

That no activation was seen between its layers does not say so: a module may square, normalise or pool in between.
"""

from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array, LayerForward, Observable

PAIRS = 16
"""Pairs of samples that are looked at."""

ROUNDING = 1e-4
"""Distance from the middle, in units of the largest answer, that is no more than rounding in floats of 32 bits."""


@dataclass(frozen=True, slots=True)
class Straightness:
    """Whether a network without an activation between its layers is linear; the note `straightness`.

    Attributes:
        step: When it was asked.
        straight: Whether the last layer's pre-activations halfway between samples are the means of theirs.
    """

    step: int
    straight: bool


def measure_straightness(network: Observable, inputs: Array, *, step: int) -> Straightness | None:
    """Look halfway between samples; None of a network with activations, and where nothing is halfway.

    Args:
        network: As it is.
        inputs: Some samples, `(samples, …)`.
        step: That the note carries.
    """
    pairs, last = min(PAIRS, len(inputs) // 2), network.layers[-1].name
    if not pairs or any(info.activation != "linear" for info in network.layers[:-1]):
        return None
    if not np.issubdtype(inputs.dtype, np.floating):
        return None
    ends = inputs[: 2 * pairs]
    seen: list[Array] = []

    def read(event: LayerForward) -> None:
        if event.layer == last and event.pre_activations is not None:
            seen.append(np.array(event.pre_activations, np.float64))

    middle = (0.5 * ends[:pairs] + 0.5 * ends[pairs:]).astype(inputs.dtype)
    network.observe(np.concatenate((ends, middle)), read, step=step)
    if len(seen) != 1 or len(seen[0]) % (3 * pairs):
        return None
    one, other, between = seen[0].reshape(3, pairs, -1)
    off = np.abs(0.5 * one + 0.5 * other - between).max()
    return Straightness(step, bool(off <= ROUNDING * np.abs(seen[0]).max()))
