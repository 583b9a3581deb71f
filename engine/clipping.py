"""Clipping: functions between the averaging of a gradient and the optimizer, which say by how much they shrank it."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from gradvitals.engine.events import Array

Clip: TypeAlias = Callable[[Array], float]
"""Changes a gradient vector in place and gives ‖after‖ / ‖before‖, 1 where nothing was clipped."""


NORM_EPSILON = 1e-6
"""What PyTorch adds to the norm before it divides by it, so that the result falls short of the limit by as little."""


def clip_norm(limit: float) -> Clip:
    """Scale the gradient down to this global norm, by limit / (norm + 1e-6) where that is below 1.

    References:
        Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1;
        `torch.nn.utils.clip_grad_norm_`.

    Raises:
        ValueError: If the limit is not positive.
    """
    _require_positive(limit)

    def clip(gradients: Array) -> float:
        factor = limit / (float(np.sqrt(gradients.dot(gradients))) + NORM_EPSILON)
        if not factor < 1.0:
            return 1.0
        gradients *= factor
        return factor

    return clip


def clip_value(limit: float) -> Clip:
    """Clip every entry of the gradient to [−limit, limit].

    Raises:
        ValueError: If the limit is not positive.
    """
    _require_positive(limit)

    def clip(gradients: Array) -> float:
        before = float(np.sqrt(gradients.dot(gradients)))
        np.clip(gradients, -limit, limit, out=gradients)
        after = float(np.sqrt(gradients.dot(gradients)))
        return after / before if before > 0.0 else 1.0

    return clip


def _require_positive(limit: float) -> None:
    if not limit > 0.0:
        msg = f"the limit of a clipping must be positive, got {limit}"
        raise ValueError(msg)
