"""The trial of gradients: backpropagation against numeric gradients, and what stands of a disagreement."""

from itertools import pairwise

import numpy as np

from gradvitals.diagnostics.trial_notes import GradientComparison
from gradvitals.engine.dropout import held_masks
from gradvitals.engine.events import Array
from gradvitals.engine.gradient_check import ParameterCheck, check_gradients
from gradvitals.engine.network import Network
from gradvitals.engine.numeric_gradient import slope_at

STEP_SIZES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Half the distances of the two points at which a disagreement is looked at again."""

STEADY = 0.1
"""Numeric gradients of neighbouring step sizes agree if they differ by at most this share of their size and of their
distance to backpropagation's, or by no more than the rounding of the loss."""

ROUNDING = 100.0
"""Roundings that a difference of two losses is taken to contain: of the loss at least, at most of the largest number in
the network."""

FEWEST_ENTRIES, MOST_ENTRIES, ENTRIES = 4, 25, 600
"""Entries compared of each array, and, as far as these allow, of all together."""


def compare_gradients(
    network: Network, inputs: Array, targets: Array, *, limit: float, generator: np.random.Generator
) -> GradientComparison:
    """Compare the two gradients of some entries of every parameter array, at the network's present parameters.

    A difference quotient may be wrong itself: by curvature where the step is too long, by rounding where it is too
    short. So an entry that disagrees is looked at again with five steps: it agrees after all if it does with one of
    them, and its gradient is wrong only if two neighbouring steps say the same, beyond rounding, and something else
    than backpropagation does. In between nothing is known.

    Args:
        network: A float64 network; its parameters are restored to the bit.
        inputs: `(samples, features)`.
        targets: `(samples, outputs)`.
        limit: Relative error above which two gradients disagree.
        generator: Chooses the entries.
    """
    views = network.views(network.parameters)
    arrays = {f"{layer}/{name}": array for layer, group in views.items() for name, array in group.items()}
    entries = int(np.clip(ENTRIES // max(len(arrays), 1), FEWEST_ENTRIES, MOST_ENTRIES))
    errors: dict[str, float] = {}
    wrong: dict[str, tuple[float, float]] = {}
    unresolved: list[str] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for check in check_gradients(network, inputs, targets, generator=generator, entries=entries):
            if check.relative_error <= limit:
                errors[check.name] = check.relative_error
                continue
            numeric = _look_closer(network, len(inputs), arrays[check.name], check, limit) if check.checked else None
            if numeric is None:
                unresolved.append(check.name)
            elif numeric == check.analytic:
                errors[check.name] = 0.0
            else:
                errors[check.name] = check.relative_error
                wrong[check.name] = check.analytic, numeric
    return GradientComparison(0, len(inputs), errors, wrong, tuple(unresolved))


def _look_closer(network: Network, batch: int, array: Array, check: ParameterCheck, limit: float) -> float | None:
    """Give the gradient of an entry that stands: the analytic one, a numeric one, or None if neither does."""
    circuit = network.training_circuit(batch)
    tolerance = limit * abs(check.analytic - check.numeric) / check.relative_error

    def evaluate(_: Array) -> Array:
        circuit.forward()
        return circuit.values["loss"]

    with held_masks(circuit):
        slopes = [slope_at(evaluate, array, check.index, step) for step in STEP_SIZES]
        circuit.forward()
    gaps = [abs(check.analytic - slope) for slope in slopes]
    if any(gap <= tolerance for gap in gaps):
        return check.analytic
    rounding = ROUNDING * np.finfo(np.float64).eps
    of_loss = rounding * max(1.0, abs(float(circuit.values["loss"])))
    of_values = rounding * max(float(np.abs(values).max()) for values in circuit.values.values())
    gaps = [np.inf if np.isnan(check.analytic) else gap for gap in gaps]
    for (slope, gap, _), (shorter, _, step) in pairwise(zip(slopes, gaps, STEP_SIZES, strict=True)):
        change = abs(slope - shorter)
        steady = change <= STEADY * min(gap, max(abs(slope), abs(shorter))) or change <= of_loss / step
        if steady and of_values / step < STEADY * gap:
            return slope
    return None
