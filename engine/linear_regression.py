"""The closed form: what linear regression needs no training for, to compare training with."""

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.engine.regression_losses import MeanSquaredError


def solve_linear_regression(network: Network, inputs: Array, targets: Array, *, l2: float = 0.0) -> None:
    """Set weight and bias to the minimum of mse + ½ l2 Σ w², by least squares in float64: no step, no forward pass.

    On centred data the bias drops out, and what is left is ridge regression with the penalty ½ l2 · samples · outputs;
    where without it many weights are best, the smallest are chosen.

    Args:
        network: One linear layer with the loss mse.
        inputs: `(samples, features)`.
        targets: `(samples, outputs)`.
        l2: Strength of the penalty.

    Raises:
        ValueError: If the network is another, the data are not finite or do not fit it, or the strength is negative or
            not finite.

    References:
        Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", sections 3.2 and 3.4.1.
    """
    activations = [info.activation for info in network.layers]
    loss = network.loss
    if activations != ["linear"] or not isinstance(loss, MeanSquaredError):
        msg = f"the closed form is for one linear layer with the loss mse; got {activations} with {network.loss_name}"
        raise ValueError(msg)
    if loss.broadcast == "batch":
        msg = "the closed form fits every output to its own target, and this mse meets it with those of the whole batch"
        raise ValueError(msg)
    if not 0.0 <= l2 < np.inf:
        msg = f"the strength of the penalty must be finite and not negative, got {l2}"
        raise ValueError(msg)
    x, t = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
    fan_in, fan_out = network.layers[0].fan_in, network.layers[0].fan_out
    if x.shape != (len(x), fan_in) or t.shape != (len(x), fan_out) or not len(x):
        msg = f"inputs and targets must be (samples, {fan_in}) and (samples, {fan_out}), got {x.shape} and {t.shape}"
        raise ValueError(msg)
    if not (np.isfinite(x).all() and np.isfinite(t).all()):
        msg = "the closed form needs finite inputs and targets"
        raise ValueError(msg)

    x_mean, t_mean = x.mean(axis=0), t.mean(axis=0)
    x, t = x - x_mean, t - t_mean
    if l2 > 0.0:  # as further samples: stabler than adding to the normal equations, whose condition is squared
        terms = t.size if loss.reduction == "mean" else 1
        ridge = np.sqrt(0.5 * l2 * terms) * np.eye(fan_in)
        x, t = np.concatenate([x, ridge]), np.concatenate([t, np.zeros((fan_in, fan_out))])
    weight = np.linalg.lstsq(x, t)[0]
    layer = network.views(network.parameters)[network.layers[0].name]
    layer["weight"][...] = weight
    layer["bias"][...] = t_mean - x_mean @ weight
