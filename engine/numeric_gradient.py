"""Numeric gradients by central differences: two evaluations per number, slow, and right where backward may be wrong.

References:
    cs231n, "Optimization: Stochastic Gradient Descent" (optimization-1), section "Computing the gradient numerically".
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.events import Array

EPSILON = 1e-5
"""Half the distance of the two points, times |x| where that is above 1; the error is ε² f‴/6 + rounding/ε, or 1e-10."""


def numeric_gradient(function: Callable[[Array], Any], point: ArrayLike, *, epsilon: float = EPSILON) -> Array:
    """Differentiate a function of an array at a point, as (f(x + ε) − f(x − ε)) / 2ε entry by entry.

    The point is copied into float64 and never written to. The routine in the notes perturbs the caller's own array: in
    one of integers, x + ε is cut back to x, and the gradient comes out as 0 without an error.

    >>> numeric_gradient(lambda x: x[0] * x[1], [4, -3]).round(6).tolist()
    [-3.0, 4.0]

    Args:
        function: Takes an array of the point's shape, gives one number.
        point: Numbers, of any shape; integers are converted.
        epsilon: Half the distance of the two points, times |x| where that is above 1.

    Returns:
        The gradient, float64, of the point's shape.

    Raises:
        TypeError: If the point holds no real numbers, or the function gives more than one number.
        ValueError: If epsilon is not positive and finite.
    """
    given = np.asarray(point)
    if given.dtype.kind not in "biuf":
        msg = f"a numeric gradient is taken at real numbers, and the point is of dtype {given.dtype}"
        raise TypeError(msg)
    if not 0.0 < epsilon < np.inf:
        msg = f"epsilon must be positive and finite, got {epsilon}"
        raise ValueError(msg)
    x = given.astype(np.float64)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = slope_at(function, x, index, epsilon)
    return gradient


def numeric_gradients(
    circuit: Circuit, connected: ConnectedCircuit, names: Iterable[str], *, epsilon: float = EPSILON
) -> dict[str, Array]:
    """Differentiate a connected circuit's output on some of its inputs and parameters, two forward passes an entry.

    Args:
        circuit: The circuit; its last gate's output is one number.
        connected: The same, connected in float64 and fed; its inputs and parameters are restored to the bit.
        names: Inputs and parameters.
        epsilon: Half the distance of the two points, times |x| where that is above 1.

    Raises:
        TypeError: If the circuit is not connected in float64, in which differences drown in rounding.
    """
    output = connected.values[circuit.gates[-1].output.name]

    def evaluate(_: Array) -> Array:
        connected.forward()
        return output

    gradients = {}
    for name in names:
        array = connected.values[name]
        if array.dtype != np.float64:
            msg = f"a numeric gradient needs a float64 circuit, and {name!r} is {array.dtype}"
            raise TypeError(msg)
        gradients[name] = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            gradients[name][index] = slope_at(evaluate, array, index, epsilon)
    connected.forward()
    return gradients


def slope_at(function: Callable[[Array], Any], x: Array, index: tuple[int, ...], epsilon: float) -> float:
    """Give the slope of a function along one entry of an array of floats, by two evaluations; the entry is put back.

    Args:
        function: Takes the array, gives one number.
        x: Where; written to meanwhile.
        index: Of the entry.
        epsilon: Half the distance of the two points, times the entry's size where that is above 1.
    """
    original = x[index]
    epsilon *= max(1.0, abs(float(original)))
    try:
        x[index] = original + epsilon
        above, high = float(x[index]), _number(function(x))
        x[index] = original - epsilon
        below, low = float(x[index]), _number(function(x))
    finally:
        x[index] = original
    return (high - low) / (above - below)  # the distance as it was stored, not as it was meant


def _number(value: Any) -> float:  # noqa: ANN401 - whatever the caller's function gives
    if np.size(value) != 1:
        msg = f"the function must give one number, and it gave an array of shape {np.shape(value)}; sum it, say"
        raise TypeError(msg)
    return float(np.asarray(value).reshape(()))
