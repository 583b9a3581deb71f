"""What becomes of a gradient on its way back through time, and how far back it must come; measured at every probe.

References:
    Bengio, Simard & Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", §IV;
    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", §2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array, LayerArrays, RecurrentBackward

MOST_ROWS, LEAST_ROWS = 2000, 30
CHANCE = 0.01
"""Of any time step to be taken for one that tells something of the targets, where none does."""

VANISHED = -700.0
"""What stands for the logarithm of 0: about that of the least number above it."""

FUSED = "its recurrent layers are fused: their outputs are seen, the gains of their time steps are not"
"""Why gains within other frameworks' recurrent layers are nowhere to be seen."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How a gradient grows and fades through time, on the probe; the note `recurrence`.

    Attributes:
        step: Of the probe.
        time_steps: T, of the sequences.
        growth: By layer, the largest Σ log γ, γ the gain of every step back, from the last time step to any other.
        steps_back: By layer, over how many steps back that is; 0 where it shrinks from the first on.
        informative: The last time step, counted from 1, whose inputs alone tell anything of the targets; None where no
            step's do.
        reached: log of ‖∂L/∂h‖ there over that at the last time step, in the first recurrent layer; None without it.
    """

    step: int
    time_steps: int
    growth: Mapping[str, float]
    steps_back: Mapping[str, int]
    informative: int | None
    reached: float | None


@dataclass(frozen=True, slots=True)
class WayBack:
    """The way of one probe's gradient back through a layer, as logarithms.

    Attributes:
        layer: The layer.
        grown: Σ log γ from the last time step to every other, `(T − 1,)`, from the earliest on.
        arrived: log of ‖∂L/∂h_t‖ over ‖∂L/∂h_T‖ for every time step, `(T,)`.
    """

    layer: str
    grown: Array
    arrived: Array


def way_back(event: RecurrentBackward) -> WayBack | None:
    """Take logarithms of an event; None where nothing comes back from the last time step, or what is not finite.

    From units that are dead or cut off nothing does at once; what fades comes to 0, if ever, after some steps.
    """
    if not (np.isfinite(event.norms[-1]) and event.norms[-1] > 0.0 and event.gains[-1] > 0.0):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.nan_to_num(np.log(event.gains), nan=0.0, posinf=-VANISHED, neginf=VANISHED)
        arrived = np.nan_to_num(
            np.log(event.norms) - math.log(event.norms[-1]), nan=0.0, posinf=-VANISHED, neginf=VANISHED
        )
    grown = np.clip(logs[::-1].cumsum()[::-1], VANISHED, -VANISHED)
    return WayBack(event.layer, grown, np.maximum(arrived, VANISHED))


def measure_recurrence(ways: Sequence[WayBack], informative: int | None, *, step: int) -> Recurrence:
    """Put together what the layers of one probe say.

    Args:
        ways: Of the recurrent layers, at least one, the first one first.
        informative: The last time step, from 1, that tells anything of the targets.
        step: The step the note carries.
    """
    largest = {way.layer: int(way.grown.argmax()) for way in ways}
    grows = {way.layer: bool(way.grown[largest[way.layer]] > 0.0) for way in ways}
    time_steps = len(ways[0].arrived)
    return Recurrence(
        step=step,
        time_steps=time_steps,
        growth={way.layer: float(way.grown[largest[way.layer]]) if grows[way.layer] else 0.0 for way in ways},
        steps_back={layer: time_steps - 1 - place if grows[layer] else 0 for layer, place in largest.items()},
        informative=informative,
        reached=None if informative is None else float(ways[0].arrived[informative - 1]),
    )


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def last_informative_step(inputs: Array, targets: Array, time_steps: int, generator: np.random.Generator) -> int | None:
    """Find the last time step, counted from 1, of which an input correlates with a target.

    One that is taken for informative by chance makes the way back shorter, so the test need not be strict: of normal
    numbers one table in a hundred has such a step, of rare ones more.

    Args:
        inputs: `(samples, time_steps · features)`; of more than 2,000, as many are drawn.
        targets: `(samples, outputs)`.
        time_steps: T.
        generator: Draws the samples.
    """
    if len(inputs) < LEAST_ROWS or inputs[0].size % time_steps:
        return None
    rows = np.sort(generator.permutation(len(inputs))[:MOST_ROWS])
    x, y = (np.asarray(part[rows], np.float64).reshape(len(rows), -1) for part in (inputs, targets))
    x, y = (np.nan_to_num((part - part.mean(axis=0)) / part.std(axis=0)) for part in (x, y))  # NaN: a constant
    correlations = np.abs(x.T @ y) / len(rows)
    beyond_chance = math.sqrt(2.0 * math.log(correlations.size / CHANCE) / len(rows))  # both tails are ≤ exp(−z²/2)
    tells = (correlations > beyond_chance).reshape(time_steps, -1).any(axis=1)
    return int(np.flatnonzero(tells)[-1]) + 1 if tells.any() else None


def unseen_recurrence(parameters: LayerArrays) -> dict[str, str]:
    """Say why no gain through time can be seen, if a layer's outputs come back to it out of sight; else nothing."""
    names = [name for arrays in parameters.values() for name in arrays]
    return {"recurrence": FUSED} if any("weight_hh" in name or "recurrent_kernel" in name for name in names) else {}
