"""The best constant predictor: the loss H that a network must beat to have learned anything at all."""

from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array


@dataclass(frozen=True, slots=True)
class ConstantPredictor:
    """The constant output that minimises the loss on the training targets.

    Attributes:
        loss: Name of the loss.
        best: The constant: class shares (cross_entropy), label shares (binary_cross_entropy) or means (mse),
            `(outputs,)`.
        mean_loss: H, its mean loss over the training targets.
    """

    loss: str
    best: Array
    mean_loss: float

    def sample_losses(self, targets: Array) -> Array:
        """Give its loss on every sample, `(samples,)`."""
        return _sample_losses(self.loss, self.best, np.asarray(targets, np.float64))


def fit_constant(loss: str, targets: Array) -> ConstantPredictor | None:
    """Fit the best constant to targets `(samples, outputs)`; None for a loss whose minimiser is not known here."""
    if loss not in {"cross_entropy", "binary_cross_entropy", "mse"}:
        return None
    targets = np.asarray(targets, np.float64)
    best = targets.mean(axis=0)  # each of the three losses is minimised by the mean, as a share or as a value
    return ConstantPredictor(loss, best, float(_sample_losses(loss, best, targets).mean()))


@np.errstate(over="ignore", invalid="ignore")  # targets of any size, also infinite ones
def _sample_losses(loss: str, best: Array, targets: Array) -> Array:
    if loss == "mse":
        return np.asarray(((targets - best) ** 2).mean(axis=1))
    with np.errstate(divide="ignore"):
        surprise = -np.log(best)
        surprise_of_absence = -np.log1p(-best)
    if loss == "cross_entropy":
        return np.asarray(_expected(targets, surprise).sum(axis=1))
    return np.asarray((_expected(targets, surprise) + _expected(1.0 - targets, surprise_of_absence)).mean(axis=1))


def _expected(weights: Array, surprise: Array) -> Array:
    """Give weight · surprise, with 0 · ∞ = 0: what never happens costs nothing."""
    return np.where(weights > 0.0, weights * np.where(weights > 0.0, surprise, 0.0), 0.0)
