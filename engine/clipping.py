"""Clipping: functions between the averaging of a gradient and the optimizer, which say by how much they shrank it."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gradvitals.engine.events import Array

Clip: TypeAlias = Callable[[Array], float]
"""Changes a gradient vector in place and gives ‖after‖ / ‖before‖, 1 where nothing was clipped."""


def clip_norm(limit: float) -> Clip:
    """Scale the gradient down to this global norm (Pascanu et al. 2013, algorithm 1)."""

    def clip(gradients: Array) -> float:
        norm = float(np.sqrt(gradients.dot(gradients)))
        if not norm > limit:
            return 1.0
        factor = limit / norm
        gradients *= factor
        return factor

    return clip


def clip_value(limit: float) -> Clip:
    """Clip every entry of the gradient to [−limit, limit]."""

    def clip(gradients: Array) -> float:
        before = float(np.sqrt(gradients.dot(gradients)))
        np.clip(gradients, -limit, limit, out=gradients)
        after = float(np.sqrt(gradients.dot(gradients)))
        return after / before if before > 0.0 else 1.0

    return clip
