"""The curvature of the loss along one layer's weights, measured without second derivatives.

The Gauss-Newton matrix of a loss that reads the outputs as a distribution is the mean of g gᵀ, g being the gradient of
a sample's loss under a target drawn from the network's *own* distribution. In the block of weights that meet inputs x
as x̃ W, x̃ = (x, 1), that gradient is x̃ δᵀ, with δ on the pre-activations; so the block's largest eigenvalue is that of
the samples' Gram matrix, (x̃ᵢ · x̃ⱼ)(δᵢ · δⱼ) / N.

References:
    Martens 2020, "New insights and perspectives on the natural gradient method", sections 8 and 9.
"""

import math
from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array, LossInfo

ITERATIONS = 40
"""Of the power method: its value is then within 2 % of the largest eigenvalue, where the drawing costs some 20 %."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Targets drawn from a network's own distribution.

    Attributes:
        targets: `(samples, outputs)`.
        factor: What the mean of g gᵀ must be multiplied by.
    """

    targets: Array
    factor: float


@dataclass(frozen=True, slots=True)
class Curvature:
    """The largest eigenvalue, and whose it is.

    Attributes:
        value: λmax of the Gauss-Newton block of weights and bias.
        shares: Share of every input, and last of the bias, in the square of its eigenvector, `(inputs + 1,)`.
    """

    value: float
    shares: Array


@np.errstate(over="ignore", invalid="ignore")
def draw_targets(loss: str, info: LossInfo | None, outputs: Array, generator: np.random.Generator) -> Drawn | None:
    """Draw targets from the distribution that a loss reads outputs `(samples, outputs)` as.

    For the squared error, with its fixed curvature 2/C in each of C outputs, that is the output ± a step: any, as its
    square is divided out again.

    Returns:
        None for a loss that reads no distribution we know, and for one that is not the mean over samples.
    """
    if info is None or info.reduction != "mean" or info.across_samples:
        return None
    outputs = np.asarray(outputs, np.float64)
    count = outputs.shape[1]
    if loss == "mse":
        step = max(1.0, 1e-3 * float(np.abs(outputs).max(initial=0.0)))  # to be seen in float32 beside large outputs
        return Drawn(outputs + np.where(generator.random(outputs.shape) < 0.5, -step, step), 0.5 * count / step / step)
    if info.takes not in {"logits", "probabilities"}:
        return None
    if loss == "cross_entropy":
        probs = outputs if info.takes == "probabilities" else _softmax(outputs)
        thresholds = generator.random((len(probs), 1)) * probs.sum(axis=1, keepdims=True)
        chosen = np.minimum((probs.cumsum(axis=1) < thresholds).sum(axis=1), count - 1)
        return Drawn(np.eye(count)[chosen], 1.0)
    if loss == "binary_cross_entropy":
        probs = outputs if info.takes == "probabilities" else np.exp(-np.logaddexp(0.0, -outputs))
        return Drawn((generator.random(probs.shape) < probs).astype(np.float64), float(count))
    return None


@np.errstate(over="ignore", invalid="ignore")
def largest_curvature(inputs: Array, deltas: Array, factor: float = 1.0) -> Curvature | None:
    """Give the largest eigenvalue of the Gauss-Newton block of the layer that reads these inputs.

    Args:
        inputs: What the layer reads, `(samples, inputs)`.
        deltas: Gradients of every sample's *own* loss, under a drawn target, on its pre-activations `(samples, units)`.
        factor: As drawn.

    Returns:
        None where something is not finite.
    """
    count = len(inputs)
    extended = np.hstack([inputs, np.ones((count, 1), inputs.dtype)])
    gram = (extended @ extended.T).astype(np.float64) * (deltas @ deltas.T) * (factor / count)
    if not np.isfinite(gram).all():
        return None
    vector = np.cos(np.arange(count))  # like no pattern in the data: it has a share of every eigenvector
    value = 0.0
    for _ in range(ITERATIONS):
        size = math.sqrt(float(vector @ vector))
        if size == 0.0:
            break
        vector = gram @ (vector / size)
        value = math.sqrt(float(vector @ vector))
    direction = extended.T.astype(np.float64) @ (vector[:, np.newaxis] * deltas)
    powers = (direction**2).sum(axis=1)
    return Curvature(value, powers / (float(powers.sum()) or 1.0))


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
