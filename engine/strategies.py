"""Strategies: how the training loop finds out where to step. Backpropagation, and what it is compared with.

Their cost is told in forward passes over a batch. For P parameters backpropagation needs one, and a backward pass of
about twice its cost; central differences need 2 P; random search needs two, and learns from them one bit.

References:
    cs231n, "Optimization" (optimization-1), sections "Random local search" and "Computing the gradient numerically".
"""

from typing import ClassVar, Protocol

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.dropout import held_masks
from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.engine.numeric_gradient import slope_at
from gradvitals.engine.optimizers import Stateful
from gradvitals.engine.regularizers import Penalty


class Strategy(Protocol):
    """What the training loop needs to know where to step.

    Attributes:
        by_layer: Whether it computes the gradients on what every layer computed (for LayerBackward).
        by_parameter: Whether it computes those on the parameters (for GradientsReady, averaging and clipping).
    """

    by_layer: ClassVar[bool]
    by_parameter: ClassVar[bool]

    def compute(self, network: Network, circuit: ConnectedCircuit, penalty: Penalty | None) -> int:
        """Compute what the optimizer needs, mostly the network's gradients.

        Args:
            network: Its parameters are left as they are, to the bit.
            circuit: Its training circuit, which has run forward on the batch; its values stay those of that pass.
            penalty: Belongs to the function to be minimised.

        Returns:
            The number of forward passes over the batch that this took; the one before it counts if it was needed.
        """
        ...


class Backprop:
    """The gradient by one backward pass."""

    by_layer: ClassVar[bool] = True
    by_parameter: ClassVar[bool] = True

    def compute(self, network: Network, circuit: ConnectedCircuit, penalty: Penalty | None) -> int:
        """Write the gradient."""
        circuit.backward()
        if penalty is not None:
            penalty.add_gradient(network.parameters, network.gradients)
        return 1


class NumericGradient:
    """The gradient by central differences, (f(p + h) − f(p − h)) / 2h for every parameter by itself.

    Dropout keeps its masks meanwhile. The error is of order h², and of that of the loss's rounding divided by h: some
    1e-10 in float64, but 1e-4 in float32.
    """

    by_layer: ClassVar[bool] = False
    by_parameter: ClassVar[bool] = True

    def __init__(self, epsilon: float | None = None) -> None:
        """Keep the settings.

        Args:
            epsilon: h, for parameters beyond ±1 relative to their size; by default the cube root of the dtype's
                precision, which balances the two errors.

        Raises:
            ValueError: If epsilon is not positive and finite.
        """
        if epsilon is not None and not 0.0 < epsilon < np.inf:
            msg = f"epsilon must be positive and finite, got {epsilon}"
            raise ValueError(msg)
        self.epsilon = epsilon

    def compute(self, network: Network, circuit: ConnectedCircuit, penalty: Penalty | None) -> int:
        """Write the gradient, two forward passes a parameter.

        Raises:
            ValueError: If epsilon is so small that parameters of this dtype cannot change by it.
        """
        parameters, gradients = network.parameters, network.gradients
        precision = float(np.finfo(parameters.dtype).eps)
        epsilon = float(np.cbrt(precision)) if self.epsilon is None else self.epsilon
        if epsilon < precision:
            msg = f"epsilon must be at least {precision:.1e}, the precision of {parameters.dtype}; got {epsilon}"
            raise ValueError(msg)

        def loss(_: Array) -> float:
            circuit.forward()
            return float(circuit.values["loss"])

        with held_masks(circuit):
            for index in range(parameters.size):
                gradients[index] = slope_at(loss, parameters, (index,), epsilon)
            circuit.forward()
        if penalty is not None:
            penalty.add_gradient(parameters, gradients)
        return 2 * parameters.size


class RandomSearch(Stateful):
    """Random local search: try a step of learning_rate × normal noise, take it if the batch's loss is lower there.

    It needs no gradient and gives none, so that it is its own optimizer: hand it to the training loop as both.
    """

    by_layer: ClassVar[bool] = False
    by_parameter: ClassVar[bool] = False

    def __init__(self, learning_rate: float, generator: np.random.Generator) -> None:
        """Keep the settings.

        Args:
            learning_rate: Standard deviation of the step tried, in every parameter.
            generator: Draws the steps.
        """
        super().__init__()
        self.learning_rate = learning_rate
        self._generator = generator
        self._better = False
        self._move: Array | None = None

    def compute(self, network: Network, circuit: ConnectedCircuit, penalty: Penalty | None) -> int:
        """Try a step and go back, two forward passes with the one that was taken here."""
        parameters = network.parameters
        here = parameters.copy()
        self._steps += 1
        if self._move is None:
            self._move = np.empty_like(parameters)
        move = self._move
        self._generator.standard_normal(out=move, dtype=parameters.dtype)
        move *= self.learning_rate

        def objective() -> float:
            return float(circuit.values["loss"]) + (0.0 if penalty is None else penalty.value(parameters))

        before = objective()
        with held_masks(circuit):
            try:
                parameters += move
                circuit.forward()
                self._better = objective() < before
            finally:
                np.copyto(parameters, here)
            circuit.forward()
        return 2

    def step(self, parameters: Array, gradients: Array) -> None:  # noqa: ARG002 - there is no gradient
        """Take the step, if it was better."""
        if self._better and self._move is not None:
            parameters += self._move
