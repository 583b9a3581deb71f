"""The multilayer perceptron: affine gates and activations in a row, drawn and given its initial weights.

Layers are named `hidden_1 … hidden_n` and `output`. Without hidden layers it is one neuron per output: logistic or
linear regression, or a linear support vector machine, as the loss says.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from gradvitals.engine.activations import Activation
from gradvitals.engine.catalogue import find_activation, find_loss
from gradvitals.engine.circuit import Circuit, Value
from gradvitals.engine.drawing import Drawing, DrawnLayer
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import Array, LayerInfo
from gradvitals.engine.gates import Affine
from gradvitals.engine.initializers import Initializer
from gradvitals.engine.losses import Loss
from gradvitals.engine.network import Network
from gradvitals.engine.parameter_vector import WEIGHT_AND_BIAS


def perceptron(
    sizes: Sequence[int],
    activations: Sequence[str | Activation],
    loss: str | Loss,
    *,
    initializers: Sequence[Initializer],
    generator: np.random.Generator,
    biases: Sequence[float | Array] | None = None,
    output: str | Activation = "linear",
    dropout: Sequence[Dropout | None] | None = None,
    target_width: int | None = None,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Draw the circuit and its initial weights.

    Args:
        sizes: Units per layer from the inputs to the outputs, `(features, …, outputs)`.
        activations: One per hidden layer: a gate, or a key of `ACTIVATIONS` for one with its defaults.
        loss: A gate, or a key of `LOSSES`.
        initializers: One per layer, output layer included.
        generator: Draws the weights, in float64 whatever the dtype.
        biases: One value or `(fan_out,)` array per layer; zeros by default.
        output: The activation of the output layer; a loss on logits wants none.
        dropout: One gate per hidden layer, behind its activation, or None where nothing is dropped.
        target_width: Columns of the targets, where they are not one per output.
        dtype: float32 or float64.

    Raises:
        ValueError: If the lists' lengths do not fit, or a name is unknown.
    """
    count = len(sizes) - 1
    drops = [None] * (count - 1) if dropout is None else dropout
    lengths = (len(activations), len(drops), len(initializers), count if biases is None else len(biases))
    if count < 1 or lengths != (count - 1, count - 1, count, count):
        msg = (
            f"{len(sizes)} sizes make {count} layers, which need {count - 1} activations (and dropouts) and {count}"
            f" initialisers (and biases); got {lengths[0]} ({lengths[1]}) and {lengths[2]} ({lengths[3]})"
        )
        raise ValueError(msg)
    gates = [find_activation(activation) for activation in (*activations, output)]
    drawing = draw_perceptron(sizes, gates, find_loss(loss), dropout=drops, target_width=target_width or sizes[-1])
    network = Network(drawing, dtype=dtype)
    initialize_layers(network, gates, initializers, biases or [0.0] * count, generator)
    return network


def draw_perceptron(
    sizes: Sequence[int],
    activations: Sequence[Activation],
    loss: Loss,
    *,
    dropout: Sequence[Dropout | None],
    target_width: int,
) -> Drawing:
    """Draw the circuit: `activations` has one gate per layer, `dropout` one per hidden layer."""
    circuit = Circuit()
    inputs = circuit.input("inputs", None, sizes[0])
    value, layers = draw_layers(circuit, inputs, sizes[1:], activations, dropout)
    circuit.gate("loss", loss, value, circuit.input("targets", None, target_width))
    return Drawing(circuit, tuple(layers))


def draw_layers(
    circuit: Circuit,
    inputs: Value,
    units: Sequence[int],
    activations: Sequence[Activation],
    dropout: Sequence[Dropout | None],
) -> tuple[Value, list[DrawnLayer]]:
    """Draw the layers `hidden_1 … output`; give what the last computes, and all of them."""
    value = inputs
    layers: list[DrawnLayer] = []
    for index, (fan_out, gate) in enumerate(zip(units, activations, strict=True)):
        last = index == len(activations) - 1
        name = "output" if last else f"hidden_{index + 1}"
        value, layer = draw_layer(circuit, name, value, fan_out, gate)
        layers.append(layer)
        drop = None if last else dropout[index]
        if drop is not None:
            value = circuit.gate(f"{name}/dropout", drop, value)
    return value, layers


def draw_layer(
    circuit: Circuit, name: str, inputs: Value, fan_out: int, activation: Activation
) -> tuple[Value, DrawnLayer]:
    """Draw an affine gate and the activation that consumes it; give what they compute, and the layer.

    Raises:
        ValueError: If there are no inputs or no units.
    """
    fan_in, linear = inputs.shape[-1] or 0, activation.name == "linear"
    if min(fan_in, fan_out) < 1:
        msg = f"{name} needs inputs and units, at least one of each, got {fan_in} and {fan_out}"
        raise ValueError(msg)
    weights = circuit.parameter(f"{name}/{WEIGHT_AND_BIAS}", fan_in + 1, fan_out * activation.pieces)
    affine = value = circuit.gate(name if linear else f"{name}/affine", Affine(), inputs, weights)
    if not linear:
        learned = [circuit.parameter(f"{name}/{one.name}", *one.shape) for one in activation.parameters(fan_out)]
        value = circuit.gate(name, activation, affine, *learned)
    info = LayerInfo(name, activation.name, fan_in, fan_out)
    return value, DrawnLayer(info, (inputs.name,), (affine.name,), (value.name,))


def initialize_layers(
    network: Network,
    activations: Sequence[Activation],
    initializers: Sequence[Initializer],
    biases: Sequence[float | Array],
    generator: np.random.Generator,
) -> None:
    """Draw the initial weights of a network layer by layer, and write biases and what activations learn."""
    views = network.views(network.parameters)
    for info, gate, initializer, bias in zip(network.layers, activations, initializers, biases, strict=True):
        initialize_layer(views[info.name], info, gate, initializer=initializer, bias=bias, generator=generator)


def initialize_layer(
    arrays: Mapping[str, Array],
    info: LayerInfo,
    activation: Activation,
    *,
    initializer: Initializer,
    bias: float | Array,
    generator: np.random.Generator,
) -> None:
    """Draw the weight of a layer, and write its bias and what its activation learns."""
    arrays["weight"][...] = initializer(info.fan_in, info.fan_out * activation.pieces, generator)
    arrays["bias"].reshape(info.fan_out, activation.pieces)[...] = np.reshape(bias, (-1, 1))
    for learned in activation.parameters(info.fan_out):
        arrays[learned.name][...] = learned.initial
