"""A network of action values: a perceptron that gives Q(s, ·), and a gate that selects the action that was taken.

Of the values of all actions only that of the one taken is known to be right or wrong, so the loss sees it alone and the
gradient reaches no other.

References:
    Mnih et al. 2015, "Human-level control through deep reinforcement learning", Methods.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation, Linear
from gradvitals.engine.catalogue import find_activation, find_loss
from gradvitals.engine.circuit import Circuit
from gradvitals.engine.columns import Columns
from gradvitals.engine.drawing import Drawing
from gradvitals.engine.events import Array, LayerForward
from gradvitals.engine.gates import Gate, Shape, show_shape
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.perceptron import draw_layers, initialize_layers


class ActionValue(Gate):
    """Q(s, a) `(batch, 1)`, from Q(s, ·) `(batch, actions)` and a as a one-hot row, `(batch, actions)`.

    It is the sum of the values times the row; so the gradient reaches the action taken, and 0 all others.
    """

    def output_shape(self, *shapes: Shape) -> Shape:
        """Check that there is a column for every action, and give `(batch, 1)`."""
        values, taken = shapes
        if values != taken or len(values) != 2:
            msg = f"values {show_shape(values)} and the actions taken {show_shape(taken)} must be matrices of one shape"
            raise ValueError(msg)
        return (values[0], 1)

    def prepare(self) -> None:
        """Make the scratch space."""
        self._terms = np.empty_like(self.inputs[0])

    def forward(self) -> None:
        """Write the value of the action taken."""
        np.multiply(self.inputs[0], self.inputs[1], out=self._terms)
        np.add.reduce(self._terms, axis=-1, keepdims=True, out=self.output)

    def backward(self) -> None:
        """Write the gradient at the action taken, and 0 at the others."""
        for gradient, other in zip(self.grad_inputs, reversed(self.inputs), strict=True):
            if gradient is not None:
                np.multiply(self.grad_output, other, out=gradient)


def q_network(
    sizes: Sequence[int],
    activations: Sequence[str | Activation],
    loss: str | Loss,
    *,
    initializers: Sequence[Initializer],
    generator: np.random.Generator,
    biases: Sequence[float | Array] | None = None,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Draw a perceptron that gives the value of every action, ending in a loss of the value of the one taken.

    Its samples are `(states, action taken as a one-hot row)`, side by side in one matrix (`with_actions`), its targets
    one column, and so is what it predicts: Q(s, a).

    Args:
        sizes: Units per layer, `(features of a state, …, actions)`.
        activations: One per hidden layer: a gate, or a key of `ACTIVATIONS`.
        loss: Of the residual: a gate such as `Huber()` or `ClippedDelta()`, or a key of `LOSSES`.
        initializers: One per layer, output layer included.
        generator: Draws the weights.
        biases: One value or `(fan_out,)` array per layer; zeros by default.
        dtype: float32 or float64.

    Raises:
        ValueError: If the lists' lengths do not fit, or a name is unknown.
    """
    count = len(sizes) - 1
    lengths = (len(activations), len(initializers), count if biases is None else len(biases))
    if count < 1 or lengths != (count - 1, count, count):
        msg = (
            "a network of action values needs sizes (features, …, actions), an activation for each between and an"
            f" initialiser (and bias) for each but the first; got {len(sizes)} sizes, {lengths[0]} and {lengths[1]}"
            f" ({lengths[2]})"
        )
        raise ValueError(msg)
    gates = [*map(find_activation, activations), Linear()]
    network = Network(_draw(sizes, gates, find_loss(loss)), dtype=dtype)
    initialize_layers(network, gates, initializers, biases or [0.0] * count, generator)
    return network


def _draw(sizes: Sequence[int], activations: Sequence[Activation], loss: Loss) -> Drawing:
    features, *_, actions = sizes
    circuit = Circuit()
    row = circuit.input("inputs", None, features + actions)
    state = circuit.gate("state", Columns(0, features), row)
    taken = circuit.gate("action", Columns(features, features + actions), row)
    value, layers = draw_layers(circuit, state, sizes[1:], activations, [None] * (len(activations) - 1))
    chosen = circuit.gate("action_value", ActionValue(), value, taken)
    circuit.gate("loss", loss, chosen, circuit.input("targets", None, 1))
    return Drawing(circuit, tuple(layers))


def with_actions(states: Array, actions: Array, count: int) -> Array:
    """Put each state and the one-hot row of an action, an index below `count`, side by side as a network's sample.

    Raises:
        ValueError: If an action is none of 0 … count − 1.
    """
    if not np.isin(actions, np.arange(count)).all():
        msg = f"actions must be whole numbers from 0 to {count - 1}, got {np.min(actions)} to {np.max(actions)}"
        raise ValueError(msg)
    return np.concatenate([states, np.eye(count)[actions.astype(np.int64)]], axis=1)


def action_values(network: Network, states: Array) -> Array:
    """Compute Q(s, ·), the value of every action, `(n, actions)`, in states `(n, features)`."""
    seen: list[Array] = []

    def keep(event: LayerForward) -> None:
        if event.layer == "output":
            seen.append(event.outputs.copy())

    network.observe(np.concatenate([states, np.zeros((len(states), network.layers[-1].fan_out))], axis=1), keep)
    return seen[0]
