"""By how much a gradient grows or shrinks with every step that it goes back through time.

References:
    Bengio, Simard & Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult", §IV;
    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", §2, equations 5 to 7.
"""

from collections.abc import Sequence

import numpy as np

from gradvitals.engine.events import Array


def gradient_norms(grad_outputs: Sequence[Array]) -> Array:
    """Give ‖∂L/∂h_t‖ over the whole batch for every step t, `(time,)`, from `(batch, units)` each."""
    return np.array([_norm(gradient) for gradient in grad_outputs])


def recurrent_gains(
    grad_pre_activations: Sequence[Array], grad_outputs: Sequence[Array], recurrent_weight: Array
) -> Array:
    """Give γ of every step back, `(time − 1,)`: what it does to the gradient's norm by way of the recurrence alone.

    Entry t − 1 is ‖∂L/∂a_t · Uᵀ‖ / ‖∂L/∂h_t‖ over the whole batch, a_t the pre-activations and U the recurrent weight,
    time counted from 0. In a layer of which only the last step is read this is ‖∂L/∂h_{t−1}‖ / ‖∂L/∂h_t‖; elsewhere
    h_{t−1} gets gradient from above too, which is left out. Where no gradient arrives, at 0 / 0, γ is NaN.

    Args:
        grad_pre_activations: ∂L/∂a_t by step, `(batch, units)` each.
        grad_outputs: ∂L/∂h_t likewise.
        recurrent_weight: U, `(units, units)`.
    """
    back = recurrent_weight.T.astype(np.float64)
    passed = np.array([_norm(gradient @ back) for gradient in grad_pre_activations[1:]])
    with np.errstate(divide="ignore", invalid="ignore"):
        gains: Array = passed / gradient_norms(grad_outputs[1:])
    return gains


def _norm(gradient: Array) -> float:
    """Give the norm in float64, whose squares neither vanish nor overflow where float32 gradients do not."""
    return float(np.linalg.norm(gradient.astype(np.float64)))
